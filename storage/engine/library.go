package engine

import "unsafe"

// library is libchdb, loaded: the C calls of ClickHouse as a shared library. A process loads it once and never unloads it.
// What C hands out is held as uintptr, so that Go's garbage collector never looks behind it; who frees it is said at the types
// that wrap it (connection, result, stream, insertion).
type library struct {
	setSignalHandlers func(enabled bool)

	connect   func(argc int32, argv **byte) (conn *uintptr)
	closeConn func(conn *uintptr)

	query       func(conn uintptr, query *byte, queryLen uint, format *byte, formatLen uint, names **byte, nameLens *uint, values **byte, valueLens *uint, count uint) (result uintptr)
	streamQuery func(conn uintptr, query *byte, queryLen uint, format *byte, formatLen uint, names **byte, nameLens *uint, values **byte, valueLens *uint, count uint) (result uintptr)
	streamFetch func(conn, stream uintptr) (result uintptr)
	// streamCancel ends a stream that was not read to its end; streamed results are destroyed all the same.
	streamCancel func(conn, stream uintptr)

	resultBuffer  func(result uintptr) *byte
	resultLength  func(result uintptr) uint
	resultError   func(result uintptr) string
	resultDestroy func(result uintptr)

	insert        func(conn uintptr, query *byte, queryLen uint, format *byte, formatLen uint, names **byte, nameLens *uint, values **byte, valueLens *uint, count uint) (stream uintptr)
	insertAppend  func(stream uintptr, data *byte, length uint) (failed int32)
	insertDone    func(stream uintptr) (result uintptr)
	insertCancel  func(stream uintptr)
	insertError   func(stream uintptr) string
	insertDestroy func(stream uintptr)

	classify func(conn uintptr, query *byte, queryLen uint, database *byte, databaseLen uint, out *analysis) (failed int32)
}

// analysis is the C struct chdb_query_analysis_v1: what ClickHouse's own parser says about a text.
type analysis struct {
	size       uint32 // of this struct, set by the caller
	statements uint32 // how many the text holds
	_          uint32
	class      statementClass // the most restricted of them
	_          [3]uint8
}

// statementClass is how much a statement does, in the numbers of the C struct.
type statementClass uint8

const (
	classReads    statementClass = 0 // SELECT, SHOW, DESCRIBE, EXPLAIN: leaves no trace
	classUnparsed statementClass = 4
)

// cstring returns s with the closing zero that C wants.
func cstring(s string) *byte { return unsafe.SliceData(append([]byte(s), 0)) }

// view is the memory of n bytes at p, which C owns.
func view(p *byte, n uint) []byte {
	if p == nil || n == 0 {
		return nil
	}
	return unsafe.Slice(p, n)
}
