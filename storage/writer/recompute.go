package writer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Change is a row that facts made anew would change.
type Change struct {
	Table string // name of the fact table's view
	ID    uuid.UUID
	Start time.Time
	Name  string // for a person: the call's name, the leg's display name or address
	// Fields that differ; empty for a row that is not stored at all.
	Fields []FieldChange
	New    bool
}

// FieldChange is one field of a row, by its column.
type FieldChange struct {
	Column   string
	Old, New any
}

// Recomputed is what a recomputation went through.
type Recomputed struct {
	Bodies, Records, Changed int
	Faulty                   int // bodies with a spot that is not understood
	NewRecords               int // records that are understood now and are not stored
}

// Recompute makes the facts of all bodies received in a period anew, from the bodies and what else is stored about the same objects, and reports each row
// that would differ, at most once. It only reads. asOf is the time by which open objects may have timed out.
func Recompute(ctx context.Context, store driver.Conn, settings cdr.Settings, period storage.Period, asOf time.Time, report func(Change) error) (Recomputed, error) {
	r, err := newRecompute(ctx, store, settings, asOf)
	if err != nil {
		return Recomputed{}, err
	}
	r.report = report
	err = storage.EachBody(ctx, store, period, func(head storage.KeptBody, data io.Reader) error {
		r.done.Bodies++
		return r.read(ctx, head, data)
	})
	if err == nil {
		err = r.flush(ctx)
	}
	if err == nil {
		err = r.lookAgain(ctx, settings)
	}
	return r.done, err
}

// recompute is one recomputation under way.
type recompute struct {
	store  driver.Conn
	asOf   time.Time
	ledger *cdr.Ledger
	chunk  []cdr.SourcedRecord
	old    map[cdr.Object]any // stored rows of what the ledger holds
	said   map[cdr.Object]bool
	// unsure differ, but a running writer may have stored a record between our looking at the records and at the row.
	unsure map[cdr.Object]bool
	sure   bool // this is the second look
	report func(Change) error
	done   Recomputed
}

func newRecompute(ctx context.Context, store driver.Conn, settings cdr.Settings, asOf time.Time) (*recompute, error) {
	sessions, err := storage.StoredSessions(ctx, store)
	if err != nil {
		return nil, err
	}
	highest, err := storage.HighestIndices(ctx, store)
	if err != nil {
		return nil, err
	}
	settings.SettleAfter = 0 // nothing more will come
	settings.Bridges = rememberedBridges(sessions)
	r := &recompute{store: store, asOf: asOf, ledger: cdr.NewLedger(settings), old: map[cdr.Object]any{}, said: map[cdr.Object]bool{}, unsure: map[cdr.Object]bool{}}
	r.ledger.RestoreSessions(sessions, highest)
	return r, nil
}

// lookAgain looks a second time at what was changing while it was looked at.
func (r *recompute) lookAgain(ctx context.Context, settings cdr.Settings) error {
	if len(r.unsure) == 0 {
		return nil
	}
	again, err := newRecompute(ctx, r.store, settings, r.asOf)
	if err != nil {
		return err
	}
	again.report, again.sure = r.report, true
	for o := range r.unsure {
		again.ledger.Recall(o)
	}
	err = again.change(ctx, r.unsure)
	r.done.Changed += again.done.Changed
	return err
}

const recomputeChunk = 10000

