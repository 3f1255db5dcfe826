package cmssim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// Stepped is a deployment whose clock moves only when it is told to, without a network: for proofs over simulated weeks. Bridges are asked through
// Bridge.RoundTrip, and CDRs go through the RoundTripper that NewStepped is given. There are no events and no syslog. It is not safe for concurrent use.
type Stepped struct {
	*Sim
	tales  []*story.Story
	client *http.Client
}

// NewStepped prepares a deployment at Config.Start, which must be set; receivers added before the first Advance get the whole story, pre-roll included.
// Config's Speed, Hold, Backfill, StopAfter and addresses have no meaning here.
func NewStepped(cfg Config, post http.RoundTripper) (*Stepped, error) {
	if cfg.Start.IsZero() || cfg.Backfill > 0 {
		return nil, fmt.Errorf("cmssim: a stepped deployment needs a start and has no backfill")
	}
	sim, err := New(cfg)
	if err != nil {
		return nil, err
	}
	sim.clock.start, sim.clock.stepped, sim.clock.set = cfg.Start.UTC().Truncate(time.Second), true, true
	sim.begun.Do(func() { close(sim.begin) })
	s := &Stepped{Sim: sim, client: &http.Client{Transport: post}}
	for _, c := range sim.clusters {
		s.tales = append(s.tales, story.New(c.Cluster, sim.cfg.story(), c.state.now, 0))
	}
	for _, b := range sim.bridges {
		b.url = "http://" + b.Name
	}
	return s, nil
}

// Advance lets the story go on to a time after the start, sends what CDRs came of it, and returns when each receiver has them or has refused.
func (s *Stepped) Advance(ctx context.Context, to time.Duration) {
	offset := int64(to / time.Second)
	s.clock.mu.Lock()
	s.clock.moved = offset
	s.clock.mu.Unlock()
	for i, c := range s.clusters {
		for {
			c.tell(s.tales[i], offset)
			if next, ok := s.tales[i].Peek(); !ok || next > offset {
				break
			}
		}
		for _, b := range c.bridges {
			b.feed.flush(ctx, s.client)
		}
	}
}

// flush sends what is queued for each receiver, until it is all sent or one is not taken.
func (f *feed) flush(ctx context.Context, client *http.Client) {
	f.mu.Lock()
	receivers := append([]*receiver(nil), f.receivers...)
	f.mu.Unlock()
	var body []byte
	for _, r := range receivers {
		for {
			f.mu.Lock()
			more := r.take()
			if more {
				body = r.body(body[:0])
			}
			url := r.url
			f.mu.Unlock()
			if !more || !r.settle(r.post(ctx, client, url, body)) {
				break
			}
		}
	}
}

// RoundTrip asks the bridge's API without a network, whatever host the request names.
func (b *Bridge) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.Faults().Down || b.stopped() {
		return nil, fmt.Errorf("connect to %s: %w", b.Name, syscall.ECONNREFUSED)
	}
	answer := &answerBuffer{header: http.Header{}, status: http.StatusOK}
	b.handle(answer, r)
	return &http.Response{
		Status: http.StatusText(answer.status), StatusCode: answer.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.header, Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: r,
	}, nil
}

// answerBuffer keeps an answer.
type answerBuffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerBuffer) Header() http.Header         { return a.header }
func (a *answerBuffer) WriteHeader(status int)      { a.status = status }
func (a *answerBuffer) Write(p []byte) (int, error) { return a.body.Write(p) }
