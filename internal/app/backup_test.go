package app

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/backup"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// twenty queries whose answers a restored installation must give to the letter.
var twenty = []string{
	"SELECT * FROM calls ORDER BY ALL", "SELECT * FROM call_legs ORDER BY ALL", "SELECT * FROM meetings ORDER BY ALL",
	"SELECT * FROM recordings ORDER BY ALL", "SELECT * FROM streams ORDER BY ALL", "SELECT * FROM cdr_records ORDER BY ALL",
	"SELECT * FROM cdr_bodies ORDER BY ALL", "SELECT * FROM cdr_sessions ORDER BY ALL", "SELECT * FROM cdr_gaps ORDER BY ALL",
	"SELECT * FROM parties ORDER BY ALL", "SELECT * FROM bridge_samples ORDER BY ALL", "SELECT * FROM license_samples ORDER BY ALL",
	"SELECT * FROM alarms ORDER BY ALL", "SELECT * FROM owners ORDER BY ALL", "SELECT * FROM settings ORDER BY ALL",
	"SELECT * FROM device_samples ORDER BY ALL",
	"SELECT call_bridge, end_reason, count(), sum(duration_seconds) FROM call_legs GROUP BY ALL ORDER BY ALL",
	"SELECT toStartOfMinute(start) AS minute, uniqExact(display_name), max(ifNull(rx_video_width, 0)) FROM call_legs GROUP BY minute ORDER BY minute",
	"SELECT type, count(), min(time), max(time), sum(cityHash64(xml)) FROM cdr_records_data GROUP BY type ORDER BY type",
	"SELECT name, create_table_query FROM system.tables WHERE database = 'bridgewatch' ORDER BY name",
}

func (d *deployment) options(t *testing.T, dataDir string) BackupOptions {
	t.Helper()
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.ReadBridgeSecrets(), c.ReadServerSecrets()); err != nil {
		t.Fatal(err)
	}
	if dataDir != "" {
		c.DataDir = dataDir
	}
	c.HTTP.Listen, c.CDR.Listen, c.ClickHouse.Listen = "", "", ""
	return BackupOptions{Program: "test", Options: Options{Config: *c, EngineCommand: storagetest.ChildCommand(t),
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}}
}

// answers runs queries on the store of an installation that does not run.
func answers(t *testing.T, o BackupOptions, queries []string) []string {
	t.Helper()
	var out []string
	err := withStore(t.Context(), o.Options, func(ctx context.Context, options *clickhouse.Options) error {
		for _, q := range queries {
			var text bytes.Buffer
			if err := sqlOverHTTP(ctx, options, q, &text); err != nil {
				return errors.New(q + ": " + err.Error())
			}
			out = append(out, text.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBackupRestored: a backup under load is one cut through store and streams, and one of a stopped installation, restored into an empty folder, answers
// twenty queries alike. A damaged backup is refused, and so is a folder with data.
func TestBackupRestored(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole processes")
	}
	d := newDeployment(t, cmssim.Config{Bridges: 3, Seed: 11, Speed: 120, RetryInterval: 100 * time.Millisecond, StopAfter: 30 * time.Minute})
	d.serve()
	d.sim.StartStory()
	underLoad := filepath.Join(t.TempDir(), "under load")
	var busy backup.Manifest
	waitFor(t, time.Minute, func() error {
		if !bus.Served(filepath.Join(d.dir, "data")) { // a backup would take the folder before serve does
			return errors.New("serve is not there yet")
		}
		if err := os.RemoveAll(underLoad); err != nil {
			return err
		}
		var err error
		if busy, err = Backup(t.Context(), d.options(t, ""), underLoad); err == nil && busy.Tables["cdr_records_data"] < 500 {
			err = errors.New("hardly any records yet")
		}
		return err
	})
	d.drain(2 * time.Minute)
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	d.cmd = nil
	old := d.options(t, "")

	t.Run("under load", func(t *testing.T) {
		o := d.options(t, filepath.Join(t.TempDir(), "data"))
		if _, err := Restore(t.Context(), o, underLoad); err != nil {
			t.Fatal(err)
		}
		// What lay on the bus at the cut is written now; then nothing may be missing that a session row or an index says is there.
		err := withPipeline(t.Context(), o.Options, func(ctx context.Context, p pipeline) error {
			f := &feeder{bus: p.bus}
			return f.stored(ctx)
		})
		if err != nil {
			t.Fatal(err)
		}
		got := answers(t, o, []string{
			"SELECT count() FROM cdr_sessions",
			"SELECT s.session, s.records, s.last_index, s.missing, r.n, r.last FROM cdr_sessions AS s FULL JOIN (SELECT session, count() AS n, max(correlator_index) AS last FROM cdr_records GROUP BY session) AS r USING session " +
				"WHERE s.records != r.n OR s.last_index != r.last OR s.missing != 0",
			"SELECT count() FROM call_legs AS l WHERE call_id NOT IN (SELECT id FROM calls) AND call_id != toUUID('00000000-0000-0000-0000-000000000000')",
		})
		if got[0] != "3\n" || got[1] != "" || got[2] != "0\n" {
			t.Errorf("sessions %q, sessions whose rows and records differ %q, legs without their call %q", got[0], got[1], got[2])
		}
	})

	// Something that waits on the bus, which nobody reads while nothing runs.
	waiting := bus.New(busConfig(old.Config), bus.Deps{})
	err := beside(t.Context(), waiting.Run, waiting.Ready(), func(ctx context.Context) error {
		return waiting.PublishBody(ctx, bus.Body{Source: "cb1", Cluster: "demo", Received: time.Now(), Data: []byte("<not a record")})
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	made, err := Backup(t.Context(), old, dir)
	if err != nil {
		t.Fatal(err)
	}
	if made.Streams[bus.CDR].Messages == 0 || made.Tables["call_legs_data"] == 0 {
		t.Errorf("the backup holds %d messages and %d legs", made.Streams[bus.CDR].Messages, made.Tables["call_legs_data"])
	}
	before := answers(t, old, twenty)
	if _, err := Backup(t.Context(), old, dir); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("a second backup into the same folder: %v; want ErrNotEmpty", err)
	}
	if _, err := Restore(t.Context(), old, dir); err == nil || !strings.Contains(err.Error(), "without data") {
		t.Errorf("restoring over data: %v", err)
	}

	restored := d.options(t, filepath.Join(t.TempDir(), "data"))
	t.Run("damaged", func(t *testing.T) {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Name() == "data.bin" {
				damage(t, path)
				defer damage(t, path) // undone
				if _, err := Restore(t.Context(), restored, dir); !errors.Is(err, backup.ErrNotWhole) {
					t.Errorf("a changed byte in %s: %v; want ErrNotWhole", path, err)
				}
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if _, err := Restore(t.Context(), restored, dir); err != nil {
		t.Fatal(err)
	}
	after := answers(t, restored, twenty)
	for i, q := range twenty {
		if before[i] != after[i] {
			t.Errorf("%s: %d bytes before, %d after, and they differ", q, len(before[i]), len(after[i]))
		}
	}
	if strings.Count(before[1], "\n") < 100 {
		t.Errorf("only %d legs were compared", strings.Count(before[1], "\n"))
	}
	again := bus.New(busConfig(restored.Config), bus.Deps{})
	err = beside(t.Context(), again.Run, again.Ready(), func(ctx context.Context) error {
		stats, err := again.Stats(ctx)
		if got, want := stats[bus.CDR].Messages, made.Streams[bus.CDR].Messages; got != want {
			t.Errorf("%d messages wait on the restored bus, want %d", got, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// damage turns a bit in the middle of a file.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
