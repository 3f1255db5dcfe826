package cdr

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// run is a contiguous range of known correlator indices of a session.
type run struct {
	lo, hi         int64
	loTime, hiTime time.Time // of the records at its ends
	loMissing      int64     // what the record at lo says is missing before it
}

// sessionState is what a ledger knows of one run of one bridge.
type sessionState struct {
	row   Session // its index and gap fields are computed when it is handed out
	runs  []run   // in order, never adjacent
	dirty bool
	// unfinishedHeld: everything of the session whose end is not known from a record is in memory.
	unfinishedHeld bool
	// handed is the row as it was last handed out or restored; zero before the first.
	handed Session
	// placed is the GUID that the rows of the session carry; their names are those in row.
	placed uuid.UUID
	// twoBridges and foreign say that the finding was made, so that it is made once.
	twoBridges, foreign bool
}

// knows tells whether the index was seen before.
func (s *sessionState) knows(index int64) bool {
	_, found := slices.BinarySearchFunc(s.runs, index, func(r run, index int64) int {
		switch {
		case r.hi < index:
			return -1
		case r.lo > index:
			return 1
		default:
			return 0
		}
	})
	return found
}

// last is the highest index known, -1 without one.
func (s *sessionState) last() int64 {
	if len(s.runs) == 0 {
		return -1
	}
	return s.runs[len(s.runs)-1].hi
}

// learn adds an index that was not known.
func (s *sessionState) learn(h Header) {
	one := run{lo: h.CorrelatorIndex, hi: h.CorrelatorIndex, loTime: h.Time, hiTime: h.Time, loMissing: h.Missing}
	i, _ := slices.BinarySearchFunc(s.runs, one.lo, func(r run, index int64) int {
		if r.lo < index {
			return -1
		}
		return 1
	})
	before, after := i > 0 && s.runs[i-1].hi+1 == one.lo, i < len(s.runs) && s.runs[i].lo-1 == one.hi
	switch {
	case before && after:
		s.runs[i-1].hi, s.runs[i-1].hiTime = s.runs[i].hi, s.runs[i].hiTime
		s.runs = slices.Delete(s.runs, i, i+1)
	case before:
		s.runs[i-1].hi, s.runs[i-1].hiTime = one.hi, one.hiTime
	case after:
		s.runs[i].lo, s.runs[i].loTime, s.runs[i].loMissing = one.lo, one.loTime, one.loMissing
	default:
		s.runs = slices.Insert(s.runs, i, one)
	}
	if s.row.Records == 0 || h.Time.Before(s.row.FirstTime) {
		s.row.FirstTime = h.Time
	}
	if s.row.Records == 0 || h.Time.After(s.row.LastTime) {
		s.row.LastTime = h.Time
	}
	s.row.Records++
	s.dirty = true
}

// completeness computes the fields of the row that follow from the runs, for handing out: each call gives a higher version.
func (s *sessionState) completeness() Session {
	row := s.row
	row.Gaps = []Gap{}
	row.Missing, row.ReportedMissing = 0, 0
	if len(s.runs) > 0 {
		first, last := s.runs[0], s.runs[len(s.runs)-1]
		row.FirstIndex, row.FirstIndexTime, row.FirstMissing = first.lo, first.loTime, first.loMissing
		row.LastIndex, row.LastIndexTime = last.hi, last.hiTime
	}
	for i := 1; i < len(s.runs); i++ {
		before, after := s.runs[i-1], s.runs[i]
		count := after.lo - before.hi - 1
		gap := Gap{After: before.hi, Count: count, Reported: min(after.loMissing, count), From: before.hiTime, To: after.loTime}
		row.Gaps = append(row.Gaps, gap)
		row.Missing += gap.Count
		row.ReportedMissing += gap.Reported
	}
	// More is known with each record; what else changes (a session may be superseded, and turn out not to be) must win over the row before.
	s.row.Version = max(uint64(row.Records+row.Duplicates), s.row.Version+1)
	row.Version = s.row.Version
	s.handed = row
	return row
}

// reopened is the row as it stands in storage, but not superseded, if that is what has changed; nothing else that is new is in it.
func (s *sessionState) reopened() (row Session, is bool) {
	if !s.handed.Superseded || s.row.Superseded {
		return row, false
	}
	s.row.Version++
	s.handed.Superseded, s.handed.Version = false, s.row.Version
	return s.handed, true
}

// restoreSession makes the state that handed out the row.
func restoreSession(row Session) *sessionState {
	s := &sessionState{row: row, handed: row, placed: row.BridgeID}
	if row.Records == 0 {
		return s
	}
	lo, loTime, loMissing := row.FirstIndex, row.FirstIndexTime, row.FirstMissing
	for _, g := range row.Gaps {
		s.runs = append(s.runs, run{lo: lo, hi: g.After, loTime: loTime, hiTime: g.From, loMissing: loMissing})
		lo, loTime, loMissing = g.After+g.Count+1, g.To, g.Reported
	}
	s.runs = append(s.runs, run{lo: lo, hi: row.LastIndex, loTime: loTime, hiTime: row.LastIndexTime, loMissing: loMissing})
	return s
}

// bridgeKey is what tells sessions of one bridge: its GUID, and the token where one of two sessions has no GUID, as the bridge was in no cluster then.
type bridgeKey struct {
	guid  uuid.UUID
	token tokenKey
}

// tokenKey is the token by which records came.
type tokenKey struct{ cluster, source string }

func (s *sessionState) bridge() bridgeKey {
	return bridgeKey{s.row.BridgeID, tokenKey{s.row.SourceCluster, s.row.Source}}
}

// beganAfter orders sessions by their first records; b may be nil.
func (s *sessionState) beganAfter(b *sessionState) bool {
	return b == nil || cmp.Or(s.row.FirstTime.Compare(b.row.FirstTime), bytes.Compare(s.row.ID[:], b.row.ID[:])) > 0
}
