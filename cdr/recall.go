package cdr

import "github.com/google/uuid"

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
