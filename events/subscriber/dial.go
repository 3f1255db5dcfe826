package subscriber

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bridgewatch/bridgewatch/collector"
)

// failure is why there is no connection, or none any more.
type failure struct {
	reason string // one of reasons
	what   string
	err    error // nil where what says all
}

func (f *failure) Error() string {
	if f.err == nil {
		return f.what
	}
	return f.what + ": " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// reasonOf is the reason of any error of a connection.
func reasonOf(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.reason
	}
	return reasonClosed
}

// dialer opens connections to one bridge. Tokens are good for one connect, as far as is known, so each connection begins with a new one.
type dialer struct {
	bridge  collector.Bridge
	base    *url.URL
	tls     *tls.Config
	net     net.Dialer
	cfg     Config
	timeout time.Duration
}

func newDialer(b collector.Bridge, cfg Config) (*dialer, error) {
	base, err := b.BaseURL()
	if err != nil {
		return nil, fmt.Errorf("bridge %q: %w", b.Name, err)
	}
	config, err := b.TLS.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("bridge %q: %w", b.Name, err)
	}
	return &dialer{bridge: b, base: base, tls: config, cfg: cfg, timeout: cfg.Timeout,
		net: net.Dialer{Timeout: cfg.Timeout, KeepAlive: 30 * time.Second}}, nil
}

// tokenHeader carries the token, whatever the status of the answer says (cms-events.md §1.1).
const tokenHeader = "X-Cisco-CMS-Auth-Token"

// token asks for a token.
func (d *dialer) token(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	u := *d.base
	u.Path = "/api/v1/authTokens"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), http.NoBody)
	if err != nil {
		return "", &failure{reasonUnreachable, "the address cannot be used", nil}
	}
	req.SetBasicAuth(d.bridge.Username, d.bridge.Password.Reveal())
	transport := &http.Transport{TLSClientConfig: d.tls, DisableKeepAlives: true, DialContext: d.net.DialContext, MaxResponseHeaderBytes: 64 << 10}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return "", unreachable("ask for a token", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // nothing in it is needed
	token := resp.Header.Get(tokenHeader)
	what := fmt.Sprintf("ask for a token: status %d", resp.StatusCode)
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return "", &failure{reasonAuth, what, nil}
	case code == http.StatusServiceUnavailable:
		return "", &failure{reasonBusy, what, nil}
	case code == http.StatusNotFound || code == http.StatusMethodNotAllowed || code == http.StatusBadRequest && token == "":
		// A release before 2.4 does not know the node; the answer was not captured (cms-events.md §1.1).
		return "", &failure{reasonUnsupported, what, nil}
	case code != http.StatusOK:
		return "", &failure{reasonToken, what, nil}
	case token == "":
		return "", &failure{reasonToken, "ask for a token: the answer has none", nil}
	}
	return token, nil
}

// dial opens a socket with a token.
func (d *dialer) dial(ctx context.Context, token string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	u := *d.base
	u.Scheme, u.Path, u.RawQuery = "wss", "/events/v1", url.Values{"authToken": {token}}.Encode()
	if d.base.Scheme == "http" {
		u.Scheme = "ws"
	}
	dialer := websocket.Dialer{NetDialContext: d.net.DialContext, TLSClientConfig: d.tls, HandshakeTimeout: d.timeout}
	ws, resp, err := dialer.DialContext(ctx, u.String(), nil)
	if resp != nil {
		defer resp.Body.Close()
	}
	switch {
	case err == nil:
		return ws, nil
	case resp != nil && resp.StatusCode == http.StatusServiceUnavailable:
		return nil, &failure{reasonBusy, "upgrade: status 503", nil}
	case resp != nil && resp.StatusCode == http.StatusNotFound:
		return nil, &failure{reasonUnsupported, "upgrade: status 404", nil}
	case resp != nil: // the address, which the error might repeat, holds the token
		return nil, &failure{reasonUpgrade, fmt.Sprintf("upgrade: status %d", resp.StatusCode), nil}
	}
	return nil, unreachable("upgrade", err)
}

// unreachable sorts an error of the network. url.Error repeats the address; what it wraps says enough.
func unreachable(what string, err error) *failure {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	_, unknownAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	if unknownAuthority || hostname || verification || record || errors.Is(err, collector.ErrFingerprint) {
		return &failure{reasonTLS, what, err}
	}
	return &failure{reasonUnreachable, what, err}
}
