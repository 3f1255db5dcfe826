package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

const (
	token1 = "token-of-cb1-5f2a"
	token2 = "token-of-cb2-77c0"
)

// serve runs a receiver for two bridges and returns its base URL.
func serve(t testing.TB, deps receiver.Deps, change ...func(*receiver.Config)) (url string) {
	t.Helper()
	cfg := receiver.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	cfg.SpoolDir = t.TempDir()
	cfg.Sources = []receiver.Source{
		{Name: "cb1", Cluster: "emea", Token: token1},
		{Name: "cb2", Cluster: "emea", Token: token2},
	}
	for _, c := range change {
		c(&cfg)
	}
	r := receiver.New(cfg, deps)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run of the receiver: %v", err)
		}
	})
	select {
	case <-r.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("Run of the receiver: %v", err)
	}
	return "http://" + r.Addr().String()
}

func post(t testing.TB, url string, body io.Reader) *http.Response {
	t.Helper()
	resp, err := http.Post(url, "text/xml", body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// stored reads the whole bodies that are in the bus, in the order they were stored, until want are there.
func stored(t testing.TB, b *bus.Bus, want int) []bus.Body {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := b.Consumer(ctx, bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	var whole []bus.Body
	parts := map[string]bus.Body{}
	for len(whole) < want {
		batch, err := c.Batch(ctx, 1000, 16<<20, time.Millisecond)
		if err != nil {
			t.Fatalf("after %d of %d bodies: %v", len(whole), want, err)
		}
		for _, msg := range batch {
			bodies, err := bus.Bodies(msg)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range bodies {
				p := parts[one.ID.String()]
				if p.Part+1 != one.Part {
					t.Fatalf("part %d of %s after part %d", one.Part, one.ID, p.Part)
				}
				one.Data = append(p.Data, one.Data...)
				parts[one.ID.String()] = one
				if one.Part == one.Parts {
					delete(parts, one.ID.String())
					whole = append(whole, one)
				}
			}
			if err := msg.DoubleAck(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	return whole
}

func TestPostIsStoredThenAnswered(t *testing.T) {
	b := storagetest.Bus(t)
	url := serve(t, receiver.Deps{Bus: b})
	const data = "\xef\xbb\xbf<?xml version=\"1.0\"?><records session=\"s\">\n</records>"
	before := time.Now()
	resp := post(t, url+"/cdr/"+token1+"?system_id=abc", strings.NewReader(data))
	if resp.StatusCode != 200 || resp.Header.Get("Content-Length") != "0" || resp.Close {
		t.Errorf("answer %d, Content-Length %q, close %v; want 200, 0 and a kept connection", resp.StatusCode, resp.Header.Get("Content-Length"), resp.Close)
	}
	one := stored(t, b, 1)[0]
	if string(one.Data) != data || one.Source != "cb1" || one.Cluster != "emea" || one.ContentType != "text/xml" || one.Remote != "127.0.0.1" || one.Replayed {
		t.Errorf("stored %+v", one)
	}
	if one.Received.Before(before.Add(-time.Millisecond)) || one.Received.After(time.Now()) || one.ID.Version() != 7 {
		t.Errorf("received %v, id %s", one.Received, one.ID)
	}
}

func TestAnswers(t *testing.T) {
	b := storagetest.Bus(t)
	url := serve(t, receiver.Deps{Bus: b}, func(c *receiver.Config) {
		c.Sources = append(c.Sources, receiver.Source{Name: "far", Token: "token-of-far-0001", Allowed: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	})
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/cdr/" + token1, 200},
		{"GET", "/cdr/" + token1 + "?x=y", 200},
		{"POST", "/cdr/" + token2, 200},
		{"PUT", "/cdr/" + token1, 404},
		{"DELETE", "/cdr/" + token1, 404},
		{"HEAD", "/cdr/" + token1, 404},
		{"GET", "/cdr/" + token1 + "/", 404},
		{"POST", "/cdr/" + token1[:len(token1)-1], 404},
		{"POST", "/cdr/" + strings.ToUpper(token1), 404},
		{"POST", "/cdr/", 404},
		{"POST", "/cdr", 404},
		{"POST", "/", 404},
		{"POST", "//cdr/" + token1, 404},
		{"POST", "/cdr/../cdr/" + token1, 404},
		{"POST", "/cdr/token-of-far-0001", 404}, // right token, wrong address
		{"GET", "/metrics", 404},
	} {
		req, err := http.NewRequest(c.method, url+c.path, strings.NewReader("<records/>"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s: %d; want %d", c.method, c.path, resp.StatusCode, c.want)
		}
	}
	if stats, err := b.Stats(t.Context()); err != nil || stats[bus.CDR].Messages != 1 {
		t.Errorf("%d messages in the bus (%v); want the one that was allowed", stats[bus.CDR].Messages, err)
	}
}

func TestSizesAndEncodings(t *testing.T) {
	b := storagetest.Bus(t)
	url := serve(t, receiver.Deps{Bus: b}, func(c *receiver.Config) { c.MaxBody = 8 << 20 })
	random := rand.NewChaCha8([32]byte{1})
	var want [][32]byte
	for _, size := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 256 << 10, 512<<10 + 1, 1<<20 - 8<<10 - 64, 1 << 20, 3<<20 + 7, 8 << 20} {
		data := make([]byte, size)
		random.Read(data)
		want = append(want, sha256.Sum256(data), sha256.Sum256(data))
		if resp := post(t, url+"/cdr/"+token1, bytes.NewReader(data)); resp.StatusCode != 200 {
			t.Errorf("%d bytes: %d", size, resp.StatusCode)
		}
		chunked := struct{ io.Reader }{bytes.NewReader(data)} // of unknown length
		if resp := post(t, url+"/cdr/"+token1, chunked); resp.StatusCode != 200 {
			t.Errorf("%d bytes in chunks: %d", size, resp.StatusCode)
		}
	}
	for i, one := range stored(t, b, len(want)) {
		if sha256.Sum256(one.Data) != want[i] {
			t.Errorf("body %d of %d bytes is not what was sent", i, len(one.Data))
		}
	}
	over := make([]byte, 8<<20+1)
	if resp := post(t, url+"/cdr/"+token1, bytes.NewReader(over)); resp.StatusCode != 413 {
		t.Errorf("above the limit: %d; want 413", resp.StatusCode)
	}
	resp, err := http.Post(url+"/cdr/"+token1, "", struct{ io.Reader }{bytes.NewReader(over)})
	if err == nil && resp.StatusCode != 413 {
		t.Errorf("above the limit in chunks: %d; want 413", resp.StatusCode)
	}
	if stats, err := b.Stats(t.Context()); err != nil || stats[bus.CDR].Messages != 0 {
		t.Errorf("%d messages of refused bodies in the bus, %v", stats[bus.CDR].Messages, err)
	}
}

// raw writes a request by hand and returns the status of the answer, 0 if the connection just ends.
func raw(t *testing.T, url, request string, closeAfter bool) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if closeAfter {
		conn.(*net.TCPConn).CloseWrite()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

func TestBrokenUploadsAreNoBodies(t *testing.T) {
	b := storagetest.Bus(t)
	url := serve(t, receiver.Deps{Bus: b}, func(c *receiver.Config) {
		c.BodyTimeout, c.MinRate = 300*time.Millisecond, 4<<20
	})
	head := "POST /cdr/" + token1 + " HTTP/1.1\r\nHost: x\r\n"
	large := strings.Repeat("x", 700<<10)
	for name, c := range map[string]struct {
		request string
		close   bool
	}{
		"short of its length":         {head + "Content-Length: 100\r\n\r\n<records>", true},
		"stalled":                     {head + "Content-Length: 100\r\n\r\n<records>", false},
		"large, short of its length":  {head + "Content-Length: 9000000\r\n\r\n" + large, true},
		"large, stalled":              {head + "Content-Length: 9000000\r\n\r\n" + large, false},
		"chunks without the last":     {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true},
		"chunk that is no chunk":      {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", false},
		"chunk cut in the middle":     {head + "Transfer-Encoding: chunked\r\n\r\nff\r\nhello", true},
		"two lengths that contradict": {head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", false},
	} {
		began := time.Now()
		if status := raw(t, url, c.request, c.close); status == 200 {
			t.Errorf("%s: answered 200", name)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: the connection was held for %v", name, took)
		}
	}
	if stats, err := b.Stats(t.Context()); err != nil || stats[bus.CDR].Messages != 0 {
		t.Errorf("%d messages of broken uploads in the bus, %v", stats[bus.CDR].Messages, err)
	}
	if status := raw(t, url, head+"Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nok", false); status != 100 && status != 200 {
		t.Errorf("a good request afterwards: %d", status)
	}
	stored(t, b, 1)
}

// failing is a bus that answers each publish with its error.
type failing struct{ err error }

func (f failing) PublishBody(context.Context, bus.Body) error { return f.err }
func (f failing) PublishBodyFrom(context.Context, bus.Body, io.Reader, int64) error {
	return f.err
}

func TestWhatCannotBeStoredGets503(t *testing.T) {
	for _, err := range []error{bus.ErrFull, bus.ErrUnavailable, fmt.Errorf("wrapped: %w", bus.ErrFull), errors.New("anything else"), context.DeadlineExceeded} {
		url := serve(t, receiver.Deps{Bus: failing{err}})
		for _, size := range []int{10, 1 << 20} {
			resp := post(t, url+"/cdr/"+token1, bytes.NewReader(make([]byte, size)))
			if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "5" || resp.Header.Get("Content-Length") != "0" {
				t.Errorf("%v, %d bytes: %d, headers %v; want 503 with Retry-After", err, size, resp.StatusCode, resp.Header)
			}
		}
	}
}

// The whole way: a bus without room gives 503 and, once the writer has made room, 200.
func TestFullBusThenRoom(t *testing.T) {
	b := storagetest.Bus(t, func(c *bus.Config) { c.Budgets.CDR = 1 << 20 })
	url := serve(t, receiver.Deps{Bus: b})
	data := strings.Repeat("x", 50<<10)
	n := 0
	for ; n < 100; n++ {
		resp := post(t, url+"/cdr/"+token1, strings.NewReader(data))
		if resp.StatusCode == 503 {
			break
		}
		if resp.StatusCode != 200 {
			t.Fatalf("post %d: %d", n, resp.StatusCode)
		}
	}
	if n == 0 || n == 100 {
		t.Fatalf("%d bodies of 50 KiB fit into 1 MiB", n)
	}
	stored(t, b, n)
	if resp := post(t, url+"/cdr/"+token1, strings.NewReader(data)); resp.StatusCode != 200 {
		t.Errorf("after room was made: %d", resp.StatusCode)
	}
}

func TestTwoReceiversOneBus(t *testing.T) {
	b := storagetest.Bus(t)
	urls := []string{serve(t, receiver.Deps{Bus: b}), serve(t, receiver.Deps{Bus: b})}
	var wg sync.WaitGroup
	for _, url := range urls {
		for _, token := range []string{token1, token2} {
			wg.Go(func() {
				for range 20 {
					if resp, err := http.Post(url+"/cdr/"+token, "text/xml", strings.NewReader(url+token)); err != nil || resp.StatusCode != 200 {
						t.Errorf("post: %v, %v", resp, err)
					} else {
						resp.Body.Close()
					}
				}
			})
		}
	}
	wg.Wait()
	count := map[string]int{}
	for _, one := range stored(t, b, 80) {
		count[string(one.Data)]++
	}
	if len(count) != 4 {
		t.Errorf("bodies %v", count)
	}
	for data, n := range count {
		if n != 20 {
			t.Errorf("%d bodies %q; want 20", n, data)
		}
	}
}

// A token is a secret: it appears in no log line, metric or error, whatever happens.
func TestTokensStaySecret(t *testing.T) {
	var logged syncBuffer
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	reg := prometheus.NewRegistry()
	url := serve(t, receiver.Deps{Bus: failing{bus.ErrUnavailable}, Log: log, Registerer: reg})
	post(t, url+"/cdr/"+token1, strings.NewReader("x"))
	post(t, url+"/cdr/"+token1+"/typo", strings.NewReader("x"))
	post(t, url+"/crd/"+token1, strings.NewReader("x"))
	raw(t, url, "POST /cdr/"+token1+" HTTP/1.1\r\nHost: a b c\r\n\r\n", true)
	raw(t, url, "POST /cdr/"+token1+"%zz HTTP/1.1\r\nHost: x\r\n\r\n", true)
	raw(t, url, "POST /cdr/"+token1+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nx", true)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	text := logged.String() + fmt.Sprint(families)
	cfg := receiver.DefaultConfig()
	for _, sources := range [][]receiver.Source{
		{{Name: "a", Token: token1}, {Name: "b", Token: token1}},
		{{Name: "a", Token: token1 + " "}},
		{{Name: "a", Token: token1}, {Name: "a", Token: token2}},
	} {
		cfg.Sources = sources
		if err := cfg.Validate(); err == nil {
			t.Error("bad sources pass")
		} else {
			text += err.Error()
		}
	}
	if !strings.Contains(text, "body not stored") || !strings.Contains(text, "request refused") {
		t.Errorf("the log lacks what happened:\n%s", text)
	}
	if strings.Contains(text, token1[:10]) {
		t.Errorf("a token stands in:\n%s", text)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	url := serve(t, receiver.Deps{Bus: failing{}, Registerer: reg})
	post(t, url+"/cdr/"+token1, strings.NewReader("hello"))
	post(t, url+"/cdr/wrong-token", strings.NewReader("hello"))
	want := `
# HELP bridgewatch_receiver_bytes_total Bytes of the bodies that were stored.
# TYPE bridgewatch_receiver_bytes_total counter
bridgewatch_receiver_bytes_total{call_bridge="cb1",cms_cluster="emea"} 5
bridgewatch_receiver_bytes_total{call_bridge="cb2",cms_cluster="emea"} 0
# HELP bridgewatch_receiver_refused_requests_total Requests answered 404, by reason: path, token, method, address.
# TYPE bridgewatch_receiver_refused_requests_total counter
bridgewatch_receiver_refused_requests_total{reason="address"} 0
bridgewatch_receiver_refused_requests_total{reason="method"} 0
bridgewatch_receiver_refused_requests_total{reason="path"} 0
bridgewatch_receiver_refused_requests_total{reason="token"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "bridgewatch_receiver_bytes_total", "bridgewatch_receiver_refused_requests_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "bridgewatch_receiver_last_post_timestamp_seconds"); err != nil || n != 1 {
		t.Errorf("%d series of the last post, %v; want only the bridge that posted", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}
