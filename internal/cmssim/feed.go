package cmssim

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// maxReceivers is the size of a bridge's receiver table.
const maxReceivers = 4

// feed is the CDR side of one bridge: it keeps the unsent records of every receiver and sends them.
//
// Each receiver has two queues. History, when there is any, goes first; what the live part makes meanwhile waits behind
// it. Each queue holds the records of one session after the other, never two mixed.
type feed struct {
	cfg        Config
	faults     *faults
	callBridge story.GUID // zero outside a cluster
	newID      func() story.GUID
	group      *sync.WaitGroup

	mu        sync.Mutex
	changed   sync.Cond // broadcast when a queue shrinks or grows, a receiver comes or goes, or history is over
	ctx       context.Context
	receivers []*receiver
	history   bool // history is still being written
	produced  int64
}

// receiver is one entry of a bridge's receiver table.
type receiver struct {
	id   story.GUID
	url  string
	feed *feed
	gone context.CancelFunc

	// Guarded by feed.mu.
	old, live   []queued
	flight      []queued // in the request under way, or to be sent again
	oldFlight   bool     // flight was taken from old
	session     story.GUID
	index       int64 // last recordIndex given out in session
	missing     int64 // records discarded just before the head of live
	unreachable bool  // the last POST failed
	stats       ReceiverStats
}

// ReceiverStats says what one receiver of one bridge was sent.
type ReceiverStats struct {
	URL          string
	Acknowledged int64 // records answered with 200; each counted once, however often it was sent
	Discarded    int64 // records lost to a full queue, or to a restart
	Requests     int64 // POSTs, failed ones included
	Failures     int64 // POSTs without a 200 that arrived
	Queued       int64 // records not yet acknowledged
}

type queued struct {
	record
	session story.GUID
	index   int64 // recordIndex, given when first sent
	missing int64
}

func newFeed(cfg Config, faults *faults, callBridge story.GUID, newID func() story.GUID, group *sync.WaitGroup) *feed {
	f := &feed{cfg: cfg, faults: faults, callBridge: callBridge, newID: newID, group: group, history: cfg.Backfill > 0}
	f.changed.L = &f.mu
	return f
}

// run lets the receivers known so far, and those to come, be served until ctx ends.
func (f *feed) run(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ctx = ctx
	for _, r := range f.receivers {
		f.serve(r)
	}
}

// add appends a receiver to the table; full reports that there is no room.
func (f *feed) add(url string) (id story.GUID, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.receivers) >= maxReceivers {
		return story.GUID{}, true
	}
	r := &receiver{id: f.newID(), url: url, feed: f, stats: ReceiverStats{URL: url}}
	f.receivers = append(f.receivers, r)
	if f.ctx != nil {
		f.serve(r)
	}
	return r.id, false
}

// change points a receiver elsewhere; what is queued goes there.
func (f *feed) change(id story.GUID, url string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(id)
	if r == nil {
		return false
	}
	r.url, r.stats.URL = url, url
	return true
}

// drop removes a receiver with what is queued for it.
func (f *feed) drop(id story.GUID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.find(id)
	if r == nil {
		return false
	}
	f.receivers = slices.DeleteFunc(f.receivers, func(o *receiver) bool { return o == r })
	if r.gone != nil {
		r.gone()
	}
	f.changed.Broadcast()
	return true
}

func (f *feed) find(id story.GUID) *receiver {
	for _, r := range f.receivers {
		if r.id == id {
			return r
		}
	}
	return nil
}

// table returns id and URL of every receiver.
func (f *feed) table() (ids []story.GUID, urls []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.receivers {
		ids, urls = append(ids, r.id), append(urls, r.url)
	}
	return ids, urls
}

// put queues a record of the live part for every receiver. It never blocks: a full queue loses its oldest record.
// Pre-roll and what waits behind history are let through, since no bridge ever made records that fast.
func (f *feed) put(session story.GUID, rec record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.produced++
	for _, r := range f.receivers {
		if len(r.live) >= f.cfg.QueueRecords && rec.offset > 0 && !f.history && len(r.old) == 0 {
			r.missing++
			r.live[0] = queued{} // for the collector of garbage
			r.live = r.live[1:]
			r.stats.Discarded++
		}
		r.live = append(r.live, queued{record: rec, session: session})
	}
	f.changed.Broadcast()
}

// putHistory queues a record of the past.
func (f *feed) putHistory(session story.GUID, rec record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.produced++
	for _, r := range f.receivers {
		r.old = append(r.old, queued{record: rec, session: session})
	}
	f.changed.Broadcast()
}

// waitRoom blocks while any receiver has more than n records of history to come. It returns false once ctx has ended.
func (f *feed) waitRoom(ctx context.Context, n int) bool {
	return f.wait(ctx, func() bool {
		for _, r := range f.receivers {
			if len(r.old) > n {
				return false
			}
		}
		return true
	})
}

// endHistory lets the live part through once what is queued of history is sent.
func (f *feed) endHistory() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.history = false
	f.changed.Broadcast()
}

// idle reports whether every receiver has acknowledged all there is. f.mu must be held.
func (f *feed) idle() bool {
	for _, r := range f.receivers {
		if r.waiting() > 0 {
			return false
		}
	}
	return !f.history
}

// restart loses what was queued in memory.
func (f *feed) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.receivers {
		r.stats.Discarded += int64(r.waiting())
		r.old, r.live, r.flight, r.missing = nil, nil, nil, 0
	}
	f.changed.Broadcast()
}

