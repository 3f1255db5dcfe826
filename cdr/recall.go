package cdr

import "github.com/google/uuid"

// Knows tells whether a record of the session with that index was added or restored with its session.
func (l *Ledger) Knows(session uuid.UUID, correlatorIndex int64) bool {
	s := l.sessions[session]
	return s != nil && s.knows(correlatorIndex)
}

// Recall has what the records are about made anew, known and held as they may be: Needs then names all of it, and after Restore Changed hands out
// the rows that differ from those stored. It is how a better decoder is run over the past.
func (l *Ledger) Recall(records []SourcedRecord) {
	for _, r := range records {
		if !l.Knows(r.Session, r.CorrelatorIndex) {
			continue // a new record makes its objects be looked at by itself
		}
		for _, o := range ObjectsOf(r.Record) {
			l.wanted[o] = true
		}
	}
}

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
