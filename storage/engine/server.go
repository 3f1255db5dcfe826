package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// stallTimeout is how long a client may neither send nor take a byte.
	stallTimeout = 5 * time.Minute
	// killInterval is how often a statement whose client went away is told to end, until it has ended.
	killInterval = 100 * time.Millisecond
	// drainLimit is how many bytes of a refused INSERT are read on, so that the client sees the answer instead of a broken connection.
	drainLimit = 1 << 30
	// appendSize is how many bytes of rows are handed to the engine at once.
	appendSize = 1 << 20
)

// server answers a subset of ClickHouse's HTTP interface: what clickhouse-go, Grafana's data source and curl use.
type server struct {
	lib     *library
	args    []string // that open a session
	secret  string
	limits  ReaderLimits
	gate    *gate
	log     *slog.Logger
	owners  chan struct{} // one place for each statement of the owner that may run
	readers chan struct{} // the same for all readers together

	displayName, version, timezone string

	running sync.WaitGroup // statements; the engine may close when they have ended
}

// newServer asks the engine, over the connection that keeps it open, for what the server must know.
func newServer(keep *connection, args []string, secret string, connections int, limits ReaderLimits, log *slog.Logger) (*server, error) {
	s := &server{lib: keep.lib, args: args, secret: secret, limits: limits, log: log,
		owners: make(chan struct{}, connections), readers: make(chan struct{}, limits.Concurrent)}
	var err error
	if s.gate, err = newGate(keep); err != nil {
		return nil, err
	}
	facts, err := keep.exec("SELECT displayName(), version(), timezone()", "TSVRaw")
	if err != nil {
		return nil, fmt.Errorf("ask for the engine's version: %w", err)
	}
	if fields := strings.Split(strings.TrimSpace(facts), "\t"); len(fields) == 3 {
		s.displayName, s.version, s.timezone = fields[0], fields[1], fields[2]
	}
	return s, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-ClickHouse-Server-Display-Name", s.displayName)
	w.Header().Set("X-ClickHouse-Timezone", s.timezone)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case r.Header.Get("Origin") != "": // a page of some web site, not a tool
		http.Error(w, "requests from web pages are not answered", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
	case r.URL.Path == "/ping", r.URL.Path == "/replicas_status",
		r.URL.Path == "/" && r.Method != http.MethodPost && r.URL.Query().Get("query") == "":
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		io.WriteString(w, "Ok.\n")
	case r.URL.Path != "/":
		http.Error(w, "There is no handle "+r.URL.Path+"\n\nUse / or /ping for health checks.\nSend queries from your program with POST method or GET /?query=...", http.StatusNotFound)
	default:
		s.running.Add(1)
		defer s.running.Done()
		out := &output{w: w, control: http.NewResponseController(w)}
		if err := s.serve(out, r); err != nil {
			s.fail(out, r, err)
		}
	}
}

// serve runs the statement of one request.
func (s *server) serve(out *output, r *http.Request) error {
	out.control.SetReadDeadline(time.Now().Add(stallTimeout))
	req, err := parseRequest(r, s.secret)
	if err != nil {
		return err
	}
	if err := out.prepare(r, req); err != nil {
		return err
	}
	if isHello(req.statement) && req.clientRevision > 0 && strings.EqualFold(req.defaultFormat, "Native") {
		out.contentType("Native", outputOf("Native"))
		if _, err := out.Write(helloBlock(s.displayName, s.version, s.timezone, req.clientRevision)); err != nil {
			return err
		}
		return out.close()
	}
	release, err := s.turn(r.Context(), req.access)
	if err != nil {
		return err
	}
	defer release()
	conn, err := s.lib.open(s.args...)
	if err != nil {
		return err
	}
	defer conn.close()
	if err := s.admit(conn, req); err != nil {
		return err
	}
	tag := rand.Text()
	if err := s.configure(conn, req, tag); err != nil {
		return err
	}
	defer s.killWhenGone(r.Context(), tag)()
	return s.run(conn, out, req)
}

