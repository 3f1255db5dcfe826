package cmssim

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// SyslogStyle is how a bridge writes syslog (cms-api.md, 11.1). The zero value is that of 3.x, framed by newlines.
type SyslogStyle struct {
	OctetCounting bool // RFC 6587 framing by length instead of by newline
	Traditional   bool // time stamps as in 2.0, without a year; else RFC 3339 with milliseconds
	Priority      bool // a <14> in front instead of facility.severity behind the stamp
}

// Story seconds between the lines that come by the clock.
const (
	moduleSeconds = 900
	statsSeconds  = 300
)

// syslogTick is how often a bridge looks for something to log.
const syslogTick = 100 * time.Millisecond

// logger is the syslog of one bridge.
type logger struct {
	b     *Bridge
	style SyslogStyle
	conn  net.Conn

	modules, stats int64 // offsets of the next lines
	peak           legCounts
	started        int // legs started up to the last STATS line
	lost           int // modules lost as last logged
	failing        []int
	told           map[string]bool // faults logged as begun
}

// legCounts are the figures of a STATS line.
type legCounts struct{ all, app, sip, peer int }

// sendSyslog sends the bridge's syslog until ctx ends. What happens while the target cannot be reached is lost.
func (b *Bridge) sendSyslog(ctx context.Context) {
	target := b.cluster.sim.cfg.SyslogTarget
	if target == "" {
		return
	}
	now := int64(b.cluster.sim.clock.offset())
	l := &logger{
		b: b, style: b.cluster.sim.cfg.Syslog, told: make(map[string]bool),
		modules: now, stats: now + statsSeconds, // the state of the modules is also logged at the start
	}
	defer func() {
		if l.conn != nil {
			shut(l.conn)
		}
	}()
	tick := time.NewTicker(syslogTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.conn == nil {
			dialer := &net.Dialer{Timeout: 5 * time.Second}
			if source := b.syslogSource(); source != nil {
				dialer.LocalAddr = &net.TCPAddr{IP: source}
			}
			conn, err := dialer.DialContext(ctx, "tcp", target)
			if err != nil {
				continue
			}
			l.conn = conn
			go func() { // nothing is said there; the end of it tells that the target is gone
				_, _ = io.Copy(io.Discard, conn)
				shut(conn)
			}()
		}
		if err := l.turn(int64(b.cluster.sim.clock.offset())); err != nil {
			shut(l.conn)
			l.conn = nil
		}
	}
}

// syslogSource is the address that the bridge sends syslog from: on the loopback network one of its own, as a line does not say which bridge it is from.
// Nil where the simulator does not listen on the loopback network, or the system has one loopback address only.
func (b *Bridge) syslogSource() net.IP {
	if host := net.ParseIP(b.cluster.sim.cfg.ListenHost); runtime.GOOS != "linux" || host.To4() == nil || !host.IsLoopback() {
		return nil
	}
	return net.IPv4(127, 1, byte(b.number/250), byte(1+b.number%250))
}

// turn logs what is due by now and what changed.
func (l *logger) turn(now int64) error {
	if l.b.stopped() {
		l.modules, l.stats = now, now+statsSeconds
		return nil
	}
	f := l.b.faults.get()
	counts, started := l.counts()
	l.peak = legCounts{max(l.peak.all, counts.all), max(l.peak.app, counts.app), max(l.peak.sip, counts.sip), max(l.peak.peer, counts.peer)}
	if l.lost != f.LostModules {
		l.lost = f.LostModules
		l.modules = min(l.modules, now)
	}
	for ; l.modules <= now; l.modules += moduleSeconds {
		if err := l.line(l.modules, "user.info", "host:server", "INFO : "+moduleStatus(l.b.modules(), f.LostModules)); err != nil {
			return err
		}
	}
	for ; l.stats <= now; l.stats += statsSeconds {
		if l.b.release() >= 208 {
			if err := l.line(l.stats, "user.info", "host:server", "INFO : "+statsLine(counts, l.peak, float64(started-l.started)/statsSeconds)); err != nil {
				return err
			}
		}
		l.peak, l.started = counts, started
	}
	if err := l.receivers(now); err != nil {
		return err
	}
	return l.faults(now, f)
}

