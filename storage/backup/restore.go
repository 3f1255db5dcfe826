package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Read checks a backup, every byte of it, and returns what it holds.
func Read(ctx context.Context, dir string) (Manifest, error) {
	var m Manifest
	if err := check(ctx, dir); err != nil {
		return m, err
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrNotWhole, manifestFile, err)
	}
	if m.Format != format {
		return m, fmt.Errorf("the backup has format %d; this program reads format %d", m.Format, format)
	}
	return m, nil
}

// Restore puts a backup that Read has checked into an installation that holds nothing yet, and verifies that all of it arrived: every stream's messages,
// every table's rows, and the checksums of all tables' parts. After an error the installation is not to be used.
func Restore(ctx context.Context, dir string, m Manifest, to Installation) error {
	if to.Store != nil && m.Tables != nil {
		if err := to.restoreTables(ctx, filepath.Join(dir, storeFolder), m.Tables); err != nil {
			return fmt.Errorf("restore the tables: %w", err)
		}
	}
	for _, stream := range bus.Streams() {
		state, ok := m.Streams[stream]
		if !ok {
			continue // of a version that did not have it
		}
		to.tell("stream %s", stream)
		f, err := os.Open(streamPath(dir, stream))
		if err != nil {
			return err
		}
		err = to.Bus.Restore(ctx, stream, state, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (i Installation) restoreTables(ctx context.Context, dir string, want map[string]uint64) error {
	// The tables come first and their rows afterwards, with merges held up in between: rows can be counted only before versions are merged away.
	if err := i.restoreOnce(ctx, dir, "structure_only = 1"); err != nil {
		return err
	}
	if err := i.Store.Exec(ctx, "SYSTEM STOP MERGES"); err != nil {
		return err
	}
	defer func() {
		_ = i.Store.Exec(context.WithoutCancel(ctx), "SYSTEM START MERGES") // they begin again with the engine in any case
	}()
	if err := i.restoreOnce(ctx, dir, "allow_non_empty_tables = 0"); err != nil {
		return err
	}
	var wrong []string
	for table, rows := range want {
		i.tell("verifying %s", table)
		name := i.Database + "." + table
		var got uint64
		var sound uint8
		if err := i.Store.QueryRow(ctx, "SELECT sum(rows) FROM system.parts WHERE active AND database = {database:String} AND table = {table:String}",
			named("database", i.Database), named("table", table)).Scan(&got); err != nil {
			return err
		}
		if err := i.Store.QueryRow(ctx, "CHECK TABLE "+name+" SETTINGS check_query_single_value_result = 1").Scan(&sound); err != nil {
			return fmt.Errorf("check %s: %w", table, err)
		}
		if got != rows || sound != 1 {
			wrong = append(wrong, fmt.Sprintf("%s: %d of %d rows, checksums right: %t", table, got, rows, sound == 1))
		}
	}
	if wrong != nil {
		return fmt.Errorf("%w: %s", ErrNotWhole, strings.Join(wrong, "; "))
	}
	return nil
}

func (i Installation) restoreOnce(ctx context.Context, dir, how string) error {
	id := uuid.NewString()
	if err := i.Store.Exec(ctx, fmt.Sprintf("RESTORE DATABASE %s FROM File(%s) SETTINGS id = '%s', %s ASYNC", i.Database, literal(dir), id, how)); err != nil {
		return err
	}
	return i.follow(ctx, id, "tables", func() {})
}

// literal is a text as ClickHouse reads it in a statement.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

func named(name, value string) any { return clickhouse.Named(name, value) }
