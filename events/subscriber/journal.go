package subscriber

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// journal makes rows of changes and hands them to the bus: the timeline, and the stays of participants.
type journal struct {
	session *session

	mu       sync.Mutex
	sequence uint64
	last     uint64 // version given
	rows     []storage.Event
	stays    map[stayKey]*stay         // of who is there
	over     []storage.ParticipantStay // of who has left, not yet handed over
}

type stayKey struct{ call, participant string }

type stay struct {
	row   storage.ParticipantStay
	dirty bool
	// call and who are as last told: which bridge hosts somebody may be named only later.
	call *events.Call
	who  *events.Participant
}

func newJournal(s *session) *journal { return &journal{session: s, stays: map[stayKey]*stay{}} }

// add takes changes. It is quick: rows wait for flush.
func (j *journal) add(changes []events.Change) {
	if len(changes) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range changes {
		j.sequence++
		j.rows = append(j.rows, j.event(&changes[i]))
		j.stay(&changes[i])
	}
	j.bound()
}

// bound drops the oldest of what waits beyond the limit. The caller holds the lock.
func (j *journal) bound() {
	most, dropped := j.session.sub.cfg.MaxRows, j.session.sub.metrics.dropped
	if excess := len(j.rows) - most; excess > 0 {
		j.rows = slices.Clone(j.rows[excess:])
		dropped.Add(float64(excess))
	}
	if excess := len(j.over) - most; excess > 0 {
		j.over = slices.Clone(j.over[excess:])
		dropped.Add(float64(excess))
	}
}

func (j *journal) event(c *events.Change) storage.Event {
	e := storage.Event{Time: c.At, Sequence: j.sequence, CMSCluster: j.session.cluster, CallBridge: j.session.bridge.Name, Kind: string(c.Kind),
		Element: c.Element, From: c.From, To: c.To, Reason: c.Reason, AtSnapshot: bit(c.AtSnapshot)}
	if c.Element == events.ElementHost {
		e.From, e.To = "", j.session.hostOf(c.Call, c.Participant)
	}
	if c.Call != nil {
		e.CallID, e.CallCorrelator, e.Name = cdr.ParseID(c.Call.ID), cdr.ParseID(c.Call.Correlator), c.Call.Name
	}
	if c.Participant != nil {
		e.ParticipantID, e.Name = cdr.ParseID(c.Participant.ID), c.Participant.Name
	}
	return e
}

// stay follows who is there.
func (j *journal) stay(c *events.Change) {
	if c.Call == nil {
		return
	}
	if c.Participant == nil {
		if c.Kind == events.CallChanged && (c.Element == "name" || c.Element == "callCorrelator") {
			for key, s := range j.stays {
				if key.call == c.Call.ID {
					s.call, s.dirty = c.Call, true
					s.row.CallName, s.row.CallCorrelator = c.Call.Name, cdr.ParseID(c.Call.Correlator)
				}
			}
		}
		return
	}
	key := stayKey{c.Call.ID, c.Participant.ID}
	s := j.stays[key]
	switch {
	case !c.Participant.Here():
		return
	case s == nil:
		s = &stay{}
		s.row.AtSnapshot = bit(c.AtSnapshot)
		j.stays[key] = s
	}
	p, before := c.Participant, s.row
	s.call, s.who = c.Call, p
	s.row = storage.ParticipantStay{
		CMSCluster: j.session.cluster, CallBridge: j.session.bridge.Name, CallID: cdr.ParseID(c.Call.ID), CallCorrelator: cdr.ParseID(c.Call.Correlator),
		ParticipantID: cdr.ParseID(p.ID), CallName: c.Call.Name, Name: p.Name, URI: p.URI, Direction: p.Direction, Client: string(events.ClientOf(p)),
		Capture: string(events.CaptureOf(p)), HostBridge: before.HostBridge, Joined: p.Joined, AtSnapshot: before.AtSnapshot, Seen: p.Seen,
	}
	j.place(s)
	switch {
	case c.Kind == events.ParticipantLeft:
		left := c.At
		s.row.Left, s.row.Reason = &left, c.Reason
		s.row.Version = j.version()
		j.over = append(j.over, s.row)
		delete(j.stays, key)
	case c.Kind == events.ParticipantJoined, c.Element == "name", c.Element == "uri", c.Element == "direction", c.Element == "canMove":
		s.dirty = true
	}
}

