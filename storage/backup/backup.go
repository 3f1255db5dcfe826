// Package backup copies an installation's data, the tables of the embedded engine and the streams of the bus, into a folder, and makes the same
// installation from it elsewhere.
//
//	DIR/manifest.json   what the backup holds, and from when
//	DIR/store/          the engine's tables, as ClickHouse's own BACKUP writes them
//	DIR/streams/*.s2    the streams, as NATS's own snapshots are
//	DIR/SHA256SUMS      a checksum of every file above (`sha256sum -c` reads it); written last: without it a backup is not whole
//
// Configuration and secrets are no part of it.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Errors that callers and people tell apart.
var (
	// ErrNotWhole: files of a backup are missing or differ from what was written.
	ErrNotWhole = errors.New("the backup is not whole")
	// ErrNotEmpty: the folder that a backup is to go to holds something.
	ErrNotEmpty = errors.New("the folder is not empty")
)

const (
	format       = 1
	manifestFile = "manifest.json"
	storeFolder  = "store"
	streamFolder = "streams"
	// pauseTTL is when the writer goes on at the latest if this process dies while it makes the cut through store and streams.
	pauseTTL = time.Minute
)

// Manifest says what a backup holds.
type Manifest struct {
	Format     int                              `json:"format"`
	Created    time.Time                        `json:"created"` // of the cut: what was stored or acknowledged before is in it
	Program    string                           `json:"bridgewatch"`
	ClickHouse string                           `json:"clickhouse,omitempty"` // version; empty where the tables lie on a server of one's own and are no part
	Tables     map[string]uint64                `json:"tables,omitempty"`     // rows, versions not yet merged away included
	Streams    map[bus.Stream]bus.SnapshotState `json:"streams"`
	Bytes      int64                            `json:"bytes"` // of all files
	Files      int                              `json:"files"`
}

// Installation is what is backed up, or restored into.
type Installation struct {
	Bus *bus.Bus
	// Store is the embedded engine, connected without a database; nil leaves the tables out.
	Store    driver.Conn
	Database string
	// Program is this program's version.
	Program string
	// Progress is told what goes on; nil is nobody.
	Progress func(string)
}

func (i Installation) tell(format string, args ...any) {
	if i.Progress != nil {
		i.Progress(fmt.Sprintf(format, args...))
	}
}

// Create backs an installation up into dir, an absolute path of a folder that is empty or does not exist. The engine's process writes there too, as its user.
//
// Taking records goes on meanwhile. Handing them to the writer is held up until the cut is made (bus.Pause), a second or so with short streams. All that was
// acknowledged to a Call Bridge before Created is in the backup.
func Create(ctx context.Context, dir string, from Installation) (Manifest, error) {
	if err := emptyFolder(dir); err != nil {
		return Manifest{}, err
	}
	m := Manifest{Format: format, Program: from.Program, Streams: map[bus.Stream]bus.SnapshotState{}}
	resume, err := from.Bus.Pause(ctx, pauseTTL)
	if err != nil {
		return Manifest{}, err
	}
	defer resume() //nolint:errcheck // read where it matters, below
	m.Created = time.Now().UTC()
	for _, stream := range bus.Streams() {
		from.tell("stream %s", stream)
		if m.Streams[stream], err = writeStream(ctx, from.Bus, stream, streamPath(dir, stream)); err != nil {
			return Manifest{}, err
		}
	}
	if from.Store != nil {
		if m.ClickHouse, m.Tables, err = from.copyTables(ctx, filepath.Join(dir, storeFolder), func() { _ = resume() }); err != nil {
			return Manifest{}, err
		}
	}
	if err := resume(); err != nil {
		return Manifest{}, fmt.Errorf("the writer was not held up until the cut was made: %w", err)
	}
	from.tell("checksums")
	sums, err := sumFolder(ctx, dir)
	if err != nil {
		return Manifest{}, err
	}
	for _, f := range sums {
		m.Bytes += f.size
	}
	m.Files = len(sums)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Manifest{}, err
	}
	if err := writeSynced(filepath.Join(dir, manifestFile), append(text, '\n')); err != nil {
		return Manifest{}, err
	}
	return m, finish(dir, sums)
}

func emptyFolder(dir string) error {
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("%s is not an absolute path", dir)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(dir, 0o700)
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%w: %s", ErrNotEmpty, dir)
	}
	return nil
}

func streamPath(dir string, stream bus.Stream) string {
	return filepath.Join(dir, streamFolder, string(stream)+".s2")
}

func writeStream(ctx context.Context, b *bus.Bus, stream bus.Stream, path string) (state bus.SnapshotState, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return state, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return state, err
	}
	state, err = b.Snapshot(ctx, stream, f)
	return state, errors.Join(err, f.Sync(), f.Close())
}

// copyTables has the engine copy its tables, and calls cut when it has settled what it copies; the rows are those of the copy itself.
func (i Installation) copyTables(ctx context.Context, dir string, cut func()) (version string, rows map[string]uint64, err error) {
	if err := i.Store.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", nil, fmt.Errorf("ask the engine for its version: %w", err)
	}
	id := uuid.NewString()
	if err := i.Store.Exec(ctx, fmt.Sprintf("BACKUP DATABASE %s TO File(%s) SETTINGS id = '%s', deduplicate_files = 0 ASYNC", i.Database, literal(dir), id)); err != nil {
		return "", nil, fmt.Errorf("start the engine's backup: %w", err)
	}
	if err := i.follow(ctx, id, "tables", cut); err != nil {
		return "", nil, fmt.Errorf("the engine's backup into %s (its process must be able to write there): %w", dir, err)
	}
	rows, err = countRows(dir)
	return version, rows, err
}

// follow waits for an operation of the engine to end, and calls fixed as soon as it is settled what it works on.
func (i Installation) follow(ctx context.Context, id, what string, fixed func()) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var status, problem string
		var entries, total, read uint64
		err := i.Store.QueryRow(ctx, "SELECT toString(status), error, num_entries, total_size, bytes_read FROM system.backups WHERE id = {id:String}",
			named("id", id)).Scan(&status, &problem, &entries, &total, &read)
		switch {
		case err != nil:
			return fmt.Errorf("ask the engine how far it is: %w", err)
		case strings.HasSuffix(status, "_FAILED"), strings.HasSuffix(status, "_CANCELLED"):
			problem, _, _ = strings.Cut(problem, ", Stack trace")
			return errors.New(strings.TrimSpace(problem))
		case status == "BACKUP_CREATED", status == "RESTORED":
			fixed()
			return nil
		case entries > 0:
			fixed()
		}
		i.tell("%s: %d of %d MB", what, read/1e6, total/1e6)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// countRows adds up what the parts of a copy say of themselves, by table.
func countRows(dir string) (map[string]uint64, error) {
	rows := map[string]uint64{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "count.txt" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		rows[filepath.Base(filepath.Dir(filepath.Dir(path)))] += n // …/<table>/<part>/count.txt
		return nil
	})
	return rows, err
}
