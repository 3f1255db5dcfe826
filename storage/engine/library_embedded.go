//go:build !slim

package engine

import (
	"fmt"

	"github.com/ebitengine/purego"
)

// embedded: this build can load libchdb. What loads shared libraries is linked against glibc; with the build tag "slim" the program is static and runs
// anywhere, with a ClickHouse server of one's own.
const embedded = true

// load opens the shared library at path and binds its calls.
func load(path string) (lib *library, err error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	defer func() {
		if r := recover(); r != nil { // purego panics at a symbol that is not there
			lib, err = nil, fmt.Errorf("%s is not the libchdb this program needs (%s): %v", path, LibraryVersion, r)
		}
	}()
	lib = &library{}
	for name, target := range map[string]any{
		"chdb_set_signal_handlers_enabled": &lib.setSignalHandlers,
		"chdb_connect":                     &lib.connect,
		"chdb_close_conn":                  &lib.closeConn,
		"chdb_query_with_params_n":         &lib.query,
		"chdb_stream_query_with_params_n":  &lib.streamQuery,
		"chdb_stream_fetch_result":         &lib.streamFetch,
		"chdb_stream_cancel_query":         &lib.streamCancel,
		"chdb_result_buffer":               &lib.resultBuffer,
		"chdb_result_length":               &lib.resultLength,
		"chdb_result_error":                &lib.resultError,
		"chdb_destroy_query_result":        &lib.resultDestroy,
		"chdb_stream_insert_with_params_n": &lib.insert,
		"chdb_stream_append":               &lib.insertAppend,
		"chdb_stream_done":                 &lib.insertDone,
		"chdb_stream_cancel_insert":        &lib.insertCancel,
		"chdb_stream_insert_error":         &lib.insertError,
		"chdb_destroy_insert_stream":       &lib.insertDestroy,
		"chdb_classify_query_n":            &lib.classify,
	} {
		purego.RegisterLibFunc(target, handle, name)
	}
	lib.setSignalHandlers(false) // the Go runtime owns the signals
	return lib, nil
}
