package collector

import (
	"io"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrape gets the metrics of 24 bridges over HTTP, uncompressed, and returns how many bytes they are.
func scrape(t testing.TB, server *httptest.Server) int {
	t.Helper()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		t.Fatalf("scrape: %s %v", answer.Status, err)
	}
	return len(body)
}

func exposer(t testing.TB) *httptest.Server {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewMetrics(deployment(time.Now)))
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true}))
	t.Cleanup(server.Close)
	return server
}

// processed is the processor time that this process has used.
func processed(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// TestScrape: a scrape with 24 bridges takes less than 50 ms and 1 MB. Processor time is held against the limit, of both ends together, as other work on the machine makes
// any scrape late; the time by the clock is told.
func TestScrape(t *testing.T) {
	server := exposer(t)
	took := make([]time.Duration, 21)
	size := scrape(t, server) // the first one warms up
	before := processed(t)
	for i := range took {
		began := time.Now()
		size = scrape(t, server)
		took[i] = time.Since(began)
	}
	each := (processed(t) - before) / time.Duration(len(took))
	slices.Sort(took)
	t.Logf("%d bytes, %s of processor time, by the clock median %s, longest %s", size, each, took[len(took)/2], took[len(took)-1])
	if size >= 1e6 {
		t.Errorf("a scrape has %d bytes, want less than 1 MB", size)
	}
	if !testing.Short() && each >= 50*time.Millisecond { // the race detector, which takes the short tests, multiplies it
		t.Errorf("a scrape takes %s of processor time, want less than 50 ms", each)
	}
}

func BenchmarkScrape(b *testing.B) {
	server := exposer(b)
	for b.Loop() {
		b.ReportMetric(float64(scrape(b, server)), "B/scrape")
	}
}
