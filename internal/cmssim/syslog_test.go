package cmssim

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

func TestSyslogFrames(t *testing.T) {
	at := time.Date(2026, 7, 26, 14, 8, 23, 250e6, time.UTC)
	for _, c := range []struct {
		style SyslogStyle
		want  string
	}{
		{SyslogStyle{Traditional: true}, "Jul 26 14:08:23 user.info Core1 host:server:  INFO : x\n"},
		{SyslogStyle{}, "2026-07-26T14:08:23.250Z user.info Core1 host:server:  INFO : x\n"},
		{SyslogStyle{Traditional: true, Priority: true, OctetCounting: true}, "48 <14>Jul 26 14:08:23 Core1 host:server:  INFO : x"},
	} {
		if got := string(c.style.frame(at, "user.info", "Core1", "host:server", "INFO : x")); got != c.want {
			t.Errorf("%+v:\n got %q\nwant %q", c.style, got, c.want)
		}
	}
	if got, want := moduleStatus(7, 0), "media module status 1111111 (1111111/1111111) 7/7 (full media capacity)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := moduleStatus(1, 0), "media module status 1 (1/1) 1/1 (full media capacity)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSyslogTellsFaults(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer shut(l)
	lines := make(chan string, 10000)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer shut(conn)
				for s := bufio.NewScanner(conn); s.Scan(); {
					lines <- s.Text()
				}
			}()
		}
	}()
	sim := started(t, Config{Seed: 1, Bridges: 1, Speed: 600, SyslogTarget: l.Addr().String(), RetryInterval: 10 * time.Millisecond, Preroll: 10 * time.Minute})
	b := sim.Bridges()[0]
	sink := newSink(t)
	if err := b.AddReceiver(sink.URL); err != nil {
		t.Fatal(err)
	}
	sim.StartStory()
	expect := func(part string) {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for {
			select {
			case line := <-lines:
				if strings.Contains(line, part) {
					return
				}
			case <-deadline:
				t.Fatalf("no line with %q", part)
			}
		}
	}
	expect("media module status 1 (1/1) 1/1 (full media capacity)")
	expect(`STATS: {"callLegsPS":`)
	b.Fault(func(f *Faults) { f.ReceiversCut = true })
	expect("unable to connect to CDR receiver 1")
	b.Fault(func(f *Faults) { f.ReceiversCut = false })
	expect("successfully connected to CDR receiver 1")
	b.Fault(func(f *Faults) {
		f.LostModules, f.ICEFailure, f.WebBridgeFailure, f.DatabaseNodeDown = 1, true, true, true
	})
	expect("0/1 (reduced media capacity)")
	expect("ICE failure 4")
	expect("web bridge link")
	expect("sfpool")
}