func (l *logger) counts() (legCounts, int) {
	st := l.b.state.cluster
	st.mu.Lock()
	defer st.mu.Unlock()
	c := legCounts{all: len(l.b.state.legs)}
	for _, leg := range l.b.state.legs {
		switch {
		case leg.Kind.App():
			c.app++
		case leg.Kind == story.Link:
			c.peer++
		default:
			c.sip++
		}
	}
	return c, l.b.state.startedLegs
}

// modules is the number of media modules of the platform: seven in a Meeting Server 2000.
func (b *Bridge) modules() int {
	if b.large() {
		return 7
	}
	return 1
}

// moduleStatus is the line about media modules. How a degraded state is worded is unknown; this is inferred.
func moduleStatus(all, lost int) string {
	lost = min(lost, all)
	up := strings.Repeat("1", all-lost) + strings.Repeat("0", lost)
	word := "full media capacity"
	if lost > 0 {
		word = "reduced media capacity"
	}
	return fmt.Sprintf("media module status %s (%s/%s) %d/%d (%s)", up, up, strings.Repeat("1", all), all-lost, all, word)
}

func statsLine(now, peak legCounts, perSecond float64) string {
	return fmt.Sprintf(`STATS: {"callLegsPS":%.2f,"callLegs":"%d/%d","CMA":"%d/%d","sip":{"std":"%d/%d","peer":"%d/%d"}}`,
		perSecond, now.all, peak.all, now.app, peak.app, now.sip, peak.sip, now.peer, peak.peer)
}

// receivers logs CDR receivers that come and go.
func (l *logger) receivers(now int64) error {
	failing := l.b.feed.failing()
	for _, n := range failing {
		if !slices.Contains(l.failing, n) {
			if err := l.line(now, "user.warning", "host:server", fmt.Sprintf("WARNING : unable to connect to CDR receiver %d", n)); err != nil {
				return err
			}
		}
	}
	for _, n := range l.failing {
		if !slices.Contains(failing, n) {
			if err := l.line(now, "user.info", "host:server", fmt.Sprintf("INFO : successfully connected to CDR receiver %d", n)); err != nil {
				return err
			}
		}
	}
	l.failing = failing
	return nil
}

// faults logs each fault once when it begins. The wording is inferred from the descriptions in capacities-and-licensing.md, section 5.
func (l *logger) faults(now int64, f Faults) error {
	for _, c := range []struct {
		name, process, text string
		on                  bool
	}{
		{"ice", "host:server", "WARNING : ICE failure 4 (unauthorized - check credentials)", f.ICEFailure},
		{"web", "host:server", "WARNING : web bridge link 1: failed to establish connection to web bridge link", f.WebBridgeFailure},
		{"database", "sfpool", "ERROR : health check of database node failed: connection refused", f.DatabaseNodeDown},
	} {
		if c.on && !l.told[c.name] {
			if err := l.line(now, "user.warning", c.process, c.text); err != nil {
				return err
			}
		}
		l.told[c.name] = c.on
	}
	return nil
}

// line sends one line as of a story offset.
func (l *logger) line(at int64, level, process, text string) error {
	stamp := l.b.cluster.sim.clock.at(at).Add(l.b.faults.get().ClockSkew)
	if err := l.conn.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := l.conn.Write(l.style.frame(stamp, level, l.b.Name, process, text))
	return err
}

func (s SyslogStyle) frame(at time.Time, level, host, process, text string) []byte {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	if s.Traditional {
		stamp = at.UTC().Format(time.Stamp)
	}
	line := stamp + " " + level + " " + host + " " + process + ":  " + text
	if s.Priority {
		line = "<14>" + stamp + " " + host + " " + process + ":  " + text
	}
	if s.OctetCounting {
		return fmt.Appendf(nil, "%d %s", len(line), line)
	}
	return []byte(line + "\n")
}
