package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// from dials from one of this machine's loopback addresses, so that a test has several senders.
func from(address string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}, Timeout: 20 * time.Second}
}

// Somebody who opens all the connections they can and feeds them byte by byte neither keeps a bridge out nor keeps the connections.
func TestSlowLoris(t *testing.T) {
	url := serve(t, receiver.Deps{Bus: failing{}}, func(c *receiver.Config) {
		c.MaxConns, c.MaxConnsPerAddress = 20, 10
		c.HeaderTimeout, c.BodyTimeout = 500*time.Millisecond, 500*time.Millisecond
	})
	bridge := from("127.0.0.2")
	defer bridge.CloseIdleConnections()
	stop := make(chan struct{})
	var attackers sync.WaitGroup
	for i := range 40 {
		attackers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				if err != nil {
					continue
				}
				slow := "POST /cdr/" + token1 + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" // half of them know a token
				if i%2 == 0 {
					slow = "GET / HTTP/1.1\r\nX-Slow: " + strings.Repeat("x", 1000)
				}
				for n := range len(slow) {
					if _, err := io.WriteString(conn, slow[n:n+1]); err != nil {
						break
					}
					select {
					case <-stop:
					case <-time.After(20 * time.Millisecond):
					}
				}
				conn.Close()
			}
		})
	}
	for i := range 30 {
		resp, err := bridge.Post(url+"/cdr/"+token2, "text/xml", strings.NewReader("<records/>"))
		if err != nil {
			t.Errorf("post %d of the bridge: %v", i, err)
			break
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("post %d of the bridge: %d", i, resp.StatusCode)
		}
		time.Sleep(30 * time.Millisecond)
	}
	close(stop)
	attackers.Wait()
	// Their own address is free again soon after they stop.
	deadline := time.Now().Add(20 * time.Second)
	for {
		resp, err := http.Post(url+"/cdr/"+token1, "text/xml", strings.NewReader("<records/>"))
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the address of the attack is still shut out: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Where every bridge names its addresses a stranger's connection is closed before it costs a TLS handshake.
func TestStrangersAreClosedAtOnce(t *testing.T) {
	url := serve(t, receiver.Deps{Bus: failing{}}, func(c *receiver.Config) {
		c.Sources = []receiver.Source{{Name: "cb1", Token: token1, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}}
	})
	if resp, err := from("127.0.0.3").Get(url + "/cdr/" + token1); err == nil {
		t.Errorf("a stranger was answered %d", resp.StatusCode)
	}
	resp, err := from("127.0.0.2").Get(url + "/cdr/" + token1)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("the bridge: %v, %v", resp, err)
	}
}

// writeCertificate makes a certificate with a serial number and returns the pool that trusts it.
func writeCertificate(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}, "cert.pem": {Type: "CERTIFICATE", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCertificateIsReloaded(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, 1)
	url := serve(t, receiver.Deps{Bus: failing{}}, func(c *receiver.Config) {
		c.CertFile, c.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	})
	url = strings.Replace(url, "http:", "https:", 1)
	serial := func() int64 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		resp, err := client.Post(url+"/cdr/"+token1, "text/xml", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || resp.ProtoMajor != 1 {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	until := func(want int64) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); serial() != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("certificate %d is still served; want %d", serial(), want)
			}
		}
	}
	until(1)
	writeCertificate(t, dir, 2)
	until(2)
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("half a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // past the time for which a look at the files holds
	until(2)
	writeCertificate(t, dir, 3)
	until(3)
}

func TestErrorsAtStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		change func(*receiver.Config)
		want   string
	}{
		"port in use":     {func(c *receiver.Config) { c.Listen = taken.Addr().String() }, "address already in use"},
		"no certificate":  {func(c *receiver.Config) { c.CertFile, c.KeyFile = "/nonexistent.pem", "/nonexistent.key" }, "nonexistent.pem"},
		"key only":        {func(c *receiver.Config) { c.KeyFile = "key.pem" }, "belong together"},
		"spool is a file": {func(c *receiver.Config) { c.SpoolDir = os.Args[0] }, "spool folder"},
	} {
		cfg := receiver.DefaultConfig()
		cfg.Listen = "127.0.0.1:0"
		c.change(&cfg)
		err := receiver.New(cfg, receiver.Deps{Bus: failing{}}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", name, err, c.want)
		}
	}
}

