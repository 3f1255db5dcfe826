package subscriber

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/events"
)

// oneBad is an API that never tells the participants of call a.
type oneBad struct{ asked map[string]int }

func (oneBad) ListCalls(context.Context) ([]events.ListedCall, error) {
	return []events.ListedCall{{ID: "a"}, {ID: "b"}, {ID: "c"}}, nil
}

func (o oneBad) ListParticipants(_ context.Context, call string) (map[string][]events.ListedParticipant, error) {
	o.asked[call]++
	if call == "a" {
		return nil, errors.New("refused")
	}
	return map[string][]events.ListedParticipant{call: nil}, nil
}

func (oneBad) Alone(_ context.Context, do func() error) error { return do() }
func (oneBad) Close()                                         {}

// TestOneCallThatCannotBeRead: the participants of the others are read all the same.
func TestOneCallThatCannotBeRead(t *testing.T) {
	bridge := collector.Bridge{Name: "cb1", URL: "https://cb1.example.org"}
	inventory := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{bridge}}}}
	cfg := DefaultConfig()
	cfg.RESTEvery, cfg.RESTDoubt = time.Nanosecond, time.Nanosecond
	api := oneBad{asked: map[string]int{}}
	sub, err := New(cfg, Deps{Live: collector.NewLive(inventory, nil), REST: func(collector.Bridge) (REST, error) { return api, nil }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sub.newSession(inventory.Clusters[0], bridge)
	if err != nil {
		t.Fatal(err)
	}
	r := restReader{session: s, rosters: map[string]time.Time{}, doubts: map[string]bool{}, full: time.Now()}
	failed := 0
	for range 6 {
		if r.step(t.Context()) != nil {
			failed++
		}
	}
	if failed == 0 || api.asked["b"] == 0 || api.asked["c"] == 0 {
		t.Errorf("%d of 6 steps failed, asked %v; want some failed, and b and c asked", failed, api.asked)
	}
}
