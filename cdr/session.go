package cdr

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"
)

// bridge is all sessions of one bridge, in the order of their first records.
type bridge struct {
	sessions []*session
	records  int64 // distinct records of all its sessions
}

func (b *bridge) latest() *session { return b.sessions[len(b.sessions)-1] }

// order sorts the sessions; all but the latest are superseded.
func (b *bridge) order() {
	slices.SortFunc(b.sessions, func(x, y *session) int {
		if c := x.first.Compare(y.first); c != 0 {
			return c
		}
		return bytes.Compare(x.id[:], y.id[:])
	})
	for i, s := range b.sessions {
		if was := s.superseded; was != (i < len(b.sessions)-1) {
			s.superseded = !was
			s.dirty, s.sweep = true, true
		}
	}
}

// session is one run of a bridge. It is never forgotten; its objects are.
type session struct {
	id            uuid.UUID
	guid          uuid.UUID // callBridge; the smallest if a session carries several (a finding)
	source        string    // the smallest likewise
	sourceCluster string
	name, cluster string // of the bridge, as rows show them
	bridge        *bridge
	seen          ranges
	first, last   time.Time
	records       int64
	duplicates    int64
	superseded    bool
	dirty         bool
	sweep         bool // rows of unfinished objects must be made anew
	forgot        bool // unfinished objects may have left memory
	whole         bool // began in this ledger and nothing left memory
	objects       map[key]*object
}

func newSession(id uuid.UUID) *session {
	return &session{id: id, objects: map[key]*object{}}
}

// owner learns whose records these are; true if that changed.
func (s *session) owner(guid uuid.UUID, source, cluster string) bool {
	changed := false
	if guid != (uuid.UUID{}) && (s.guid == (uuid.UUID{}) || bytes.Compare(guid[:], s.guid[:]) < 0) {
		s.guid, changed = guid, true
	}
	if s.source == "" || source != "" && source+"\x00"+cluster < s.source+"\x00"+s.sourceCluster {
		s.source, s.sourceCluster, changed = source, cluster, true
	}
	return changed
}

func (s *session) row() Session {
	row := Session{
		ID: s.id, Cluster: s.cluster, Bridge: s.name, BridgeID: s.guid, Source: s.source, SourceCluster: s.sourceCluster,
		FirstTime: s.first, LastTime: s.last, Records: s.records, Duplicates: s.duplicates, Superseded: s.superseded,
		Version: uint64(s.records+s.duplicates) << 1,
	}
	if s.superseded {
		row.Version++
	}
	row.FirstIndex, row.LastIndex, row.Gaps = s.seen.gaps()
	for _, g := range row.Gaps {
		row.Missing += g.Count
		row.ReportedMissing += g.Reported
	}
	return row
}

func (s *session) restore(row Session) {
	s.guid, s.source, s.sourceCluster = row.BridgeID, row.Source, row.SourceCluster
	s.first, s.last = row.FirstTime, row.LastTime
	s.records, s.duplicates = row.Records, row.Duplicates
	s.forgot = true
	from, at := row.FirstIndex, row.FirstTime
	for _, g := range row.Gaps {
		if g.After >= from {
			s.seen.spans = append(s.seen.spans, span{from, g.After, at, g.From})
		}
		from, at = g.After+g.Count+1, g.To
		if g.Reported > 0 {
			s.seen.claims = append(s.seen.claims, span{first: from - g.Reported, last: from - 1})
		}
	}
	s.seen.spans = append(s.seen.spans, span{from, row.LastIndex, at, row.LastTime})
}

// span is a run of known indices with the times of its ends.
type span struct {
	first, last int64
	from, to    time.Time
}

// ranges is the set of known indices, and of those the bridge says it discarded.
type ranges struct {
	spans  []span // in order, never touching
	claims []span // each ends just before a record; times unused
}

// search finds the span that holds i, or the one behind it.
func (r *ranges) search(i int64) (int, bool) {
	return slices.BinarySearchFunc(r.spans, i, func(s span, i int64) int {
		switch {
		case s.last < i:
			return -1
		case s.first > i:
			return 1
		}
		return 0
	})
}

func (r *ranges) has(i int64) bool { _, ok := r.search(i); return ok }

func (r *ranges) last() int64 {
	if len(r.spans) == 0 {
		return -1
	}
	return r.spans[len(r.spans)-1].last
}

// add takes an index and how many before it are reported missing; false if it was known. A copy of a known record may bring a
// claim all the same: what was discarded differs by receiver.
func (r *ranges) add(i int64, at time.Time, missing int64) bool {
	if missing = min(missing, i); missing > 0 {
		c := span{first: i - missing, last: i - 1}
		if !slices.Contains(r.claims, c) {
			r.claims = append(r.claims, c)
		}
	}
	n, known := r.search(i)
	if known {
		return false
	}
	left := n > 0 && r.spans[n-1].last == i-1
	right := n < len(r.spans) && r.spans[n].first == i+1
	switch {
	case left && right:
		r.spans[n-1].last, r.spans[n-1].to = r.spans[n].last, r.spans[n].to
		r.spans = slices.Delete(r.spans, n, n+1)
	case left:
		r.spans[n-1].last, r.spans[n-1].to = i, at
	case right:
		r.spans[n].first, r.spans[n].from = i, at
	default:
		r.spans = slices.Insert(r.spans, n, span{i, i, at, at})
	}
	return true
}

// gaps lists what is absent. A claim before the first record is a gap of its own: the bridge admits the loss. A claim ends just
// before a record, so what it covers of a gap is the gap's end.
func (r *ranges) gaps() (first, last int64, gaps []Gap) {
	if len(r.spans) == 0 {
		return 0, -1, nil
	}
	reported := func(from, to int64) (n int64) {
		for _, c := range r.claims {
			if c.first <= to && c.last >= to {
				n = max(n, to-max(from, c.first)+1)
			}
		}
		return n
	}
	first, last = r.spans[0].first, r.last()
	if n := reported(0, first-1); n > 0 {
		gaps = append(gaps, Gap{After: first - n - 1, Count: n, Reported: n, From: r.spans[0].from, To: r.spans[0].from})
		first -= n
	}
	for i := 1; i < len(r.spans); i++ {
		a, b := r.spans[i-1], r.spans[i]
		gaps = append(gaps, Gap{After: a.last, Count: b.first - a.last - 1, Reported: reported(a.last+1, b.first-1), From: a.to, To: b.from})
	}
	return first, last, gaps
}
