package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

// endpoint serves TLS with a self-signed certificate and returns its address and a pool that trusts it.
func endpoint(t *testing.T, edit func(*x509.Certificate, *tls.Config)) (string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: "cb1"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(72 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"cb1.example.org"}, IsCA: true, BasicConstraintsValid: true,
	}
	cfg := &tls.Config{}
	edit(template, cfg)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = cfg
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return server.Listener.Addr().String(), pool
}

func TestProbeNeverHidesTheExpiry(t *testing.T) {
	for _, c := range []struct {
		name           string
		edit           func(*x509.Certificate, *tls.Config)
		trust          bool
		matches, valid uint8
		problem        string
	}{
		{"good", func(*x509.Certificate, *tls.Config) {}, true, 1, 1, ""},
		{"expired", func(c *x509.Certificate, _ *tls.Config) { c.NotAfter = time.Now().Add(-time.Hour) }, true, 1, 0, "expired"},
		{"untrusted", func(*x509.Certificate, *tls.Config) {}, false, 1, 0, "unknown authority"},
		{"other name", func(c *x509.Certificate, _ *tls.Config) { c.IPAddresses = nil }, true, 0, 1, "does not cover 127.0.0.1"},
		{"wants a client certificate", func(_ *x509.Certificate, cfg *tls.Config) { cfg.ClientAuth = tls.RequireAnyClientCert }, true, 1, 1, ""},
		{"TLS 1.2 and a client certificate", func(_ *x509.Certificate, cfg *tls.Config) {
			cfg.ClientAuth, cfg.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}, true, 1, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, pool := endpoint(t, c.edit)
			if !c.trust {
				pool = x509.NewCertPool()
			}
			got := Probe(t.Context(), address, 5*time.Second, pool, time.Now())
			if got.Reached != 1 || got.NotAfter == nil || got.KeyType != "ECDSA" || got.KeyBits != 256 || got.Serial != "abc" || len(got.Fingerprint) != 64 {
				t.Fatalf("probe: %+v, want a described certificate", got)
			}
			if *got.NameMatches != c.matches || *got.ChainValid != c.valid || !strings.Contains(got.Problem, c.problem) || (c.problem == "") != (got.Problem == "") {
				t.Errorf("matches %d valid %d problem %q, want %d %d %q", *got.NameMatches, *got.ChainValid, got.Problem, c.matches, c.valid, c.problem)
			}
		})
	}
}

func TestProbeSaysWhyNothingWasSeen(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if got := Probe(t.Context(), listener.Addr().String(), 50*time.Millisecond, nil, time.Now()); got.Reached != 0 || got.Error != "timeout" {
		t.Errorf("silent end point: %+v, want a timeout", got)
	}
	closed := listener.Addr().String()
	listener.Close()
	if got := Probe(t.Context(), closed, time.Second, nil, time.Now()); got.Error != "connect" {
		t.Errorf("closed port: %+v, want connect", got)
	}
	if got := Probe(t.Context(), "no port", time.Second, nil, time.Now()); got.Error != "address" {
		t.Errorf("no port: %+v, want address", got)
	}
}

type shelf struct {
	mu      sync.Mutex
	devices []storage.DeviceSample
	certs   []storage.Certificate
	alarms  []storage.Alarm
}

func (s *shelf) PublishRows(_ context.Context, _, _ string, rows any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := rows.(type) {
	case []storage.DeviceSample:
		s.devices = append(s.devices, r...)
	case []storage.Certificate:
		s.certs = append(s.certs, r...)
	case []storage.Alarm:
		s.alarms = append(s.alarms, r...)
	}
	return nil
}

// TestOddComponentsCostThemselvesAlone: a scheduler that says UP is up, whatever its components look like.
func TestOddComponentsCostThemselvesAlone(t *testing.T) {
	for body, want := range map[string]int{
		`{"status":"UP","components":[]}`:   1,
		`{"status":"UP","components":null}`: 1,
		`{"status":"UP","components":{"db":{"status":"UP"},"mail":"DOWN","ping":{"status":7},"c2w":{"status":"UP","details":[1]}}}`: 3,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		rows, up, err := Scheduler(t.Context(), server.URL, 5*time.Second, nil)
		server.Close()
		if err != nil || !up || len(rows) != want {
			t.Errorf("%s: up %t, %d rows, %v; want up and %d rows", body, up, len(rows), err, want)
		}
	}
}

