package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// factPrints are fingerprints of all facts, by which two stores are compared; versions tell how a row came about, not what it says.
var factPrints = []string{
	"SELECT count(), sum(cityHash64(toString(tuple(* EXCEPT(version, is_deleted))))) FROM calls_data FINAL WHERE NOT is_deleted",
	"SELECT count(), sum(cityHash64(toString(tuple(* EXCEPT(version, is_deleted))))) FROM call_legs_rows",
	"SELECT count(), sum(cityHash64(toString(tuple(* EXCEPT(version, is_deleted))))) FROM recordings_data FINAL WHERE NOT is_deleted",
	"SELECT count(), sum(cityHash64(toString(tuple(* EXCEPT(version, is_deleted))))) FROM streams_data FINAL WHERE NOT is_deleted",
	"SELECT count(), sum(cityHash64(session, correlator_index, type, xml)) FROM cdr_records",
	"SELECT count(), sum(cityHash64(session, records, missing, first_index, last_index)) FROM cdr_sessions",
}

func prints(t *testing.T, conn driver.Conn) string {
	t.Helper()
	var all []string
	for _, query := range factPrints {
		var n, sum uint64
		if err := conn.QueryRow(t.Context(), query).Scan(&n, &sum); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		all = append(all, fmt.Sprintf("%d:%x", n, sum))
	}
	return strings.Join(all, " ")
}

