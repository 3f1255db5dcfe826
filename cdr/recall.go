package cdr

import (
	"maps"

	"github.com/google/uuid"
)

// Knows tells whether a record of the session with that index was added or restored with its session.
func (l *Ledger) Knows(session uuid.UUID, correlatorIndex int64) bool {
	s := l.sessions[session]
	return s != nil && s.knows(correlatorIndex)
}

// Recall has an object made anew, held as it may be: Needs then names it, and after Restore Changed hands out its row if that differs from the one stored.
// It is how a better decoder is run over the past.
func (l *Ledger) Recall(o Object) { l.wanted[o] = true }

// Retake puts records that are known in place of what was restored.
func (l *Ledger) Retake(records []SourcedRecord) {
	for _, r := range records {
		if l.Knows(r.Session, r.CorrelatorIndex) {
			l.take(r)
		}
	}
}

// ObjectsOf are the object that a record is about and those that it names.
func ObjectsOf(r Record) []Object {
	o, ok := objectOf(r)
	if !ok {
		return nil
	}
	list := []Object{o}
	if id := callOf(r); id != uuid.Nil {
		list = append(list, Object{r.Session, KindCall, id})
	}
	if id := feederOf(r); id != uuid.Nil {
		list = append(list, Object{r.Session, KindLeg, id})
	}
	return list
}

// SetBridges names the bridges of callBridge GUIDs, as the inventory knows them by now. Rows that name a bridge otherwise are moved by the next Changed.
func (l *Ledger) SetBridges(bridges map[uuid.UUID]Bridge) {
	if maps.Equal(bridges, l.settings.Bridges) {
		return
	}
	l.settings.Bridges = bridges
	for _, s := range l.sessions {
		if bridge, cluster := l.bridgeOf(s); bridge != s.row.Bridge || cluster != s.row.Cluster {
			s.dirty = true
		}
	}
}
