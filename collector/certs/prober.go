// Package certs probes TLS end points for their certificates, and schedulers for their status documents. A certificate that is expired, untrusted or made out to
// another name is still read: its dates are never hidden by what is wrong with it. Facts: capacities-and-licensing.md §5.
package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/faults"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Publisher puts rows on the bus.
type Publisher interface {
	PublishRows(ctx context.Context, subject, table string, rows any) error
}

// Config of a Prober.
type Config struct {
	// Every is the time between two probes of an end point.
	Every time.Duration
	// SchedulerEvery is the time between two looks at a scheduler.
	SchedulerEvery time.Duration
	// Timeout of one probe.
	Timeout time.Duration
	// Ahead is how long before its end a certificate is a fault.
	Ahead time.Duration
	// Roots to trust; nil means the system's.
	Roots *x509.CertPool
}

// DefaultConfig returns an hour, a minute, 10 s and 21 days.
func DefaultConfig() Config {
	return Config{Every: time.Hour, SchedulerEvery: time.Minute, Timeout: 10 * time.Second, Ahead: 21 * 24 * time.Hour}
}

// Validate says what is wrong, or nil.
func (c Config) Validate() error {
	if c.Every <= 0 || c.SchedulerEvery <= 0 || c.Timeout <= 0 || c.Ahead < 0 {
		return errors.New("certificate probes: intervals and timeout must be above 0, the time ahead not below")
	}
	return nil
}

// Deps are what a Prober works with. Live and Publisher are needed.
type Deps struct {
	Live      *collector.Live
	Publisher Publisher
	Memory    faults.Memory // nil: nothing is remembered
	Logger    *slog.Logger
	Clock     func() time.Time
}

// Prober probes what the live state's inventory lists.
type Prober struct {
	cfg  Config
	deps Deps
}

// New returns an inert prober.
func New(cfg Config, deps Deps) (*Prober, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	if deps.Clock == nil {
		deps.Clock = time.Now
	}
	return &Prober{cfg, deps}, nil
}

// Run probes everything until ctx ends.
func (p *Prober) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, c := range p.deps.Live.Inventory().Clusters {
		wg.Go(func() { p.RunCluster(ctx, c.Name) })
	}
	wg.Wait()
	return nil
}

