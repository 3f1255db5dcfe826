package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

// trouble is something that goes wrong in a demo, or right again, as it does in any week: so alarms, refusals and quarantine have something to show.
type trouble struct {
	at     time.Duration // of story time
	bridge int
	do     func(context.Context, *cmssim.Bridge) error
}

// troubles are the demo's, in the order of time. None of them loses a record.
func troubles(cdrURL string) []trouble {
	fault := func(edit func(*cmssim.Faults)) func(context.Context, *cmssim.Bridge) error {
		return func(_ context.Context, b *cmssim.Bridge) error { b.Fault(edit); return nil }
	}
	body := func(token func(*cmssim.Bridge) string, text string) func(context.Context, *cmssim.Bridge) error {
		return func(ctx context.Context, b *cmssim.Bridge) error { return post(ctx, cdrURL+"/cdr/"+token(b), text) }
	}
	return []trouble{
		{10 * time.Second, 0, func(_ context.Context, b *cmssim.Bridge) error { return b.RaiseAlarm("callBrandingResourceInvalid") }},
		{30 * time.Second, 1, func(_ context.Context, b *cmssim.Bridge) error { b.LoseAnswers(3); return nil }},
		{40 * time.Second, 2, fault(func(f *cmssim.Faults) { f.TURNUnreachable = true })},
		{50 * time.Second, 0, body((*cmssim.Bridge).Token, `<?xml version="1.0"?><records session="the rest was cut off by a proxy`)},
		{60 * time.Second, 0, body(func(*cmssim.Bridge) string { return "a-token-of-nobody" }, "<records/>")},
		{100 * time.Second, 1, fault(func(f *cmssim.Faults) { f.LostModules = 1 })},
		{170 * time.Second, 1, fault(func(f *cmssim.Faults) { f.LostModules = 0 })},
		{180 * time.Second, 2, fault(func(f *cmssim.Faults) { f.TURNUnreachable = false })}, // long enough for a look a minute
	}
}

// cause lets the troubles happen when their time in the story comes, until ctx ends. One that fails is logged: a demo goes on without it.
func cause(ctx context.Context, sim *cmssim.Sim, list []trouble, log *slog.Logger) {
	for _, t := range list {
		for sim.Offset() < t.at {
			select {
			case <-ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
		b := sim.Bridges()[t.bridge%len(sim.Bridges())]
		if err := t.do(ctx, b); err != nil && ctx.Err() == nil {
			log.Warn("a trouble of the demo did not happen", "call_bridge", b.Name, "error", err)
		}
	}
}

// post sends a body as a bridge would; what is answered does not matter.
func post(ctx context.Context, url, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	request.Header.Set("Content-Type", "text/xml")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("post to our CDR listener: %w", err)
	}
	_, _ = io.Copy(io.Discard, answer.Body) // so that the connection can be used again
	return answer.Body.Close()
}
