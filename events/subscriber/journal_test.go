package subscriber

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/events"
)

// closedBus takes nothing.
type closedBus struct{}

func (closedBus) PublishRows(context.Context, string, string, any) error { return errors.New("closed") }

// TestJournalIsBounded: a bus that takes nothing for long costs rows, which are counted, and not memory without end: rows of the timeline and of stays alike.
func TestJournalIsBounded(t *testing.T) {
	bridge := collector.Bridge{Name: "cb1", URL: "https://cb1.example.org"}
	inventory := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{bridge}}}}
	cfg := DefaultConfig()
	cfg.MaxRows = 100
	sub, err := New(cfg, Deps{Live: collector.NewLive(inventory, nil), Publisher: closedBus{}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sub.newSession(inventory.Clusters[0], bridge)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	call := &events.Call{ID: "a"}
	for i := range 500 {
		who := &events.Participant{ID: fmt.Sprint("p", i), State: "connected", Joined: now, Seen: now}
		s.journal.add([]events.Change{{At: now, Kind: events.ParticipantJoined, Call: call, Participant: who}, {At: now, Kind: events.ParticipantLeft, Call: call, Participant: who}})
		if i%50 == 0 {
			s.journal.flush(t.Context())
		}
	}
	s.journal.flush(t.Context())
	if len(s.journal.rows) > cfg.MaxRows || len(s.journal.over) > cfg.MaxRows || len(s.journal.stays) != 0 {
		t.Errorf("%d rows and %d stays wait, %d are open; want at most %d", len(s.journal.rows), len(s.journal.over), len(s.journal.stays), cfg.MaxRows)
	}
}
