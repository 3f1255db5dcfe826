package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/backup"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// restoringFile stands in a data folder while a backup is put into it; what was broken off is never served.
const restoringFile = "restore.unfinished"

// BackupOptions say what is backed up, or restored, and who is told how it goes on.
type BackupOptions struct {
	Options
	Program  string // version of this program, noted in the backup
	Progress func(string)
}

// Backup copies the tables of the embedded engine and the streams of the bus into an empty folder, beside a running instance or without one. The tables of an
// external ClickHouse are left to that server's own means.
func Backup(ctx context.Context, o BackupOptions, dir string) (m backup.Manifest, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return m, err
	}
	if err := errors.Join(neverRun(o.Config), refuseUnfinished(o.Config)); err != nil {
		return m, err
	}
	err = o.withInstallation(ctx, func(ctx context.Context, i backup.Installation) error {
		m, err = backup.Create(ctx, dir, i)
		return err
	})
	return m, err
}

// Restore makes an installation from a backup: its data folder must hold neither tables nor streams, and no instance may run.
func Restore(ctx context.Context, o BackupOptions, dir string) (m backup.Manifest, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return m, err
	}
	if err := o.freshData(); err != nil {
		return m, err
	}
	if o.Progress != nil {
		o.Progress("checking the backup")
	}
	if m, err = backup.Read(ctx, dir); err != nil {
		return m, err
	}
	if m.Tables != nil && !o.Config.ClickHouse.URL.IsZero() {
		return m, errors.New("the backup holds the tables of an embedded engine, which this command cannot put into the server of clickhouse.url; " +
			"restore it into an installation without clickhouse.url")
	}
	if err := os.MkdirAll(o.Config.DataDir, 0o700); err != nil {
		return m, fmt.Errorf("data_dir: %w", err)
	}
	mark := filepath.Join(o.Config.DataDir, restoringFile)
	if err := os.WriteFile(mark, []byte(dir+"\n"), 0o600); err != nil {
		return m, err
	}
	err = o.withInstallation(ctx, func(ctx context.Context, i backup.Installation) error { return backup.Restore(ctx, dir, m, i) })
	if err != nil {
		return m, fmt.Errorf("%w; empty %s before the next try", err, o.Config.DataDir)
	}
	return m, os.Remove(mark)
}

// freshData refuses a data folder that an instance uses or has used.
func (o BackupOptions) freshData() error {
	for _, name := range []string{"clickhouse", "bus", restoringFile} {
		path := filepath.Join(o.Config.DataDir, name)
		if _, err := os.Stat(path); err == nil {
			return fmt.Errorf("%s exists: restore needs a data_dir without data; move it away, or name another", path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// refuseUnfinished keeps an instance from a data folder into which a restore was broken off.
func refuseUnfinished(c config.Config) error {
	path := filepath.Join(c.DataDir, restoringFile)
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s exists: a restore into this data_dir was broken off; empty the folder and restore again", path)
	}
	return nil
}

// withInstallation gives use the bus and the embedded engine: those of a running instance, or started for as long as use takes.
func (o BackupOptions) withInstallation(ctx context.Context, use func(context.Context, backup.Installation) error) error {
	cfg := busConfig(o.Config)
	cfg.Join = true
	b := bus.New(cfg, bus.Deps{Log: o.Log})
	i := backup.Installation{Bus: b, Database: databaseName, Program: o.Program, Progress: o.Progress}
	return beside(ctx, b.Run, b.Ready(), func(ctx context.Context) error {
		if !o.Config.ClickHouse.URL.IsZero() {
			return use(ctx, i)
		}
		return withStore(ctx, o.Options, func(ctx context.Context, options *clickhouse.Options) error {
			first := *options
			first.Auth.Database = "default" // on restoring there is no other yet
			conn, err := clickhouse.Open(&first)
			if err != nil {
				return fmt.Errorf("open ClickHouse: %w", err)
			}
			defer conn.Close() //nolint:errcheck // nothing is pending on it
			i.Store = conn
			return use(ctx, i)
		})
	})
}