// TestImportAndReplay captures what one installation received, imports it into another, and holds the facts of both against each other; then it makes
// a stored fact wrong and replays.
func TestImportAndReplay(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole processes")
	}
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 5, Speed: 120, RetryInterval: 100 * time.Millisecond, StopAfter: 6 * time.Minute})
	d.serve()
	d.sim.StartStory()
	first := d.drain(2 * time.Minute)
	want := prints(t, first)
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	capture := filepath.Join(t.TempDir(), "capture.jsonl")
	var lines bytes.Buffer
	if err := SQL(t.Context(), *c, "SELECT * FROM cdr_bodies ORDER BY received, body_id, part FORMAT JSONEachRow", &lines, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(capture, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	other := *c
	other.DataDir = t.TempDir()
	options := Options{Config: other, EngineCommand: storagetest.ChildCommand(t), Log: slog.New(slog.DiscardHandler)}
	importInto := func(o Options) Feeding {
		t.Helper()
		done, err := Import(t.Context(), ImportOptions{Options: o, Files: []string{capture}, Refused: func(err error) { t.Errorf("refused: %v", err) }})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	t.Run("into an empty installation", func(t *testing.T) {
		done := importInto(options)
		if done.Bodies == 0 || int(done.Bodies) != bytes.Count(lines.Bytes(), []byte("\n")) || done.Faulty != 0 {
			t.Errorf("fed %+v, want all %d bodies", done, bytes.Count(lines.Bytes(), []byte("\n")))
		}
		useOwnStore(t, options, func(conn driver.Conn) {
			if got := prints(t, conn); got != want {
				t.Errorf("facts after import:\n%s\nwant\n%s", got, want)
			}
		})
	})
	t.Run("again, beside a running serve", func(t *testing.T) {
		importInto(Options{Config: *c, Log: slog.New(slog.DiscardHandler)})
		if got := prints(t, first); got != want {
			t.Errorf("facts after importing what was there:\n%s\nwant\n%s", got, want)
		}
		var duplicates uint64
		if err := first.QueryRow(t.Context(), "SELECT toUInt64(sum(duplicates)) FROM cdr_sessions").Scan(&duplicates); err != nil || duplicates != 0 {
			t.Errorf("%d duplicates (%v): an import is no second delivery", duplicates, err)
		}
	})
	replay := func(o Options, apply bool) (changes []Change) {
		t.Helper()
		if _, err := Replay(t.Context(), o, storage.Period{}, apply, func(c Change) error { changes = append(changes, c); return nil }, nil); err != nil {
			t.Fatal(err)
		}
		return changes
	}
	spoil := func(conn driver.Conn) {
		t.Helper()
		for _, query := range []string{
			storage.LegFacts.Insert() + " SELECT * REPLACE('wrong' AS end_reason, version + 100 AS version) FROM call_legs_rows WHERE end_how = 'record' ORDER BY id LIMIT 1",
			"INSERT INTO calls_data SELECT * REPLACE('wrong name' AS name, version + 100 AS version) FROM calls_data FINAL WHERE end_how = 'record' ORDER BY id LIMIT 2",
		} {
			if err := conn.Exec(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, run := range map[string]struct {
		options Options
		store   func(func(driver.Conn))
	}{
		"replay beside a running serve": {Options{Config: *c, Log: slog.New(slog.DiscardHandler)}, func(use func(driver.Conn)) { use(first) }},
		"replay with none running":      {options, func(use func(driver.Conn)) { useOwnStore(t, options, use) }},
	} {
		t.Run(name, func(t *testing.T) {
			if changes := replay(run.options, true); len(changes) != 0 {
				t.Fatalf("%d rows change though nothing is wrong, first %+v", len(changes), changes[0])
			}
			run.store(spoil)
			changes := replay(run.options, false)
			if len(changes) != 3 {
				t.Fatalf("a dry run reports %d changes, want 3: %+v", len(changes), changes)
			}
			for _, change := range changes {
				if len(change.Fields) != 1 || !strings.HasPrefix(fmt.Sprint(change.Fields[0].Old), "wrong") {
					t.Errorf("change %+v, want the one wrong field", change)
				}
			}
			run.store(func(conn driver.Conn) {
				if prints(t, conn) == want {
					t.Error("a dry run changed the store")
				}
			})
			replay(run.options, true)
			run.store(func(conn driver.Conn) {
				if got := prints(t, conn); got != want {
					t.Errorf("facts after replay:\n%s\nwant\n%s", got, want)
				}
			})
			if changes := replay(run.options, false); len(changes) != 0 {
				t.Errorf("a second replay still finds %d changes", len(changes))
			}
		})
	}
	t.Run("quarantine", func(t *testing.T) {
		for _, query := range []string{
			"INSERT INTO cdr_quarantine_data SELECT body_id, part, parts, received, source, cms_cluster, remote_address, 'an old decoder' , 0, 0, body FROM cdr_bodies ORDER BY body_id LIMIT 1",
			"INSERT INTO cdr_quarantine_data SELECT generateUUIDv4(), 1, 1, received, source, cms_cluster, remote_address, 'broken', 0, 0, '<records><record' FROM cdr_bodies ORDER BY body_id LIMIT 1",
		} {
			if err := first.Exec(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		var still []string
		done, err := ImportQuarantine(t.Context(), Options{Config: *c, Log: slog.New(slog.DiscardHandler)}, storage.Period{}, nil,
			func(b storage.KeptBody) { still = append(still, b.Reason) })
		if err != nil || done.Bodies != 2 || len(still) != 1 {
			t.Fatalf("fed %+v, still broken %q (%v); want 2 fed, 1 broken", done, still, err)
		}
		var left uint64
		if err := first.QueryRow(t.Context(), "SELECT count() FROM cdr_quarantine").Scan(&left); err != nil || left != 1 {
			t.Errorf("%d bodies stay in quarantine (%v), want the broken one", left, err)
		}
		if got := prints(t, first); got != want {
			t.Errorf("facts after feeding the quarantine again:\n%s\nwant\n%s", got, want)
		}
	})
}

// useOwnStore opens the store of an installation that does not run.
func useOwnStore(t *testing.T, o Options, use func(driver.Conn)) {
	t.Helper()
	err := withPipeline(t.Context(), o, func(_ context.Context, p pipeline) error {
		use(p.conn)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCaptureLines holds what lines of a capture, and files, say against what is fed.
func TestCaptureLines(t *testing.T) {
	c := config.Default()
	c.Clusters = []config.Cluster{{Name: "emea", Bridges: []config.Bridge{{Name: "cb1"}, {Name: "cb2"}}}}
	o := ImportOptions{Options: Options{Config: c}}
	read := func(t *testing.T, name, text string) (fed []string, refused []string) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), filepath.Dir(name))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := o.eachBodyIn(path, func(b bus.Body) error {
			fed = append(fed, b.Cluster+"/"+b.Source+" "+string(b.Data))
			return nil
		}, func(err error) { refused = append(refused, strings.TrimPrefix(err.Error(), path)) })
		if err != nil {
			refused = append(refused, strings.TrimPrefix(err.Error(), path))
		}
		return fed, refused
	}
	line := func(fields map[string]any) string {
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return string(text) + "\n"
	}
	id := "11111111-2222-3333-4444-555555555555"
	for name, test := range map[string]struct {
		file, text   string
		fed, refused []string
	}{
		"folder names the bridge": {"cb2/a.xml", "<records/>", []string{"emea/cb2 <records/>"}, nil},
		"no bridge known":         {"x/a.xml", "<records/>", nil, []string{": which bridge sent it is not known; say --source NAME, or put it into a folder of that name: cb1, cb2"}},
		"text and base64":         {"x/c", line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "<a/>"}) + line(map[string]any{"received": "2026-01-02 03:04:05.123", "source": "cb2", "body_base64": "PGIvPg=="}), []string{"emea/cb1 <a/>", "emea/cb2 <b/>"}, nil},
		"bad lines, the rest goes on": {"x/c", "\ufeff{\"x\n" + line(map[string]any{"time": "yesterday", "source": "cb1", "body": "x"}) + line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb9", "body": "x"}) + "\n" + line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "<a/>"}),
			[]string{"emea/cb1 <a/>"}, []string{":1: no line of a capture: invalid character '\\n' in string literal", `:2: time "yesterday" is not RFC 3339`, `:3: no bridge "cb9" is configured; there are cb1, cb2`}},
		"bad first line": {"x/c", "captured on cb1\n" + line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "<a/>"}), []string{"emea/cb1 <a/>"},
			[]string{":1: no line of a capture: invalid character 'c' looking for beginning of value"}},
		"no XML and no capture": {"cb1/c", "captured on\ncb1", []string{"emea/cb1 captured on\ncb1"}, nil},
		"parts": {"x/c", line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "<a", "part": 1, "parts": 2, "body_id": id}) + line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "/>", "part": 2, "parts": 2, "body_id": id}),
			[]string{"emea/cb1 <a/>"}, nil},
		"a part is missing": {"x/c", line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "<a", "part": 1, "parts": 2, "body_id": id}),
			nil, []string{": body " + id + " ends with part 1 of 2"}},
		"a part is missing, another body follows": {"x/c", line(map[string]any{"time": "2026-01-02T03:04:04Z", "source": "cb1", "body": "<b", "part": 1, "parts": 3, "body_id": strings.Replace(id, "1", "2", 1)}) +
			line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "<a", "part": 1, "parts": 2, "body_id": id}) + line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "/>", "part": 2, "parts": 2, "body_id": id}),
			[]string{"emea/cb1 <a/>"}, []string{":2: body " + strings.Replace(id, "1", "2", 1) + " ends with part 1 of 3"}},
		"no time the store can hold": {"x/c", line(map[string]any{"time": "9999-01-02T03:04:05Z", "source": "cb1", "body": "<a/>"}) + line(map[string]any{"time": "0001-01-01T00:00:00Z", "source": "cb1", "body": "<a/>"}),
			nil, []string{`:1: time "9999-01-02T03:04:05Z" is not between 1970 and 2106`, `:2: time "0001-01-01T00:00:00Z" is not between 1970 and 2106`}},
		"long circumstances": {"x/c", line(map[string]any{"time": "2026-01-02T03:04:05Z", "source": "cb1", "body": "<a/>", "content_type": strings.Repeat("x", 10000)}), nil, []string{":1: remote_address and content_type take more than 1000 bytes"}},
		"no time":            {"x/c", line(map[string]any{"source": "cb1", "body": "<a/>"}), nil, []string{":1: no time: when was it received?"}},
	} {
		t.Run(name, func(t *testing.T) {
			fed, refused := read(t, test.file, test.text)
			if fmt.Sprint(fed) != fmt.Sprint(test.fed) || fmt.Sprint(refused) != fmt.Sprint(test.refused) {
				t.Errorf("fed %q, refused %q;\nwant %q, %q", fed, refused, test.fed, test.refused)
			}
		})
	}
	if _, err := Import(t.Context(), ImportOptions{Options: Options{Config: c}, Files: []string{filepath.Join(t.TempDir(), "none")}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestLinksAndFolders: a link to a file is a file, a folder may be named by a link to it, and nothing that is named is left out in silence.
func TestLinksAndFolders(t *testing.T) {
	top := t.TempDir()
	real, linked := filepath.Join(top, "real"), filepath.Join(top, "linked")
	if err := errors.Join(os.Mkdir(real, 0o700), os.WriteFile(filepath.Join(top, "a.xml"), []byte("<records/>"), 0o600), os.Symlink(real, linked),
		os.Symlink(filepath.Join(top, "a.xml"), filepath.Join(real, "file.xml")), os.Symlink(top, filepath.Join(real, "folder")), os.Symlink("nowhere", filepath.Join(real, "none.xml"))); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{real, linked, linked + "/"} {
		files, err := filesBelow([]string{dir})
		if want := []string{filepath.Join(dir, "file.xml"), filepath.Join(dir, "folder"), filepath.Join(dir, "none.xml")}; err != nil || fmt.Sprint(files) != fmt.Sprint(want) {
			t.Errorf("below %s: %v, %v; want %v", dir, files, err, want)
		}
	}
	c := config.Default()
	c.Clusters = []config.Cluster{{Name: "emea", Bridges: []config.Bridge{{Name: "cb1"}}}}
	o := ImportOptions{Options: Options{Config: c}}
	for name, ok := range map[string]bool{"file.xml": true, "folder": false, "none.xml": false} {
		fed := 0
		err := o.eachBodyIn(filepath.Join(linked, name), func(bus.Body) error { fed++; return nil }, func(error) {})
		if (fed == 1 && err == nil) != ok {
			t.Errorf("%s: fed %d, %v", name, fed, err)
		}
	}
	empty := t.TempDir()
	if _, err := filesBelow([]string{empty}); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("an empty folder: %v", err)
	}
}
