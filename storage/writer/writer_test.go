package writer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// startWriter runs a writer until the returned function is called.
func startWriter(t *testing.T, b *bus.Bus, conn driver.Conn, observer Observer) (stop func()) {
	t.Helper()
	return start(t, Deps{Bus: b, Store: conn, Observer: observer})
}

// startNamed runs a writer that knows the names of bridges.
func startNamed(t *testing.T, b *bus.Bus, conn driver.Conn, bridges map[uuid.UUID]cdr.Bridge) (stop func()) {
	t.Helper()
	return start(t, Deps{Bus: b, Store: conn, Bridges: func() map[uuid.UUID]cdr.Bridge { return bridges }})
}

func start(t *testing.T, deps Deps) (stop func()) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Linger = 20 * time.Millisecond
	deps.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	w := New(cfg, deps)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil && ctx.Err() == nil {
				t.Errorf("Run of the writer: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// drain waits until nothing lies on the stream.
func drain(t *testing.T, b *bus.Bus, stream bus.Stream) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		stats, err := b.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats[stream].Messages == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d messages of %s are not stored after a minute", stats[stream].Messages, stream)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func query[T any](t *testing.T, conn driver.Conn, sql string) (value T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func body(xml string) bus.Body {
	return bus.Body{ID: uuid.New(), Source: "cb1", Cluster: "emea", Received: time.Now().UTC(), ContentType: "text/xml", Data: []byte(xml)}
}

const session = "3981193c-c935-4d40-bf10-1777a6fa14e5"

func records(inner ...string) string {
	return `<?xml version="1.0"?><records session="` + session + `">` + strings.Join(inner, "\n") + "</records>\n"
}

func record(index int, kind, at, element string) string {
	return fmt.Sprintf(`<record type="%s" time="2026-03-14T%sZ" recordIndex="%d" correlatorIndex="%d">%s</record>`, kind, at, index+1, index, element)
}

// meeting is the life of one call with two legs and a stream.
func meeting() []string {
	const call, leg1, leg2 = "0ab08610-9fc9-4da0-b50a-c8fc22006eae", "c623889e-2932-4577-acfd-709baf5966bc", "5cf14f77-bc59-4344-8ebd-5ff4dd696992"
	return []string{
		record(0, "callStart", "09:14:02", `<call id="`+call+`"><name>Hafen</name><callType>coSpace</callType></call>`),
		record(1, "callLegStart", "09:14:02", `<callLeg id="`+leg1+`"><displayName>Kaja</displayName><type>acano</type><direction>incoming</direction><call>`+call+`</call></callLeg>`),
		record(2, "callLegStart", "09:55:00", `<callLeg id="`+leg2+`"><type>sip</type><direction>incoming</direction></callLeg>`),
		record(3, "callLegUpdate", "10:01:00", `<callLeg id="`+leg2+`"><state>connected</state><call>`+call+`</call><deactivated>false</deactivated></callLeg>`),
		record(4, "streamingStart", "10:02:00", `<streaming id="0303a40a-a8a5-4e80-abd7-165cfc8f5fe5"><streamUrl>rtmp://live.example.org/app/s3cr3tk3y</streamUrl><call>`+call+`</call></streaming>`),
		record(5, "streamingEnd", "10:12:00", `<streaming id="0303a40a-a8a5-4e80-abd7-165cfc8f5fe5"></streaming>`),
		record(6, "callLegEnd", "10:20:00", `<callLeg id="`+leg2+`"><reason>remoteTeardown</reason><remoteTeardown>true</remoteTeardown><durationSeconds>1500</durationSeconds></callLeg>`),
		record(7, "callLegEnd", "10:30:00", `<callLeg id="`+leg1+`"><reason>remoteTeardown</reason><remoteTeardown>true</remoteTeardown><durationSeconds>4558</durationSeconds></callLeg>`),
		record(8, "callEnd", "10:30:00", `<call id="`+call+`"><callLegsCompleted>2</callLegsCompleted><callLegsMaxActive>2</callLegsMaxActive><durationSeconds>4558</durationSeconds></call>`),
	}
}

// TestAnyOrderAndRestart: single-record bodies in any order, some twice, with the writer stopped and started between them, give one set of facts.
func TestAnyOrderAndRestart(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			store := storagetest.Store
			if seed == 3 { // the same through Distributed tables
				store = storagetest.ClusterStore
			}
			conn, b := store(t), storagetest.Bus(t)
			parts := meeting()
			order := rand.New(rand.NewPCG(seed, 1)).Perm(len(parts))
			order = append(order, order[0], order[3]) // delivered again
			stop := startWriter(t, b, conn, nil)
			for i, n := range order {
				if err := b.PublishBody(t.Context(), body(records(parts[n]))); err != nil {
					t.Fatal(err)
				}
				drain(t, b, bus.CDR)
				if i%2 == 0 {
					stop()
					stop = startWriter(t, b, conn, nil)
				}
			}
			const want = "1 call 2 legs 1 stream 9 records 2 duplicates 0 missing"
			got := query[string](t, conn, `SELECT concat(toString((SELECT count() FROM calls)), ' call ', toString((SELECT count() FROM call_legs)), ' legs ',
				toString((SELECT count() FROM streams)), ' stream ', toString(sum(records)), ' records ', toString(sum(duplicates)), ' duplicates ', toString(sum(missing)), ' missing') FROM cdr_sessions`)
			if got != want {
				t.Errorf("order %v: %s, want %s", order, got, want)
			}
			legs := query[string](t, conn, `SELECT arrayStringConcat(groupArray(concat(display_name, '/', toString(start), '/', toString(end), '/', end_how, '/', toString(call_id))), ' ')
				FROM (SELECT * FROM call_legs ORDER BY start)`)
			const wantLegs = "Kaja/2026-03-14 09:14:02.000/2026-03-14 10:30:00.000/record/0ab08610-9fc9-4da0-b50a-c8fc22006eae " +
				"/2026-03-14 09:55:00.000/2026-03-14 10:20:00.000/record/0ab08610-9fc9-4da0-b50a-c8fc22006eae"
			if legs != wantLegs {
				t.Errorf("order %v: legs\n%s, want\n%s", order, legs, wantLegs)
			}
			if call := query[string](t, conn, "SELECT concat(name, ' ', toString(start), ' ', toString(duration_seconds), ' ', toString(streamed)) FROM calls"); call != "Hafen 2026-03-14 09:14:02.000 4558 true" {
				t.Errorf("order %v: call %s", order, call)
			}
			q := storage.NewQueries(conn)
			found, _, err := q.Calls(t.Context(), storage.CallFilter{Text: "kaja", Limit: 10})
			if err != nil || len(found) != 1 || found[0].Name != "Hafen" {
				t.Errorf("order %v: calls with Kaja: %v, %v", order, found, err)
			}
			met, _, err := q.Legs(t.Context(), storage.LegFilter{Text: "kaja", Limit: 10})
			if err != nil || len(met) != 1 {
				t.Errorf("order %v: legs of Kaja: %v, %v", order, met, err)
			}
			if complete, err := q.Completeness(t.Context(), storage.Period{}); err != nil || len(complete.Sources) != 1 || complete.Sources[0].Records != 9 {
				t.Errorf("order %v: completeness %+v, %v", order, complete, err)
			}
		})
	}
}

