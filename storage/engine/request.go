package engine

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// access is who asks.
type access int

const (
	accessReader access = iota
	accessOwner
)

// OwnerName is the user that may write; its password is made anew at each start.
const OwnerName = "bridgewatch"

// request is a parsed HTTP request for one statement.
type request struct {
	access         access
	database       string
	defaultFormat  string
	compress       bool // answer in ClickHouse's compressed blocks
	decompress     bool // the body is in ClickHouse's compressed blocks
	waitEnd        bool // no byte of the answer before the statement has ended
	encode         bool // Content-Encoding as the client accepts
	blockMethod    string
	clientRevision int
	queryID        string
	readOnly       bool // by method: GET must not change anything
	params         []parameter
	settings       []parameter

	statement string    // what came in the URL, or the beginning of the body
	body      io.Reader // what follows the statement; rows of an INSERT
}

// maxInlineStatement is the longest statement taken without being an INSERT with rows, in bytes.
const maxInlineStatement = 16 << 20

// firstRead is how much of a body is read to see what it is: ClickHouse's own default of max_query_size.
const firstRead = 256 << 10

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,127}$`)

// ignoredParameters belong to the interface, not to the statement, and change nothing here.
var ignoredParameters = []string{"user", "password", "quota_key", "session_id", "session_timeout", "session_check", "buffer_size", "role",
	"stacktrace", "close_session", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "add_http_cors_header"}

// identify tells who asks: the owner by name and secret, a reader by no password at all.
func identify(r *http.Request, secret string) (access, error) {
	user, password, _ := r.BasicAuth()
	if h := r.Header.Get("X-ClickHouse-User"); h != "" {
		user = h
	}
	if h := r.Header.Get("X-ClickHouse-Key"); h != "" {
		password = h
	}
	query := r.URL.Query()
	if q := query.Get("user"); q != "" {
		user = q
	}
	if q := query.Get("password"); q != "" {
		password = q
	}
	if user == OwnerName && subtle.ConstantTimeCompare([]byte(password), []byte(secret)) == 1 {
		return accessOwner, nil
	}
	if (user == "" || user == "default") && password == "" {
		return accessReader, nil
	}
	return 0, &Exception{Code: codeAuthentication, Name: "AUTHENTICATION_FAILED",
		Message: "Authentication failed: this engine knows no other users; read-only access needs no user and no password"}
}

// parseRequest reads everything but the rows of an INSERT.
func parseRequest(r *http.Request, secret string) (*request, error) {
	who, err := identify(r, secret)
	if err != nil {
		return nil, err
	}
	req := &request{access: who, readOnly: r.Method == http.MethodGet || r.Method == http.MethodHead}
	if err := req.parseURL(r); err != nil {
		return nil, err
	}
	if req.decompress && who != accessOwner {
		return nil, refused("no compressed bodies")
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
		return nil, &Exception{Code: codeNotImplemented, Name: "NOT_IMPLEMENTED", Message: "external tables (multipart/form-data) are not supported"}
	}
	body, err := decodedBody(r, req.decompress)
	if err != nil {
		return nil, err
	}
	return req, req.parseBody(body)
}

func (req *request) parseURL(r *http.Request) error {
	query := r.URL.Query()
	keys := make([]string, 0, len(query))
	for key := range query {
		keys = append(keys, key)
	}
	slices.Sort(keys) // the same order each time, so that of two wrong settings the same is named
	req.database = r.Header.Get("X-ClickHouse-Database")
	req.defaultFormat = r.Header.Get("X-ClickHouse-Format")
	for _, key := range keys {
		value := query.Get(key)
		name, isParam := strings.CutPrefix(key, "param_")
		switch {
		case isParam:
			req.params = append(req.params, parameter{name, value})
		case key == "query":
			req.statement = value
		case key == "database":
			req.database = value
		case key == "default_format":
			req.defaultFormat = value
		case key == "query_id":
			req.queryID = value
		case key == "compress":
			req.compress = isTrue(value)
		case key == "decompress":
			req.decompress = isTrue(value)
		case key == "wait_end_of_query":
			req.waitEnd = isTrue(value)
		case key == "enable_http_compression":
			req.encode = isTrue(value)
		case key == "network_compression_method":
			req.blockMethod = value
		case key == "network_zstd_compression_level", slices.Contains(ignoredParameters, key):
		case key == "client_protocol_version":
			revision, err := strconv.Atoi(value)
			if err != nil || revision < 0 {
				return &Exception{Code: codeBadArguments, Name: "BAD_ARGUMENTS", Message: fmt.Sprintf("client_protocol_version is %q, want a number", value)}
			}
			req.clientRevision = revision
		case settingName.MatchString(key):
			req.settings = append(req.settings, parameter{key, value})
		default:
			return &Exception{Code: 115, Name: "UNKNOWN_SETTING", Message: fmt.Sprintf("unknown parameter %q", key)}
		}
	}
	return nil
}

func isTrue(value string) bool { return value == "1" || strings.EqualFold(value, "true") }

// parseBody joins the statement from URL and body as ClickHouse does, and leaves the rows of an INSERT to be read.
func (req *request) parseBody(body io.Reader) error {
	if s, isInsert := splitInsert(req.statement); isInsert && strings.TrimSpace(req.statement[s.data:]) == "" {
		if req.access != accessOwner {
			return refused("only SELECT, SHOW, DESCRIBE and EXPLAIN are allowed")
		}
		req.body = body
		return nil
	}
	limit := maxInlineStatement
	if req.access != accessOwner {
		limit = maxReaderStatement
	}
	start, err := io.ReadAll(io.LimitReader(body, firstRead))
	if err != nil {
		return readFailure(err)
	}
	if req.statement != "" && len(start) > 0 {
		start = append([]byte(req.statement+"\n"), start...)
	} else if len(start) == 0 {
		start = []byte(req.statement)
	}
	if len(start) < firstRead {
		req.statement = string(start)
		return nil
	}
	if s, isInsert := splitInsert(string(start)); isInsert && req.access == accessOwner {
		req.statement = string(start[:s.data])
		req.body = io.MultiReader(bytes.NewReader(start[s.data:]), body)
		return nil
	}
	rest, err := io.ReadAll(io.LimitReader(body, int64(max(0, limit-len(start)))+1))
	if err != nil {
		return readFailure(err)
	}
	if len(start)+len(rest) > limit {
		return &Exception{Code: codeTooLarge, Name: "QUERY_IS_TOO_LARGE", Message: fmt.Sprintf("the statement is longer than %d bytes", limit)}
	}
	req.statement = string(start) + string(rest)
	return nil
}

func readFailure(err error) error {
	if _, ok := errors.AsType[*Exception](err); ok {
		return err
	}
	return &Exception{Code: codeCannotReadAll, Name: "CANNOT_READ_ALL_DATA", Message: "read the body: " + err.Error()}
}
