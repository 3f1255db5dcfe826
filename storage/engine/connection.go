package engine

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"
)

// connection is one session of the engine: its settings and current database are its own. It runs one statement at a time,
// takes a tenth of a millisecond to open, and belongs to one goroutine.
type connection struct {
	lib    *library
	handle *uintptr
}

// parameter is one {name:Type} of a statement; the value is text as ClickHouse's HTTP interface takes it.
type parameter struct{ name, value string }

// open makes a session. The first one of a process opens the data folder that its arguments name, and settles the server's settings.
func (l *library) open(args ...string) (*connection, error) {
	argv := make([]*byte, len(args)+1)
	for i, a := range args {
		argv[i] = cstring(a)
	}
	handle := l.connect(int32(len(args)), &argv[0])
	runtime.KeepAlive(argv)
	if handle == nil || *handle == 0 {
		return nil, errors.New("the engine did not open; its reason stands above")
	}
	return &connection{l, handle}, nil
}

func (c *connection) close() { c.lib.closeConn(c.handle) }

// exec runs a statement whose result is small and returns it.
func (c *connection) exec(statement, format string, params ...parameter) (string, error) {
	res, err := c.query(statement, format, params)
	if err != nil {
		return "", err
	}
	defer res.free()
	return string(res.bytes()), nil
}

// set changes settings of this session.
func (c *connection) set(settings []parameter) error {
	if len(settings) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("SET ")
	for i, s := range settings {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteIdentifier(s.name) + " = " + quoteString(s.value))
	}
	_, err := c.exec(b.String(), "Null")
	return err
}

// use changes the current database of this session.
func (c *connection) use(database string) error {
	_, err := c.exec("USE "+quoteIdentifier(database), "Null")
	return err
}

// query runs one statement to its end; the whole result lies in C memory until freed.
func (c *connection) query(statement, format string, params []parameter) (*result, error) {
	handle := c.call(c.lib.query, statement, format, params)
	return c.wrap(handle)
}

// stream starts a SELECT whose result comes in chunks, each a document of its own in the format.
// Any other statement is refused, and not run, with errNotStreamable.
func (c *connection) stream(statement, format string, params []parameter) (*stream, error) {
	handle := c.call(c.lib.streamQuery, statement, format, params)
	res, err := c.wrap(handle)
	if err != nil {
		if e, ok := errors.AsType[*Exception](err); ok && e.Code == codeBadArguments && strings.Contains(e.Message, "Streaming query is not supported") {
			return nil, errNotStreamable
		}
		return nil, err
	}
	return &stream{conn: c, handle: res.handle}, nil
}

var errNotStreamable = errors.New("only a SELECT can be streamed")

type queryCall = func(conn uintptr, query *byte, queryLen uint, format *byte, formatLen uint, names **byte, nameLens *uint, values **byte, valueLens *uint, count uint) uintptr

// call lays out a statement and its parameters for C.
func (c *connection) call(f queryCall, statement, format string, params []parameter) uintptr {
	var (
		names, values         = make([]*byte, len(params)+1), make([]*byte, len(params)+1)
		nameLens, valueLens   = make([]uint, len(params)+1), make([]uint, len(params)+1)
		statementPtr, formatP = cstring(statement), cstring(format)
	)
	for i, p := range params {
		names[i], nameLens[i] = cstring(p.name), uint(len(p.name))
		values[i], valueLens[i] = cstring(p.value), uint(len(p.value))
	}
	handle := f(*c.handle, statementPtr, uint(len(statement)), formatP, uint(len(format)), &names[0], &nameLens[0], &values[0], &valueLens[0], uint(len(params)))
	runtime.KeepAlive(statementPtr)
	runtime.KeepAlive(formatP)
	runtime.KeepAlive(names)
	runtime.KeepAlive(nameLens)
	runtime.KeepAlive(values)
	runtime.KeepAlive(valueLens)
	return handle
}