// place notes which bridge hosts the participant of a stay, once it is known.
func (j *journal) place(s *stay) {
	if host := j.session.hostOf(s.call, s.who); host != "" && host != s.row.HostBridge {
		s.row.HostBridge, s.dirty = host, true
	}
}

// named is told when the names of bridges have changed.
func (j *journal) named() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.stays {
		j.place(s)
	}
}

// run hands rows to the bus until ctx ends, then all that are left, with the time at which everybody who is there was last seen.
func (j *journal) run(ctx context.Context) {
	cfg := j.session.sub.cfg
	renewed := time.Now()
	for sleep(ctx, cfg.Publish) {
		if renew := time.Since(renewed) >= cfg.Renew; renew {
			renewed = time.Now()
			j.renew()
		}
		j.flush(ctx)
	}
}

// finish is run's end, once nothing more is added.
func (j *journal) finish() {
	const atMost = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	j.renew()
	j.flush(ctx)
}

// renew marks the stays of everybody who is there, with when they were last seen.
func (j *journal) renew() {
	seen := map[stayKey]time.Time{}
	j.session.update(func(m *events.Machine) {
		for c := range m.Calls() {
			for _, p := range c.People {
				seen[stayKey{c.ID, p.ID}] = p.Seen
			}
		}
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, s := range j.stays {
		if at := seen[key]; at.After(s.row.Seen) {
			s.row.Seen, s.dirty = at, true
		}
	}
}

// batch is how many rows go into one message.
const batch = 2000

// flush hands over what waits. What the bus does not take waits for the next time.
func (j *journal) flush(ctx context.Context) {
	if j.session.sub.deps.Publisher == nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.rows, j.over = nil, nil
		return
	}
	j.mu.Lock()
	rows, stays := j.rows, j.over
	j.rows, j.over = nil, nil
	var open []*stay
	for _, s := range j.stays {
		if s.dirty {
			row := s.row
			row.Version = j.version()
			s.dirty = false
			stays, open = append(stays, row), append(open, s)
		}
	}
	j.mu.Unlock()
	name := j.session.bridge.Name
	rows = handOver(ctx, j, bus.Subject("events", name, "changes"), storage.TableEvents, rows)
	left := handOver(ctx, j, bus.Subject("events", name, "participants"), storage.TableParticipants, stays)
	if len(rows)+len(left) == 0 {
		return
	}
	refused := len(left) > 0
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rows = append(rows, j.rows...)
	left = slices.DeleteFunc(left, func(row storage.ParticipantStay) bool { return row.Left == nil })
	j.over = append(left, j.over...)
	j.bound()
	if refused {
		for _, s := range open { // written again is harmless
			s.dirty = true
		}
	}
}

// handOver publishes rows in batches and returns those that the bus did not take.
func handOver[T any](ctx context.Context, j *journal, subject, table string, rows []T) []T {
	for len(rows) > 0 {
		n := min(batch, len(rows))
		if err := j.session.sub.deps.Publisher.PublishRows(ctx, subject, table, rows[:n]); err != nil {
			j.session.log.Warn("rows of events not published; they are kept for now", "table", table, "rows", len(rows), "error", err)
			return rows
		}
		rows = rows[n:]
	}
	return nil
}

// version makes a later writing of a row win: the time of writing in microseconds, and always higher than the one before. The time of a change would not do:
// it is when a frame came, which may be before a row was written that knew nothing of it.
func (j *journal) version() uint64 {
	j.last = max(j.last+1, uint64(j.session.clock().UnixMicro()))
	return j.last
}

func bit(on bool) uint8 {
	if on {
		return 1
	}
	return 0
}
