package receiver

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// connLimit keeps connections within their limits. Over a limit the new connection is closed: the others, of bridges that were here before, go on.
type connLimit struct {
	metrics *metrics
	total   int
	each    int
	allowed []netip.Prefix // addresses that may connect; empty is any

	mu   sync.Mutex
	open map[netip.Addr]int
	sum  int
}

func newConnLimit(cfg Config, m *metrics) *connLimit {
	l := &connLimit{metrics: m, total: cfg.MaxConns, each: cfg.MaxConnsPerAddress, open: map[netip.Addr]int{}}
	for _, s := range cfg.Sources {
		if len(s.Allowed) == 0 {
			l.allowed = nil // this one may come from anywhere
			break
		}
		l.allowed = append(l.allowed, s.Allowed...)
	}
	return l
}

// take counts a connection from an address in, or gives the reason why not.
func (l *connLimit) take(a netip.Addr) (refusal string) {
	if len(l.allowed) > 0 {
		known := false
		for _, prefix := range l.allowed {
			known = known || prefix.Contains(a)
		}
		if !known {
			return "address"
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.sum >= l.total:
		return "total"
	case l.open[a] >= l.each:
		return "per_address"
	}
	l.open[a]++
	l.sum++
	return ""
}

func (l *connLimit) give(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum--
	if l.open[a]--; l.open[a] == 0 {
		delete(l.open, a)
	}
}

func (l *connLimit) limit(inner net.Listener) net.Listener { return &limitedListener{inner, l} }

type limitedListener struct {
	net.Listener
	limit *connLimit
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr, ok := addressOf(conn.RemoteAddr().String())
		if !ok {
			conn.Close()
			continue
		}
		if refusal := l.limit.take(addr); refusal != "" {
			l.limit.metrics.connsRefused.WithLabelValues(refusal).Inc()
			conn.Close()
			continue
		}
		l.limit.metrics.conns.Inc()
		return &limitedConn{Conn: conn, closed: func() {
			l.limit.give(addr)
			l.limit.metrics.conns.Dec()
		}}, nil
	}
}

// limitedConn gives its place back when it is closed, once.
type limitedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *limitedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}

// CloseWrite is what net/http uses to let the peer read the answer before the connection goes.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