func (r *recompute) read(ctx context.Context, head storage.KeptBody, data io.Reader) error {
	faulty := false
	for raw, err := range cdr.Scan(plain(data), cdr.Limits{}) {
		if err != nil {
			var fault *cdr.Fault
			if !errors.As(err, &fault) {
				return fmt.Errorf("read body %s: %w", head.ID, err)
			}
			faulty = true
			continue
		}
		record, err := cdr.Decode(raw)
		if err != nil {
			faulty = true
			continue
		}
		r.done.Records++
		r.chunk = append(r.chunk, cdr.SourcedRecord{Record: record, Source: head.Source, Cluster: head.Cluster, Received: head.Received, BodyID: head.ID})
		if len(r.chunk) >= recomputeChunk {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
	}
	if faulty {
		r.done.Faulty++
	}
	return nil
}

func (r *recompute) flush(ctx context.Context) error {
	about := map[cdr.Object]bool{}
	for _, record := range r.chunk {
		for _, o := range cdr.ObjectsOf(record.Record) {
			about[o] = true
		}
	}
	for _, record := range r.chunk {
		if r.ledger.Knows(record.Session, record.CorrelatorIndex) {
			for _, o := range cdr.ObjectsOf(record.Record) {
				r.ledger.Recall(o)
			}
		}
	}
	if err := r.fill(ctx, r.chunk); err != nil {
		return err
	}
	r.ledger.Retake(r.chunk) // what the bodies say now decides
	for _, record := range r.chunk {
		if !r.ledger.Knows(record.Session, record.CorrelatorIndex) {
			r.done.NewRecords++
			r.ledger.Add(record)
		}
	}
	r.chunk = r.chunk[:0]
	return r.change(ctx, about)
}

// change compares what changed about the objects with what is stored, and lets go what is settled.
func (r *recompute) change(ctx context.Context, about map[cdr.Object]bool) error {
	if err := r.fill(ctx, nil); err != nil {
		return err
	}
	for _, row := range rowsOf(r.ledger.Changed(r.asOf)) {
		if about[row.object] { // not what time alone ends meanwhile: the writer sees to it
			if err := r.compare(row); err != nil {
				return err
			}
		}
	}
	r.ledger.Forget(r.asOf)
	for o := range r.old {
		if !r.ledger.Holds(o) {
			delete(r.old, o)
		}
	}
	return nil
}

// fill gives the ledger the stored history of what it asks for, and keeps the rows to compare with.
func (r *recompute) fill(ctx context.Context, records []cdr.SourcedRecord) error {
	for needs := r.ledger.Needs(records); len(needs) > 0; needs = r.ledger.Needs(records) {
		for _, group := range groupNeeds(needs) {
			history, err := storage.LoadHistory(ctx, r.store, group)
			if err != nil {
				return err
			}
			for _, row := range rowsOf(history.Facts) {
				r.old[row.object] = row.row
			}
			for _, object := range group {
				r.ledger.Restore(object, history.Records, history.Facts)
				history = storage.History{}
			}
		}
	}
	return nil
}

// factRow is a row of one of the fact tables.
type factRow struct {
	object  cdr.Object
	row     any
	view    string
	start   time.Time
	name    string
	settled bool // ended, and not just now
	deleted bool
}

// settledAfter is how long after its end nobody writes about an object, if all is well.
const settledAfter = time.Hour

func rowsOf(f cdr.Facts) []factRow {
	var rows []factRow
	add := func(session uuid.UUID, kind cdr.Kind, id uuid.UUID, row any, view string, start time.Time, end *time.Time, name string, deleted uint8) {
		settled := end != nil && time.Since(*end) > settledAfter
		rows = append(rows, factRow{cdr.Object{Session: session, Kind: kind, ID: id}, row, view, start, name, settled, deleted == 1})
	}
	for _, c := range f.Calls {
		add(c.Session, cdr.KindCall, c.ID, c, "calls", c.Start, c.End, c.Name, c.IsDeleted)
	}
	for _, l := range f.Legs {
		name := l.DisplayName
		if name == "" {
			name = l.RemoteParty
		}
		add(l.Session, cdr.KindLeg, l.ID, l, "call_legs", l.Start, l.End, name, l.IsDeleted)
	}
	for _, x := range f.Recordings {
		add(x.Session, cdr.KindRecording, x.ID, x, "recordings", x.Start, x.End, "", x.IsDeleted)
	}
	for _, x := range f.Streams {
		add(x.Session, cdr.KindStream, x.ID, x, "streams", x.Start, x.End, "", x.IsDeleted)
	}
	return rows
}

// compare reports a row that differs from the stored one. Tombstones only clear away what a changed start leaves.
func (r *recompute) compare(row factRow) error {
	if row.deleted || r.said[row.object] {
		return nil
	}
	change := Change{Table: row.view, ID: row.object.ID, Start: row.start, Name: row.name}
	old, stored := r.old[row.object]
	if !stored {
		change.New = true
	} else if change.Fields = differences(old, row.row); len(change.Fields) == 0 {
		return nil
	}
	if !row.settled && !r.sure {
		r.unsure[row.object] = true
		return nil
	}
	r.said[row.object] = true
	r.done.Changed++
	return r.report(change)
}

// differences are the columns by which two rows of one table differ; the version is none.
func differences(old, fresh any) []FieldChange {
	a, b := reflect.ValueOf(old), reflect.ValueOf(fresh)
	var changes []FieldChange
	for i := range a.NumField() {
		column := a.Type().Field(i).Tag.Get("ch")
		if column == "" || column == "version" || column == "is_deleted" {
			continue
		}
		x, y := plainValue(a.Field(i)), plainValue(b.Field(i))
		if !reflect.DeepEqual(x, y) {
			changes = append(changes, FieldChange{column, x, y})
		}
	}
	return changes
}

// plainValue is a field for comparing and showing: nil for what is missing, times in UTC, no difference between no list and an empty one.
func plainValue(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return nil
	}
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return v.Interface()
}

// Understood counts the records of a body, and tells whether the body would be quarantined: because of a part that is not understood, or for want of any.
func Understood(data io.Reader) (records int64, faulty bool) {
	for raw, err := range cdr.Scan(plain(data), cdr.Limits{}) {
		if err == nil {
			_, err = cdr.Decode(raw)
		}
		if err != nil {
			faulty = true
			continue
		}
		records++
	}
	return records, faulty || records == 0
}
