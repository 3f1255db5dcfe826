package cmssim

import (
	"context"
	"crypto/subtle"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// APIStats says how a bridge's API was used.
type APIStats struct {
	MaxInFlight int            // most requests under way at once
	AtMost      []string       // those requests: user, method and path
	MaxUsers    int            // most users with requests under way at once, but for those whose client has gone away
	Requests    map[string]int // by method and path, ids as {id}: "GET /system/status"
	Users       map[string]int // by user name of accepted requests
	// Turns is how often an accepted request came from another user than the one before it, and LastBy when each user asked last.
	Turns        int
	LastBy       map[string]time.Time
	Unauthorized int
	Writes       int // accepted requests other than GET, tokens for events aside
}

type apiStats struct {
	mu       sync.Mutex
	underWay map[*http.Request]string // by request its user
	lastUser string
	APIStats
}

// APIStats returns how the bridge's API was used so far.
func (b *Bridge) APIStats() APIStats {
	b.stats.mu.Lock()
	defer b.stats.mu.Unlock()
	s := b.stats.APIStats
	s.Requests, s.Users, s.LastBy = maps.Clone(s.Requests), maps.Clone(s.Users), maps.Clone(s.LastBy)
	return s
}

func (s *apiStats) enter(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.underWay == nil {
		s.underWay = make(map[*http.Request]string)
	}
	user, _, _ := r.BasicAuth()
	s.underWay[r] = user
	users := make(map[string]bool)
	var all []string
	for r, user := range s.underWay {
		all = append(all, user+" "+r.Method+" "+r.URL.Path)
		if r.Context().Err() == nil {
			users[user] = true
		}
	}
	s.MaxUsers = max(s.MaxUsers, len(users))
	if len(all) > s.MaxInFlight {
		s.MaxInFlight, s.AtMost = len(all), all
	}
}

func (s *apiStats) leave(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.underWay, r)
}

// count books an authenticated request, or with no user one that was refused.
func (s *apiStats) count(method string, path []string, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user == "" {
		s.Unauthorized++
		return
	}
	if s.Requests == nil {
		s.Requests, s.Users, s.LastBy = make(map[string]int), make(map[string]int), make(map[string]time.Time)
	}
	s.Users[user]++
	s.LastBy[user] = time.Now()
	if s.lastUser != "" && s.lastUser != user {
		s.Turns++
	}
	s.lastUser = user
	name := method + " "
	for _, p := range path {
		if _, err := story.ParseGUID(p); err == nil {
			p = "{id}"
		}
		name += "/" + p
	}
	s.Requests[name]++
	if method != http.MethodGet && name != "POST /authtokens" {
		s.Writes++
	}
}

func (b *Bridge) knows(user string) bool {
	return user == b.Username || slices.Contains(b.cluster.sim.cfg.MoreUsers, user)
}

