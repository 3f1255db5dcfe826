package writer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// runCDR turns bodies into records and facts until ctx ends.
func (w *Writer) runCDR(ctx context.Context) error {
	facts := &factWriter{w: w, ledger: cdr.NewLedger(w.cfg.Facts)}
	if err := facts.restore(ctx); err != nil {
		return wrapStream(bus.CDR, err)
	}
	return w.consume(ctx, bus.CDR, func(ctx context.Context, messages []jetstream.Msg) error {
		if messages == nil {
			return facts.flush(ctx) // facts also change with time alone
		}
		return w.writeBodies(ctx, facts, messages)
	})
}

// consume hands batches of a stream to write until ctx ends, and nil when the stream has been quiet for a while. A broker that is away is waited for.
func (w *Writer) consume(ctx context.Context, stream bus.Stream, write func(context.Context, []jetstream.Msg) error) error {
	for {
		err := w.consumeOnce(ctx, stream, write)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, bus.ErrUnavailable) {
			return wrapStream(stream, err)
		}
		w.log.Warn("the bus cannot be read; it is tried again", "stream", stream, "error", err)
		if err := sleep(ctx, w.cfg.RetryMax); err != nil {
			return err
		}
	}
}

func (w *Writer) consumeOnce(ctx context.Context, stream bus.Stream, write func(context.Context, []jetstream.Msg) error) error {
	consumer, err := w.deps.Bus.Consumer(ctx, stream)
	if err != nil {
		return err
	}
	for {
		quiet, cancel := context.WithTimeout(ctx, pauseBetweenSweeps)
		messages, err := consumer.Batch(quiet, w.cfg.BatchMessages, w.cfg.BatchBytes, w.cfg.Linger)
		over := quiet.Err() != nil
		cancel()
		if err != nil && (ctx.Err() != nil || !over) {
			return err
		}
		began := w.now()
		if err := write(ctx, messages); err != nil {
			return err
		}
		if len(messages) > 0 {
			w.metrics.seconds.WithLabelValues(string(stream)).Observe(w.now().Sub(began).Seconds())
		}
	}
}

// pauseBetweenSweeps is how often facts are looked at for what time alone changes: orphans that time out.
const pauseBetweenSweeps = 30 * time.Second

// writeBodies stores the bodies of a batch of messages and what they say, then acknowledges.
func (w *Writer) writeBodies(ctx context.Context, facts *factWriter, messages []jetstream.Msg) error {
	release := w.holdMessages(messages)
	defer release()
	var kept []jetstream.Msg
	var bodies []bus.Body
	var beats []any
	for _, msg := range messages {
		found, err := bus.Bodies(msg)
		if err != nil {
			if err := w.bury(ctx, bus.CDR, msg, err); err != nil {
				return err
			}
			continue
		}
		kept = append(kept, msg)
		for _, body := range found {
			if body.Source == HeartbeatSource {
				beats = append(beats, &storage.Heartbeat{Sent: body.Received, Stored: w.now().UTC()})
				continue
			}
			bodies = append(bodies, body)
		}
	}
	if err := w.insert(ctx, storage.Heartbeats, beats); err != nil {
		return err
	}
	for _, beat := range beats {
		w.deps.Observer.HeartbeatStored(beat.(*storage.Heartbeat).Sent)
	}
	if err := w.storeBodies(ctx, bodies); err != nil {
		return err
	}
	incomplete := map[uuid.UUID]bool{}
	for _, body := range bodies {
		if body.Part != body.Parts {
			continue // its last part brings it to be read
		}
		reader, whole, err := w.open(ctx, body)
		if err != nil {
			return err
		}
		if !whole {
			incomplete[body.ID] = true
			continue
		}
		if err := facts.read(ctx, body, reader); err != nil {
			return err
		}
	}
	if err := facts.flush(ctx); err != nil {
		return err
	}
	stored := kept[:0]
	for _, msg := range kept {
		if !holdsAny(msg, incomplete) {
			stored = append(stored, msg)
		} else if err := msg.NakWithDelay(time.Second); err != nil {
			w.log.Debug("message could not be given back; it will come again", "error", err)
		}
	}
	w.acknowledge(ctx, bus.CDR, stored)
	return nil
}

