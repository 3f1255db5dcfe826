package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bridgewatch/bridgewatch/collector/certs"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

// TestTroubles: the demo's troubles come in order, all but the standing alarm end, and a body that cannot be read reaches the CDR listener.
func TestTroubles(t *testing.T) {
	sim, err := cmssim.New(cmssim.Config{Seed: 1, Speed: 100})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- sim.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	<-sim.Ready()
	bodies := make(chan string, 10)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- r.URL.Path + " " + string(body)
	}))
	defer listener.Close()

	list := troubles(listener.URL)
	for i := 1; i < len(list); i++ {
		if list[i].at < list[i-1].at {
			t.Errorf("trouble %d comes before the one in front of it", i)
		}
	}
	cause(ctx, sim, list, slog.New(slog.DiscardHandler))
	first := sim.Bridges()[0]
	if got := <-bodies; !strings.HasPrefix(got, "/cdr/"+first.Token()+" ") {
		t.Errorf("posted %s", got)
	}
	for i, b := range sim.Bridges() {
		f := b.Faults()
		if f.TURNUnreachable || f.LostModules != 0 || len(f.Alarms) > 0 != (i == 0) {
			t.Errorf("%s is left with %+v", b.Name, f)
		}
	}
	if rows, up, err := certs.Scheduler(ctx, first.URL()+"/scheduler/status", certs.DefaultConfig().Timeout, nil); err != nil || !up || len(rows) != 5 {
		t.Errorf("the scheduler answers %+v, %v, %v", rows, up, err)
	}
}
