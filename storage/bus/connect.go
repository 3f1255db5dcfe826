package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// connOptions are common to all connections: never give up, and say in the log when the broker goes and comes.
func (b *Bus) connOptions() []nats.Option {
	return []nats.Option{
		nats.Name("bridgewatch"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		// A body that waits in the client's memory is not stored; while the broker is away publishing must fail at once.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("broker is away", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { b.log.Info("broker is back") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			b.log.Warn("broker reports an error", "error", err)
		}),
	}
}

// dialSibling connects to the server of a running `serve` on the same data folder.
func (b *Bus) dialSibling() (*nats.Conn, error) {
	path := sitePath(b.cfg.DataDir)
	s, err := readSite(path)
	if err != nil {
		return nil, fmt.Errorf("bus: another process uses %s, but where it serves cannot be read: %w", b.cfg.DataDir, err)
	}
	nc, err := nats.Connect(s.URL, append(b.connOptions(), nats.Token(s.Token))...)
	if err != nil {
		return nil, fmt.Errorf("bus: connecting to process %d named in %s: %w", s.PID, path, err)
	}
	return nc, nil
}

// dialExternal connects to nats.url and keeps trying until ctx ends, for servers may start in any order; a refusal of the credentials or
// a broken setting is returned at once.
func (b *Bus) dialExternal(ctx context.Context) (*nats.Conn, error) {
	options, err := b.externalOptions()
	if err != nil {
		return nil, err
	}
	where := redacted(b.cfg.URL)
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		nc, err := nats.Connect(b.cfg.URL, options...)
		if err == nil {
			return nc, nil
		}
		err = fmt.Errorf("bus: connecting to %s: %w", where, err)
		if errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) {
			return nil, fmt.Errorf("%w; check the nats credentials", err)
		}
		b.log.Warn("broker cannot be reached; trying again", "url", where, "in", wait, "error", err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}

func (b *Bus) externalOptions() ([]nats.Option, error) {
	c := b.cfg
	options := append(b.connOptions(), nats.Timeout(5*time.Second))
	switch {
	case c.CredsFile != "":
		if _, err := os.Stat(c.CredsFile); err != nil {
			return nil, fmt.Errorf("bus: nats credentials: %w", err)
		}
		options = append(options, nats.UserCredentials(c.CredsFile))
	case c.TokenFile != "":
		if _, err := readSecret(c.TokenFile); err != nil {
			return nil, err
		}
		options = append(options, nats.TokenHandler(func() string {
			token, _ := readSecret(c.TokenFile) // unreadable now: the server's refusal is reported
			return token
		}))
	case c.User != "":
		if _, err := readSecret(c.PasswordFile); err != nil {
			return nil, err
		}
		options = append(options, nats.UserInfoHandler(func() (string, string) {
			password, _ := readSecret(c.PasswordFile)
			return c.User, password
		}))
	}
	if c.TLS == (TLS{}) {
		return options, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.TLS.ServerName, InsecureSkipVerify: c.TLS.Insecure}
	if c.TLS.CAFile != "" {
		pem, err := os.ReadFile(c.TLS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("bus: nats certificate authorities: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("bus: nats certificate authorities: %s holds no certificate in PEM", c.TLS.CAFile)
		}
	}
	if c.TLS.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("bus: nats client certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return append(options, nats.Secure(conf)), nil
}

// readSecret reads a secret from a file, without the white space around it. The error names the file, never its content.
func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("bus: nats secret: %w", err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("bus: nats secret: %s is empty", path)
	}
	return secret, nil
}

// redacted shows server addresses without what could authenticate: neither password, nor a token given as user name.
func redacted(urls string) string {
	var shown []string
	for one := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil {
			shown = append(shown, (&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
		}
	}
	return strings.Join(shown, ",")
}
