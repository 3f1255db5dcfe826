package cmssim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sink is a CDR receiver that keeps what it understood.
type sink struct {
	*httptest.Server
	mu      sync.Mutex
	records []sunk
	bodies  int
	refuse  int // answer that many POSTs with 503
}

type sunk struct {
	session, bridge, kind, id string
	index, correlator         int64
	missing                   int64
}

type wireBody struct {
	Session    string `xml:"session,attr"`
	CallBridge string `xml:"callBridge,attr"`
	Records    []struct {
		Type    string `xml:"type,attr"`
		Index   int64  `xml:"recordIndex,attr"`
		Corr    int64  `xml:"correlatorIndex,attr"`
		Missing int64  `xml:"numPreceedingRecordsMissing,attr"`
		Child   struct {
			ID string `xml:"id,attr"`
		} `xml:",any"`
	} `xml:"record"`
}

func newSink(t *testing.T) *sink {
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.refuse > 0 {
			s.refuse--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var b wireBody
		if err := xml.Unmarshal(body, &b); err != nil {
			t.Errorf("a body does not parse: %v\n%s", err, body)
		}
		s.bodies++
		for _, rec := range b.Records {
			s.records = append(s.records, sunk{b.Session, b.CallBridge, rec.Type, rec.Child.ID, rec.Index, rec.Corr, rec.Missing})
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) all() []sunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sunk(nil), s.records...)
}

// started runs a held simulation and returns it once it listens.
func started(t *testing.T, cfg Config) *Sim {
	t.Helper()
	cfg.Hold = true
	sim, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-sim.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the simulation is not ready after 30 s")
	}
	return sim
}

func drain(t *testing.T, sim *Sim) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := sim.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestRecordsArriveOnceInOrder holds what receivers got against the truth, with one added late and lost answers on the way.
func TestRecordsArriveOnceInOrder(t *testing.T) {
	sim := started(t, Config{Seed: 3, Speed: 600, Preroll: 20 * time.Minute, StopAfter: 20 * time.Minute, RetryInterval: time.Millisecond, KeepTruth: true})
	sink := newSink(t)
	sink.refuse = 5
	for _, b := range sim.Bridges() {
		if err := b.AddReceiver(sink.URL + "/cdr/token"); err != nil {
			t.Fatal(err)
		}
		b.LoseAnswers(3)
	}
	sim.StartStory()
	drain(t, sim)

	truth := sim.Truth()
	type key struct {
		session    string
		correlator int64
	}
	seen := make(map[key]sunk)
	last := make(map[string]int64)
	var repeats, callEnds, legEnds int64
	for _, r := range sink.all() {
		k := key{r.session, r.correlator}
		if old, again := seen[k]; again {
			repeats++
			if diff := cmp.Diff(old, r, cmp.AllowUnexported(sunk{})); diff != "" {
				t.Errorf("a record came back changed: %s", diff)
			}
			continue
		}
		seen[k] = r
		if r.correlator != last[r.session] {
			t.Fatalf("session %s: correlatorIndex %d, want %d", r.session, r.correlator, last[r.session])
		}
		last[r.session]++
		if r.index != r.correlator+1 {
			t.Fatalf("recordIndex %d with correlatorIndex %d", r.index, r.correlator)
		}
		switch r.kind {
		case "callEnd":
			callEnds++
		case "callLegEnd":
			legEnds++
		}
	}
	if repeats == 0 {
		t.Error("no record came twice although answers were lost")
	}
	if callEnds != truth.CallsEnded || legEnds != truth.LegsEnded || int64(len(truth.Legs)) != truth.LegsEnded {
		t.Errorf("received %d callEnd and %d callLegEnd, the truth is %d and %d", callEnds, legEnds, truth.CallsEnded, truth.LegsEnded)
	}
	for _, b := range truth.Bridges {
		if last[b.Session] != b.Correlator || b.Receivers[0].Acknowledged != b.Produced || b.Produced == 0 {
			t.Errorf("%s: received up to %d; truth %+v", b.Name, last[b.Session], b)
		}
	}
}

func TestTwoRunsDrainedAtOneOffsetAgree(t *testing.T) {
	run := func() Truth {
		sim := started(t, Config{Seed: 7, Speed: 2000, Preroll: 30 * time.Minute, StopAfter: 10 * time.Minute, KeepTruth: true})
		sink := newSink(t)
		for _, b := range sim.Bridges() {
			if err := b.AddReceiver(sink.URL); err != nil {
				t.Fatal(err)
			}
		}
		sim.StartStory()
		drain(t, sim)
		return sim.Truth()
	}
	a, b := run(), run()
	if len(a.Calls) == 0 {
		t.Fatal("no call ended")
	}
	if diff := cmp.Diff(a.Calls, b.Calls); diff != "" {
		t.Errorf("calls differ: %s", diff)
	}
	if diff := cmp.Diff(a.Legs, b.Legs); diff != "" {
		t.Errorf("legs differ: %s", diff)
	}
}

