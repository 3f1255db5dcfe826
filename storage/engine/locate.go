package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// LibraryVersion is the release of libchdb that this program is built and tested against; npm/package.json pins the same.
const LibraryVersion = "26.7.3-stable.1"

// LibraryVariable names the environment variable that points at another libchdb.
const LibraryVariable = "BRIDGEWATCH_ENGINE_LIBRARY"

// ErrNoLibrary means that libchdb was not found. The error that wraps it is the one line a person needs.
var ErrNoLibrary = errors.New("the embedded ClickHouse is not installed")

// errSlim is ErrNoLibrary of a program that could not load one.
var errSlim = fmt.Errorf("%w: this program was built without it (build tag slim); set clickhouse.url to use a server of your own", ErrNoLibrary)

// FindLibrary returns the path of libchdb: what LibraryVariable names, else where `make engine` puts it.
func FindLibrary() (string, error) {
	if !embedded {
		return "", errSlim
	}
	if path := os.Getenv(LibraryVariable); path != "" {
		return path, readable(path)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoLibrary, err)
	}
	if runtime.GOOS == "darwin" { // make engine follows the XDG convention on every platform
		if cache = os.Getenv("XDG_CACHE_HOME"); cache == "" {
			cache = filepath.Join(os.Getenv("HOME"), ".cache")
		}
	}
	path := filepath.Join(cache, "bridgewatch", "engine", LibraryVersion, "libchdb.so")
	return path, readable(path)
}

func readable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: no file %s; run `make engine`, or set clickhouse.url to use a server of your own", ErrNoLibrary, path)
	case err != nil:
		return fmt.Errorf("%w: %w; run `make engine`, or set clickhouse.url to use a server of your own", ErrNoLibrary, err)
	case info.IsDir():
		return fmt.Errorf("%w: %s is a folder, not the library; run `make engine`, or set clickhouse.url to use a server of your own", ErrNoLibrary, path)
	}
	return nil
}
