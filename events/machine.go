package events

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Machine follows one Call Bridge. It is not for several goroutines at once.
//
// The caller opens a socket and says so (Open), hands in every frame after having acknowledged it (Receive), calls Tick when Due, sends what TakeRequest
// returns, and says when the socket is gone (Lost). An error of Receive or Tick means that the socket is to be closed and a new one opened.
type Machine struct {
	cfg                              Config
	callTable                        []element[callUpdate, Call]
	rosterTable                      []element[participantUpdate, Participant]
	callNames, infoNames, peopleName []string

	calls  map[string]*roster
	ended  map[string]time.Time // calls that ended of late
	people int
	number int64 // of the last call

	connection
	stats   Stats
	changes []Change
	sampled time.Time // when changes of activeSpeaker were last told
	pruned  time.Time
	loud    map[*person]*roster // whose activeSpeaker is not told yet
	doubt   bool                // the list of calls is to be read over REST
}

// Stats counts what a bridge did that the page does not describe, and how it is used. Counts never fall.
type Stats struct {
	// Messages understood, by inner type; what is unknown counts as other.
	Messages map[string]int64
	// Requests sent, probes among them.
	Requests, Probes int64
	// Odd counts elements of a wrong type, entries without id or of an unknown kind, unknown inner types and states.
	Odd int64
	// Holes counts numbers missing between the bridge's messages.
	Holes int64
	// Late counts updates of subscriptions that are over, which is normal.
	Late int64
	// Unknown counts updates of calls or participants that are not known.
	Unknown int64
	// Ignored counts calls and participants beyond the limits.
	Ignored int64
}

// Phase is how much is known of a bridge now.
type Phase string

// The phases.
const (
	Down     Phase = "down"     // not connected: what is known is stale
	Settling Phase = "settling" // connected, snapshots are coming in
	Live     Phase = "live"     // everything is confirmed
)

// New returns a machine that knows nothing. The configuration must be valid.
func New(cfg Config) *Machine {
	m := &Machine{cfg: cfg, callTable: callElements(), rosterTable: rosterElements(), calls: map[string]*roster{}, ended: map[string]time.Time{},
		connection: connection{phase: Down}, loud: map[*person]*roster{}, stats: Stats{Messages: map[string]int64{}}}
	for _, e := range m.callTable {
		m.infoNames = append(m.infoNames, e.name)
		if e.name != joinAudioMuteOverride {
			m.callNames = append(m.callNames, e.name)
		}
	}
	m.callNames = append(m.callNames, cfg.CallElements...)
	m.infoNames = append(m.infoNames, cfg.CallElements...)
	for _, e := range m.rosterTable {
		if e.name != activeSpeaker || cfg.ActiveSpeaker {
			m.peopleName = append(m.peopleName, e.name)
		}
	}
	m.peopleName = append(m.peopleName, cfg.RosterElements...)
	return m
}

// maxHole is the most that one gap between two numbers counts for: a bridge may give its messages any numbers, and counts must neither fall nor lose what they had.
const maxHole = 1 << 20

// Stats returns the counts so far.
func (m *Machine) Stats() Stats {
	s := m.stats
	s.Messages = maps.Clone(m.stats.Messages)
	return s
}

// Receive takes one frame that came at now.
func (m *Machine) Receive(now time.Time, f Frame) error {
	m.heard = now
	if f.Type == "" {
		return m.acknowledged(now, f)
	}
	switch {
	case f.ID <= m.lastID: // numbers are 1, 2, 3 … on a connection
		m.stats.Odd++
	case f.ID-1 > m.lastID:
		m.stats.Holes += min(f.ID-1-m.lastID, maxHole)
		m.doubtAll()
	}
	m.lastID = max(f.ID, m.lastID)
	switch f.Type {
	case subscriptionUpdate, callListUpdate, callInfoUpdate, rosterUpdate:
		m.stats.Messages[f.Type]++
	default: // acknowledged as all are, and otherwise none of our business
		m.stats.Messages["other"]++
		m.stats.Odd++
		return nil
	}
	c, err := f.content()
	if err != nil {
		return err
	}
	if f.Type == subscriptionUpdate {
		return m.states(now, c)
	}
	sub := m.subs[c.Index.Value]
	switch {
	case !c.Index.Told || c.Index.Value < 1 || c.Index.Value > m.index:
		m.stats.Odd++
		return nil
	case sub == nil: // an index of ours that is over
		m.stats.Late++
		return nil
	case sub.Type != subscribedBy(f.Type):
		m.stats.Odd++
		return nil
	}
	if sub.state != stateActive { // data say so as well
		m.enter(now, sub, stateActive)
	}
	switch f.Type {
	case callListUpdate:
		m.callList(now, sub, c)
	case callInfoUpdate:
		m.callInfo(now, sub, c)
	case rosterUpdate:
		m.roster(now, sub, c)
	}
	return nil
}

