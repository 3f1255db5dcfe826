package app

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bridgewatch/bridgewatch/internal/config"
)

// TestNeverRun: sql and backup on a folder in which nothing was ever stored say so and leave no trace, as a data folder with something in it refuses a restore.
func TestNeverRun(t *testing.T) {
	c, err := config.Parse([]byte("data_dir: data\n"), filepath.Join(t.TempDir(), "bridgewatch.yml"))
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "backup")
	for name, run := range map[string]func() error{
		"sql": func() error { return SQL(t.Context(), *c, "SELECT 1", io.Discard, slog.New(slog.DiscardHandler)) },
		"backup": func() error {
			_, err := Backup(t.Context(), BackupOptions{Options: Options{Config: *c, Log: slog.New(slog.DiscardHandler)}}, target)
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), c.DataDir) || !strings.Contains(err.Error(), "nothing was ever stored") {
			t.Errorf("%s: %v; want it to say that nothing was ever stored in %s", name, err, c.DataDir)
		}
	}
	for _, path := range []string{c.DataDir, target} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there", path)
		}
	}
}

// TestNoBackupOfHalfARestore: what a broken-off restore left is not to be taken for an installation.
func TestNoBackupOfHalfARestore(t *testing.T) {
	c, err := config.Parse([]byte("data_dir: data\n"), filepath.Join(t.TempDir(), "bridgewatch.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(c.DataDir, "clickhouse"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.DataDir, restoringFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "backup")
	if _, err := Backup(t.Context(), BackupOptions{Options: Options{Config: *c, Log: slog.New(slog.DiscardHandler)}}, target); err == nil || !strings.Contains(err.Error(), "broken off") {
		t.Errorf("backup of half a restore: %v", err)
	}
	if _, err := os.Stat(target); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is there", target)
	}
}
