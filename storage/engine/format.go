package engine

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// outputKind says how a stream's chunks, each a document of its own, make one document.
type outputKind struct {
	contentType string
	// chunked formats may be written chunk by chunk.
	chunked bool
	// header returns the length of what stands once before the first row and is repeated in each chunk; nil for no header.
	header func(chunk []byte) int
}

// outputs are the formats whose chunks can be joined; results in any other are collected whole before the first byte is sent.
var outputs = map[string]outputKind{
	"native":                              {"application/octet-stream", true, nil},
	"rowbinary":                           {"application/octet-stream", true, nil},
	"rowbinarywithnames":                  {"application/octet-stream", true, binaryHeader(1)},
	"rowbinarywithnamesandtypes":          {"application/octet-stream", true, binaryHeader(2)},
	"tabseparated":                        {"text/tab-separated-values; charset=UTF-8", true, nil},
	"tsv":                                 {"text/tab-separated-values; charset=UTF-8", true, nil},
	"tabseparatedwithnames":               {"text/tab-separated-values; charset=UTF-8", true, lines(1)},
	"tsvwithnames":                        {"text/tab-separated-values; charset=UTF-8", true, lines(1)},
	"tabseparatedwithnamesandtypes":       {"text/tab-separated-values; charset=UTF-8", true, lines(2)},
	"tsvwithnamesandtypes":                {"text/tab-separated-values; charset=UTF-8", true, lines(2)},
	"tabseparatedraw":                     {"text/tab-separated-values; charset=UTF-8", true, nil},
	"tsvraw":                              {"text/tab-separated-values; charset=UTF-8", true, nil},
	"csv":                                 {"text/csv; charset=UTF-8; header=absent", true, nil},
	"csvwithnames":                        {"text/csv; charset=UTF-8; header=present", true, csvLines(1)},
	"csvwithnamesandtypes":                {"text/csv; charset=UTF-8; header=present", true, csvLines(2)},
	"jsoneachrow":                         {"application/x-ndjson; charset=UTF-8", true, nil},
	"jsonlines":                           {"application/x-ndjson; charset=UTF-8", true, nil},
	"ndjson":                              {"application/x-ndjson; charset=UTF-8", true, nil},
	"jsonstringseachrow":                  {"application/x-ndjson; charset=UTF-8", true, nil},
	"jsoncompacteachrow":                  {"application/x-ndjson; charset=UTF-8", true, nil},
	"jsoncompacteachrowwithnames":         {"application/x-ndjson; charset=UTF-8", true, lines(1)},
	"jsoncompacteachrowwithnamesandtypes": {"application/x-ndjson; charset=UTF-8", true, lines(2)},
	"json":                                {"application/json; charset=UTF-8", false, nil},
	"jsoncompact":                         {"application/json; charset=UTF-8", false, nil},
	"jsonstrings":                         {"application/json; charset=UTF-8", false, nil},
	"jsoncolumns":                         {"application/json; charset=UTF-8", false, nil},
	"null":                                {"text/plain; charset=UTF-8", true, nil},
	"tskv":                                {"text/tab-separated-values; charset=UTF-8", true, nil},
	"lineasstring":                        {"text/plain; charset=UTF-8", true, nil},
	"rawblob":                             {"application/octet-stream", true, nil},
	"parquet":                             {"application/octet-stream", false, nil},
	"arrow":                               {"application/octet-stream", false, nil},
	"xml":                                 {"application/xml; charset=UTF-8", false, nil},
}

// outputOf returns how results in the format are written.
func outputOf(format string) outputKind {
	if k, ok := outputs[strings.ToLower(format)]; ok {
		return k
	}
	return outputKind{contentType: "text/plain; charset=UTF-8"}
}

// lines measures a header of n lines in a format that never writes a raw line break inside a value.
func lines(n int) func([]byte) int {
	return func(chunk []byte) int {
		end := 0
		for range n {
			i := bytes.IndexByte(chunk[end:], '\n')
			if i < 0 {
				return len(chunk)
			}
			end += i + 1
		}
		return end
	}
}

// csvLines measures a header of n CSV records; a quoted name may hold line breaks.
func csvLines(n int) func([]byte) int {
	return func(chunk []byte) int {
		quoted := false
		for i, c := range chunk {
			switch {
			case c == '"':
				quoted = !quoted
			case c == '\n' && !quoted:
				if n--; n == 0 {
					return i + 1
				}
			}
		}
		return len(chunk)
	}
}

// binaryHeader measures RowBinary's header: the number of columns, then that many strings, n times.
func binaryHeader(n uint64) func([]byte) int {
	return func(chunk []byte) int {
		columns, pos := binary.Uvarint(chunk)
		if pos <= 0 {
			return len(chunk)
		}
		for range columns * n {
			length, size := binary.Uvarint(chunk[pos:])
			if size <= 0 || length > uint64(len(chunk)-pos-size) {
				return len(chunk)
			}
			pos += size + int(length)
		}
		return pos
	}
}