// TestOldServersShowTheirCertificates: what a server is willing to speak says nothing about when its certificate ends.
func TestOldServersShowTheirCertificates(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		version, suite uint16
	}{{tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, {tls.VersionTLS12, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}, {tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA}} {
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS10, MaxVersion: c.version, CipherSuites: []uint16{c.suite},
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_ = conn.(*tls.Conn).Handshake()
				conn.Close()
			}
		}()
		got := Probe(t.Context(), listener.Addr().String(), 5*time.Second, nil, time.Now())
		if got.Reached != 1 || got.NotAfter == nil || got.KeyType != "RSA" {
			t.Errorf("%s with %s: %q, want its certificate", tls.VersionName(c.version), tls.CipherSuiteName(c.suite), got.Error)
		}
		listener.Close()
	}
}

// TestCertificateWithoutEnd: RFC 5280 has 9999-12-31 for a certificate without end, and many self-signed ones last a hundred years. What is stored must not wrap around.
func TestCertificateWithoutEnd(t *testing.T) {
	address, pool := endpoint(t, func(c *x509.Certificate, _ *tls.Config) {
		c.NotBefore, c.NotAfter = time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	})
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Certificates: []string{address}}}}, nil)
	out := &shelf{}
	cfg := DefaultConfig()
	cfg.Roots = pool
	p, err := New(cfg, Deps{Live: live, Publisher: out})
	if err != nil {
		t.Fatal(err)
	}
	book, _ := p.book(t.Context(), "emea")
	p.certificate(t.Context(), book, "emea", address)
	if len(out.certs) != 1 || out.certs[0].NotAfter == nil || out.certs[0].NotAfter.Year() != 2106 || out.certs[0].ChainExpiry.Year() != 2106 || out.certs[0].NotBefore.Year() != 1970 {
		t.Errorf("stored %+v, want the ends of what storage can hold", out.certs)
	}
	if shown := live.Snapshot().Certificates; len(shown) != 1 || shown[0].NotAfter.Year() != 9999 {
		t.Errorf("shown %+v, want the certificate's own end", shown)
	}
}

func TestProberFillsTheLiveState(t *testing.T) {
	scheduler := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":"DOWN","components":{"c2w":{"status":"DOWN","details":{"webbridges":"wb1:9999:CONNECTED"}},"mail":{"status":"UP","details":{"location":"secret@host"}}}}`)
	}))
	defer scheduler.Close()
	address, pool := endpoint(t, func(*x509.Certificate, *tls.Config) {})
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Certificates: []string{address}, Schedulers: []string{scheduler.URL}}}}, nil)
	out := &shelf{}
	cfg := DefaultConfig()
	cfg.Roots = pool
	p, err := New(cfg, Deps{Live: live, Publisher: out})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		out.mu.Lock()
		ready := len(out.devices) == 3 && len(out.certs) == 1
		out.mu.Unlock()
		if ready {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing published")
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	<-done
	snap := live.Snapshot()
	if len(snap.Certificates) != 1 || snap.Certificates[0].NotAfter.IsZero() {
		t.Errorf("certificates %+v", snap.Certificates)
	}
	for _, s := range snap.Clusters[0].Schedulers {
		if s.Value.Up {
			t.Error("scheduler up, want down")
		}
	}
	if !out.alarm(strings.TrimPrefix(scheduler.URL, "http://"), collector.SchedulerDown, false) || snap.Faults["emea"][collector.SchedulerDown] != 1 {
		t.Errorf("alarms %+v, want the scheduler's", out.alarms)
	}
	if d := out.devices[1]; d.Address != "c2w" || d.Detail != "wb1:9999:CONNECTED" || *d.Reachable != 0 || out.devices[2].Detail != "" {
		t.Errorf("components %+v", out.devices)
	}
}