// holdsAny tells whether the message carries one of the bodies.
func holdsAny(msg jetstream.Msg, ids map[uuid.UUID]bool) bool {
	if len(ids) == 0 {
		return false
	}
	bodies, err := bus.Bodies(msg)
	return err == nil && slices.ContainsFunc(bodies, func(b bus.Body) bool { return ids[b.ID] })
}

// tailForMask is how much of a preceding part is looked at to see whether a stream URL reaches into the next.
const tailForMask = 4 << 10

// storeBodies masks what is secret and stores the bodies as they came.
func (w *Writer) storeBodies(ctx context.Context, bodies []bus.Body) error {
	rows := make([]any, 0, len(bodies))
	tails := map[uuid.UUID][]byte{}
	for i := range bodies {
		body := &bodies[i]
		if body.Parts == 1 {
			body.Data = readable(body.Data)
		}
		var before []byte
		if body.Part > 1 {
			var known bool
			if before, known = tails[body.ID]; !known {
				var err error
				if before, err = w.tailOfPart(ctx, *body, body.Part-1); err != nil {
					return err
				}
			}
		}
		maskStreamURLs(before, body.Data)
		if body.Parts > 1 {
			tails[body.ID] = bytes.Clone(body.Data[max(0, len(body.Data)-tailForMask):])
		}
		rows = append(rows, &storage.Body{
			ID: body.ID, Part: uint32(body.Part), Parts: uint32(body.Parts), Received: body.Received, Source: body.Source,
			Cluster: body.Cluster, Remote: body.Remote, ContentType: body.ContentType, Body: string(body.Data),
		})
	}
	return w.insert(ctx, storage.Bodies, rows)
}

// tailOfPart reads the end of an earlier part of a body; empty where it is not there (yet).
func (w *Writer) tailOfPart(ctx context.Context, body bus.Body, part int) (tail []byte, err error) {
	err = w.retry(ctx, "end of a body's part", func(ctx context.Context) error {
		text, err := storage.PartTail(ctx, w.deps.Store, body.Source, body.Received, body.ID, part, tailForMask)
		tail = []byte(text)
		return err
	})
	return tail, err
}