// turn waits for a place to run a statement and returns what gives it back.
func (s *server) turn(ctx context.Context, who access) (release func(), err error) {
	places, patience := s.owners, (<-chan time.Time)(nil)
	if who != accessOwner {
		places = s.readers
		timer := time.NewTimer(s.limits.Patience)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-patience:
		return nil, &Exception{Code: codeTooManyQueries, Name: "TOO_MANY_SIMULTANEOUS_QUERIES",
			Message: fmt.Sprintf("Too many simultaneous queries: %d run, and none ended within %s", cap(places), s.limits.Patience)}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// admit decides whether the statement may run at all.
func (s *server) admit(conn *connection, req *request) error {
	if req.access != accessOwner {
		return s.gate.check(conn, req.statement)
	}
	if req.body != nil { // the beginning of an INSERT
		if req.readOnly {
			return refused("use POST for statements that change something")
		}
		return nil
	}
	statements, class, err := conn.classify(req.statement)
	switch {
	case err != nil:
		return err
	case class == classUnparsed: // its error comes from running it
		return nil
	case statements > 1 && !strings.Contains(strings.ToUpper(req.statement), "PARALLEL"):
		return &Exception{Code: codeSyntaxError, Name: "SYNTAX_ERROR", Message: "Syntax error (Multi-statements are not allowed)"}
	case req.readOnly && class != classReads:
		return refused("use POST for statements that change something")
	}
	return nil
}

// configure gives the session its database and settings. The tag finds the statement again among all that run.
func (s *server) configure(conn *connection, req *request, tag string) error {
	settings := []parameter{{"implicit_select", "0"}}
	if len(req.statement) > firstRead {
		settings = append(settings, parameter{"max_query_size", strconv.Itoa(maxInlineStatement)})
	}
	if err := conn.set(append(settings, parameter{"log_comment", tag})); err != nil {
		return err
	}
	if req.database != "" {
		if err := conn.use(req.database); err != nil {
			return err
		}
	}
	if req.database == "" && req.access != accessOwner && s.limits.Database != "" {
		// Before the first migration there is no such database; the statement then says itself what it misses.
		if err := conn.use(s.limits.Database); err != nil {
			s.log.Debug("the readers' database cannot be used", "err", err)
		}
	}
	asked := req.settings
	if req.access != accessOwner {
		var err error
		if asked, err = s.limits.readerSettings(req.settings); err != nil {
			return err
		}
	}
	return conn.set(asked)
}

// killWhenGone ends the statement when the client goes away; the returned function ends the watch.
func (s *server) killWhenGone(ctx context.Context, tag string) (stop func()) {
	ended, finished := make(chan struct{}), make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(finished)
		for { // the statement may not have begun yet when it is first told to end
			if err := s.kill(tag); err != nil {
				s.log.Warn("could not end a statement whose client went away", "err", err)
			}
			select {
			case <-ended:
				return
			case <-time.After(killInterval):
			}
		}
	})
	return func() {
		close(ended)
		if !unwatch() { // it has begun
			<-finished
		}
	}
}

func (s *server) kill(tag string) error {
	conn, err := s.lib.open(s.args...)
	if err != nil {
		return err
	}
	defer conn.close()
	_, err = conn.exec("KILL QUERY WHERE Settings['log_comment'] = "+quoteString(tag)+" ASYNC", "Null")
	return err
}

// run runs an admitted statement and writes its result.
func (s *server) run(conn *connection, out *output, req *request) error {
	if split, ok := splitInsert(req.statement); ok && req.access == accessOwner && (split.format != "" || req.body != nil) {
		return s.insert(conn, out, req, split)
	}
	format := outputFormat(req.statement)
	if format == "" {
		if format = req.defaultFormat; format == "" {
			format = "TabSeparated"
		}
	}
	kind := outputOf(format)
	out.contentType(format, kind)
	if kind.chunked && !req.waitEnd && req.chunkable() {
		st, err := conn.stream(req.statement, format, req.params)
		if err == nil {
			defer st.close()
			return out.chunks(st, kind)
		}
		if !errors.Is(err, errNotStreamable) {
			return err
		}
	}
	res, err := conn.query(req.statement, format, req.params)
	if err != nil {
		return err
	}
	defer res.free()
	if _, err := out.Write(res.bytes()); err != nil {
		return err
	}
	return out.close()
}

// chunkable tells whether the result is nothing but rows: totals and extremes stand once, behind all rows.
func (req *request) chunkable() bool {
	for _, s := range req.settings {
		if s.name == "extremes" || s.name == "output_format_json_array_of_rows" {
			return false
		}
	}
	upper := strings.ToUpper(req.statement)
	return !strings.Contains(upper, "TOTALS") && !strings.Contains(upper, "EXTREMES") && !strings.Contains(upper, "JSON_ARRAY_OF_ROWS")
}

// insert streams the rows behind an INSERT into the engine; they are stored when it returns without error.
func (s *server) insert(conn *connection, out *output, req *request, split insertStatement) error {
	rows := io.Reader(strings.NewReader(req.statement[split.data:]))
	if req.body != nil {
		rows = io.MultiReader(rows, req.body)
	}
	in, err := conn.insert(split.head, split.format, req.params)
	if err != nil {
		io.CopyN(io.Discard, rows, drainLimit)
		return err
	}
	buf := make([]byte, appendSize)
	for {
		n, readErr := fill(rows, buf)
		out.control.SetReadDeadline(time.Now().Add(stallTimeout))
		if readErr != nil && readErr != io.EOF { // the client broke off: what it did not finish is not stored
			in.cancel()
			return readFailure(readErr)
		}
		if err := in.append(buf[:n]); err != nil {
			in.cancel()
			io.CopyN(io.Discard, rows, drainLimit)
			return err
		}
		if readErr == io.EOF {
			if err := in.done(); err != nil {
				return err
			}
			return out.close()
		}
	}
}

// fill reads until the buffer is full or the reader fails, with the reader's own error: io.EOF is a clean end and nothing else is.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}

// fail answers with an error in ClickHouse's form.
func (s *server) fail(out *output, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody reads it
	}
	e := asException(err)
	text := fmt.Sprintf("%s (version %s (embedded))\n", e, s.version)
	if out.started {
		out.breakOff(text)
		panic(http.ErrAbortHandler) // whatever reads this sees that the result is not whole
	}
	h := out.w.Header()
	h.Del("Content-Encoding")
	h.Del("X-ClickHouse-Format")
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	out.w.WriteHeader(e.status())
	io.WriteString(out.w, text)
}
