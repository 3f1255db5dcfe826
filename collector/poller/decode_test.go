package poller

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

func ptr[T any](v T) *T { return &v }

func mustParse(t *testing.T, text string) *element {
	t.Helper()
	e, err := parse([]byte(text))
	if err != nil {
		t.Fatalf("parse(%q): %v", text, err)
	}
	return e
}

// Absent, empty and zero are three things; the manner of writing is none.
func TestAbsentEmptyAndZero(t *testing.T) {
	for text, want := range map[string]collector.ClusterConfig{
		`<?xml version="1.0"?><cluster><uniqueName>cb1</uniqueName><loadLimit></loadLimit><participantLimit>0</participantLimit></cluster>`: {UniqueName: ptr("cb1"), ParticipantLimit: ptr(int64(0)), Empties: collector.Empties{"loadLimit": true}},
		"<cluster>\n  <uniqueName>\n cb1 </uniqueName>\n  <loadLimit/>\n <participantLimit>0</participantLimit></cluster>\n":                {UniqueName: ptr("cb1"), ParticipantLimit: ptr(int64(0)), Empties: collector.Empties{"loadLimit": true}},
		`<cluster><uniqueName>cb1</uniqueName><participantLimit>0</participantLimit><unheardOf a="b"><x/></unheardOf></cluster>`:            {UniqueName: ptr("cb1"), ParticipantLimit: ptr(int64(0))},
		`<cluster></cluster>`: {},
		`<cluster><loadLimit>many</loadLimit><participantLimit>7</participantLimit></cluster>`: {ParticipantLimit: ptr(int64(7))},
	} {
		var got collector.ClusterConfig
		decode(mustParse(t, text), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestDecodeOddities(t *testing.T) {
	// Database nodes as elements and as attributes; primary beside master.
	for _, text := range []string{
		`<database clustered="enabled"><cluster><totalNodes>1</totalNodes><node><hostname>db1</hostname><up>true</up><syncBehind>-1</syncBehind><master>true</master></node></cluster></database>`,
		`<database clustered="enabled"><cluster><totalNodes>1</totalNodes><node hostname="db1" up="true" syncBehind="-1" master="true"/></cluster></database>`,
	} {
		var d collector.Database
		decode(mustParse(t, text), &d)
		want := []collector.DatabaseNode{{Hostname: ptr("db1"), Up: ptr(true), SyncBehind: ptr(int64(-1)), Master: ptr(true)}}
		if diff := cmp.Diff(want, d.Nodes); diff != "" || deref(d.Clustered) != "enabled" {
			t.Errorf("%s: clustered %q\n%s", text, deref(d.Clustered), diff)
		}
	}
	// The guide prints "Error", and does not show where it stands.
	for _, text := range []string{
		`<database clustered="enabled"><cluster><Error>broken</Error><totalNodes>1</totalNodes></cluster></database>`,
		`<database clustered="enabled"><error>broken</error><cluster><totalNodes>1</totalNodes></cluster></database>`,
		`<database clustered="enabled" Error="broken"></database>`,
		`<database clustered="enabled"><cluster error="broken"></cluster></database>`,
	} {
		var d collector.Database
		decode(mustParse(t, text), &d)
		if got := deref(d.Trouble()); got != "broken" {
			t.Errorf("%s: error %q", text, got)
		}
	}
	var leg collector.CallLeg
	decode(mustParse(t, `<callLeg id="1"><alarms><packetLoss/></alarms><status><rxVideo role="main"><frameRate>29.8</frameRate></rxVideo><rxVideo role="presentation"/></status></callLeg>`), &leg)
	if leg.Alarms == nil || !leg.Alarms.PacketLoss || leg.Alarms.ExcessiveJitter || len(leg.RxVideo) != 2 || *leg.RxVideo[0].FrameRate != 29.8 || leg.TxAudio != nil {
		t.Errorf("call leg: %+v", leg)
	}
	var a collector.Alarm
	decode(mustParse(t, `<alarm id="1"><type>new</type><password>x</password><unheardOf>y</unheardOf></alarm>`), &a)
	if diff := cmp.Diff(map[string]string{"unheardOf": "y"}, a.Others); diff != "" {
		t.Errorf("others (-want +got):\n%s", diff)
	}
	for text, want := range map[string]int64{"5.500": 5500, "0.33": 330, "1": 1000, ".5": 500, "0.9996": 1000, "-1.25": -1250} {
		if got, err := thousandths(text); err != nil || int64(got) != want {
			t.Errorf("thousandths(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{"", ".", "1e3", "1,5", "--1x", "9999999999999"} {
		if _, err := thousandths(bad); err == nil {
			t.Errorf("thousandths(%q) succeeded", bad)
		}
	}
	if d, err := licenseDate("2031-Feb-03"); err != nil || !d.Equal(time.Date(2031, 2, 3, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("licenseDate: %v %v", d, err)
	}
}

func TestParseRefusesWhatIsNoDocument(t *testing.T) {
	for _, bad := range []string{
		"", "  ", "text", "<a>", "<a></b>", "<a/><b/>", "<a/>text", `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`,
		strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40), `<?xml version="1.0" encoding="EBCDIC"?><a/>`,
	} {
		if e, err := parse([]byte(bad)); err == nil {
			t.Errorf("parse(%.40q) = %+v, want an error", bad, e)
		}
	}
	if e := mustParse(t, `<a><secret><b>x</b></secret><c/></a>`); len(e.children) != 1 || e.children[0].name != "c" {
		t.Errorf("a secret was kept: %+v", e.children)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<alarms total="1"><alarm id="a"><type>x</type></alarm></alarms>`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		if e, err := parse(body); err == nil {
			for _, o := range []any{&collector.Status{}, &collector.Alarm{}, &collector.CallLeg{}, &collector.Database{}, &collector.LicenseUsage{}, &collector.Feature{}} {
				decode(e, o)
			}
		}
	})
}

// fake serves one handler over TLS and returns a client of it.
func fake(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(collector.Bridge{Name: "cb1", URL: server.URL, Username: "u", Password: "p", TLS: collector.TLS{CAFile: ca}}, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.busyPause = time.Millisecond
	t.Cleanup(c.Close)
	return c
}

func TestListGoesOnByWhatCameBack(t *testing.T) {
	// The server caps pages at 3, lists one object twice and counts one too many.
	items := []string{"a", "b", "c", "c", "d", "e", "f", "g"}
	requests := 0
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		offset := 0
		fmt.Sscan(r.URL.Query().Get("offset"), &offset)
		fmt.Fprintf(w, `<calls total="%d">`, len(items)+1)
		for _, id := range items[min(offset, len(items)):min(offset+3, len(items))] {
			fmt.Fprintf(w, `<call id="%s"></call>`, id)
		}
		fmt.Fprint(w, `</calls>`)
	})
	calls, err := collect[collector.Call](t.Context(), c, "/calls", "call", nil)
	var ids []string
	for _, call := range calls {
		ids = append(ids, *call.ID)
	}
	if got := strings.Join(ids, ""); err != nil || got != "abcdefg" || requests != 4 {
		t.Errorf("listed %q in %d requests, %v, want abcdefg in 4", got, requests, err)
	}
}

func TestListEndsAgainstAServerThatIgnoresOffset(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<calls total="1000"><call id="a"/></calls>`)
	})
	if calls, err := collect[collector.Call](t.Context(), c, "/calls", "call", nil); err != nil || len(calls) != 1 {
		t.Errorf("%d calls, %v, want 1", len(calls), err)
	}
}

func TestAnotherDocumentIsNoEmptyList(t *testing.T) {
	for body, ok := range map[string]bool{`<calls total="0"></calls>`: true, `<calls/>`: true, `<misnamed total="0"/>`: true, `<load/>`: false} {
		c := fake(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		if _, err := collect[collector.Call](t.Context(), c, "/calls", "call", nil); (err == nil) != ok {
			t.Errorf("%s: %v, want accepted = %t", body, err, ok)
		}
	}
}

func TestAnswersAreSortedByReason(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{401, "", ReasonAuth}, {403, "", ReasonAuth}, {503, "", ReasonBusy},
		{400, `<?xml version="1.0"?><failureDetails><unrecognizedObject /></failureDetails>`, ReasonAbsent},
		{404, `<failureDetails><unrecognisedObject></unrecognisedObject></failureDetails>`, ReasonAbsent},
		{404, `<failureDetails><callDoesNotExist /></failureDetails>`, ReasonNotFound}, {404, "", ReasonNotFound},
		{400, `<failureDetails><databaseNotReady/></failureDetails>`, ReasonBusy},
		{400, `<failureDetails><parameterError parameter="startTime" error="invalidValue" /></failureDetails>`, ReasonRefused},
		{500, "", ReasonStatus}, {302, "", ReasonStatus}, {200, "<status><up", ReasonBadAnswer}, {200, "", ReasonBadAnswer}, {200, "<html><p>hi</html>", ReasonBadAnswer}, {200, "<HTML/>", ReasonBadAnswer},
		{200, "<a>" + strings.Repeat(" ", DefaultMaxBody) + "</a>", ReasonTooLarge},
	} {
		client := fake(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		_, err := client.get(t.Context(), "/system/status", nil)
		if got := ReasonOf(err); got != c.want {
			t.Errorf("%d %.60q: reason %q (%v), want %q", c.status, c.body, got, err, c.want)
		}
	}
}

// memory is what an earlier run left.
type memory struct {
	alarms []storage.Alarm
	usage  map[uuid.UUID]storage.UsageRange
}

func (m memory) OpenAlarms(context.Context, string) ([]storage.Alarm, error) { return m.alarms, nil }
func (m memory) UsageKnown(context.Context, string) (map[uuid.UUID]storage.UsageRange, error) {
	return m.usage, nil
}

func TestAlarmOfAnEarlierRunIsCleared(t *testing.T) {
	sim, bridge := simulator(t, 1)
	bridge.Name = sim.Bridges()[0].Name
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", PollInterval: time.Second, Bridges: []collector.Bridge{bridge}}}}, nil)
	out := &shelf{rows: make(map[string][]any)}
	old := storage.Alarm{CMSCluster: "emea", CallBridge: bridge.Name, Source: collector.SourceCMS, AlarmID: uuid.New(), Type: "turnServerUnavailable", Raised: time.Now().Add(-time.Hour), LastSeen: time.Now().Add(-time.Minute)}
	p, err := New(DefaultConfig(), Deps{Live: live, Publisher: out, Memory: memory{alarms: []storage.Alarm{old}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	eventually(t, "the old alarm is cleared", func() bool {
		for _, a := range rowsOf[storage.Alarm](out, storage.TableAlarms) {
			if a.AlarmID == old.AlarmID && a.Cleared != nil && a.Raised.Equal(old.Raised) {
				return true
			}
		}
		return false
	})
	cancel()
	<-done
}

func TestGrantsMostSpecificFirst(t *testing.T) {
	g := grants{system: ptr("s"), tenants: map[string]*string{"t": ptr("tp"), "bare": nil}}
	for _, c := range []struct {
		user          collector.User
		profile, from string
	}{
		{collector.User{UserProfile: ptr("u"), Tenant: ptr("t")}, "u", "user"},
		{collector.User{Tenant: ptr("t")}, "tp", "tenant"},
		{collector.User{Tenant: ptr("bare")}, "s", "system"},
		{collector.User{}, "s", "system"},
	} {
		if p, from := g.effective(c.user); deref(p) != c.profile || from != c.from {
			t.Errorf("%+v: %s from %s, want %s from %s", c.user, deref(p), from, c.profile, c.from)
		}
	}
	if p, from := (grants{}).effective(collector.User{}); p != nil || from != "none" {
		t.Errorf("no profile anywhere: %v from %s", p, from)
	}
}