// RunCluster probes what belongs to one cluster until ctx ends: one goroutine an end point, so that one which hangs delays no other. It begins with the alarms that are
// stored as open: another instance may have probed meanwhile.
func (p *Prober) RunCluster(ctx context.Context, name string) {
	book, later := p.book(ctx, name)
	var wg sync.WaitGroup
	if later != nil {
		wg.Go(later)
	}
	every := func(interval time.Duration, do func()) {
		wg.Go(func() {
			tick := time.NewTicker(interval)
			defer tick.Stop()
			for {
				do()
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for _, c := range p.deps.Live.Inventory().Clusters {
		if c.Name != name {
			continue
		}
		for _, endpoint := range c.Certificates {
			every(p.cfg.Every, func() { p.certificate(ctx, book, c.Name, endpoint) })
		}
		for _, address := range c.Schedulers {
			every(p.cfg.SchedulerEvery, func() { p.scheduler(ctx, book, c.Name, address) })
		}
	}
	wg.Wait()
}

func (p *Prober) certificate(ctx context.Context, book *faults.Book, cluster, endpoint string) {
	row := Probe(ctx, endpoint, p.cfg.Timeout, p.cfg.Roots, p.deps.Clock().UTC())
	if ctx.Err() != nil {
		return
	}
	row.CMSCluster = cluster
	if row.Reached == 1 {
		name, chain := *row.NameMatches == 1, *row.ChainValid == 1
		now := time.Now()
		// What was seen holds over a few failed probes: an expiry date does not change because a port is closed.
		p.deps.Live.SetCertificate(collector.Sample[collector.CertificateState]{
			Value: collector.CertificateState{Endpoint: endpoint, Cluster: cluster, NotAfter: *row.NotAfter, NameMatches: &name, ChainValid: &chain},
			At:    row.Time, Until: now.Add(5 * p.cfg.Every),
		})
	} else {
		p.deps.Logger.Warn("certificate not seen", "endpoint", endpoint, "error", row.Error)
	}
	p.judge(ctx, book, row)
	for _, at := range []**time.Time{&row.NotBefore, &row.NotAfter, &row.ChainExpiry} {
		if *at != nil {
			*at = new(storage.Holdable(**at))
		}
	}
	p.publish(ctx, "certificates", storage.TableCertificates, []storage.Certificate{row})
}

func (p *Prober) publish(ctx context.Context, object, table string, rows any) bool {
	err := p.deps.Publisher.PublishRows(ctx, bus.Subject("status", "certs", object), table, rows)
	if err != nil && ctx.Err() == nil {
		p.deps.Logger.Warn("rows not published", "object", object, "error", err)
	}
	return err == nil
}

// Probe connects to host:port and describes the certificate it is shown. It trusts nothing that the certificate says; chain and name are judged afterwards, at now.
func Probe(ctx context.Context, endpoint string, timeout time.Duration, roots *x509.CertPool, now time.Time) storage.Certificate {
	row := storage.Certificate{Time: now, Endpoint: endpoint, Names: []string{}}
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		row.Error, row.Problem = "address", "want host:port"
		return row
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var shown []*x509.Certificate
	cfg := &tls.Config{
		// Verification happens below, where it cannot hide the dates.
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       allSuites(), // nothing secret is sent
		VerifyConnection:   func(s tls.ConnectionState) error { shown = s.PeerCertificates; return nil },
	}
	if net.ParseIP(host) == nil {
		cfg.ServerName = host
	}
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: cfg}).DialContext(ctx, "tcp", endpoint)
	if conn != nil {
		row.TLSVersion = tls.VersionName(conn.(*tls.Conn).ConnectionState().Version)
		conn.Close()
	}
	// An end point that wants a client certificate (the database, some SIP trunks) shows its own before it refuses us.
	if len(shown) == 0 {
		row.Error = reason(err)
		return row
	}
	describe(&row, host, shown, roots, now)
	return row
}

// allSuites are all cipher suites, those that are refused elsewhere too: an old server shows its certificate only to who speaks what it does.
func allSuites() []uint16 {
	var ids []uint16
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, suite.ID)
	}
	return ids
}

func reason(err error) string {
	_, dns := errors.AsType[*net.DNSError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case dns:
		return "dns"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case isOp && op.Timeout():
		return "timeout"
	case isOp && op.Op == "dial":
		return "connect"
	}
	return "handshake"
}

func describe(row *storage.Certificate, host string, shown []*x509.Certificate, roots *x509.CertPool, now time.Time) {
	leaf := shown[0]
	row.Reached = 1
	row.NotBefore, row.NotAfter = new(leaf.NotBefore.UTC()), new(leaf.NotAfter.UTC())
	earliest := leaf.NotAfter
	intermediates := x509.NewCertPool()
	for _, c := range shown[1:] {
		intermediates.AddCert(c)
		if c.NotAfter.Before(earliest) {
			earliest = c.NotAfter
		}
	}
	row.ChainExpiry = new(earliest.UTC())
	row.Subject, row.Issuer = clean(leaf.Subject.String()), clean(leaf.Issuer.String())
	for _, n := range leaf.DNSNames {
		row.Names = append(row.Names, clean(n))
	}
	for _, ip := range leaf.IPAddresses {
		row.Names = append(row.Names, ip.String())
	}
	slices.Sort(row.Names)
	const most = 200
	if len(row.Names) > most {
		row.Names = row.Names[:most]
	}
	row.KeyType, row.KeyBits = key(leaf)
	row.Signature = leaf.SignatureAlgorithm.String()
	row.Serial = leaf.SerialNumber.Text(16)
	sum := sha256.Sum256(leaf.Raw)
	row.Fingerprint = hex.EncodeToString(sum[:])

	var problems []string
	var matches, valid uint8
	if err := leaf.VerifyHostname(host); err == nil {
		matches = 1
	} else {
		problems = append(problems, fmt.Sprintf("does not cover %s", host))
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now}); err == nil {
		valid = 1
	} else {
		problems = append(problems, clean(err.Error()))
	}
	row.NameMatches, row.ChainValid = &matches, &valid
	row.Problem = strings.Join(problems, "; ")
}

