package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sumsFile lists the checksums in the form of sha256sum.
const sumsFile = "SHA256SUMS"

// summed is one file of a backup: its path below the folder, with slashes.
type summed struct {
	path string
	size int64
	sum  string
}

func sumFolder(ctx context.Context, dir string) ([]summed, error) {
	var files []summed
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := sumFile(path)
		if err != nil {
			return err
		}
		f.path = filepath.ToSlash(name)
		files = append(files, f)
		return nil
	})
	return files, err
}

func sumFile(path string) (summed, error) {
	f, err := os.Open(path)
	if err != nil {
		return summed{}, err
	}
	defer f.Close() //nolint:errcheck // only read from
	h := sha256.New()
	size, err := io.Copy(h, f)
	return summed{size: size, sum: hex.EncodeToString(h.Sum(nil))}, err
}

// finish writes the list of checksums, which makes the backup whole.
func finish(dir string, files []summed) error {
	manifest, err := sumFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return err
	}
	manifest.path = manifestFile
	var text bytes.Buffer
	for _, f := range append(files, manifest) {
		fmt.Fprintf(&text, "%s  %s\n", f.sum, f.path)
	}
	return writeSynced(filepath.Join(dir, sumsFile), text.Bytes())
}

// check compares every file of a backup with its checksum, and looks for files that have none.
func check(ctx context.Context, dir string) error {
	f, err := os.Open(filepath.Join(dir, sumsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has no %s; it was broken off, or it is no backup", ErrNotWhole, dir, sumsFile)
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read from
	want := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		sum, path, ok := strings.Cut(lines.Text(), "  ")
		if !ok || len(sum) != 2*sha256.Size || !filepath.IsLocal(filepath.FromSlash(path)) {
			return fmt.Errorf("%w: %s has a line that is no checksum", ErrNotWhole, sumsFile)
		}
		want[path] = sum
	}
	got, err := sumFolder(ctx, dir)
	if err != nil {
		return err
	}
	for _, f := range got {
		if f.path == sumsFile {
			continue
		}
		switch sum, listed := want[f.path]; {
		case !listed:
			return fmt.Errorf("%w: %s was not there when it was made", ErrNotWhole, f.path)
		case sum != f.sum:
			return fmt.Errorf("%w: %s is not what was written", ErrNotWhole, f.path)
		}
		delete(want, f.path)
	}
	for path := range want {
		return fmt.Errorf("%w: %s is missing (%d files are)", ErrNotWhole, path, len(want))
	}
	return nil
}

// writeSynced writes a new file that is on the disk when it returns.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
