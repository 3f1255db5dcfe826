package storage_test

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
	"github.com/bridgewatch/bridgewatch/storage/writer"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

//go:embed testdata/year_legs.sql
var yearLegs string

//go:embed testdata/year_calls.sql
var yearCalls string

// legsPerCall of the generated year: 100 legs in 15 calls.
const legsPerBlock, callsPerBlock = 100, 15

// fillYear makes a year (24 November 2025 and 52 weeks on) of legs and their calls. Blocks of legs are inserted one after another, as months would come.
func fillYear(t testing.TB, conn driver.Conn, legs, perInsert int) {
	t.Helper()
	calls := legs / legsPerBlock * callsPerBlock
	run := func(sql string, first, count int) {
		t.Helper()
		sql = strings.NewReplacer("{first}", strconv.Itoa(first), "{count}", strconv.Itoa(count), "{calls}", strconv.Itoa(calls)).Replace(sql)
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run(yearCalls, 0, calls)
	for first := 0; first < legs; first += perInsert {
		run(yearLegs, first, min(perInsert, legs-first))
	}
}

var endOfYear = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// TestPagesAgree walks lists page by page, and holds all pages together against one plain query over everything.
func TestPagesAgree(t *testing.T) {
	conn := storagetest.Store(t)
	fillYear(t, conn, 20_000, 20_000)
	// A leg under another name first: the index of texts remembers hours in which the text no longer is.
	if err := conn.Exec(t.Context(), storage.LegFacts.Insert()+" SELECT * REPLACE('zzz' AS display_name, version + 1 AS version) FROM call_legs_rows WHERE display_name = 'Anan An' LIMIT 1"); err != nil {
		t.Fatal(err)
	}
	q := storage.NewQueries(conn)
	ids := func(sql string) []uuid.UUID {
		t.Helper()
		var rows []struct {
			ID uuid.UUID `ch:"id"`
		}
		if err := conn.Select(t.Context(), &rows, sql); err != nil {
			t.Fatal(err)
		}
		list := make([]uuid.UUID, len(rows))
		for i, r := range rows {
			list[i] = r.ID
		}
		return list
	}
	from, to := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC), time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	text := func(columns ...string) func(string) string {
		return func(what string) string {
			var any []string
			for _, c := range columns {
				any = append(any, fmt.Sprintf("positionCaseInsensitiveUTF8(%s, '%s') > 0", c, what))
			}
			return "(" + strings.Join(any, " OR ") + ")"
		}
	}
	legText := text("display_name", "remote_party", "remote_address", "local_address")
	for name, test := range map[string]struct {
		filter storage.LegFilter
		where  string
		limit  int
	}{
		"all":                        {storage.LegFilter{}, "1", 4000},
		"a period":                   {storage.LegFilter{Period: storage.Period{From: from, To: to}}, "start >= '2026-03-02 09:30:00' AND start < '2026-06-01 10:00:00'", 1000},
		"a person":                   {storage.LegFilter{Text: "INbe"}, legText("inbe"), 3},
		"a person in a period":       {storage.LegFilter{Text: "bean", Period: storage.Period{From: from, To: to}}, legText("bean") + " AND start >= '2026-03-02 09:30:00' AND start < '2026-06-01 10:00:00'", 10},
		"nobody":                     {storage.LegFilter{Text: "nobody has this"}, "0", 10},
		"a text and a bridge":        {storage.LegFilter{Text: "room-", Bridge: "emea-cb7"}, legText("room-") + " AND call_bridge = 'emea-cb7'", 40},
		"a reason on a bridge":       {storage.LegFilter{Reason: "timeout", Bridge: "emea-cb3"}, "end_reason = 'timeout' AND call_bridge = 'emea-cb3'", 5},
		"an alarm":                   {storage.LegFilter{Alarm: "packetLoss"}, "has(alarms.type, 'packetLoss')", 100},
		"a text that was replaced":   {storage.LegFilter{Text: "anan an"}, legText("anan an"), 1},
		"a text and an older period": {storage.LegFilter{Text: "be", Period: storage.Period{To: from}}, legText("be") + " AND start < '2026-03-02 09:30:00'", 500},
	} {
		t.Run("legs/"+name, func(t *testing.T) {
			want := ids("SELECT id FROM call_legs WHERE " + test.where + " ORDER BY start DESC, id DESC")
			var got []uuid.UUID
			filter := test.filter
			filter.Limit = test.limit
			for page := 0; ; page++ {
				rows, next, err := q.Legs(t.Context(), filter)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rows {
					got = append(got, r.ID)
				}
				if next == nil {
					break
				}
				if len(rows) != test.limit {
					t.Fatalf("page %d has %d rows and a next, want %d", page, len(rows), test.limit)
				}
				filter.After = next
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d rows over all pages, want %d, the same in the same order", len(got), len(want))
			}
			if test.where != "0" && len(want) == 0 {
				t.Error("the case finds nothing and proves nothing")
			}
		})
	}
	for name, test := range map[string]struct {
		filter storage.CallFilter
		where  string
		limit  int
	}{
		"all":      {storage.CallFilter{}, "1", 900},
		"a bridge": {storage.CallFilter{Bridge: "emea-cb9", Period: storage.Period{From: from}}, "call_bridge = 'emea-cb9' AND start >= '2026-03-02 09:30:00'", 50},
		"a text":   {storage.CallFilter{Text: "inbe"}, "id IN (SELECT call_id FROM call_legs WHERE " + legText("inbe") + ")", 3},
		"a space":  {storage.CallFilter{Text: "space 17"}, "positionCaseInsensitiveUTF8(name, 'space 17') > 0", 3},
	} {
		t.Run("calls/"+name, func(t *testing.T) {
			want := ids("SELECT id FROM calls WHERE " + test.where + " ORDER BY start DESC, id DESC")
			var got []uuid.UUID
			filter := test.filter
			filter.Limit = test.limit
			for {
				rows, next, err := q.Calls(t.Context(), filter)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rows {
					got = append(got, r.ID)
				}
				if next == nil {
					break
				}
				filter.After = next
			}
			if !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%d rows over all pages, want %d, the same in the same order", len(got), len(want))
			}
		})
	}
	t.Run("meetings", func(t *testing.T) {
		want := ids("SELECT call_correlator AS id FROM meetings ORDER BY start DESC, call_correlator DESC")
		var got []uuid.UUID
		filter := storage.MeetingFilter{Limit: 700}
		for {
			rows, next, err := q.Meetings(t.Context(), filter)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				got = append(got, r.CallCorrelator)
			}
			if next == nil {
				break
			}
			filter.After = next
		}
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%d meetings over all pages, want %d, the same in the same order", len(got), len(want))
		}
	})
}

