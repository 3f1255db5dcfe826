package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// call makes the row of a call that started some minutes after base.
func call(base time.Time, minutes int, name string) *cdr.Call {
	end := base.Add(time.Duration(minutes+30) * time.Minute)
	seconds := int64(1800)
	return &cdr.Call{ID: uuid.New(), CallCorrelator: uuid.New(), Session: uuid.New(), Cluster: "emea", Bridge: "cb1", Name: name,
		CallType: "coSpace", Start: base.Add(time.Duration(minutes) * time.Minute), End: &end, EndHow: cdr.EndRecord, DurationSeconds: &seconds, Version: 8}
}

func insert(t *testing.T, conn driver.Conn, table storage.Table, rows ...any) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), table.Insert())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := batch.AppendStruct(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, server *httptest.Server, path string, want int) map[string]any {
	t.Helper()
	response, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != want {
		t.Fatalf("GET %s = %d %s, want %d", path, response.StatusCode, body, want)
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("GET %s: %v in %s", path, err, body)
	}
	return answer
}

func names(answer map[string]any) []string {
	var list []string
	for _, item := range answer["items"].([]any) {
		list = append(list, item.(map[string]any)["name"].(string))
	}
	return list
}

func TestAPI(t *testing.T) {
	conn := storagetest.Store(t)
	base := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Second)
	standup, review, open := call(base, 0, "Stand-up"), call(base, 10, "Größe & Review"), call(base, 20, "Open end")
	open.End, open.DurationSeconds, open.EndHow = nil, nil, cdr.EndNone
	insert(t, conn, storage.CallFacts, standup, review, open)
	leg := &cdr.Leg{ID: uuid.New(), CallID: review.ID, Session: review.Session, Cluster: "emea", Bridge: "cb1", DisplayName: "Zoë O'Hara", RemoteParty: "zoe@example.org",
		Start: review.Start, End: review.End, EndHow: cdr.EndRecord, EndReason: "remoteTeardown", Calls: []uuid.UUID{}, Alarms: []cdr.Alarm{{Type: "packetLoss"}}, Version: 12}
	insert(t, conn, storage.LegFacts, leg)
	insert(t, conn, storage.SessionFacts, &cdr.Session{ID: review.Session, Cluster: "emea", Bridge: "cb1", LastIndex: 9, FirstTime: base, LastTime: base.Add(time.Hour),
		Records: 8, Missing: 2, Gaps: []cdr.Gap{{After: 3, Count: 2, From: base, To: base.Add(time.Minute)}}, Version: 1})

	queries := storage.NewQueries(conn)
	s := New(Config{}, Deps{Store: func() Store { return queries }, Log: slog.New(slog.DiscardHandler)})
	server := httptest.NewServer(s.Handler())
	defer server.Close()

	all := get(t, server, "/api/v1/calls", 200)
	get(t, server, "/api/v1/completeness?from=2026-11-21&to=2026-11-20", 400)
	if got, want := names(all), []string{"Open end", "Größe & Review", "Stand-up"}; !slices.Equal(got, want) {
		t.Errorf("calls = %v, want %v, newest first", got, want)
	}
	if c := all["completeness"].(map[string]any); c["missing"].(float64) != 2 || c["ratio"].(float64) != 0.8 {
		t.Errorf("completeness = %v, want 2 missing and a ratio of 0.8", c)
	}
	if first := all["items"].([]any)[0].(map[string]any); first["end"] != nil || first["space_id"] != nil {
		t.Errorf("open call without a space: %v, want end and space_id null", first)
	}
	for query, want := range map[string][]string{
		"?active=true":   {"Open end"},
		"?q=review":      {"Größe & Review"},
		"?q=GRÖSSE":      nil,
		"?q=GRÖßE":       {"Größe & Review"},
		"?q=o%27hara":    {"Größe & Review"}, // by a leg of it
		"?q=%25":         nil,                // no wildcard
		"?bridge=cb2":    nil,
		"?to=2020-01-01": nil,
		"?at=" + url.QueryEscape(standup.Start.Add(time.Minute).Format(time.RFC3339)):                                             {"Stand-up"},
		"?from=" + url.QueryEscape(review.Start.Format(time.RFC3339)) + "&to=" + url.QueryEscape(open.Start.Format(time.RFC3339)): {"Größe & Review"},
	} {
		if got := names(get(t, server, "/api/v1/calls"+query, 200)); !slices.Equal(got, want) {
			t.Errorf("calls%s = %v, want %v", query, got, want)
		}
	}

	// Pages stay correct while data arrives.
	page := get(t, server, "/api/v1/calls?limit=2", 200)
	insert(t, conn, storage.CallFacts, call(base, 60, "Came later"))
	rest := get(t, server, "/api/v1/calls?limit=2&after="+url.QueryEscape(page["next"].(string)), 200)
	if got := names(rest); !slices.Equal(got, []string{"Stand-up"}) || rest["next"] != nil {
		t.Errorf("second page = %v, next %v; want Stand-up and no next", got, rest["next"])
	}

	one := get(t, server, "/api/v1/calls/"+review.ID.String(), 200)
	if legs := one["legs"].([]any); len(legs) != 1 || legs[0].(map[string]any)["display_name"] != "Zoë O'Hara" {
		t.Errorf("legs of the call = %v", legs)
	}
	meeting := get(t, server, "/api/v1/meetings/"+review.CallCorrelator.String(), 200)
	var told []string
	for _, moment := range meeting["timeline"].([]any) {
		m := moment.(map[string]any)
		told = append(told, m["what"].(string)+" "+m["name"].(string))
	}
	if want := []string{"call_start Größe & Review", "leg_start Zoë O'Hara", "leg_end Zoë O'Hara", "call_end Größe & Review"}; !slices.Equal(told, want) {
		t.Errorf("timeline = %q, want %q", told, want)
	}
	if meeting["name"] != "Größe & Review" || len(meeting["legs"].([]any)) != 1 {
		t.Errorf("meeting = %v", meeting)
	}
	if got := get(t, server, "/api/v1/legs?alarm=packetLoss&reason=remoteTeardown&q=ZOE", 200)["items"].([]any); len(got) != 1 {
		t.Errorf("legs by alarm, reason and text: %v, want one", got)
	}
	gaps := get(t, server, "/api/v1/completeness", 200)["sources"].([]any)[0].(map[string]any)["gaps"].([]any)
	if len(gaps) != 1 || gaps[0].(map[string]any)["count"].(float64) != 2 {
		t.Errorf("gaps = %v", gaps)
	}

	for path, want := range map[string]int{
		"/api/v1/calls?limit=0":                       400,
		"/api/v1/calls?limit=100000":                  400,
		"/api/v1/calls?from=yesterday":                400,
		"/api/v1/calls?after=garbage":                 400,
		"/api/v1/calls?cluser=emea":                   400,
		"/api/v1/calls?from=2026-02-01&to=2026-01-01": 400,
		"/api/v1/calls?active=maybe":                  400,
		"/api/v1/calls?q=a&q=b":                       400,
		"/api/v1/calls/42":                            400,
		"/api/v1/calls/" + uuid.NewString():           404,
		"/api/v1/nothing":                             404,
	} {
		if answer := get(t, server, path, want); answer["error"] == "" || answer["error"] == nil {
			t.Errorf("GET %s: no error text in %v", path, answer)
		}
	}
}