// open gives the whole body to read. Parts before the last are read back from the store one by one, so that a body of any size takes the memory
// of one part; whole is false where one of them is not stored yet.
func (w *Writer) open(ctx context.Context, body bus.Body) (r io.Reader, whole bool, err error) {
	if body.Parts == 1 {
		return plain(bytes.NewReader(body.Data)), true, nil
	}
	var have int
	err = w.retry(ctx, "parts of a body", func(ctx context.Context) error {
		var err error
		have, err = storage.PartsStored(ctx, w.deps.Store, body.Source, body.Received, body.ID)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if have < body.Parts {
		w.log.Warn("a part of a body is not there yet; the body waits for it", "body", body.ID, "parts", body.Parts, "stored", have)
		return nil, false, nil
	}
	return plain(&partsReader{ctx: ctx, w: w, body: body, next: 1}), true, nil
}

// mostUnpacked bounds what a compressed body may become.
const mostUnpacked = 1 << 30

// mostReadable bounds what readable holds in memory.
const mostReadable = 32 << 20

// readable is a body as text in which secrets can be found: one that came compressed or in UTF-16 is kept unpacked where it may hold a stream key. CMS is not
// known to send either; a body of several parts, and one that becomes larger than mostReadable, stays as it came.
func readable(data []byte) []byte {
	r := bufio.NewReader(plain(bytes.NewReader(data)))
	first, err := r.Peek(2)
	if err != nil {
		return data
	}
	order, wide := unicode.LittleEndian, true
	switch string(first) {
	case "\xff\xfe", "<\x00":
	case "\xfe\xff", "\x00<":
		order = unicode.BigEndian
	default:
		wide = false
	}
	if packed := data[0] == 0x1f && data[1] == 0x8b; !wide && !packed {
		return data
	}
	from := io.Reader(r)
	if wide {
		from = transform.NewReader(r, unicode.UTF16(order, unicode.UseBOM).NewDecoder())
	}
	text, err := io.ReadAll(io.LimitReader(from, mostReadable+1))
	if err != nil || len(text) > mostReadable || indexFold(text, []byte("streamurl")) < 0 {
		return data
	}
	if wide { // what the declaration says is no longer so
		text = encodingDeclaration.ReplaceAll(text, []byte("$1"))
	}
	return text
}

// encodingDeclaration is the encoding in an XML declaration.
var encodingDeclaration = regexp.MustCompile(`(?i)(<\?xml[^>]*?)\s+encoding\s*=\s*["'][^"']*["']`)

// plain unpacks a body that was sent compressed. CMS is not known to do so; a proxy between may.
func plain(r io.Reader) io.Reader {
	buffered := bufio.NewReader(r)
	if magic, err := buffered.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return buffered
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return buffered // not gzip after all: the scan says what is wrong with it
	}
	return io.LimitReader(unpacked, mostUnpacked)
}

// partsReader reads the parts of a body from the store, one at a time.
type partsReader struct {
	ctx  context.Context
	w    *Writer
	body bus.Body
	next int
	rest []byte
}

func (p *partsReader) Read(buffer []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.next > p.body.Parts {
			return 0, io.EOF
		}
		if p.next == p.body.Parts {
			p.rest = p.body.Data
		} else {
			err := p.w.retry(p.ctx, "part of a body", func(ctx context.Context) error {
				text, err := storage.PartBody(ctx, p.w.deps.Store, p.body.Source, p.body.Received, p.body.ID, p.next)
				p.rest = []byte(text)
				return err
			})
			if err != nil {
				return 0, err
			}
		}
		p.next++
	}
	n := copy(buffer, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// factWriter turns records into stored records and facts. It is owned by runCDR's goroutine.
type factWriter struct {
	w      *Writer
	ledger *cdr.Ledger
	chunk  []chunkRecord
	forgot time.Time
	// remembered are the bridges whose GUIDs stored sessions carry under another name than their token's.
	remembered map[uuid.UUID]cdr.Bridge
}

// forgetEvery is how often what is settled is let go; looking for it walks all that is in memory.
const forgetEvery = 10 * time.Second

// chunkRecord is a record with what its row needs beyond it.
type chunkRecord struct {
	cdr.SourcedRecord
	xml      string
	replayed bool
}

// read scans and decodes one body; records are stored in chunks, faults put the body into quarantine.
func (f *factWriter) read(ctx context.Context, body bus.Body, r io.Reader) error {
	kept := 0
	var fault *cdr.Fault
	faults := 0
	for raw, err := range cdr.Scan(r, cdr.Limits{}) {
		if err != nil {
			var malformed *cdr.Fault
			if !errors.As(err, &malformed) {
				if ctx.Err() != nil {
					return fmt.Errorf("read body %s: %w", body.ID, err)
				}
				malformed = &cdr.Fault{Reason: "the body cannot be unpacked: " + err.Error()}
			}
			if fault == nil {
				fault = malformed
			}
			faults++
			continue
		}
		record, err := cdr.Decode(raw)
		if err != nil {
			if fault == nil {
				fault = &cdr.Fault{Offset: raw.Offset, Reason: err.Error()}
			}
			faults++
			continue
		}
		kept++
		f.chunk = append(f.chunk, chunkRecord{
			SourcedRecord: cdr.SourcedRecord{Record: record, Source: body.Source, Cluster: body.Cluster, Received: body.Received, BodyID: body.ID},
			xml:           string(cdr.MaskSecrets(raw.XML)),
			replayed:      body.Replayed,
		})
		if len(f.chunk) >= f.w.cfg.ChunkRecords {
			if err := f.flush(ctx); err != nil {
				return err
			}
		}
	}
	if kept == 0 && fault == nil {
		fault = &cdr.Fault{Reason: "no record in the body"}
		faults = 1
	}
	if fault != nil {
		return f.quarantine(ctx, body, fault, faults, kept)
	}
	return nil
}

// quarantine keeps a body that was not wholly understood, with the reason.
func (f *factWriter) quarantine(ctx context.Context, body bus.Body, fault *cdr.Fault, faults, kept int) error {
	reason := fault.Reason
	if faults > 1 {
		reason = fmt.Sprintf("%s (the first of %d faults)", reason, faults)
	}
	row := storage.Quarantined{
		ID: body.ID, Received: body.Received, Source: body.Source, Cluster: body.Cluster, Remote: body.Remote,
		Reason: reason, Position: fault.Offset, RecordsKept: uint32(kept), Parts: uint32(body.Parts),
	}
	for part := 1; part <= body.Parts; part++ {
		row.Part = uint32(part)
		if part == body.Parts {
			row.Body = string(body.Data)
		} else {
			err := f.w.retry(ctx, "part of a body", func(ctx context.Context) (err error) {
				row.Body, err = storage.PartBody(ctx, f.w.deps.Store, body.Source, body.Received, body.ID, part)
				return err
			})
			if err != nil {
				return err
			}
		}
		if err := f.w.insert(ctx, storage.Quarantine, []any{&row}); err != nil {
			return err
		}
	}
	f.w.log.Warn("body quarantined", "source", body.Source, "body", body.ID, "reason", reason, "position", fault.Offset, "records_kept", kept)
	f.w.deps.Observer.BodyQuarantined(body.Cluster, body.Source, body.Replayed)
	return nil
}

// flush stores the chunk of records, then the facts that changed with them or with time.
func (f *factWriter) flush(ctx context.Context) error {
	slices.SortStableFunc(f.chunk, func(a, b chunkRecord) int {
		if c := bytes.Compare(a.Session[:], b.Session[:]); c != 0 {
			return c
		}
		return int(min(max(a.CorrelatorIndex-b.CorrelatorIndex, -1), 1))
	})
	rows := make([]any, len(f.chunk))
	records := make([]cdr.SourcedRecord, len(f.chunk))
	for i, r := range f.chunk {
		rows[i] = storage.RecordRow(r.SourcedRecord, r.xml)
		records[i] = r.SourcedRecord
	}
	// What is stored of their calls and legs is read before they are stored themselves: a batch in which calls go on would all be read back.
	if err := f.fillNeeds(ctx, records); err != nil {
		return err
	}
	if err := f.w.insert(ctx, storage.Records, rows); err != nil {
		return err
	}
	f.recall()
	if err := f.fillNeeds(ctx, nil); err != nil {
		return err
	}
	fresh := make([]bool, len(records))
	for i, r := range f.chunk {
		if r.replayed && f.ledger.Knows(r.Session, r.CorrelatorIndex) {
			continue // a replay is no second delivery
		}
		fresh[i] = f.ledger.Add(records[i])
	}
	if err := f.fillNeeds(ctx, nil); err != nil { // a record may have shown that another session is over
		return err
	}
	now := f.w.now()
	f.nameBridges()
	facts := f.ledger.Changed(now)
	if err := f.store(ctx, facts); err != nil {
		return err
	}
	if now.Sub(f.forgot) >= forgetEvery {
		f.ledger.Forget(now)
		f.forgot = now
	}
	f.w.metrics.held.Set(float64(f.ledger.Len()))
	for i, r := range f.chunk {
		f.w.deps.Observer.RecordStored(r.SourcedRecord, fresh[i], r.replayed)
	}
	f.w.deps.Observer.FactsStored(facts)
	found := make([]any, 0, len(facts.Findings))
	for _, finding := range facts.Findings {
		found = append(found, alarmOf(finding))
		f.w.log.Warn("finding", "kind", finding.Kind, "source", finding.Source, "bridge", finding.Bridge, "session", finding.Session, "text", finding.Text)
	}
	if err := f.w.insert(ctx, alarmTable, found); err != nil {
		return err
	}
	clear(f.chunk) // the records may be large; let them go
	f.chunk = f.chunk[:0]
	return nil
}

// alarmTable takes what an operator must look at.
var alarmTable = storage.Table{Name: storage.TableAlarms, Row: storage.Alarm{}}

// alarmTypes are the findings as the alarms that people see.
var alarmTypes = map[cdr.FindingKind]string{
	cdr.FindingForeignBridge: "cdrOfAnotherBridge",
	cdr.FindingTwoBridges:    "cdrOfTwoBridges",
}

// alarmOf is a finding as an alarm. It is a moment, not a state: it is cleared as it is raised. Its id follows from the session, so that it is there once.
func alarmOf(f cdr.Finding) *storage.Alarm {
	at := f.At
	return &storage.Alarm{CMSCluster: f.Cluster, CallBridge: f.Source, Source: "cdr", AlarmID: uuid.NewSHA1(f.Session, []byte(f.Kind)), Type: alarmTypes[f.Kind],
		Raised: at, Cleared: &at, LastSeen: at, Subject: f.GUID.String(), Detail: f.Text, Version: 1}
}

// recall has the facts of records that were fed again made anew.
func (f *factWriter) recall() {
	for _, r := range f.chunk {
		if r.replayed && f.ledger.Knows(r.Session, r.CorrelatorIndex) {
			for _, o := range cdr.ObjectsOf(r.Record) {
				f.ledger.Recall(o)
			}
		}
	}
}

// nameBridges tells the ledger which bridges the GUIDs are, those that an earlier run knew included.
func (f *factWriter) nameBridges() {
	if f.w.deps.Bridges == nil {
		return
	}
	known := maps.Clone(f.remembered)
	maps.Copy(known, f.w.deps.Bridges())
	f.ledger.SetBridges(known)
}

// store writes facts: sessions last, as a later start is restored from them.
func (f *factWriter) store(ctx context.Context, facts cdr.Facts) error {
	for _, place := range facts.Moved {
		err := f.w.retry(ctx, "rows of a session that is another bridge's", func(ctx context.Context) error {
			return storage.MoveSession(ctx, f.w.deps.Store, place)
		})
		if err != nil {
			return err
		}
	}
	for _, part := range []struct {
		table storage.Table
		rows  []any
	}{
		{storage.SessionFacts, pointers(facts.Reopened)},
		{storage.CallFacts, pointers(facts.Calls)},
		{storage.LegFacts, pointers(facts.Legs)},
		{storage.RecordingFacts, pointers(facts.Recordings)},
		{storage.StreamFacts, pointers(facts.Streams)},
		{storage.SessionFacts, pointers(facts.Sessions)},
	} {
		if err := f.w.insert(ctx, part.table, part.rows); err != nil {
			return err
		}
	}
	return nil
}

func pointers[T any](rows []T) []any {
	list := make([]any, len(rows))
	for i := range rows {
		list[i] = &rows[i]
	}
	return list
}

// restore fills a fresh ledger with what was open when the former one ended.
func (f *factWriter) restore(ctx context.Context) error {
	var sessions []cdr.Session
	var highest map[uuid.UUID]int64
	err := f.w.retry(ctx, "sessions", func(ctx context.Context) (err error) {
		if sessions, err = storage.StoredSessions(ctx, f.w.deps.Store); err != nil {
			return err
		}
		highest, err = storage.HighestIndices(ctx, f.w.deps.Store)
		return err
	})
	if err != nil {
		return err
	}
	f.remembered = rememberedBridges(sessions)
	f.nameBridges()
	f.ledger.RestoreSessions(sessions, highest)
	f.w.deps.Observer.FactsStored(cdr.Facts{Sessions: sessions})
	return f.fillNeeds(ctx, nil)
}

// rememberedBridges are the bridges whose GUIDs stored sessions carry under another name than their token's.
func rememberedBridges(sessions []cdr.Session) map[uuid.UUID]cdr.Bridge {
	bridges := map[uuid.UUID]cdr.Bridge{}
	for _, s := range sessions {
		if s.BridgeID != uuid.Nil && (s.Bridge != s.Source || s.Cluster != s.SourceCluster) {
			bridges[s.BridgeID] = cdr.Bridge{Name: s.Bridge, Cluster: s.Cluster}
		}
	}
	return bridges
}

// fillNeeds gives the ledger the stored history of the objects it asks for.
func (f *factWriter) fillNeeds(ctx context.Context, records []cdr.SourcedRecord) error {
	for needs := f.ledger.Needs(records); len(needs) > 0; needs = f.ledger.Needs(records) {
		for _, group := range groupNeeds(needs) {
			var history storage.History
			err := f.w.retry(ctx, "history of facts", func(ctx context.Context) (err error) {
				history, err = storage.LoadHistory(ctx, f.w.deps.Store, group)
				return err
			})
			if err != nil {
				return err
			}
			for _, object := range group {
				f.ledger.Restore(object, history.Records, history.Facts)
				history = storage.History{} // the first took in all of it
			}
		}
	}
	return nil
}

// mostNeedsAtOnce bounds the objects whose history one query loads.
const mostNeedsAtOnce = 500

// groupNeeds splits objects into groups of one session and one kind.
func groupNeeds(needs []cdr.Object) [][]cdr.Object {
	type key struct {
		session uuid.UUID
		kind    cdr.Kind
	}
	var groups [][]cdr.Object
	index := map[key]int{}
	for _, object := range needs {
		k := key{object.Session, object.Kind}
		i, ok := index[k]
		if !ok || len(groups[i]) >= mostNeedsAtOnce {
			i = len(groups)
			index[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], object)
	}
	return groups
}