// Tick does what is due at now.
func (m *Machine) Tick(now time.Time) error {
	if now.Sub(m.pruned) >= forget {
		m.prune(now)
	}
	if now.Sub(m.sampled) >= m.cfg.SpeakerSample {
		m.sampleSpeakers(now)
	}
	if m.phase == Down {
		return nil
	}
	if !m.awaiting.IsZero() && now.Sub(m.awaiting) >= m.cfg.AckTimeout {
		return fmt.Errorf("%w (%s)", ErrNoAck, m.cfg.AckTimeout)
	}
	if !m.check.IsZero() && !now.Before(m.check) {
		m.sweep(now)
	}
	return nil
}

// Due is when Tick and TakeRequest have something to do, if nothing is received before. It is never far away.
func (m *Machine) Due() time.Time {
	due := m.sampled.Add(m.cfg.SpeakerSample)
	sooner := func(t time.Time) {
		if t.Before(due) {
			due = t
		}
	}
	if m.phase == Down {
		return due
	}
	if !m.check.IsZero() {
		sooner(m.check)
	}
	switch {
	case !m.awaiting.IsZero():
		sooner(m.awaiting.Add(m.cfg.AckTimeout))
	case !m.dirty.IsZero():
		sooner(m.dirty.Add(m.cfg.Collect))
	default:
		sooner(m.heard.Add(m.cfg.Probe))
	}
	return due
}

// forget is how long what is gone is remembered, so that a list that was asked for before does not bring it back.
const forget = time.Minute

func (m *Machine) prune(now time.Time) {
	m.pruned = now
	old := func(_ string, at time.Time) bool { return now.Sub(at) >= forget }
	for id, at := range m.ended {
		if old(id, at) {
			delete(m.ended, id)
		}
	}
	for _, r := range m.calls {
		for id, at := range r.gone {
			if old(id, at) {
				delete(r.gone, id)
			}
		}
	}
}

// sampleSpeakers tells the timeline who speaks now, of those for whom that changed since it was last told.
func (m *Machine) sampleSpeakers(now time.Time) {
	m.sampled = now
	for _, p := range slices.SortedFunc(maps.Keys(m.loud), func(a, b *person) int { return strings.Compare(a.ID, b.ID) }) {
		r := m.loud[p]
		if speaks := optional(p.ActiveSpeaker, strconv.FormatBool); speaks != p.speaker {
			m.note(Change{At: now, Kind: ParticipantChanged, Element: activeSpeaker, From: p.speaker, To: speaks}, r, p)
			p.speaker = speaks
		}
	}
	clear(m.loud)
}

// seen is when something was last known to be there: now, as far as the bridge was last heard, unless it is stale.
func (m *Machine) seen(at time.Time, stale bool) time.Time {
	if !stale && m.phase != Down && m.heard.After(at) {
		return m.heard
	}
	return at
}

// doubtAll asks for everything to be read over REST.
func (m *Machine) doubtAll() {
	m.doubt = true
	for _, r := range m.calls {
		r.doubt = true
	}
}

// TakeDoubts returns what does not fit since the last time and should be read over REST soon: the list of calls, and calls by their ids.
func (m *Machine) TakeDoubts() (list bool, calls []string) {
	list, m.doubt = m.doubt, false
	for id, r := range m.calls {
		if r.doubt {
			r.doubt = false
			calls = append(calls, id)
		}
	}
	slices.Sort(calls)
	return list, calls
}