// wrap turns C's answer into a result or the error it holds.
func (c *connection) wrap(handle uintptr) (*result, error) {
	if handle == 0 {
		return nil, errors.New("the engine gave no answer")
	}
	if text := c.lib.resultError(handle); text != "" {
		c.lib.resultDestroy(handle)
		return nil, parseException(text)
	}
	return &result{c.lib, handle}, nil
}

// classify asks ClickHouse's parser what a text would do.
func (c *connection) classify(statement string) (statements int, class statementClass, err error) {
	a := &analysis{}
	a.size = uint32(unsafe.Sizeof(*a))
	text := cstring(statement)
	failed := c.lib.classify(*c.handle, text, uint(len(statement)), nil, 0, a)
	runtime.KeepAlive(text)
	if failed != 0 {
		return 0, classUnparsed, fmt.Errorf("the engine could not classify a statement of %d bytes", len(statement))
	}
	return int(a.statements), a.class, nil
}

// result is memory of the engine that its holder must free.
type result struct {
	lib    *library
	handle uintptr
}

// bytes are valid until free.
func (r *result) bytes() []byte {
	return view(r.lib.resultBuffer(r.handle), r.lib.resultLength(r.handle))
}

func (r *result) free() { r.lib.resultDestroy(r.handle) }

// stream is a running SELECT; close it in any case.
type stream struct {
	conn   *connection
	handle uintptr
	ended  bool
}

// next returns the next chunk, which the caller frees; nil at the end.
func (s *stream) next() (*result, error) {
	if s.ended {
		return nil, nil
	}
	res, err := s.conn.wrap(s.conn.lib.streamFetch(*s.conn.handle, s.handle))
	if err != nil {
		s.ended = true
		return nil, err
	}
	if len(res.bytes()) == 0 {
		s.ended = true
		res.free()
		return nil, nil
	}
	return res, nil
}

func (s *stream) close() {
	if !s.ended {
		s.conn.lib.streamCancel(*s.conn.handle, s.handle)
	}
	s.conn.lib.resultDestroy(s.handle)
}

// insertion is a running INSERT that takes its rows in pieces; end it with done or cancel, once.
type insertion struct {
	lib    *library
	handle uintptr
}

// insert starts an INSERT. The statement ends before its FORMAT clause, whose name is given apart.
func (c *connection) insert(statement, format string, params []parameter) (*insertion, error) {
	handle := c.call(c.lib.insert, statement, format, params)
	if handle == 0 {
		return nil, errors.New("the engine gave no insert stream")
	}
	in := &insertion{c.lib, handle}
	if err := in.failure(); err != nil {
		in.lib.insertDestroy(handle)
		return nil, err
	}
	return in, nil
}

// append hands over the next bytes; pieces may be cut anywhere.
func (in *insertion) append(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	failed := in.lib.insertAppend(in.handle, unsafe.SliceData(data), uint(len(data)))
	runtime.KeepAlive(data)
	if failed == 0 {
		return nil
	}
	if err := in.failure(); err != nil {
		return err
	}
	return errors.New("the engine refused more rows")
}

// done waits until the rows are stored.
func (in *insertion) done() error {
	defer in.lib.insertDestroy(in.handle)
	handle := in.lib.insertDone(in.handle)
	if handle == 0 {
		return errors.New("the engine did not confirm the insert")
	}
	defer in.lib.resultDestroy(handle)
	if text := in.lib.resultError(handle); text != "" {
		if err := in.failure(); err != nil { // fuller than the result's when the stream was refused before
			return err
		}
		return parseException(text)
	}
	return nil
}

// cancel drops the rows that are not yet stored.
func (in *insertion) cancel() {
	in.lib.insertCancel(in.handle)
	in.lib.insertDestroy(in.handle)
}

func (in *insertion) failure() error {
	if text := in.lib.insertError(in.handle); text != "" {
		return parseException(text)
	}
	return nil
}

var (
	identifierEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`")
	stringEscapes     = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
)

func quoteIdentifier(s string) string { return "`" + identifierEscapes.Replace(s) + "`" }

func quoteString(s string) string { return "'" + stringEscapes.Replace(s) + "'" }
