package cmssim

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// Bridge is one simulated Call Bridge, from outside.
type Bridge struct {
	Name    string
	Cluster string
	GUID    string // id of its /callBridges object and callBridge of its records
	HostID  string
	// Username and Password of the API account.
	Username, Password string

	cluster *clusterSim
	state   *bridgeState // guarded by its cluster's mu
	feed    *feed
	faults  *faults
	alarms  alarmBook
	tokens  tokenBook
	events  eventStats
	stats   apiStats
	number  int // among all bridges

	listener net.Listener
	url      string
	sessions uint64 // sessions begun, guarded by the cluster's mu
	cert     atomic.Pointer[tls.Certificate]
}

func newBridge(c *clusterSim, st *bridgeState, number int) *Bridge {
	cfg := c.sim.cfg
	b := &Bridge{
		Name: st.Name, Cluster: c.Name, GUID: st.ID.String(), HostID: st.HostID.String(), Username: cfg.Username, Password: cfg.Password,
		cluster: c, state: st, faults: newFaults(), number: number, sessions: 1,
	}
	id := st.ID
	if cfg.Unclustered {
		id = story.GUID{}
	}
	ids := story.NewChooser(cfg.Seed, partReceivers, uint64(number))
	b.feed = newFeed(cfg, b.faults, id, ids.GUID, &c.sim.group)
	b.alarms.ids = story.NewChooser(cfg.Seed, partAlarms, uint64(number))
	return b
}

// Parts of the simulation that are seeded apart from the story.
const (
	partReceivers uint64 = 101
	partAlarms    uint64 = 102
	partMedia     uint64 = 103
)

// URL is the base of the bridge's API and events, without a path. It is known once the simulation is ready.
func (b *Bridge) URL() string { return b.url }

// CAPEM is the certificate that signed the bridge's.
func (b *Bridge) CAPEM() []byte { return b.cluster.sim.tls.pem }

// AddReceiver adds a CDR receiver, as its API would. Added before the story starts, it gets the whole story; later, what follows.
func (b *Bridge) AddReceiver(url string) error {
	if _, full := b.feed.add(url); full {
		return fmt.Errorf("cmssim: %s has %d CDR receivers already", b.Name, maxReceivers)
	}
	return nil
}

// RemoveReceivers empties the table of CDR receivers; what is queued for them is lost.
func (b *Bridge) RemoveReceivers() {
	ids, _ := b.feed.table()
	for _, id := range ids {
		b.feed.drop(id)
	}
}

// Fault changes how the bridge misbehaves: edit gets its present faults.
func (b *Bridge) Fault(edit func(*Faults)) {
	f := b.faults.change(edit)
	st := b.state.cluster
	st.mu.Lock()
	b.state.skew = f.ClockSkew
	st.mu.Unlock()
}

// Faults returns the bridge's present faults.
func (b *Bridge) Faults() Faults { return b.faults.get() }

// LoseAnswers lets the answers to the next n CDR POSTs get lost, so that the bridge sends those records again.
func (b *Bridge) LoseAnswers(n int) {
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	b.faults.lostAcks += n
}

// Stop kills the bridge: its calls and unsent records are lost, and its API and events are gone until Boot.
func (b *Bridge) Stop() {
	st := b.state.cluster
	st.mu.Lock()
	b.state.stop()
	st.mu.Unlock()
	b.feed.restart()
	b.faults.change(func(*Faults) {}) // wakes what hangs or is subscribed
}

// Boot starts a stopped bridge with a new session and counters at zero.
func (b *Bridge) Boot() {
	st := b.state.cluster
	st.mu.Lock()
	defer st.mu.Unlock()
	if !b.state.stopped {
		return
	}
	b.sessions++
	b.state.start(b.cluster.sim.sessionID(b.state.Bridge, b.sessions), max(st.now, int64(b.cluster.sim.clock.offset())))
}

