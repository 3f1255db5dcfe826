// Package faults keeps what is wrong as intervals: raised when it is first seen, renewed while it holds, cleared when it is seen to be over. The intervals go to the
// table alarms; those that Bridgewatch found itself are counted in the live state as well.
package faults

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

// maxOpen bounds what one source can have wrong with one bridge: a bridge, or who sends in its name, may tell what it likes. What is beyond it is not raised.
const maxOpen = 10_000

// maxUnsent bounds the cleared intervals that wait for the bus; beyond it the oldest stay open in the table until their bridge's book is recalled.
const maxUnsent = 10_000

// Renew is how often the row of a fault that still holds is sent again with a new last_seen.
const Renew = 5 * time.Minute

// Fault is one thing that is wrong now.
type Fault struct {
	Type, Subject  string
	Reason, Detail string
	CallID         uuid.UUID
	// ID is the id CMS gave to this instance of the fault; zero where we make one of bridge, type, subject and the time it was raised.
	ID uuid.UUID
	// Raised is when it began; zero means when it is first seen here.
	Raised time.Time
}

// key tells the faults of a book apart. CMS gives a new id to a fault that comes again.
func (f Fault) key() string {
	if f.ID != uuid.Nil {
		return f.ID.String()
	}
	return f.Type + "\x00" + f.Subject
}

// bounded cuts what a stranger said to what a row may hold: one row too large for the bus would hold up all others.
func (f Fault) bounded() Fault {
	f.Type, f.Subject, f.Reason, f.Detail = cut(f.Type, 256), cut(f.Subject, 256), cut(f.Reason, 256), cut(f.Detail, 2048)
	return f
}

func cut(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Publish hands rows to the bus and reports whether it took them. It logs why not.
type Publish func(ctx context.Context, rows []storage.Alarm) bool

// Book holds the intervals of one source about one bridge, or about a cluster. All methods may be called from any goroutine. Rows that the bus did not take are
// sent with the next call.
type Book struct {
	cluster, bridge, source string

	publish Publish
	live    *collector.Live
	log     *slog.Logger

	mu     sync.Mutex
	open   map[string]*interval
	looked map[string]bool // types that were looked at; those of CMS are not counted
	unsent []storage.Alarm // cleared intervals that the bus did not take
}

type interval struct {
	row storage.Alarm
	// sent is the last_seen of the row that the bus took last; zero before.
	sent time.Time
}

// NewBook returns an empty book; an empty bridge stands for the cluster. Faults of the source cms are not counted in live: CMS's own alarms have a place there.
func NewBook(cluster, bridge, source string, live *collector.Live, log *slog.Logger, publish Publish) *Book {
	b := &Book{cluster: cluster, bridge: bridge, source: source, publish: publish, log: log, open: make(map[string]*interval), looked: make(map[string]bool)}
	if source != collector.SourceCMS {
		b.live = live
	}
	return b
}

// Recall takes the intervals that an earlier run left open; those of other sources and bridges are ignored. Where a fault was raised anew before the memory could be read,
// the earlier interval ends where that one begins.
func (b *Book) Recall(rows []storage.Alarm) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range rows {
		if a.CMSCluster != b.cluster || a.CallBridge != b.bridge || a.Source != b.source {
			continue
		}
		key := a.Type + "\x00" + a.Subject
		if b.source == collector.SourceCMS {
			key = a.AlarmID.String()
		}
		switch now := b.open[key]; {
		case now == nil:
			b.open[key] = &interval{row: a, sent: a.LastSeen}
			b.looked[a.Type] = true
		case now.row.AlarmID != a.AlarmID:
			end := now.row.Raised
			a.Cleared = &end
			b.unsent = append(b.unsent, a)
		}
	}
	b.tell()
}

// Set says which faults of these types hold at an instant; no types means all of the source. What does not hold is cleared, unless the look was not complete:
// not known is not cleared.
func (b *Book) Set(ctx context.Context, at time.Time, types []string, complete bool, holds []Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := make(map[string]bool, len(holds))
	for _, f := range holds {
		f = f.bounded()
		held[f.key()] = true
		b.raise(at, f)
	}
	var over []string
	if complete {
		for _, kind := range types {
			b.looked[kind] = true
		}
		for key, i := range b.open {
			if !held[key] && (len(types) == 0 || slices.Contains(types, i.row.Type)) {
				over = append(over, key)
			}
		}
	}
	b.clear(at, over)
	b.send(ctx)
}

