package receiver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

const pathPrefix = "/cdr/"

// maxContentType bounds what is kept of a header that the sender writes.
const maxContentType = 200

// ServeHTTP answers one request of a Call Bridge. Whatever is not a known token's path gets 404 and no hint what was wrong about it.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	answer := http.NewResponseController(w)
	src, reason := r.identify(req)
	if src == nil {
		r.metrics.refused.WithLabelValues(reason).Inc()
		// Neither the path nor the query is logged: they may hold a token with a typing error.
		r.refused.warn(r.log, "request refused", "reason", reason, "remote", req.RemoteAddr, "method", req.Method)
		w.Header().Set("Connection", "close") // a stranger holds a connection no longer than needed
		r.answer(w, answer, http.StatusNotFound)
		return
	}
	if req.Method == http.MethodGet {
		r.answer(w, answer, http.StatusOK)
		return
	}

	start := r.now()
	result, err := r.post(answer, req, src)
	src.counters.posts[result].Inc()
	switch result {
	case resultStored:
		r.metrics.seconds.Observe(r.now().Sub(start).Seconds())
		r.answer(w, answer, http.StatusOK)
		return
	case resultTooLarge:
		w.Header().Set("Connection", "close")
		r.answer(w, answer, http.StatusRequestEntityTooLarge)
	case resultBroken:
		w.Header().Set("Connection", "close")
		r.answer(w, answer, http.StatusBadRequest)
	default:
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(r.cfg.RetryAfter/time.Second))))
		r.answer(w, answer, http.StatusServiceUnavailable)
	}
	r.failed.warn(r.log, "body not stored; the bridge keeps it", "cluster", src.Cluster, "bridge", src.Name, "result", result.String(), "error", err)
}

// answer sends a status with an empty body of stated length, so that the connection can be kept.
func (r *Receiver) answer(w http.ResponseWriter, c *http.ResponseController, status int) {
	// A sender that does not read its answers must not hold the connection. Where the deadline cannot be set (a test's recorder) there is none to hold.
	_ = c.SetWriteDeadline(time.Now().Add(r.cfg.HeaderTimeout))
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// identify finds the source whose token the path names, or the reason why there is none.
func (r *Receiver) identify(req *http.Request) (src *source, reason string) {
	token, ok := strings.CutPrefix(req.URL.Path, pathPrefix)
	if !ok || token == "" {
		return nil, "path"
	}
	// All tokens are compared, as digests of equal length, so that the time taken tells nothing about any of them.
	digest := sha256.Sum256([]byte(token))
	for _, s := range r.sources {
		if subtle.ConstantTimeCompare(digest[:], s.digest[:]) == 1 {
			src = s
		}
	}
	switch {
	case src == nil:
		return nil, "token"
	case req.Method != http.MethodPost && req.Method != http.MethodGet:
		return nil, "method"
	case !src.allows(req.RemoteAddr):
		return nil, "address"
	}
	return src, ""
}

// allows tells whether a request from this address ("host:port") may be the source's.
func (s *source) allows(remote string) bool {
	if len(s.Allowed) == 0 {
		return true
	}
	addr, ok := addressOf(remote)
	for _, prefix := range s.Allowed {
		if ok && prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// addressOf parses "host:port" to the address that a prefix is compared with: no zone, and an IPv4 address even where the socket shows it in IPv6 clothes.
func addressOf(remote string) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(remote)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// post reads the body and has it stored.
func (r *Receiver) post(answer *http.ResponseController, req *http.Request, src *source) (result, error) {
	received, err := r.read(answer, req)
	if err != nil {
		switch {
		case errors.Is(err, errTooLarge):
			return resultTooLarge, err
		case errors.Is(err, errNoSpool):
			return resultFull, err
		default:
			return resultBroken, err
		}
	}
	defer received.release()

	id, err := uuid.NewV7()
	if err != nil {
		return resultUnavailable, err
	}
	now := r.now().UTC()
	body := bus.Body{
		ID:          id,
		Source:      src.Name,
		Cluster:     src.Cluster,
		Received:    now,
		Remote:      req.RemoteAddr,
		ContentType: clip(req.Header.Get("Content-Type"), maxContentType),
	}
	if addr, ok := addressOf(req.RemoteAddr); ok {
		body.Remote = addr.String()
	}
	err = received.publish(req.Context(), r.bus, body)
	switch {
	case err == nil:
		src.counters.bytes.Add(float64(received.size))
		src.lastPost.Store(now.UnixNano())
		src.counters.lastPost(now)
		return resultStored, nil
	case errors.Is(err, bus.ErrFull):
		return resultFull, err
	case errors.Is(err, context.Canceled):
		return resultBroken, err // the bridge went away; what was stored meanwhile comes again and is merged by identity
	default:
		return resultUnavailable, err
	}
}

// clip keeps the first n bytes of a text as valid UTF-8.
func clip(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }
