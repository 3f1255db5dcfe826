package certs

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/storage"
)

type remembered []storage.Alarm

func (r remembered) OpenAlarms(context.Context, string) ([]storage.Alarm, error) { return r, nil }

func (s *shelf) alarm(subject, kind string, cleared bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.alarms, func(a storage.Alarm) bool {
		return a.Subject == subject && a.Type == kind && (a.Cleared != nil) == cleared && a.Source == collector.SourceCerts && a.CallBridge == ""
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// TestCertificatesOfSimulatedBridges: certificates that end soon, have ended, are made out to others, are not trusted, or are not shown at all are each an interval of their
// end point and a figure with the true date, and are over when a good certificate is back.
func TestCertificatesOfSimulatedBridges(t *testing.T) {
	sim, err := cmssim.New(cmssim.Config{Seed: 5, Bridges: 2, Preroll: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		if err := sim.Run(ctx); err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	<-sim.Ready()
	first := sim.Bridges()[0]
	address := func(b *cmssim.Bridge) string { return strings.TrimPrefix(b.URL(), "https://") }
	const closed = "127.0.0.1:1" // nothing listens on tcpmux
	earlier := remembered{
		{CMSCluster: "emea", Source: collector.SourceCerts, Type: collector.CertificateExpiring, Subject: address(first), Raised: time.Now().Add(-time.Hour), LastSeen: time.Now().Add(-time.Hour)},
		{CMSCluster: "emea", Source: collector.SourceCerts, Type: collector.CertificateExpired, Subject: "gone.example.org:443", Raised: time.Now().Add(-time.Hour), LastSeen: time.Now().Add(-time.Hour)},
	}
	inv := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Certificates: []string{address(first), address(sim.Bridges()[1]), closed}}}}
	live, out := collector.NewLive(inv, nil), &shelf{}
	cfg := DefaultConfig()
	cfg.Every, cfg.Timeout, cfg.Roots = 50*time.Millisecond, 5*time.Second, x509.NewCertPool()
	cfg.Roots.AppendCertsFromPEM(sim.CAPEM())
	p, err := New(cfg, Deps{Live: live, Publisher: out, Memory: earlier})
	if err != nil {
		t.Fatal(err)
	}
	wg.Go(func() { _ = p.Run(ctx) })

	eventually(t, "what an earlier run left open is over: the certificate is good again", func() bool { return out.alarm(address(first), collector.CertificateExpiring, true) })
	eventually(t, "or nobody asks for it any more", func() bool { return out.alarm("gone.example.org:443", collector.CertificateExpired, true) })
	eventually(t, "a closed port shows no certificate", func() bool { return out.alarm(closed, collector.CertificateUnseen, false) })
	notAfter := func(endpoint string) time.Time {
		for _, c := range live.Snapshot().Certificates {
			if c.Endpoint == endpoint {
				return c.NotAfter
			}
		}
		return time.Time{}
	}
	faults := func() map[string]int { return live.Snapshot().Faults["emea"] }
	for _, c := range []struct {
		kind string
		end  time.Duration
	}{
		{collector.CertificateExpiring, 20 * 24 * time.Hour}, {collector.CertificateExpiring, time.Hour},
		{collector.CertificateExpired, -time.Minute}, {collector.CertificateExpired, -400 * 24 * time.Hour},
	} {
		out.mu.Lock()
		out.alarms = nil
		out.mu.Unlock()
		end := time.Now().Add(c.end).UTC().Truncate(time.Second)
		if err := first.SetCertificate(end); err != nil {
			t.Fatal(err)
		}
		eventually(t, c.kind+" is raised", func() bool { return out.alarm(address(first), c.kind, false) && faults()[c.kind] == 1 })
		if got := notAfter(address(first)); !got.Equal(end) {
			t.Errorf("%s: ends %s, want %s", c.kind, got, end)
		}
		if err := first.SetCertificate(time.Now().Add(22 * 24 * time.Hour)); err != nil {
			t.Fatal(err)
		}
		eventually(t, c.kind+" is cleared", func() bool { return out.alarm(address(first), c.kind, true) && faults()[c.kind] == 0 })
	}
	if out.alarm(address(sim.Bridges()[1]), collector.CertificateExpired, false) {
		t.Error("the other bridge's certificate as well")
	}
	// What is wrong with chain and name is said beside the date, not instead of it. (Names are proven in TestProbeNeverHidesTheExpiry.)
	row := Probe(ctx, address(first), 5*time.Second, x509.NewCertPool(), time.Now())
	if row.Reached != 1 || row.NotAfter == nil || *row.ChainValid != 0 {
		t.Fatalf("%+v, want a date and no trusted root", row)
	}
	const otherName = "other.example.org:443"
	row.Endpoint, row.NameMatches = otherName, new(uint8)
	book, _ := p.book(ctx, "emea")
	p.judge(ctx, book, row)
	for _, kind := range []string{collector.CertificateName, collector.CertificateChain} {
		if !out.alarm(otherName, kind, false) {
			t.Errorf("%s is not raised", kind)
		}
	}
	// An end point that is away for a while keeps what was wrong with it.
	row.Reached, row.Error = 0, "timeout"
	p.judge(ctx, book, row)
	if !out.alarm(otherName, collector.CertificateUnseen, false) || out.alarm(otherName, collector.CertificateName, true) {
		t.Error("a certificate that is not seen cleared what was wrong with it")
	}
}