// clean bounds a stranger's text.
func clean(s string) string {
	const most = 512
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func key(c *x509.Certificate) (kind string, bits uint32) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", uint32(k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA", uint32(k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "Ed25519", 256
	}
	return c.PublicKeyAlgorithm.String(), 0
}

// document is the scheduler's status: of the Spring actuator kind.
type document struct {
	Status     string          `json:"status"`
	Components json.RawMessage `json:"components"`
}

// component is one of a document's; its details are of any kind.
type component struct {
	Status  string          `json:"status"`
	Details json.RawMessage `json:"details"`
}

// components reads those that look like one: an odd one must not make the scheduler seem down.
func (d document) components() map[string]component {
	var raw map[string]json.RawMessage
	if json.Unmarshal(d.Components, &raw) != nil {
		return nil
	}
	out := make(map[string]component, len(raw))
	for name, text := range raw {
		var c component
		if json.Unmarshal(text, &c) == nil && c.Status != "" {
			out[name] = c
		}
	}
	return out
}

func (p *Prober) scheduler(ctx context.Context, book *faults.Book, cluster, address string) {
	now := p.deps.Clock().UTC()
	name := nameOf(address)
	rows, up, err := Scheduler(ctx, address, p.cfg.Timeout, p.cfg.Roots)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		p.deps.Logger.Warn("scheduler's status not read", "scheduler", name, "error", err)
		down := uint8(0)
		rows = []storage.DeviceSample{{Status: "unreachable", Reachable: &down}}
	}
	for i := range rows {
		rows[i].Time, rows[i].CMSCluster, rows[i].Kind, rows[i].Device = now, cluster, "scheduler", name
	}
	p.deps.Live.UpdateCluster(cluster, func(s *collector.ClusterState) {
		next := make(map[string]collector.Sample[collector.SchedulerState])
		for k, v := range s.Schedulers {
			next[k] = v
		}
		next[name] = collector.Sample[collector.SchedulerState]{
			Value: collector.SchedulerState{Name: name, Up: up}, At: now, Until: time.Now().Add(3*p.cfg.SchedulerEvery + p.cfg.Timeout),
		}
		s.Schedulers = next
	})
	if up {
		book.Clear(ctx, now, collector.SchedulerDown, name)
	} else {
		book.Raise(ctx, now, faults.Fault{Type: collector.SchedulerDown, Subject: name, Reason: rows[0].Status})
	}
	p.publish(ctx, "scheduler", storage.TableDeviceSamples, rows)
}

// nameOf is the name of a scheduler: host and port of its address.
func nameOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return address
}

// Scheduler reads a scheduler's status document: one row for the whole (address empty), one for each component (address its name). The document is public health
// information, so an untrusted certificate does not keep it from being read; the certificate has a probe of its own.
func Scheduler(ctx context.Context, address string, timeout time.Duration, roots *x509.CertPool) (rows []storage.DeviceSample, up bool, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, false, errors.New("its address is no http or https URL")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, InsecureSkipVerify: true}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, false, errors.New("its address cannot be used")
	}
	resp, err := client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, false, err
	}
	defer resp.Body.Close()
	// A scheduler that is down answers 503 with the same document.
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, false, err
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil || d.Status == "" {
		return nil, false, fmt.Errorf("status %d and no status document", resp.StatusCode)
	}
	up = strings.EqualFold(d.Status, "UP")
	row := func(component, status, detail string) storage.DeviceSample {
		var reachable uint8
		if strings.EqualFold(status, "UP") {
			reachable = 1
		}
		return storage.DeviceSample{Address: component, Status: clean(status), Reachable: &reachable, Detail: detail}
	}
	rows = append(rows, row("", d.Status, ""))
	components := d.components()
	names := slices.Sorted(maps.Keys(components))
	const most = 32
	for _, name := range names[:min(len(names), most)] {
		c := components[name]
		detail := ""
		var details map[string]json.RawMessage
		_ = json.Unmarshal(c.Details, &details) // of another kind they have none that we know
		// The web bridges are what a person asks for; other details may hold addresses of mailboxes.
		if list, ok := details["webbridges"]; ok {
			detail = clean(strings.Trim(string(list), `"`))
		}
		rows = append(rows, row(clean(name), c.Status, detail))
	}
	return rows, up, nil
}
