package app

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/collector/witness"
	"github.com/bridgewatch/bridgewatch/storage"
)

// openFacts are the calls, legs and recordings that are going on by the word of the records, as the writer stores them.
type openFacts struct {
	mu         sync.Mutex
	known      bool // what was open when the writer began has been read
	calls      map[uuid.UUID]storage.OpenFact
	legs       map[uuid.UUID]bridgeKey
	recordings map[uuid.UUID]storage.OpenFact
	last       map[bridgeKey]arrival
}

// arrival is when the newest record of a bridge was stored, and how old it was then by the bridge's clock.
type arrival struct {
	at  time.Time
	age time.Duration
}

type bridgeKey struct{ cluster, bridge string }

func newOpenFacts() *openFacts {
	o := &openFacts{}
	o.forget()
	return o
}

// forget begins anew: another writer may have been at work.
func (o *openFacts) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known = false
	o.last = map[bridgeKey]arrival{}
	o.calls, o.legs, o.recordings = map[uuid.UUID]storage.OpenFact{}, map[uuid.UUID]bridgeKey{}, map[uuid.UUID]storage.OpenFact{}
}

// begin takes what was open in the store. Nothing is stored meanwhile, so it needs no care for what came since.
func (o *openFacts) begin(calls, legs, recordings []storage.OpenFact) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range calls {
		o.calls[c.ID] = c
	}
	for _, l := range legs {
		o.legs[l.ID] = bridgeKey{l.Cluster, l.Bridge}
	}
	for _, r := range recordings {
		o.recordings[r.ID] = r
	}
	o.known = true
}

// ready tells whether it is known what is open.
func (o *openFacts) ready() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known
}

// arrived notes a record.
func (o *openFacts) arrived(key bridgeKey, at time.Time, age time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last[key] = arrival{at, age}
}

// catchingUp tells whether a bridge, whose clock is skew ahead of ours, is sending records of a while ago: it will come to now.
func (o *openFacts) catchingUp(key bridgeKey, now time.Time, skew time.Duration) bool {
	const (
		lately = 45 * time.Second
		old    = time.Minute
	)
	o.mu.Lock()
	defer o.mu.Unlock()
	last := o.last[key]
	return now.Sub(last.at) < lately && last.age+skew > old
}

// stored takes rows that changed.
func (o *openFacts) stored(f cdr.Facts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range f.Calls {
		if c.IsDeleted == 1 || c.End != nil {
			delete(o.calls, c.ID)
		}
	}
	for _, l := range f.Legs {
		if l.IsDeleted == 1 || l.End != nil {
			delete(o.legs, l.ID)
		}
	}
	for _, r := range f.Recordings {
		if r.IsDeleted == 1 || r.End != nil {
			delete(o.recordings, r.ID)
		}
	}
	// A row that moved is buried and written again in the same facts.
	for _, c := range f.Calls {
		if c.IsDeleted == 0 && c.End == nil {
			o.calls[c.ID] = storage.OpenFact{ID: c.ID, Cluster: c.Cluster, Bridge: c.Bridge, Correlator: c.CallCorrelator, Start: c.Start}
		}
	}
	for _, l := range f.Legs {
		if l.IsDeleted == 0 && l.End == nil {
			o.legs[l.ID] = bridgeKey{l.Cluster, l.Bridge}
		}
	}
	for _, r := range f.Recordings {
		if r.IsDeleted == 0 && r.End == nil {
			o.recordings[r.ID] = storage.OpenFact{ID: r.ID, Cluster: r.Cluster, Bridge: r.Bridge, CallID: r.CallID}
		}
	}
}

// accounts are what the records say of every bridge as of a time; none where the writer is not here.
func (o *openFacts) accounts(at time.Time) map[bridgeKey]witness.Account {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := map[bridgeKey]witness.Account{}
	if !o.known {
		return all
	}
	of := func(k bridgeKey) witness.Account {
		a, known := all[k]
		if !known {
			a = witness.Account{Known: true, At: at, Calls: map[string]time.Time{}, Recordings: map[string]bool{}, Legs: new(int64)}
			all[k] = a
		}
		return a
	}
	for _, c := range o.calls {
		of(bridgeKey{c.Cluster, c.Bridge}).Calls[meetingOf(c)] = c.Start
	}
	for _, k := range o.legs {
		*of(k).Legs++
	}
	for _, r := range o.recordings {
		if call, known := o.calls[r.CallID]; known {
			of(bridgeKey{r.Cluster, r.Bridge}).Recordings[meetingOf(call)] = true
		}
	}
	return all
}

func meetingOf(c storage.OpenFact) string {
	if c.Correlator == uuid.Nil {
		return c.ID.String()
	}
	return c.Correlator.String()
}
