package subscriber

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bridgewatch/bridgewatch/events"
)

// bulkFrom is the fewest calls that make it cheaper to read the participants of all calls at once, and page how many of them, of whatever calls, a bridge tells
// in one answer (cms-api.md §2.3).
const (
	bulkFrom = 8
	page     = 20
)

// restReader reads over REST what events do not bring, and now and then everything: it heals lost or odd updates, and it alone tells who hosts a participant.
type restReader struct {
	*session
	list, full time.Time            // when the calls, and everything, were last asked for
	rosters    map[string]time.Time // when the participants of a call were
	doubtList  bool
	doubts     map[string]bool
	failed     bool
}

// reconcile reads until ctx ends, one request at a time.
func (s *session) reconcile(ctx context.Context) {
	r := restReader{session: s, rosters: map[string]time.Time{}, doubts: map[string]bool{}}
	const look = time.Second
	for {
		pause := look
		if err := r.step(ctx); err != nil && ctx.Err() == nil {
			s.sub.metrics.rest.WithLabelValues(s.cluster, s.bridge.Name, "failed").Inc()
			if !r.failed {
				s.log.Warn("calls and participants not read over REST", "error", err)
			}
			r.failed, pause = true, s.sub.cfg.RESTEvery
		} else {
			r.failed = false
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// step reads what is due.
func (r *restReader) step(ctx context.Context) error {
	cfg, now := r.sub.cfg, time.Now()
	due := func(last time.Time, every time.Duration) bool { return now.Sub(last) >= every }
	var list bool
	var missing, unplaced []string
	var everybody int
	r.update(func(m *events.Machine) {
		list, missing = m.NeedsREST()
		unplaced, everybody = m.Unplaced(), m.Listed()
		doubtList, doubts := m.TakeDoubts()
		r.doubtList = r.doubtList || doubtList
		for _, call := range doubts {
			r.doubts[call] = true
		}
	})
	r.sub.metrics.subscriptions.WithLabelValues(r.cluster, r.bridge.Name).Set(float64(len(missing)))
	if due(r.full, cfg.Reconcile) {
		r.full = now
		return errors.Join(r.readCalls(ctx), r.readAll(ctx))
	}
	if list && due(r.list, cfg.RESTEvery) || r.doubtList && due(r.list, cfg.RESTDoubt) {
		if err := r.readCalls(ctx); err != nil {
			return err
		}
	}
	var calls []string
	for _, call := range missing {
		if due(r.rosters[call], cfg.RESTEvery) {
			calls = append(calls, call)
		}
	}
	for call := range r.doubts {
		unplaced = append(unplaced, call)
	}
	for _, call := range unplaced {
		if due(r.rosters[call], cfg.RESTDoubt) && !slices.Contains(calls, call) {
			calls = append(calls, call)
		}
	}
	if len(calls) >= max(bulkFrom, everybody/page) {
		return r.readAll(ctx)
	}
	// The longest unread first: one that cannot be read must not keep the others from it.
	slices.SortStableFunc(calls, func(a, b string) int { return r.rosters[a].Compare(r.rosters[b]) })
	for _, call := range calls {
		if err := r.readCall(ctx, call); err != nil {
			return err
		}
	}
	return nil
}

func (r *restReader) readCalls(ctx context.Context) error {
	asked := r.clock()
	listed, err := r.rest.ListCalls(ctx)
	if err != nil {
		return err
	}
	r.read()
	r.list, r.doubtList = time.Now(), false
	r.update(func(m *events.Machine) { m.ReconcileCalls(r.clock(), asked, listed) })
	return nil
}

// readCall reads the participants of one call. A call that is gone meanwhile puts the list of calls in doubt.
func (r *restReader) readCall(ctx context.Context, call string) error {
	asked := r.clock()
	r.rosters[call] = time.Now()
	delete(r.doubts, call)
	listed, err := r.rest.ListParticipants(ctx, call)
	if err != nil {
		return err
	}
	r.read()
	people, there := listed[call]
	if !there {
		r.doubtList = true
		return nil
	}
	r.update(func(m *events.Machine) { m.ReconcileRoster(r.clock(), asked, call, people) })
	return nil
}

// readAll reads the participants of all calls.
func (r *restReader) readAll(ctx context.Context) error {
	asked := r.clock()
	listed, err := r.rest.ListParticipants(ctx, "")
	if err != nil {
		return err
	}
	r.read()
	read := time.Now()
	clear(r.doubts)
	clear(r.rosters)
	r.update(func(m *events.Machine) {
		for _, call := range m.CallIDs(asked) {
			r.rosters[call] = read
			m.ReconcileRoster(r.clock(), asked, call, listed[call])
		}
	})
	return nil
}

func (r *restReader) read() { r.sub.metrics.rest.WithLabelValues(r.cluster, r.bridge.Name, "ok").Inc() }