// TestStreamKeyStaysOut: no table holds the stream key, and no log line.
func TestStreamKeyStaysOut(t *testing.T) {
	conn, b := storagetest.Store(t), storagetest.Bus(t)
	startWriter(t, b, conn, nil)
	broken := strings.Replace(records(meeting()...), "</records>", "<record", 1)
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write([]byte(records(meeting()...))); err != nil || zip.Close() != nil {
		t.Fatal(err)
	}
	wide := func(order binary.ByteOrder, mark string) string {
		out := []byte(mark)
		for _, unit := range utf16.Encode([]rune(strings.Replace(records(meeting()...), "?>", " encoding='UTF-16'?>", 1))) {
			out = order.(binary.AppendByteOrder).AppendUint16(out, unit)
		}
		return string(out)
	}
	for _, text := range []string{records(meeting()...), broken, packed.String(), wide(binary.LittleEndian, "\xff\xfe"), wide(binary.BigEndian, "\xfe\xff"), wide(binary.BigEndian, "")} {
		if err := b.PublishBody(t.Context(), body(text)); err != nil {
			t.Fatal(err)
		}
	}
	drain(t, b, bus.CDR)
	if n := query[uint64](t, conn, "SELECT countIf(position(body, 'live.example.org') > 0) FROM cdr_bodies"); n != 6 {
		t.Errorf("the stream's host is readable in %d bodies, want all 6", n)
	}
	if n := query[uint64](t, conn, "SELECT count() FROM cdr_quarantine"); n != 1 {
		t.Errorf("%d bodies are in quarantine, want the broken one", n)
	}
	for table, columns := range map[string]string{"cdr_bodies": "body", "cdr_records": "xml", "cdr_quarantine": "concat(body, reason)", "streams": "concat(stream_url, streamer_url)"} {
		if n := query[uint64](t, conn, "SELECT countIf(position("+columns+", 's3cr3tk3y') > 0) FROM "+table); n != 0 {
			t.Errorf("%s holds the stream key in %d rows", table, n)
		}
		if n := query[uint64](t, conn, "SELECT count() FROM "+table); n == 0 {
			t.Errorf("%s is empty; the test looked at nothing", table)
		}
	}
}

// quarantined counts what the observer hears.
type quarantined struct {
	silent
	mu sync.Mutex
	n  int
}

func (q *quarantined) BodyQuarantined(string, string, bool) { q.mu.Lock(); q.n++; q.mu.Unlock() }