// TestScale is the bench of a year of the largest cluster: bytes a leg, and the time of ten searches while records arrive (make bench-scale).
// BRIDGEWATCH_SCALE_LEGS is how many legs the year has.
func TestScale(t *testing.T) {
	legs, _ := strconv.Atoi(os.Getenv("BRIDGEWATCH_SCALE_LEGS"))
	if legs == 0 {
		t.Skip("BRIDGEWATCH_SCALE_LEGS is not set; make bench-scale sets it")
	}
	conn := storagetest.Store(t)
	began := time.Now()
	fillYear(t, conn, legs, 10_000_000)
	t.Logf("%d legs made in %s", legs, time.Since(began).Round(time.Second))
	began = time.Now()
	for _, table := range []string{"call_legs_data", "calls_data", "parties_data"} {
		var parts []struct {
			Partition string `ch:"partition_id"`
		}
		if err := conn.Select(t.Context(), &parts, "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = currentDatabase() AND table = '"+table+"'"); err != nil {
			t.Fatal(err)
		}
		var merges errgroup.Group // each is one thread of the engine; all of them take longer than a client waits for an answer
		merges.SetLimit(2)
		for _, part := range parts {
			merges.Go(func() error {
				return conn.Exec(t.Context(), "OPTIMIZE TABLE "+table+" PARTITION ID '"+part.Partition+"' FINAL")
			})
		}
		if err := merges.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("merged in %s", time.Since(began).Round(time.Second))
	var out strings.Builder
	out.WriteString("| table | rows | bytes on disk | bytes a leg |\n|---|---|---|---|\n")
	var tables []struct {
		Table string `ch:"table"`
		Rows  uint64 `ch:"n"`
		Bytes uint64 `ch:"size"`
	}
	if err := conn.Select(t.Context(), &tables, "SELECT table, sum(rows) AS n, sum(bytes_on_disk) AS size FROM system.parts WHERE active AND database = currentDatabase() "+
		"AND table IN ('call_legs_data', 'calls_data', 'parties_data') GROUP BY table ORDER BY table"); err != nil {
		t.Fatal(err)
	}
	for _, row := range tables {
		fmt.Fprintf(&out, "| `%s` | %d | %d | %.1f |\n", row.Table, row.Rows, row.Bytes, float64(row.Bytes)/float64(legs))
	}
	stored := arriving(t, conn)
	q := storage.NewQueries(conn)
	out.WriteString("\n| search | rows | cold ms | p50 ms | p95 ms |\n|---|---|---|---|---|\n")
	for _, s := range searches(t, conn, q, sample{calls: 9973, legs: 99_991}) {
		times, rows := timed(t, conn, s.run)
		t.Logf("%s: %d rows, cold %d ms, p50 %d ms, p95 %d ms", s.name, rows, times.cold, times.p50, times.p95)
		fmt.Fprintf(&out, "| %s | %d | %d | %d | %d |\n", s.name, rows, times.cold, times.p50, times.p95)
	}
	fmt.Fprintf(&out, "\nMeanwhile %.0f records a second arrived and were stored.\n", stored())
	t.Log("\n" + out.String())
	if path := os.Getenv("BRIDGEWATCH_SCALE_OUT"); path != "" {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

type search struct {
	name string
	run  func(ctx context.Context, n int) (rows int, err error) // n makes each run ask for another person, call or time
}

// sample says of how many calls and of how many legs (2 or more) one is picked to be searched for.
type sample struct{ calls, legs int }

// searches are what people ask, by the catalogue that the API uses.
func searches(t *testing.T, conn driver.Conn, q *storage.Queries, of sample) []search {
	t.Helper()
	legs := func(f storage.LegFilter) (int, error) {
		f.Limit = 100
		rows, _, err := q.Legs(t.Context(), f)
		return len(rows), err
	}
	calls := func(f storage.CallFilter) (int, error) {
		f.Limit = 100
		rows, _, err := q.Calls(t.Context(), f)
		return len(rows), err
	}
	pick := func(what, where string) []uuid.UUID {
		var rows []struct {
			ID uuid.UUID `ch:"id"`
		}
		if err := conn.Select(t.Context(), &rows, "SELECT "+what+" AS id FROM calls_data WHERE "+where+" AND cityHash64(id) % "+strconv.Itoa(of.calls)+" = 1 LIMIT 100"); err != nil || len(rows) == 0 {
			t.Fatalf("pick calls: %v", err)
		}
		list := make([]uuid.UUID, len(rows))
		for i, r := range rows {
			list[i] = r.ID
		}
		return list
	}
	var people []struct {
		Name string `ch:"name"`
	}
	if err := conn.Select(t.Context(), &people, "SELECT DISTINCT display_name AS name FROM call_legs_data WHERE type = 'acano' AND guest IS NULL AND cityHash64(id) % "+strconv.Itoa(of.legs)+" = 1 LIMIT 100"); err != nil || len(people) == 0 {
		t.Fatalf("pick people: %v", err)
	}
	ids, meetings, spaces := pick("id", "1"), pick("call_correlator", "1"), pick("space_id", "1")
	person := func(n int) string { return people[n%len(people)].Name }
	day := func(n int) time.Time { return endOfYear.AddDate(0, 0, -4-n%200) }
	return []search{
		{"a person in the last day", func(_ context.Context, n int) (int, error) {
			return legs(storage.LegFilter{Text: person(n), Period: storage.Period{From: endOfYear.AddDate(0, 0, -4)}})
		}},
		{"a person in a year", func(_ context.Context, n int) (int, error) { return legs(storage.LegFilter{Text: person(n)}) }},
		{"an address nobody has, in a year", func(_ context.Context, n int) (int, error) {
			return legs(storage.LegFilter{Text: fmt.Sprintf("no%dbody@", n)})
		}},
		{"a meeting with its legs, by id", func(ctx context.Context, n int) (int, error) {
			m, _, err := q.Meeting(ctx, meetings[n%len(meetings)])
			return len(m.Legs), err
		}},
		{"a call and its legs, by id", func(ctx context.Context, n int) (int, error) {
			if _, _, err := q.Call(ctx, ids[n%len(ids)]); err != nil {
				return 0, err
			}
			return legs(storage.LegFilter{Call: ids[n%len(ids)]})
		}},
		{"worst legs of a week (packet loss)", func(_ context.Context, n int) (int, error) {
			return legs(storage.LegFilter{Alarm: "packetLoss", Period: storage.Period{From: day(n).AddDate(0, 0, -7), To: day(n)}})
		}},
		{"failed legs of one bridge in a month", func(_ context.Context, n int) (int, error) {
			return legs(storage.LegFilter{Reason: "timeout", Bridge: fmt.Sprintf("emea-cb%d", 1+n%24), Period: storage.Period{From: day(n).AddDate(0, -1, 0), To: day(n)}})
		}},
		{"calls of a space in 90 days", func(_ context.Context, n int) (int, error) {
			return calls(storage.CallFilter{Space: spaces[n%len(spaces)], Period: storage.Period{From: day(n).AddDate(0, 0, -90), To: day(n)}})
		}},
		{"calls with a person in a year", func(_ context.Context, n int) (int, error) { return calls(storage.CallFilter{Text: person(n)}) }},
		{"calls going on at an instant", func(_ context.Context, n int) (int, error) {
			return calls(storage.CallFilter{At: day(n).Add(10 * time.Hour)})
		}},
		{"the newest meetings", func(ctx context.Context, n int) (int, error) {
			rows, _, err := q.Meetings(ctx, storage.MeetingFilter{Limit: 100, Period: storage.Period{To: day(n)}})
			return len(rows), err
		}},
	}
}

type timings struct{ cold, p50, p95 int64 } // milliseconds

// timed runs a search cold, without the engine's caches, then forty times.
func timed(t *testing.T, conn driver.Conn, run func(context.Context, int) (int, error)) (timings, int) {
	t.Helper()
	for _, cache := range []string{"MARK", "UNCOMPRESSED", "QUERY"} {
		if err := conn.Exec(t.Context(), "SYSTEM DROP "+cache+" CACHE"); err != nil {
			t.Fatal(err)
		}
	}
	var all []int64
	var cold int64
	rows := 0
	for n := range 41 {
		began := time.Now()
		found, err := run(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began).Milliseconds()
		rows = max(rows, found)
		if n == 0 {
			cold = took
			continue
		}
		all = append(all, took)
	}
	slices.Sort(all)
	return timings{cold, all[len(all)/2], all[len(all)*95/100]}, rows
}

// arriving has 300 records a second go through bus and writer into the same store; the function it returns ends that and gives the rate.
func arriving(t *testing.T, conn driver.Conn) func() float64 {
	t.Helper()
	b := storagetest.Bus(t)
	w := writer.New(writer.DefaultConfig(), writer.Deps{Bus: b, Store: conn})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.Run(ctx) }()
	var sent atomic.Int64
	began := time.Now()
	session := uuid.New()
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for index := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var body strings.Builder
			fmt.Fprintf(&body, `<records session="%s">`, session)
			tell := func(kind, element, inner string) {
				fmt.Fprintf(&body, `<record type="%s" time="%s" recordIndex="%d" correlatorIndex="%d"><%s %s</%s></record>`, kind, time.Now().UTC().Format(time.RFC3339), index+1, index, element, inner, element)
				index++
			}
			call := uuid.New()
			tell("callStart", "call", fmt.Sprintf(`id="%s"><name>Arriving</name><callType>coSpace</callType>`, call))
			for range 9 {
				leg := uuid.New()
				tell("callLegStart", "callLeg", fmt.Sprintf(`id="%s"><displayName>Arriving %d</displayName><type>acano</type><call>%s</call>`, leg, index, call))
				tell("callLegUpdate", "callLeg", fmt.Sprintf(`id="%s"><state>connected</state><call>%s</call><deactivated>false</deactivated>`, leg, call))
				tell("callLegEnd", "callLeg", fmt.Sprintf(`id="%s"><reason>callEnded</reason><durationSeconds>0</durationSeconds>`, leg))
			}
			tell("callLegUpdate", "callLeg", fmt.Sprintf(`id="%s"><state>connected</state><call>%s</call>`, uuid.New(), call)) // of a leg whose start was missed
			tell("callEnd", "call", fmt.Sprintf(`id="%s"><callLegsCompleted>9</callLegsCompleted>`, call))
			body.WriteString("</records>")
			if b.PublishBody(ctx, bus.Body{ID: uuid.New(), Source: "arriving", Cluster: "emea", Received: time.Now(), Part: 1, Parts: 1, Data: []byte(body.String())}) == nil {
				sent.Add(30)
			}
		}
	}()
	return func() float64 {
		seconds := time.Since(began).Seconds()
		if err := b.WaitStored(ctx, bus.CDR, nil); err != nil {
			t.Error(err)
		}
		var kept uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM cdr_records WHERE source = 'arriving'").Scan(&kept); err != nil || int64(kept) < sent.Load()-600 {
			t.Errorf("%d records are stored of %d that arrived (%v)", kept, sent.Load(), err)
		}
		cancel()
		<-ended
		return float64(sent.Load()) / seconds
	}
}