// Forget clears what holds of these types and does not speak of them any more: there is nothing left to look at.
func (b *Book) Forget(ctx context.Context, at time.Time, types []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var over []string
	for key, i := range b.open {
		if slices.Contains(types, i.row.Type) {
			over = append(over, key)
		}
	}
	for _, kind := range types {
		delete(b.looked, kind)
	}
	b.clear(at, over)
	b.send(ctx)
}

// Raise says that one fault holds, and nothing about others.
func (b *Book) Raise(ctx context.Context, at time.Time, f Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raise(at, f.bounded())
	b.send(ctx)
}

// Clear says that one fault does not hold.
func (b *Book) Clear(ctx context.Context, at time.Time, kind, subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := Fault{Type: kind, Subject: subject}.bounded()
	b.looked[f.Type] = true
	if key := f.key(); b.open[key] != nil {
		b.clear(at, []string{key})
	}
	b.send(ctx)
}

// Quiet clears the faults of these types that were last seen longer ago than after, as of that time.
func (b *Book) Quiet(ctx context.Context, at time.Time, after time.Duration, types ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, i := range b.open {
		if end := i.row.LastSeen.Add(after); slices.Contains(types, i.row.Type) && !at.Before(end) {
			b.clear(end, []string{key})
		}
	}
	b.send(ctx)
}

// Holds reports whether an interval of a fault is open.
func (b *Book) Holds(kind, subject string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[kind+"\x00"+subject] != nil
}

// idSpace is the name space of made-up ids (docs/design.md §2).
var idSpace = uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")

func (b *Book) raise(at time.Time, f Fault) {
	if b.live != nil { // CMS may name types without end; ours are a closed set
		b.looked[f.Type] = true
	}
	i := b.open[f.key()]
	if i == nil && len(b.open) >= maxOpen {
		return
	}
	if i == nil {
		i = &interval{row: storage.Alarm{
			CMSCluster: b.cluster, CallBridge: b.bridge, Source: b.source, AlarmID: f.ID, Type: f.Type, Raised: f.Raised,
			FailureReason: f.Reason, Subject: f.Subject, CallID: f.CallID, Detail: f.Detail,
		}}
		if i.row.Raised.IsZero() {
			i.row.Raised = at
		}
		if f.ID == uuid.Nil {
			i.row.AlarmID = uuid.NewSHA1(idSpace, []byte(strings.Join([]string{b.cluster, b.bridge, b.source, f.Type, f.Subject, i.row.Raised.Format(time.RFC3339Nano)}, "\x00")))
		}
		b.open[f.key()] = i
		b.log.Info("alarm raised", "type", f.Type, "subject", f.Subject, "reason", f.Reason)
	}
	i.row.LastSeen = at
}

func (b *Book) clear(at time.Time, keys []string) {
	for _, key := range keys {
		row := b.open[key].row
		delete(b.open, key)
		row.Cleared = &at
		b.log.Info("alarm cleared", "type", row.Type, "subject", row.Subject)
		b.unsent = append(b.unsent, row)
	}
	if n := len(b.unsent) - maxUnsent; n > 0 {
		b.unsent = slices.Delete(b.unsent, 0, n)
	}
}

// send publishes what is new and tells the live state. The caller holds the lock.
func (b *Book) send(ctx context.Context) {
	b.tell()
	var rows []storage.Alarm
	var renewed []*interval
	for _, i := range b.open {
		if i.sent.IsZero() || i.row.LastSeen.Sub(i.sent) >= Renew {
			rows, renewed = append(rows, versioned(i.row)), append(renewed, i)
		}
	}
	for _, row := range b.unsent {
		rows = append(rows, versioned(row))
	}
	if len(rows) == 0 || !b.publish(ctx, rows) {
		return
	}
	for _, i := range renewed {
		i.sent = i.row.LastSeen
	}
	b.unsent = nil
}

// tell counts the open intervals in the live state.
func (b *Book) tell() {
	if b.live == nil {
		return
	}
	open := make(map[string]int, len(b.looked))
	for kind := range b.looked {
		open[kind] = 0
	}
	for _, i := range b.open {
		open[i.row.Type]++
	}
	b.live.SetFaults(b.cluster, b.bridge, b.source, open)
}

// versioned returns the row with the version its knowledge deserves: later beats earlier, cleared beats open of the same moment.
func versioned(row storage.Alarm) storage.Alarm {
	row.Version = uint64(row.LastSeen.UnixMilli()) * 2
	if row.Cleared != nil {
		row.Version = uint64(max(row.Cleared.UnixMilli(), row.LastSeen.UnixMilli()))*2 + 1
	}
	return row
}