// Restart is Stop and Boot.
func (b *Bridge) Restart() {
	b.Stop()
	b.Boot()
}

func (b *Bridge) release() release {
	st := b.state.cluster
	st.mu.Lock()
	defer st.mu.Unlock()
	return b.state.release
}

func (b *Bridge) stopped() bool {
	st := b.state.cluster
	st.mu.Lock()
	defer st.mu.Unlock()
	return b.state.stopped
}

// SetRelease makes the bridge another release. Call it before the story starts.
func (b *Bridge) SetRelease(name string) error {
	rel, err := parseRelease(name)
	if err != nil {
		return fmt.Errorf("cmssim: %s: %w", b.Name, err)
	}
	st := b.state.cluster
	st.mu.Lock()
	defer st.mu.Unlock()
	b.state.release = rel
	return nil
}

// certificateLife is how long the certificate of a healthy bridge is valid.
const certificateLife = 365 * 24 * time.Hour

// SetCertificate gives the bridge a certificate that ends at notAfter; new connections see it.
func (b *Bridge) SetCertificate(notAfter time.Time) error {
	cert, err := b.cluster.sim.tls.issue(b.state.Address, b.cluster.sim.cfg.ListenHost, notAfter)
	if err != nil {
		return fmt.Errorf("cmssim: %s: %w", b.Name, err)
	}
	b.cert.Store(cert)
	return nil
}

func (b *Bridge) listen() error {
	if err := b.SetCertificate(time.Now().Add(certificateLife)); err != nil {
		return err
	}
	cfg := b.cluster.sim.cfg
	port := 0
	if cfg.BasePort > 0 {
		port = cfg.BasePort + b.number
	}
	l, err := net.Listen("tcp", net.JoinHostPort(cfg.ListenHost, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listening for the API: %w", err)
	}
	b.listener = l
	b.url = "https://" + l.Addr().String()
	return nil
}

func (b *Bridge) close() {
	if b.listener != nil {
		shut(b.listener)
	}
}

// serve answers the API and events until ctx ends.
func (b *Bridge) serve(ctx context.Context) {
	server := &http.Server{
		Handler:           http.HandlerFunc(b.handle),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(discard{}, "", 0),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			NextProtos:     []string{"http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return b.cert.Load(), nil },
		},
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		<-ctx.Done()
		shut(server)
	})
	gate := &gatedListener{Listener: b.listener, closed: func() bool { return b.Faults().Down || b.stopped() }}
	if err := server.ServeTLS(gate, "", ""); err != nil && !errors.Is(err, http.ErrServerClosed) {
		b.cluster.sim.cfg.Logger.Error("API ended", "bridge", b.Name, "error", err)
	}
	watch.Wait()
	for b.EventStats().Open > 0 { // taken over from the server, which does not wait for them
		b.DropEvents()
		time.Sleep(time.Millisecond)
	}
}

// shut closes what has nothing left to lose: whatever Close could report is about a connection given up on purpose.
func shut(c io.Closer) { _ = c.Close() }

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// gatedListener resets connections at once while it is closed. The port stays ours, so nobody else can take it meanwhile.
type gatedListener struct {
	net.Listener
	closed func() bool
}

func (g *gatedListener) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil || !g.closed() {
			return c, err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset instead of an orderly end; nothing depends on it
		}
		shut(c)
	}
}

// authority signs the certificates of the simulated bridges.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cmssim authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{key: key, cert: cert, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

// issue makes a server certificate for a host name and an address, valid until notAfter, which may have passed.
func (a *authority) issue(host, address string, notAfter time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	notBefore := a.cert.NotBefore
	if !notAfter.After(notBefore) {
		notBefore = notAfter.AddDate(-1, 0, 0)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: host},
		NotBefore: notBefore, NotAfter: notAfter, DNSNames: []string{host, "localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(address); ip != nil {
		template.IPAddresses = []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, nil
}