// recording keeps the bodies that are published.
type recording struct {
	mu     sync.Mutex
	bodies [][]byte
}

func (r *recording) PublishBody(_ context.Context, b bus.Body) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, bytes.Clone(b.Data))
	return nil
}

func (r *recording) PublishBodyFrom(ctx context.Context, b bus.Body, from io.Reader, size int64) error {
	data, err := io.ReadAll(io.LimitReader(from, size))
	if err != nil {
		return err
	}
	b.Data = data
	return r.PublishBody(ctx, b)
}

// oneConn is a listener that has one connection to give.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	var conn net.Conn
	l.once.Do(func() { conn = l.conn })
	if conn != nil {
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// FuzzHandler sends any bytes down a connection that then closes. Whatever they are, what is published are exactly bodies that a reader of HTTP finds complete
// in posts to the token's path, in their order.
func FuzzHandler(f *testing.F) {
	head := "POST /cdr/" + token1 + " HTTP/1.1\r\nHost: x\r\n"
	for _, seed := range []string{
		head + "Content-Type: text/xml\r\nContent-Length: 9\r\n\r\n<records>",
		head + "Content-Length: 9\r\n\r\n<rec",
		head + "Content-Length: 1\r\n\r\na" + head + "Content-Length: 2\r\n\r\nbb" + "GET /cdr/" + token1 + " HTTP/1.1\r\nHost: x\r\n\r\n" + head + "Content-Length: 3\r\n\r\nccc",
		head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
		head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n",
		head + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
		head + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
		head + "Content-Length: -1\r\n\r\n", head + "Content-Length: 99999999999999999999\r\n\r\nx", head + "\r\n",
		strings.Replace(head, " HTTP", "?system_id=%zz HTTP", 1) + "Content-Length: 1\r\n\r\nq",
		"POST /cdr/%74oken-of-cb1-5f2a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ne",
		"POST http://elsewhere/cdr/" + token1 + " HTTP/1.0\r\nContent-Length: 1\r\n\r\n0",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, 40<<10, strings.Repeat("y", 40<<10)),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var want [][]byte
		for in := bufio.NewReader(bytes.NewReader(wire)); ; {
			req, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				break
			}
			if req.Method == http.MethodPost && req.URL.Path == "/cdr/"+token1 {
				want = append(want, body)
			}
		}

		cfg := receiver.DefaultConfig()
		cfg.Sources = []receiver.Source{{Name: "cb1", Token: token1}}
		cfg.SpoolDir = t.TempDir()
		got := &recording{}
		near, far := net.Pipe()
		ended := make(chan struct{})
		server := &http.Server{
			Handler:  receiver.New(cfg, receiver.Deps{Bus: got}),
			ErrorLog: nil,
			ConnState: func(_ net.Conn, s http.ConnState) {
				if s == http.StateClosed {
					close(ended)
				}
			},
		}
		l := &oneConn{conn: far, closed: make(chan struct{})}
		go server.Serve(l)
		go io.Copy(io.Discard, near)
		near.SetDeadline(time.Now().Add(10 * time.Second))
		near.Write(wire)
		near.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatal("the connection did not end")
		}
		close(l.closed)
		server.Close()

		got.mu.Lock()
		defer got.mu.Unlock()
		next := 0
		for i, body := range got.bodies {
			for next < len(want) && !bytes.Equal(want[next], body) {
				next++
			}
			if next == len(want) {
				t.Fatalf("published body %d, %.80q, which the sender did not send whole", i, body)
			}
			next++
		}
	})
}
