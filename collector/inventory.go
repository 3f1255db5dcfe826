// Package collector holds what is asked of Cisco Meeting Server and what came back last: the inventory of clusters,
// bridges and devices, the live state that pollers, writers and subscribers fill, and the Prometheus collector that reads it.
// The packages below it do the asking. Facts: reference page cms-api.md.
package collector

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
)

// Inventory is everything Bridgewatch is told to look at. It does not change while a collector runs.
type Inventory struct {
	Clusters []Cluster
}

// Cluster is a set of Call Bridges with one database, and what stands around it.
type Cluster struct {
	// Name as configured; label cms_cluster. Unique.
	Name string
	// LicensePool whose entitlement the cluster uses; label license_pool.
	LicensePool string
	// PollInterval between two polls of a bridge's status; zero means DefaultPollInterval.
	PollInterval time.Duration
	Bridges      []Bridge
	Recorders    []capacity.Recorder
	Streamers    []capacity.Streamer
	Edges        []capacity.Edge
	// Certificates are the host:port end points whose certificates are probed.
	Certificates []string
	// Schedulers are the URLs of schedulers' status documents.
	Schedulers []string
}

// DefaultPollInterval is the poll interval of a cluster that names none (cms-api.md §15 asks for 30 to 60 s).
const DefaultPollInterval = 30 * time.Second

// Interval returns the poll interval in force.
func (c Cluster) Interval() time.Duration {
	if c.PollInterval <= 0 {
		return DefaultPollInterval
	}
	return c.PollInterval
}

// Bridge is one Call Bridge.
type Bridge struct {
	// Name as configured; label call_bridge. Unique within the cluster.
	Name string
	// URL of the Web Admin interface, scheme, host and port: https://cb1.example.org:445.
	URL      string
	Username string
	Password Secret
	TLS      TLS
	// Platform as in the capacity catalogue, e.g. cms2000-m5v2 or vm-16; empty where not known.
	Platform string
	// LoadLimit is the operator's override of the catalogue's load limit, in load units; zero means none.
	LoadLimit int64
	// SyslogSources are the networks the bridge's syslog comes from; empty means this machine only.
	SyslogSources []netip.Prefix
}

// Validate says what is wrong with the inventory, or nil.
func (inv Inventory) Validate() error {
	var errs []error
	clusters := make(map[string]bool)
	for _, c := range inv.Clusters {
		if c.Name == "" {
			errs = append(errs, errors.New("a cluster has no name"))
		}
		if clusters[c.Name] {
			errs = append(errs, fmt.Errorf("cluster %q is listed twice", c.Name))
		}
		clusters[c.Name] = true
		bridges := make(map[string]bool)
		for _, b := range c.Bridges {
			if b.Name == "" {
				errs = append(errs, fmt.Errorf("cluster %q: a bridge has no name", c.Name))
			}
			if bridges[b.Name] {
				errs = append(errs, fmt.Errorf("cluster %q: bridge %q is listed twice", c.Name, b.Name))
			}
			bridges[b.Name] = true
			if _, err := b.BaseURL(); err != nil {
				errs = append(errs, fmt.Errorf("cluster %q: bridge %q: %w", c.Name, b.Name, err))
			}
			if b.Platform != "" {
				if _, err := capacity.Find(b.Platform); err != nil {
					errs = append(errs, fmt.Errorf("cluster %q: bridge %q: %w", c.Name, b.Name, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// Pools returns the distinct license pools, in the order of the clusters.
func (inv Inventory) Pools() []string {
	var pools []string
	seen := make(map[string]bool)
	for _, c := range inv.Clusters {
		if c.LicensePool != "" && !seen[c.LicensePool] {
			seen[c.LicensePool] = true
			pools = append(pools, c.LicensePool)
		}
	}
	return pools
}

// BaseURL returns the parsed address of the bridge without path. Only http and https are allowed; credentials in the address are refused.
func (b Bridge) BaseURL() (*url.URL, error) {
	u, err := url.Parse(b.URL)
	if err != nil {
		// The text of url.Error repeats the address, which may hold a password.
		return nil, errors.New("url: cannot be read as an address like https://cb1.example.org:445")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("url: scheme %q is neither https nor http", u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("url: no host")
	case u.User != nil:
		return nil, errors.New("url: user and password have keys of their own")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// Secret is a string that no formatter, logger or encoder prints.
type Secret string

const hidden = "[hidden]"

// String hides the secret.
func (Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return hidden }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the secret from encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Reveal returns the secret itself, for the one place that sends it.
func (s Secret) Reveal() string { return string(s) }

// TLS says whom to believe when connecting to a bridge.
type TLS struct {
	// CAFile holds PEM certificates to trust instead of the system's; empty means the system's.
	CAFile string
	// ServerName to expect in the certificate instead of the address's host.
	ServerName string
	// Fingerprint is the SHA-256 of the server's certificate, hexadecimal, colons allowed. When given, that certificate is accepted and no other,
	// whatever its chain, name and validity.
	Fingerprint string
	// InsecureSkipVerify accepts any certificate; a metric says so as long as it is set.
	InsecureSkipVerify bool
}

// ErrFingerprint is in the chain of a handshake error when the server's certificate is not the pinned one.
var ErrFingerprint = errors.New("the server's certificate is not the one whose fingerprint is configured")

// Verifies reports whether the server's identity is checked at all.
func (t TLS) Verifies() bool { return t.Fingerprint != "" || !t.InsecureSkipVerify }

// ClientConfig builds the TLS client configuration. It reads CAFile.
func (t TLS) ClientConfig() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls ca_file %s: holds no PEM certificate", t.CAFile)
		}
	}
	switch {
	case t.Fingerprint != "":
		want, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(t.Fingerprint), ":", ""))
		if err != nil || len(want) != sha256.Size {
			return nil, errors.New("tls fingerprint: want the 64 hexadecimal digits of a SHA-256")
		}
		// The pin replaces chain and name: VerifyConnection also runs on resumed sessions, VerifyPeerCertificate would not.
		cfg.InsecureSkipVerify = true
		cfg.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return ErrFingerprint
			}
			got := sha256.Sum256(state.PeerCertificates[0].Raw)
			if !bytes.Equal(got[:], want) {
				return fmt.Errorf("%w: it has %s", ErrFingerprint, hex.EncodeToString(got[:]))
			}
			return nil
		}
	case t.InsecureSkipVerify:
		cfg.InsecureSkipVerify = true
	}
	return cfg, nil
}
