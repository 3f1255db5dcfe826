package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/storage"
)

// slowStore knows every call, after a while.
type slowStore struct {
	Store
	takes   time.Duration
	err     error
	asked   atomic.Int64
	atOnce  atomic.Int64
	crowded atomic.Bool // questions at the same time
}

func (s *slowStore) CallsByID(ctx context.Context, _ time.Time, ids []uuid.UUID) (map[uuid.UUID]storage.Call, error) {
	s.asked.Add(1)
	if s.atOnce.Add(1) > 1 {
		s.crowded.Store(true)
	}
	defer s.atOnce.Add(-1)
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	calls := map[uuid.UUID]storage.Call{}
	for _, id := range ids {
		calls[id] = storage.Call{ID: id, OwnerName: "Olga"}
	}
	return calls, s.err
}

func (s *slowStore) PresencesAt(context.Context, time.Time, []storage.Call) (map[uuid.UUID][]storage.Presence, error) {
	return nil, nil
}

func liveCall(id uuid.UUID) LiveCall {
	return LiveCall{LiveBridge{"emea", "cb1"}, events.Call{ID: id.String(), Since: time.Now()}}
}

// TestRecordsOfABusyStore: an answer waits for the store as long as it has patience and no longer; what comes later is in the next answer; what is fresh is not
// asked for again; what is asked for meanwhile goes in one question.
func TestRecordsOfABusyStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{takes: time.Second}
		r := newRecords(time.Minute)
		a, b := uuid.New(), uuid.New()
		of := func(patience time.Duration, ids ...uuid.UUID) (owners []string, late int, took time.Duration) {
			began := time.Now()
			var calls []LiveCall
			for _, id := range ids {
				calls = append(calls, liveCall(id))
			}
			known, missed, err := r.of(t.Context(), store, calls, patience)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				owners = append(owners, known[id].OwnerName)
			}
			return owners, len(missed), time.Since(began)
		}
		check := func(what string, wantOwners string, wantLate int, wantTook time.Duration, patience time.Duration, ids ...uuid.UUID) {
			t.Helper()
			owners, late, took := of(patience, ids...)
			if fmt.Sprint(owners) != wantOwners || late != wantLate || took != wantTook {
				t.Errorf("%s: owners %v, %d late, after %s; want %s, %d, %s", what, owners, late, took, wantOwners, wantLate, wantTook)
			}
		}
		check("the first answer", "[]", 0, 0, recordsPatience)
		check("a call that is not known yet", "[ ]", 2, recordsPatience, recordsPatience, a, b)
		time.Sleep(time.Second)
		check("it came meanwhile", "[Olga Olga]", 0, 0, recordsPatience, a, b)
		asked := store.asked.Load()
		if asked != 1 {
			t.Errorf("the store was asked %d times", asked)
		}
		time.Sleep(recordsFresh)
		check("it is old", "[Olga]", 1, recordsPatience, recordsPatience, a)
		check("whoever needs it waits", "[Olga]", 0, time.Second-recordsPatience, 0, a)
		time.Sleep(recordsKept)
		store.takes = time.Hour
		check("it is too old", "[]", 1, recordsPatience, recordsPatience, a)
		if store.crowded.Load() {
			t.Error("the store had several questions at the same time")
		}
		time.Sleep(2 * time.Minute) // the last question ends
	})
}

// TestRecordsAreAskedForOnce: however many ask, the store gets one question at a time, and its error reaches those who waited for it.
func TestRecordsAreAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{takes: time.Second}
		r := newRecords(time.Minute)
		ask := func() (failed int64) {
			var count atomic.Int64
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if _, late, err := r.of(t.Context(), store, []LiveCall{liveCall(uuid.New())}, 0); err != nil || len(late) > 0 {
						count.Add(1)
					}
				})
			}
			all.Wait()
			return count.Load()
		}
		if failed := ask(); failed != 0 || store.asked.Load() > 3 || store.crowded.Load() {
			t.Errorf("%d of 100 failed, the store was asked %d times", failed, store.asked.Load())
		}
		store.err = http.ErrServerClosed
		if failed := ask(); failed != 100 {
			t.Errorf("%d of 100 were told of the error", failed)
		}
	})
}

// bigPicture is 24 bridges with 40 calls each of 23 people, as much as anybody has.
func bigPicture() *picture {
	yes := true
	now := time.Now()
	p := &picture{all: true}
	for n := range 24 * 40 {
		view := events.CallView{Call: events.Call{ID: uuid.NewString(), Correlator: uuid.NewString(), Name: fmt.Sprintf("Meeting %d", n), Type: "coSpace", Since: now, Roster: events.RosterEvents}}
		for i := range 23 {
			view.People = append(view.People, events.Participant{ID: uuid.NewString(), Name: fmt.Sprintf("Person %d of %d", i, n), URI: "person@example.org", State: "connected",
				Direction: "incoming", AudioMuted: &yes, ActiveSpeaker: &yes, Joined: now, Seen: now})
		}
		p.calls = append(p.calls, view)
	}
	return p
}

// BenchmarkActiveCalls answers with the first hundred of 960 calls, participants included.
func BenchmarkActiveCalls(b *testing.B) {
	pic := bigPicture()
	server := New(Config{}, Deps{Store: func() Store { return &slowStore{} }, Live: pic, Log: slog.New(slog.DiscardHandler)}).Handler()
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/calls?active=true", http.NoBody))
		if w.Code != http.StatusOK || w.Body.Len() < 100_000 {
			b.Fatalf("status %d, %d bytes", w.Code, w.Body.Len())
		}
	}
}
