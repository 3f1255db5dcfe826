package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
)

const (
	// recordsFresh is how old what records say of a live call may be in an answer.
	recordsFresh = 2 * time.Second
	// recordsPatience is how long an answer waits for the store. What events tell is of this moment, and a store that is busy does not make it old.
	recordsPatience = 200 * time.Millisecond
	// recordsKept is how long they are remembered, for a store that takes longer.
	recordsKept = time.Minute
	// recordsAtOnce are the most calls in one question to the store.
	recordsAtOnce = 2000
)

// records remembers what call detail records say of calls that are going on. Whatever is asked for meanwhile is gathered: the store has one question at a time.
type records struct {
	timeout time.Duration // of one question

	mu      sync.Mutex
	known   map[uuid.UUID]knownRecord
	current *recordQuestion // that the store works on; nil: none
	next    *recordQuestion // that gathers; nil: nothing is wanted
}

// knownRecord is what the store said of a call when it was asked; nil: it did not know it.
type knownRecord struct {
	call *storage.Call
	at   time.Time
}

// recordQuestion asks for calls by id that began at or after since.
type recordQuestion struct {
	ids   map[uuid.UUID]bool
	since time.Time
	done  chan struct{} // closed once it is answered
	err   error
}

// wait returns when the question is answered, or with the context's error. There may be no question.
func (q *recordQuestion) wait(ctx context.Context) error {
	if q == nil {
		return nil
	}
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newRecords(timeout time.Duration) *records {
	return &records{timeout: timeout, known: map[uuid.UUID]knownRecord{}}
}

// of gives what records say of live calls, and which of them the store did not answer for within patience, 0 without end: of those it is what was
// known before, if anything.
func (r *records) of(ctx context.Context, store Store, calls []LiveCall, patience time.Duration) (known map[uuid.UUID]storage.Call, late map[uuid.UUID]bool, err error) {
	asked := time.Now()
	fresh := func(id uuid.UUID) bool { return asked.Sub(r.known[id].at) <= recordsFresh }
	r.mu.Lock()
	var inCurrent, inNext *recordQuestion
	for _, c := range calls {
		switch id := cdr.ParseID(c.Call.ID); {
		case fresh(id):
		case r.current != nil && r.current.ids[id]:
			inCurrent = r.current
		default:
			inNext = r.gather(id, c.Call.Since.Add(-legsBefore))
		}
	}
	if inNext != nil && r.current == nil {
		r.current, r.next = r.next, nil
		go r.ask(context.WithoutCancel(ctx), store)
	}
	r.mu.Unlock()
	if patience > 0 {
		patient, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err = errors.Join(inCurrent.wait(patient), inNext.wait(patient))
		if patient.Err() != nil && ctx.Err() == nil {
			err = nil
		}
	} else {
		err = errors.Join(inCurrent.wait(ctx), inNext.wait(ctx))
	}
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known, late = make(map[uuid.UUID]storage.Call, len(calls)), map[uuid.UUID]bool{}
	for _, c := range calls {
		id := cdr.ParseID(c.Call.ID)
		if k := r.known[id]; k.call != nil && asked.Sub(k.at) <= recordsKept {
			known[id] = *k.call
		}
		if !fresh(id) {
			late[id] = true
		}
	}
	return known, late, nil
}

// gather puts a call into the next question.
func (r *records) gather(id uuid.UUID, since time.Time) *recordQuestion {
	if r.next == nil {
		r.next = &recordQuestion{ids: map[uuid.UUID]bool{}, since: since, done: make(chan struct{})}
	}
	r.next.ids[id] = true
	if since.Before(r.next.since) {
		r.next.since = since
	}
	return r.next
}

// ask has the store answer the current question, then the next, until there is none.
func (r *records) ask(ctx context.Context, store Store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.current != nil {
		question := r.current
		r.mu.Unlock()
		question.err = r.answer(ctx, store, question)
		close(question.done)
		r.mu.Lock()
		r.current, r.next = r.next, nil
	}
}

func (r *records) answer(ctx context.Context, store Store, question *recordQuestion) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	for ids := range slices.Chunk(slices.Collect(maps.Keys(question.ids)), recordsAtOnce) {
		at := time.Now()
		found, err := store.CallsByID(ctx, question.since, ids)
		if err != nil {
			return err
		}
		r.mu.Lock()
		for _, id := range ids {
			known := knownRecord{at: at}
			if call, there := found[id]; there {
				known.call = &call
			}
			r.known[id] = known
		}
		maps.DeleteFunc(r.known, func(_ uuid.UUID, k knownRecord) bool { return at.Sub(k.at) > recordsKept })
		r.mu.Unlock()
	}
	return nil
}
