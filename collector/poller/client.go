// Package poller asks Call Bridges over their REST API: a client for the dialect, a schedule for every object, and the discovery of a cluster
// from one bridge. Protocol facts: reference page cms-api.md. What is read, and where it goes, stands in collector.Objects.
package poller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
)

// Reasons for a failed request: the closed set of Error.Reason.
const (
	ReasonTimeout   = "timeout"
	ReasonConnect   = "connect"
	ReasonTLS       = "tls"
	ReasonAuth      = "auth"
	ReasonBusy      = "busy"
	ReasonAbsent    = "absent"     // the release does not have the node
	ReasonNotFound  = "not_found"  // the id is not, or no longer, there
	ReasonRefused   = "refused"    // another failureDetails
	ReasonBadAnswer = "bad_answer" // not XML, half a document, another root
	ReasonTooLarge  = "too_large"
	ReasonStatus    = "status"
	ReasonCanceled  = "canceled"
)

// Reasons returns the closed set.
func Reasons() []string {
	return []string{
		ReasonTimeout, ReasonConnect, ReasonTLS, ReasonAuth, ReasonBusy, ReasonAbsent, ReasonNotFound, ReasonRefused, ReasonBadAnswer, ReasonTooLarge,
		ReasonStatus, ReasonCanceled,
	}
}

// Error is a request that did not bring an answer.
type Error struct {
	// Path that was asked, without query.
	Path string
	// Reason is one of the Reason constants.
	Reason string
	// Status of the answer; 0 where there was none.
	Status int
	// Failures are the reasons of a failureDetails body.
	Failures []string
	Err      error
}

// Error says what was asked and what came.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s: %s", e.Path, e.Reason)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if len(e.Failures) > 0 {
		fmt.Fprintf(&b, ": %s", strings.Join(e.Failures, ", "))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of an error of this package, or collector.Other.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return collector.Other
}

// apiRoot is the base path of every node.
const apiRoot = "/api/v1"

// Client asks one Call Bridge. It sends one request at a time whoever calls it, follows no redirects (they would carry the password elsewhere),
// and only reads, but for RegisterReceiver.
type Client struct {
	base    *url.URL
	bridge  collector.Bridge
	http    *http.Client
	timeout time.Duration
	maxBody int64
	// busyPause is the first pause after a 503.
	busyPause time.Duration
	turn      chan struct{}
}

// Limits of a client.
const (
	// DefaultTimeout of one request (cms-api.md §1.1).
	DefaultTimeout = 10 * time.Second
	// DefaultMaxBody is the largest answer that is read, in bytes. Pages have at most some dozens of objects.
	DefaultMaxBody = 4 << 20
)

// NewClient returns a client of a bridge. It reads the CA file and connects to nothing. A timeout of 0 means DefaultTimeout.
func NewClient(b collector.Bridge, timeout time.Duration) (*Client, error) {
	base, err := b.BaseURL()
	if err != nil {
		return nil, fmt.Errorf("bridge %q: %w", b.Name, err)
	}
	cfg, err := b.TLS.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("bridge %q: %w", b.Name, err)
	}
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &Client{
		base: base, bridge: b, timeout: timeout, maxBody: DefaultMaxBody, busyPause: time.Second, turn: make(chan struct{}, 1),
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				TLSClientConfig: cfg, DisableCompression: true, MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1,
				IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10,
				DialContext: (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext,
			},
		},
	}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// busyTries is how often a request is sent that is answered 503, "temporarily busy, try the same request again later".
const busyTries = 3

// get asks one node and returns the root element of its answer. A busy bridge is asked again after a pause that grows and is jittered.
func (c *Client) get(ctx context.Context, path string, query url.Values) (*element, error) {
	for try := 1; ; try++ {
		root, err := c.do(ctx, http.MethodGet, path, query, nil)
		if err == nil || ReasonOf(err) != ReasonBusy || try == busyTries {
			return root, err
		}
		pause := c.busyPause * time.Duration(try)
		if !sleep(ctx, pause+rand.N(pause/4+1)) {
			return nil, &Error{Path: path, Reason: ReasonCanceled, Err: ctx.Err()}
		}
	}
}

// sleep waits and reports whether the whole time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) do(ctx context.Context, method, path string, query, form url.Values) (*element, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, &Error{Path: path, Reason: ReasonCanceled, Err: ctx.Err()}
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := *c.base
	u.Path = apiRoot + path
	u.RawQuery = query.Encode()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(limited, method, u.String(), body)
	if err != nil {
		return nil, &Error{Path: path, Reason: ReasonConnect, Err: errors.New("the address cannot be used")}
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.SetBasicAuth(c.bridge.Username, c.bridge.Password.Reveal())
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(ctx, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, c.maxBody+1))
	if err != nil {
		e := c.transportError(ctx, path, err)
		if e.Reason == ReasonConnect {
			// The head came and the body broke off: half a document.
			e.Reason = ReasonBadAnswer
		}
		e.Status = resp.StatusCode
		return nil, e
	}
	if int64(len(data)) > c.maxBody {
		return nil, &Error{Path: path, Reason: ReasonTooLarge, Status: resp.StatusCode}
	}
	return answer(path, resp.StatusCode, data, method != http.MethodGet)
}

