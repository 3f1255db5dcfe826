package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/app"
	"github.com/bridgewatch/bridgewatch/storage/backup"
)

// backupCmd copies what an installation keeps.
type backupCmd struct {
	configFlag
	Dir string `arg:"" type:"path" help:"Folder to back up to; it must be empty or not exist. Beside a running serve its user must be able to write there."`
}

func (b backupCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	c, err := b.load()
	if err != nil {
		return err
	}
	if !c.ClickHouse.URL.IsZero() {
		fmt.Fprintln(std.err, "bridgewatch: only the streams are backed up: the tables lie on the server of clickhouse.url, whose own BACKUP is to be used")
	}
	line, began := newProgressLine(std.err), time.Now()
	m, err := app.Backup(ctx, app.BackupOptions{Options: app.Options{Config: c, Log: log}, Program: buildVersion(), Progress: line.show}, b.Dir)
	line.clear()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "backed up to %s in %s: %s\n", b.Dir, time.Since(began).Round(time.Millisecond), contents(m))
	return err
}

// restoreCmd makes an installation from a backup.
type restoreCmd struct {
	configFlag
	Dir string `arg:"" type:"existingdir" help:"Folder that bridgewatch backup wrote."`
}

func (r restoreCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	c, err := r.load()
	if err != nil {
		return err
	}
	line, began := newProgressLine(std.err), time.Now()
	m, err := app.Restore(ctx, app.BackupOptions{Options: app.Options{Config: c, Log: log}, Program: buildVersion(), Progress: line.show}, r.Dir)
	line.clear()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "restored and verified in %s: %s, as of %s\n", time.Since(began).Round(time.Millisecond), contents(m), m.Created.Format(time.RFC3339))
	return err
}

// contents says in one line what a backup holds.
func contents(m backup.Manifest) string {
	var rows, messages uint64
	for _, n := range m.Tables {
		rows += n
	}
	for _, s := range m.Streams {
		messages += s.Messages
	}
	return fmt.Sprintf("%d rows in %d tables, %d messages not yet stored, %.1f MB in %d files", rows, len(m.Tables), messages, float64(m.Bytes)/1e6, m.Files)
}

// supportBundleCmd packs what a person who helps needs to see.
type supportBundleCmd struct {
	configFlag
	Output  string `short:"o" default:"bridgewatch-support.tar.gz" placeholder:"FILE" help:"Archive to write; it must not exist."`
	NoCheck bool   `help:"Do not ask bridges and servers whether they work."`
}

func (s supportBundleCmd) Run(ctx context.Context, std streams, log *slog.Logger) (err error) {
	c, err := s.load()
	if err != nil {
		return err
	}
	var about bytes.Buffer
	if err := (versionCmd{}).Run(streams{out: &about, err: std.err}); err != nil {
		return err
	}
	f, err := os.OpenFile(s.Output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	line := newProgressLine(std.err)
	err = app.SupportBundle(ctx, app.BundleOptions{Options: app.Options{Config: c, Log: log}, About: about.String(), WithoutCheck: s.NoCheck, Progress: line.show}, f)
	line.clear()
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(s.Output))
	}
	_, err = fmt.Fprintf(std.out, "%s holds configuration without secrets, health, metrics, and figures of bus and store; host names and addresses are in it, meetings and people are not\n", s.Output)
	return err
}