func TestBackfillComesFirst(t *testing.T) {
	sim := started(t, Config{Seed: 5, Bridges: 2, Backfill: 30 * time.Hour, StopAfter: time.Minute, Speed: 100})
	sink := newSink(t)
	for _, b := range sim.Bridges() {
		if err := b.AddReceiver(sink.URL); err != nil {
			t.Fatal(err)
		}
	}
	sim.StartStory()
	drain(t, sim)
	select {
	case <-sim.BackfillDone():
	case <-time.After(10 * time.Second):
		t.Error("drained, and the backfill is not done")
	}
	sessions := make(map[string][]string)
	open := make(map[string]bool)
	for _, r := range sink.all() {
		if s := sessions[r.bridge]; len(s) == 0 || s[len(s)-1] != r.session {
			sessions[r.bridge] = append(s, r.session)
			if len(open) > 0 && len(s) == 1 {
				for id := range open {
					if strings.HasPrefix(id, r.bridge) {
						t.Fatalf("history ended with %s open", id)
					}
				}
			}
		}
		switch r.kind {
		case "callStart", "callLegStart":
			open[r.bridge+r.id] = true
		case "callEnd", "callLegEnd":
			delete(open, r.bridge+r.id)
		}
	}
	for bridge, s := range sessions {
		if len(s) != 2 {
			t.Errorf("bridge %s sent %d sessions, want history and present", bridge, len(s))
		}
	}
	if len(sessions) != 2 || len(sink.all())/sink.bodies < 20 {
		t.Errorf("%d bridges sent %d records in %d bodies", len(sessions), len(sink.all()), sink.bodies)
	}
}

func TestOverflowIsAdmitted(t *testing.T) {
	sim := started(t, Config{Seed: 9, Bridges: 1, Speed: 1200, Preroll: time.Minute, StopAfter: 20 * time.Minute, QueueRecords: 40, RetryInterval: time.Millisecond})
	sink := newSink(t)
	b := sim.Bridges()[0]
	if err := b.AddReceiver(sink.URL); err != nil {
		t.Fatal(err)
	}
	b.Fault(func(f *Faults) { f.ReceiversCut = true })
	sim.StartStory()
	for !b.cluster.storyEnded() {
		time.Sleep(5 * time.Millisecond)
	}
	b.Fault(func(f *Faults) { f.ReceiversCut = false })
	drain(t, sim)
	var missing, index, next int64
	for _, r := range sink.all() {
		index++
		if r.index != index {
			t.Fatalf("recordIndex %d, want %d: it never jumps", r.index, index)
		}
		if r.correlator != next+r.missing {
			t.Fatalf("correlatorIndex %d after %d with %d missing", r.correlator, next-1, r.missing)
		}
		next = r.correlator + 1
		missing += r.missing
	}
	stats := sim.Truth().Bridges[0].Receivers[0]
	if missing == 0 || missing != stats.Discarded {
		t.Errorf("%d records admitted missing, %d were discarded", missing, stats.Discarded)
	}
}

func (c *clusterSim) storyEnded() bool {
	select {
	case <-c.stopped:
		return true
	default:
		return false
	}
}

func TestRestartLosesOpenCalls(t *testing.T) {
	sim := started(t, Config{Seed: 4, Bridges: 2, Speed: 300, Preroll: 30 * time.Minute, StopAfter: 15 * time.Minute})
	sink := newSink(t)
	b := sim.Bridges()[0]
	if err := b.AddReceiver(sink.URL); err != nil {
		t.Fatal(err)
	}
	sim.StartStory()
	for sim.Offset() < 5*time.Minute {
		time.Sleep(5 * time.Millisecond)
	}
	b.Restart()
	drain(t, sim)
	sessions := make(map[string]int)
	for _, r := range sink.all() {
		sessions[r.session]++
		if sessions[r.session] == 1 && r.correlator != 0 {
			t.Errorf("session %s begins at correlatorIndex %d", r.session, r.correlator)
		}
	}
	if len(sessions) != 2 {
		t.Errorf("%d sessions after a restart", len(sessions))
	}
}

// get asks a bridge's API as a client that trusts its authority would.
func get(t *testing.T, b *Bridge, path string) (int, string, http.Header) {
	t.Helper()
	return do(t, b, http.MethodGet, path, "")
}

func do(t *testing.T, b *Bridge, method, path, form string) (int, string, http.Header) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b.CAPEM())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 20 * time.Second}
	req, err := http.NewRequestWithContext(t.Context(), method, b.URL()+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(b.Username, b.Password)
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer shut(resp.Body)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: reading: %v", method, path, err)
	}
	if resp.Close { // the client takes the header out
		resp.Header.Set("Connection", "close")
	}
	return resp.StatusCode, string(body), resp.Header
}

// untrusting asks without checking certificates, and gives up after two seconds.
func untrusting() *http.Client {
	return &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

func fetch(client *http.Client, req *http.Request) (int, string, error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer shut(resp.Body)
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