func (r *receiver) waiting() int { return len(r.old) + len(r.live) + len(r.flight) }

// wait blocks until ok, which is called with f.mu held. It returns false once ctx has ended.
func (f *feed) wait(ctx context.Context, ok func() bool) bool {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.changed.Broadcast()
	})
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for !ok() {
		if ctx.Err() != nil {
			return false
		}
		f.changed.Wait()
	}
	return true
}

// stats returns a copy of every receiver's figures.
func (f *feed) stats() []ReceiverStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]ReceiverStats, len(f.receivers))
	for i, r := range f.receivers {
		all[i] = r.stats
		all[i].Queued = int64(r.waiting())
	}
	return all
}

// serve starts the one goroutine that sends to r. f.mu must be held and f.ctx set.
func (f *feed) serve(r *receiver) {
	ctx, cancel := context.WithCancel(f.ctx)
	r.gone = cancel
	f.group.Go(func() {
		defer cancel()
		transport := &http.Transport{
			MaxConnsPerHost: 1,
			// A Call Bridge of 2.x did not verify its receivers; for 3.x nothing is known.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // this is what the simulated product does
		}
		defer transport.CloseIdleConnections()
		r.send(ctx, &http.Client{Transport: transport, Timeout: f.cfg.PostTimeout})
	})
}

func (r *receiver) send(ctx context.Context, client *http.Client) {
	var body []byte
	pause := r.feed.cfg.RetryInterval
	for {
		var url string
		ok := r.feed.wait(ctx, func() bool {
			if !r.take() {
				return false
			}
			url = r.url
			body = r.body(body[:0])
			return true
		})
		if !ok {
			return
		}
		if r.settle(r.post(ctx, client, url, body)) {
			pause = r.feed.cfg.RetryInterval
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, 8*r.feed.cfg.RetryInterval)
	}
}

// take fills flight from the queues and reports whether there is anything to send. feed.mu must be held.
func (r *receiver) take() bool {
	if len(r.flight) > 0 {
		return true // a retry: same records, same indices
	}
	from := &r.old
	if len(r.old) == 0 {
		if r.feed.history || len(r.live) == 0 {
			return false
		}
		from = &r.live
	}
	n := batch(*from, r.feed.cfg.MaxBatch)
	r.oldFlight = from == &r.old
	r.flight = slices.Clone((*from)[:n])
	*from = (*from)[n:]
	if len(*from) == 0 {
		*from = nil
	}
	if s := r.flight[0].session; s != r.session {
		r.session, r.index = s, 0
	}
	for i := range r.flight {
		r.index++
		r.flight[i].index = r.index
	}
	if !r.oldFlight {
		r.flight[0].missing, r.missing = r.missing, 0
	}
	return true
}

// batch says how many records go into the next body. One is the norm, with the pairs that are seen on the wire;
// a backlog goes out in large bodies.
func batch(q []queued, most int) int {
	const backlog = 16
	n := 1
	if len(q) > backlog {
		n = min(len(q), most)
	} else if len(q) > 1 && q[0].at.Equal(q[1].at) {
		switch q[0].kind + "+" + q[1].kind {
		case "callStart+callLegUpdate", "callLegEnd+callEnd", "callLegStart+recordingStart", "callLegStart+streamingStart",
			"recordingEnd+callLegEnd", "streamingEnd+callLegEnd":
			n = 2
		}
	}
	for i := range n {
		if q[i].session != q[0].session {
			return i
		}
	}
	return n
}

// body writes the POST body of flight. feed.mu must be held.
func (r *receiver) body(b []byte) []byte {
	b = openBody(b, r.flight[0].session, r.feed.callBridge)
	for i := range r.flight {
		q := &r.flight[i]
		b = q.append(b, q.index, q.missing)
	}
	return closeBody(b)
}

// post sends one body; nil means that it was answered with 200.
func (r *receiver) post(ctx context.Context, client *http.Client, url string, body []byte) error {
	if r.feed.faults.get().ReceiversCut {
		return fmt.Errorf("POST %s: cut off by a simulated fault", url)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("POST %s: %w", url, err)
	}
	req.Header.Set("Content-Type", r.feed.cfg.ContentType)
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("POST %s: %w", url, err)
	}
	defer shut(resp.Body)
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)); err != nil {
		return fmt.Errorf("POST %s: reading the answer: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s: answered %s", url, resp.Status)
	}
	return nil
}

// settle books the outcome of a POST and reports whether the next one may follow at once.
func (r *receiver) settle(failure error) bool {
	f := r.feed
	lost := failure == nil && f.faults.loseAck()
	f.mu.Lock()
	defer f.mu.Unlock()
	r.stats.Requests++
	if failure != nil {
		r.stats.Failures++
		r.unreachable = true
		return false
	}
	r.unreachable = false
	if lost {
		r.stats.Failures++
		return true // the receiver has it, but the bridge does not know: it comes again
	}
	r.stats.Acknowledged += int64(len(r.flight))
	r.flight = nil
	f.changed.Broadcast()
	return true
}

// failing returns the positions in the table, from 1, of the receivers that cannot be reached.
func (f *feed) failing() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var n []int
	for i, r := range f.receivers {
		if r.unreachable {
			n = append(n, i+1)
		}
	}
	return n
}

// oldGone reports whether all history is acknowledged. f.mu must be held.
func (f *feed) oldGone() bool {
	for _, r := range f.receivers {
		if len(r.old) > 0 || r.oldFlight && len(r.flight) > 0 {
			return false
		}
	}
	return true
}