// answer sorts a status and a body into an element or an Error.
func answer(path string, status int, data []byte, mayBeEmpty bool) (*element, error) {
	fail := func(reason string, err error) (*element, error) {
		return nil, &Error{Path: path, Reason: reason, Status: status, Err: err}
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fail(ReasonAuth, nil)
	case http.StatusServiceUnavailable:
		return fail(ReasonBusy, nil)
	}
	ok := status == http.StatusOK
	if ok && mayBeEmpty && len(data) == 0 {
		return &element{}, nil
	}
	root, err := parse(data)
	switch {
	case err == nil && root.name == "failureDetails":
		return nil, failure(path, status, root)
	case !ok && status == http.StatusNotFound:
		return fail(ReasonNotFound, nil)
	case !ok:
		return fail(ReasonStatus, nil)
	case err != nil:
		return fail(ReasonBadAnswer, err)
	case strings.EqualFold(root.name, "html"):
		return fail(ReasonBadAnswer, errors.New("a web page"))
	}
	return root, nil
}

// failure reads failureDetails: one empty element a reason (cms-api.md §3). Names are cut, since they are a stranger's.
func failure(path string, status int, root *element) *Error {
	e := &Error{Path: path, Reason: ReasonRefused, Status: status}
	for i, c := range root.children {
		if i == 8 {
			break
		}
		name := c.name
		if len(name) > 64 {
			name = name[:64]
		}
		e.Failures = append(e.Failures, name)
		lower := strings.ToLower(name)
		switch {
		// Both spellings: the guide has one, a production client tests for the other.
		case lower == "unrecognizedobject" || lower == "unrecognisedobject":
			e.Reason = ReasonAbsent
		case strings.HasSuffix(lower, "doesnotexist"):
			e.Reason = ReasonNotFound
		case lower == "databasenotready":
			e.Reason = ReasonBusy
		}
	}
	return e
}

func (c *Client) transportError(ctx context.Context, path string, err error) *Error {
	// url.Error repeats the address with its query, which may hold filters; what it wraps says enough.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &Error{Path: path, Reason: ReasonConnect, Err: err}
	var timeout net.Error
	_, unknownAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case ctx.Err() != nil:
		e.Reason, e.Err = ReasonCanceled, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Reason, e.Err = ReasonTimeout, fmt.Errorf("no answer within %s", c.timeout)
	case unknownAuthority, hostname, invalid, verification, record, errors.Is(err, collector.ErrFingerprint):
		e.Reason = ReasonTLS
	}
	return e
}

// one asks a node that is a single object and decodes it.
func (c *Client) one(ctx context.Context, path string, dst any) error {
	root, err := c.get(ctx, path, nil)
	if err != nil {
		return err
	}
	decode(root, dst)
	return nil
}

// status asks for the status, which tells a Call Bridge from whatever else speaks XML.
func (c *Client) status(ctx context.Context, s *collector.Status) error {
	const path = "/system/status"
	if err := c.one(ctx, path, s); err != nil {
		return err
	}
	if s.SoftwareVersion == nil && s.UptimeSeconds == nil {
		return &Error{Path: path, Reason: ReasonBadAnswer, Status: http.StatusOK, Err: errors.New("no status in the answer")}
	}
	return nil
}

const (
	// pageLimit is what is asked for; servers cap it, each collection on its own (cms-api.md §2.3).
	pageLimit = 50
	// maxPages and maxItems bound a walk against a server whose list never ends. The longest that is read are participants, some ten thousand.
	maxPages = 100_000
	maxItems = 200_000
)

// page is one page of a collection.
type page struct {
	root  *element
	items []*element
	// total is -1 where the server sends none.
	total int
}

func (c *Client) page(ctx context.Context, path, child string, query url.Values, offset, limit int) (page, error) {
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	if offset > 0 {
		q.Set("offset", strconv.Itoa(offset))
	}
	q.Set("limit", strconv.Itoa(limit))
	root, err := c.get(ctx, path, q)
	if err != nil {
		return page{}, err
	}
	p := page{root: root, items: root.all(child), total: -1}
	if n, err := strconv.Atoi(root.attrs["total"]); err == nil && n >= 0 {
		p.total = n
	}
	// An empty list ends alarms and calls, so it must be one. The wrapper's name alone does not decide: a table of the guide misnames one.
	if p.total < 0 && len(p.items) == 0 && !strings.EqualFold(root.name, path[strings.LastIndexByte(path, '/')+1:]) {
		return page{}, &Error{Path: path, Reason: ReasonBadAnswer, Err: fmt.Errorf("%.40q is no list of %s", root.name, child)}
	}
	return p, nil
}

// list walks a whole collection. It goes on by what came back, not by what was asked for, and gives each id once: the list may shift between pages.
// It stops early when visit returns false.
func (c *Client) list(ctx context.Context, path, child string, query url.Values, visit func(*element) bool) (page, error) {
	seen := make(map[string]bool)
	var first page
	offset := 0
	for n := range maxPages {
		if offset > maxItems {
			break
		}
		p, err := c.page(ctx, path, child, query, offset, pageLimit)
		if err != nil {
			return first, err
		}
		if n == 0 {
			first = p
		}
		fresh := 0
		for _, item := range p.items {
			// Entries of MPLicenseUsage have a time and no id.
			if id := item.attrs["id"] + item.attrs["time"]; id != "" {
				if seen[id] {
					continue
				}
				seen[id] = true
			}
			fresh++
			if !visit(item) {
				return first, nil
			}
		}
		offset += len(p.items)
		// A page with nothing new is the end too: some server may not know offset.
		if fresh == 0 || p.total >= 0 && offset >= p.total {
			return first, nil
		}
	}
	return first, &Error{Path: path, Reason: ReasonTooLarge}
}

// collect lists a collection into a slice of a collector type.
func collect[T any](ctx context.Context, c *Client, path, child string, query url.Values) ([]T, error) {
	out := []T{}
	_, err := c.list(ctx, path, child, query, func(e *element) bool {
		var v T
		decode(e, &v)
		out = append(out, v)
		return true
	})
	return out, err
}
