package backup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// whole makes a folder that check is content with.
func whole(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{manifestFile: `{"format": 1}`, "streams/CDR.s2": "messages", "store/a b/data.bin": "rows", "store/empty": ""} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := sumFolder(t.Context(), filepath.Join(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range sums {
		if f.path == manifestFile { // finish adds it
			sums = append(sums[:i], sums[i+1:]...)
			break
		}
	}
	if err := finish(dir, sums); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCheck: every way in which a backup can differ from what was written is found and named.
func TestCheck(t *testing.T) {
	if _, err := Read(t.Context(), whole(t)); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	remove := func(name string) func(string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	lines := func(change func(string) string) func(string) error {
		return func(dir string) error {
			text, err := os.ReadFile(filepath.Join(dir, sumsFile))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, sumsFile), []byte(change(string(text))), 0o600)
		}
	}
	for name, c := range map[string]struct {
		do   func(dir string) error
		want string
	}{
		"changed":        {write("store/a b/data.bin", "rowz"), "store/a b/data.bin is not what was written"},
		"cut short":      {write("streams/CDR.s2", ""), "streams/CDR.s2 is not what was written"},
		"manifest":       {write(manifestFile, `{"format": 1, "tables": {}}`), "manifest.json is not what was written"},
		"added":          {write("store/more", ""), "store/more was not there"},
		"missing":        {remove("store/empty"), "store/empty is missing"},
		"broken off":     {remove(sumsFile), "was broken off"},
		"sums cut short": {lines(func(s string) string { return s[:len(s)-10] }), ""},
		"sums empty":     {lines(func(string) string { return "" }), "was not there"},
		"outside":        {lines(func(s string) string { return s + strings.Repeat("0", 64) + "  ../../etc/passwd\n" }), "no checksum"},
		"no sum":         {lines(func(s string) string { return s + "hello\n" }), "no checksum"},
	} {
		dir := whole(t)
		if err := c.do(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(t.Context(), dir); !errors.Is(err, ErrNotWhole) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want ErrNotWhole and %q", name, err, c.want)
		}
	}
}

// TestOtherFormat: a backup of a later program is refused by its number.
func TestOtherFormat(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, manifestFile), []byte(`{"format": 2}`), 0o600), finish(dir, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("%v; want to be told of format 2", err)
	}
}