// TestOddTexts: what is searched for may hold any character, as names and addresses do, and a filter that would not filter is refused.
func TestOddTexts(t *testing.T) {
	conn := storagetest.Store(t)
	base := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Second)
	c := call(base, 0, "Labor\\Nord\tA\\n")
	insert(t, conn, storage.CallFacts, c)
	insert(t, conn, storage.LegFacts, &cdr.Leg{ID: uuid.New(), CallID: c.ID, Session: c.Session, Cluster: "emea", Bridge: "cb1", DisplayName: `DOMAIN\user`, Start: c.Start, End: c.End,
		EndHow: cdr.EndRecord, EndReason: `odd\'reason`, Calls: []uuid.UUID{}, Alarms: []cdr.Alarm{{Type: `al\arm`}}, Version: 12})
	queries := storage.NewQueries(conn)
	server := httptest.NewServer(New(Config{}, Deps{Store: func() Store { return queries }, Log: slog.New(slog.DiscardHandler)}).Handler())
	defer server.Close()
	for path, want := range map[string]int{
		"calls?q=" + url.QueryEscape(`labor\nord`):      1,
		"calls?q=" + url.QueryEscape("nord\ta\\n"):      1,
		"calls?q=" + url.QueryEscape("nord\ta\n"):       0,
		"calls?q=" + url.QueryEscape(`\`):               1,
		"calls?q=%00":                                   0,
		"calls?q=" + url.QueryEscape(`main\USER`):       1, // by a leg of it
		"calls?bridge=" + url.QueryEscape(`\`):          0,
		"legs?q=" + url.QueryEscape(`domain\u`):         1,
		"legs?reason=" + url.QueryEscape(`odd\'reason`): 1,
		"legs?alarm=" + url.QueryEscape(`al\arm`):       1,
		"meetings?q=" + url.QueryEscape(`r\N`):          1,
		"alarms?bridge=" + url.QueryEscape(`\`):         0,
	} {
		if items := get(t, server, "/api/v1/"+path, 200)["items"].([]any); len(items) != want {
			t.Errorf("%s: %d items, want %d", path, len(items), want)
		}
	}
	for _, path := range []string{"legs?call=" + uuid.Nil.String(), "calls?space=" + uuid.Nil.String(), "calls?at=0001-01-01T00:00:00Z", "completeness?from=2026-02-01&to=2026-01-01"} {
		if answer := get(t, server, "/api/v1/"+path, 400); answer["error"] == nil {
			t.Errorf("%s: no error text in %v", path, answer)
		}
	}
}

// TestCallRecords: the records of a call and its legs, with what nobody knows of them, page by page.
func TestCallRecords(t *testing.T) {
	conn := storagetest.Store(t)
	c := call(time.Now().UTC().Add(-time.Hour).Truncate(time.Second), 0, "Stand-up")
	insert(t, conn, storage.CallFacts, c)
	leg := uuid.NewString()
	body := `<records session="` + c.Session.String() + `">` + fmt.Sprintf(`
<record type="callStart" time="2026-03-14T09:00:00Z" correlatorIndex="0" newAttribute="a"><call id="%[1]s"><name>Stand-up</name></call></record>
<record type="callLegStart" time="2026-03-14T09:00:01Z" correlatorIndex="1"><callLeg id="%[2]s"><call>%[1]s</call><newThing kind="b">text</newThing></callLeg></record>
<record type="callLegStart" time="2026-03-14T09:00:02Z" correlatorIndex="2"><callLeg id="%[3]s"><type>sip</type></callLeg></record>
<record type="callLegEnd" time="2026-03-14T09:00:03Z" correlatorIndex="3"><callLeg id="%[2]s"><reason>error</reason><streamKey>hush</streamKey></callLeg></record>
</records>`, c.ID, leg, uuid.New())
	for raw, err := range cdr.Scan(strings.NewReader(body), cdr.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		record, err := cdr.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		insert(t, conn, storage.Records, storage.RecordRow(cdr.SourcedRecord{Record: record, Source: "cb1", Cluster: "emea"}, string(raw.XML)))
	}
	queries := storage.NewQueries(conn)
	server := httptest.NewServer(New(Config{}, Deps{Store: func() Store { return queries }, Log: slog.New(slog.DiscardHandler)}).Handler())
	defer server.Close()
	path := "/api/v1/calls/" + c.ID.String() + "/records"
	var got []string
	page := get(t, server, path+"?limit=2", 200)
	for _, answer := range []map[string]any{page, get(t, server, path+"?after="+page["next"].(string), 200)} {
		for _, item := range answer["items"].([]any) {
			r := item.(map[string]any)
			got = append(got, fmt.Sprint(r["correlator_index"], r["type"], r["unknown_fields"]))
		}
	}
	if want := []string{"0callStartmap[@newAttribute:a]", "1callLegStartmap[callLeg/newThing:text callLeg/newThing/@kind:b]", "3callLegEndmap[callLeg/streamKey:(masked)]"}; !slices.Equal(got, want) {
		t.Errorf("records = %q, want %q", got, want)
	}
	get(t, server, path+"?after=x", 400)
	get(t, server, "/api/v1/calls/"+uuid.NewString()+"/records", 404)
}

// TestOpenAPI: the document describes every route and each of its parameters, and nothing else.
func TestOpenAPI(t *testing.T) {
	s := New(Config{}, Deps{Store: func() Store { return nil }, Log: slog.New(slog.DiscardHandler)})
	document, err := openAPI(s.routes())
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
			Responses  map[string]any
		}
	}
	if err := json.Unmarshal(document, &described); err != nil {
		t.Fatal(err)
	}
	if len(described.Paths) != len(s.routes()) {
		t.Errorf("%d paths are described, there are %d", len(described.Paths), len(s.routes()))
	}
	calls := described.Paths["/api/v1/calls"]["get"]
	var parameters []string
	for _, p := range calls.Parameters {
		parameters = append(parameters, p.Name)
	}
	slices.Sort(parameters)
	if want := []string{"active", "after", "at", "bridge", "cluster", "from", "limit", "q", "space", "to"}; !slices.Equal(parameters, want) {
		t.Errorf("parameters of calls = %v, want %v", parameters, want)
	}
	for _, status := range []string{"200", "400", "503"} {
		if calls.Responses[status] == nil {
			t.Errorf("the answer %s of calls is not described: %v", status, calls.Responses)
		}
	}
}

// TestOpenAPITypes: what a client made from the document would send and take is what is taken and sent.
func TestOpenAPITypes(t *testing.T) {
	s := New(Config{}, Deps{Store: func() Store { return nil }, Log: slog.New(slog.DiscardHandler)})
	text, err := openAPI(s.routes())
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	at := func(path ...string) any {
		var found any = document
		for _, key := range path {
			object, _ := found.(map[string]any)
			found = object[key]
		}
		return found
	}
	// types lists what a schema allows, through references.
	var types func(schema any) []string
	types = func(schema any) (list []string) {
		object, _ := schema.(map[string]any)
		if ref, ok := object["$ref"].(string); ok {
			return types(at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
		}
		if object["type"] != nil && object["anyOf"] != nil {
			t.Errorf("both a type and a choice: %v", object)
		}
		if one, ok := object["type"].(string); ok {
			list = append(list, one)
		}
		if several, ok := object["type"].([]any); ok {
			for _, one := range several {
				list = append(list, one.(string))
			}
		}
		if several, ok := object["anyOf"].([]any); ok {
			for _, one := range several {
				list = append(list, types(one)...)
			}
		}
		slices.Sort(list)
		return list
	}
	parameters, _ := at("paths", "/api/v1/licenses/usage", "get", "parameters").([]any)
	for _, p := range parameters {
		if p := p.(map[string]any); p["name"] == "step" && !slices.Equal(types(p["schema"]), []string{"string"}) {
			t.Errorf("step, such as 5m, is described as %v", types(p["schema"]))
		}
	}
	properties := func(schema, name string) any { return at("components", "schemas", schema, "properties", name) }
	for _, c := range []struct {
		schema, property string
		want             []string
	}{
		{"ApiUsageStep", "reported", []string{"null", "object"}},
		{"ApiUsageStep", "smp", []string{"null", "number"}},
		{"StorageCall", "space_id", []string{"null", "string"}},
		{"StorageCall", "end", []string{"null", "string"}},
	} {
		if got := types(properties(c.schema, c.property)); !slices.Equal(got, c.want) {
			t.Errorf("%s.%s is described as %v, want %v", c.schema, c.property, got, c.want)
		}
	}
}

// TestStoreAway: without a store the API says so, and the rest of the listener works.
func TestStoreAway(t *testing.T) {
	s := New(Config{}, Deps{Store: func() Store { return nil }, Log: slog.New(slog.DiscardHandler),
		Readiness: func() ([]string, map[string][]string) { return []string{"store"}, nil }})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	if answer := get(t, server, "/api/v1/calls", 503); !strings.Contains(answer["error"].(string), "store") {
		t.Errorf("calls without a store: %v", answer)
	}
	if answer := get(t, server, "/-/ready", 503); answer["ready"] != false {
		t.Errorf("ready = %v", answer)
	}
	get(t, server, "/-/healthy", 200)
}

func TestRunAndStop(t *testing.T) {
	s := New(Config{Listen: "127.0.0.1:0"}, Deps{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
}