// TestMalformedBodies go to quarantine whole; what can be read of them is kept, and the feed goes on.
func TestMalformedBodies(t *testing.T) {
	conn, b := storagetest.Store(t), storagetest.Bus(t)
	var heard quarantined
	startWriter(t, b, conn, &heard)
	parts := meeting()
	for _, text := range []string{
		"", "no XML at all", "<records", "<html><body>hello</body></html>", string([]byte{0, 1, 2, 0xff}),
		records(parts[0], "<record type='callStart'", parts[1]),
		`<!DOCTYPE r [<!ENTITY a "aaaa">]><records session="` + session + `">&a;</records>`,
	} {
		if err := b.PublishBody(t.Context(), body(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.PublishBody(t.Context(), body(records(parts[8]))); err != nil {
		t.Fatal(err)
	}
	drain(t, b, bus.CDR)
	if n := query[uint64](t, conn, "SELECT count() FROM cdr_quarantine WHERE reason != ''"); n != 7 {
		t.Errorf("%d bodies are in quarantine with a reason, want 7", n)
	}
	if n := query[uint64](t, conn, "SELECT countIf(type = 'callEnd') FROM cdr_records"); n != 1 {
		t.Errorf("the good body after the bad ones left %d callEnd records, want 1", n)
	}
	if n := query[uint64](t, conn, "SELECT countIf(type = 'callStart') FROM cdr_records"); n != 1 {
		t.Errorf("the record before the fault: %d, want 1", n)
	}
	heard.mu.Lock()
	defer heard.mu.Unlock()
	if heard.n != 7 {
		t.Errorf("the observer heard of %d, want 7", heard.n)
	}
}

// TestAbsurdDurations: a duration that reaches back further than any time there is says nothing of a start that was missed, and what it belongs to is stored.
func TestAbsurdDurations(t *testing.T) {
	conn, b := storagetest.Store(t), storagetest.Bus(t)
	startWriter(t, b, conn, nil)
	var parts []string
	for i, seconds := range []string{"60", "1000000000", "5000000000", "9223372036854775807", "-9223372036854775808", "-5"} {
		parts = append(parts,
			record(2*i, "callLegEnd", "10:00:00", `<callLeg id="`+uuid.NewString()+`"><reason>error</reason><durationSeconds>`+seconds+`</durationSeconds></callLeg>`),
			record(2*i+1, "callEnd", "10:00:00", `<call id="`+uuid.NewString()+`"><durationSeconds>`+seconds+`</durationSeconds></call>`))
	}
	if err := b.PublishBody(t.Context(), body(records(parts...))); err != nil {
		t.Fatal(err)
	}
	drain(t, b, bus.CDR)
	for _, table := range []string{"call_legs", "calls"} {
		const starts = "arrayStringConcat(arraySort(groupArray(toString(toUnixTimestamp(start) - toUnixTimestamp(toDateTime('2026-03-14 10:00:00', 'UTC'))))), ' ')"
		if got := query[string](t, conn, "SELECT "+starts+" FROM "+table); got != "-1000000000 -60 0 0 0 0" {
			t.Errorf("starts in %s, seconds from the end: %s; want -1000000000 -60 0 0 0 0", table, got)
		}
	}
}

// TestBodyInParts: a body that is cut for the bus is read as one, and one whose last part never comes is never read.
func TestBodyInParts(t *testing.T) {
	conn, b := storagetest.Store(t), storagetest.Bus(t)
	startWriter(t, b, conn, nil)
	var text bytes.Buffer
	text.WriteString(`<?xml version="1.0"?><records session="` + session + `">`)
	const many = 12000
	for i := range many {
		text.WriteString(record(i, "callLegStart", "09:14:02", `<callLeg id="`+uuid.NewString()+`"><displayName>`+strings.Repeat("ü", 100)+`</displayName><type>sip</type></callLeg>`))
	}
	text.WriteString("</records>")
	whole := body("")
	if err := b.PublishBodyFrom(t.Context(), whole, bytes.NewReader(text.Bytes()), int64(text.Len())); err != nil {
		t.Fatal(err)
	}
	drain(t, b, bus.CDR)
	if parts := query[uint64](t, conn, "SELECT uniqExact(part) FROM cdr_bodies"); parts < 2 {
		t.Fatalf("the body of %d bytes came in %d parts; the test needs several", text.Len(), parts)
	}
	if n := query[uint64](t, conn, "SELECT count() FROM call_legs"); n != many {
		t.Errorf("%d legs, want %d", n, many)
	}
	if n := query[uint64](t, conn, "SELECT count() FROM cdr_quarantine"); n != 0 {
		t.Errorf("%d bodies in quarantine", n)
	}
}

// TestHeartbeat reaches none of the CDR tables.
func TestHeartbeat(t *testing.T) {
	conn, b := storagetest.Store(t), storagetest.Bus(t)
	startWriter(t, b, conn, nil)
	beat := body("<heartbeat/>")
	beat.Source = HeartbeatSource
	if err := b.PublishBody(t.Context(), beat); err != nil {
		t.Fatal(err)
	}
	drain(t, b, bus.CDR)
	if n := query[uint64](t, conn, "SELECT (SELECT count() FROM cdr_bodies) + (SELECT count() FROM cdr_quarantine) + (SELECT count() FROM cdr_records)"); n != 0 {
		t.Errorf("%d rows of a heartbeat in the CDR tables", n)
	}
	if n := query[uint64](t, conn, "SELECT count() FROM heartbeats_data"); n != 1 {
		t.Errorf("%d heartbeats, want 1", n)
	}
}