// handle is one request to the Web Admin port: API or events.
func (b *Bridge) handle(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/events/v1" {
		b.handleEvents(w, r)
		return
	}
	if r.URL.Path == schedulerPath {
		b.handleScheduler(w)
		return
	}
	b.stats.enter(r)
	defer b.stats.leave(r)
	w.Header().Set("Connection", "close")
	f := b.faults.get()
	if f.Hang && !b.outlast(r.Context(), func(f Faults) bool { return f.Hang && !b.stopped() }) {
		panic(http.ErrAbortHandler)
	}
	if f.Slow > 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(f.Slow):
		}
	}
	path := strings.FieldsFunc(strings.ToLower(r.URL.Path), func(c rune) bool { return c == '/' })
	user, password, _ := r.BasicAuth()
	if !b.knows(user) || subtle.ConstantTimeCompare([]byte(password), []byte(b.Password)) != 1 {
		b.stats.count(r.Method, path, "")
		w.Header().Set("WWW-Authenticate", `Basic realm="acano"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if len(path) < 2 || path[0] != "api" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	b.stats.count(r.Method, path[2:], user)
	select {
	case <-b.cluster.sim.begin:
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if f.Busy > 0 && rand.Float64() < f.Busy {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if f.Refuses != "" && strings.HasPrefix(strings.Join(path[2:], "/")+"/", strings.ToLower(f.Refuses)+"/") {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	a := b.answer(r, path, f.Dialect)
	body := []byte(nil)
	if a.doc.name != "" {
		w.Header().Set("Content-Type", "text/xml")
		body = f.Dialect.encode(a.doc)
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if f.BadXML && len(body) > 10 {
		body = append(body[:len(body)-len("</status>")+2], "<oops"...)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	if f.HalfDocument && len(body) > 1 {
		_, _ = w.Write(body[:len(body)/2]) // the client may be gone, which is all the same here
		panic(http.ErrAbortHandler)        // the connection ends short of Content-Length
	}
	_, _ = w.Write(body) // as above
}

// outlast waits until holds is over for the bridge's faults; false if the client went away before.
func (b *Bridge) outlast(ctx context.Context, holds func(Faults) bool) bool {
	for {
		changed := b.faults.untilChanged()
		if !holds(b.faults.get()) {
			return !b.stopped()
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// request is one API request, with the cluster's state locked.
type request struct {
	b      *Bridge
	st     *bridgeState
	rel    release
	faults Faults
	now    int64 // story offset
	query  url.Values
	form   url.Values
	ids    []story.GUID // ids in the path, in order
}

// answer is what the API says to a request.
type answer struct {
	status int
	doc    element // no body if it has no name
	header map[string]string
}

func ok(doc element) answer { return answer{status: http.StatusOK, doc: doc} }

func failure(status int, reasons ...element) answer {
	return answer{status: status, doc: el("failureDetails", reasons...)}
}

// missing is the failure for an id that does not exist: callDoesNotExist and its like.
func missing(object string) answer { return failure(http.StatusNotFound, el(object+"DoesNotExist")) }

func badParameter(name string) answer {
	return failure(http.StatusBadRequest, el("parameterError").attr("parameter", name).attr("error", "invalidValue"))
}

// route is one node of the API. A path segment of * is an id.
type route struct {
	method       string
	path         string
	since, until release // until is the first release without it; 0: none
	handle       func(*request) answer
}

// answer finds the node for a path and asks it.
func (b *Bridge) answer(r *http.Request, path []string, d Dialect) answer {
	unknown := "unrecognizedObject"
	if d.British {
		unknown = "unrecognisedObject"
	}
	if path[1] != "v1" {
		return failure(http.StatusNotFound, el("invalidVersion"))
	}
	path = path[2:]
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return failure(http.StatusBadRequest, el("parameterError"))
	}
	req := &request{b: b, query: query, faults: b.faults.get()}
	if r.Method != http.MethodGet {
		r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			return failure(http.StatusBadRequest, el("parameterError"))
		}
		req.form = r.PostForm
	}
	if r.Method == http.MethodPost && len(path) == 1 && path[0] == "authtokens" {
		return b.newToken()
	}

	st := b.state.cluster
	st.mu.Lock()
	defer st.mu.Unlock()
	if b.state.stopped {
		return answer{status: http.StatusServiceUnavailable}
	}
	req.st, req.rel = b.state, b.state.release
	req.now = max(st.now, int64(b.cluster.sim.clock.offset()))
	known := false
	for _, rt := range routes {
		if req.rel < rt.since || rt.until > 0 && req.rel >= rt.until {
			continue
		}
		ids, ok := match(rt.path, path)
		if !ok {
			continue
		}
		known = true
		if rt.method == r.Method {
			req.ids = ids
			return rt.handle(req)
		}
	}
	if known {
		return failure(http.StatusBadRequest, el("invalidOperation"))
	}
	return failure(http.StatusNotFound, el(unknown))
}

// match compares a path with a pattern and returns the ids in it. What stands for an id and is none is the zero id,
// which no object has.
func match(pattern string, path []string) (ids []story.GUID, ok bool) {
	want := strings.Split(pattern, "/")
	if len(want) != len(path) {
		return nil, false
	}
	for i, w := range want {
		if w == "*" {
			id, _ := story.ParseGUID(path[i]) // see above
			ids = append(ids, id)
		} else if w != path[i] {
			return nil, false
		}
	}
	return ids, true
}

// The server pages by ten unless asked otherwise, and gives twenty at most (cms-api.md, section 2.3: seen, not documented).
const (
	defaultPage = 10
	largestPage = 20
)

// page answers with the asked part of a collection of total items, each written by item.
func (q *request) page(plural string, total int, item func(int) element) answer {
	offset, limit := 0, defaultPage
	for name, field := range map[string]*int{"offset": &offset, "limit": &limit} {
		if !q.query.Has(name) {
			continue
		}
		v, err := strconv.Atoi(q.query.Get(name))
		if err != nil || v < 0 {
			return badParameter(name)
		}
		*field = v
	}
	limit = min(limit, largestPage)
	root := el(plural).attr("total", strconv.Itoa(total))
	for i := offset; i < min(total, offset+limit); i++ {
		root.children = append(root.children, item(i))
	}
	return ok(root)
}

// idFilter reads a filter by id; wanted is false if it is not given.
func (q *request) idFilter(name string) (id story.GUID, wanted bool) {
	if !q.query.Has(name) || q.query.Get(name) == "" {
		return story.GUID{}, false
	}
	id, _ = story.ParseGUID(q.query.Get(name)) // what is no id matches nothing
	return id, true
}

// named applies the substring filter to names.
func (q *request) named(names ...string) bool {
	f := strings.ToLower(q.query.Get("filter"))
	if f == "" {
		return true
	}
	for _, n := range names {
		if strings.Contains(strings.ToLower(n), f) {
			return true
		}
	}
	return false
}

func (q *request) time(offset int64) time.Time {
	return q.b.cluster.sim.clock.at(offset).Add(q.faults.ClockSkew)
}
