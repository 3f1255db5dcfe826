package syslog

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

var now = time.Date(2031, 1, 1, 0, 10, 0, 0, time.UTC)

func TestParseBothStamps(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want Line
	}{
		{
			"Dec 31 23:59:58 user.info Core1 host:server:  INFO : media module status 1 (1/1) 1/1 (full media capacity)",
			Line{time.Date(2030, 12, 31, 23, 59, 58, 0, time.UTC), "user", "info", "Core1", "host:server", "INFO", "media module status 1 (1/1) 1/1 (full media capacity)"},
		},
		{
			"2031-01-01T02:09:58.123+02:00 local0.warning cb1 sfpool: health check failed",
			Line{time.Date(2031, 1, 1, 0, 9, 58, 123e6, time.UTC), "local0", "warning", "cb1", "sfpool", "", "health check failed"},
		},
		{
			"<14>2031-01-01T00:09:58Z cb1 host:server[12]: WARNING : text",
			Line{time.Date(2031, 1, 1, 0, 9, 58, 0, time.UTC), "user", "info", "cb1", "host:server", "WARNING", "text"},
		},
		{"no stamp at all \xff", Line{Message: "no stamp at all \uFFFD"}},
		{"<999>9999-99-99T99:99:99 x", Line{Message: "9999-99-99T99:99:99 x"}},
	} {
		if got := Parse(c.raw, now); got != c.want {
			t.Errorf("Parse(%q)\n got %+v\nwant %+v", c.raw, got, c.want)
		}
	}
}

func TestUnderstand(t *testing.T) {
	for text, want := range map[string]struct {
		kind Kind
		bad  bool
	}{
		"media module status 1111111 (1111111/1111111) 7/7 (full media capacity)": {MediaModules, false},
		"media module status 1110111 (1111111/1110111) 6/7 (reduced capacity)":    {MediaModules, true},
		"media module status 1 (1/1) 1/1 (something else)":                        {MediaModules, true},
		"successfully connected to CDR receiver 1":                                {CDRConnected, false},
		"unable to connect to CDR receiver 2":                                     {CDRFailed, true},
		"ICE failure 4 (unauthorized - check credentials)":                        {ICEFailure, true},
		"failed to establish connection to web bridge link":                       {WebBridge, true},
		"call 17: incoming SIP call":                                              {None, false},
		"STATS: {broken":                                                          {None, false},
		"STATS: [1]":                                                              {None, false},
		`STATS: {"callLegs":5,"CMA":"0/1","sip":"3/4"}`:                           {Stats, false},
		`STATS: {"other":1}`:                                                      {None, false},
	} {
		if got := Understand(Line{Message: text}); got.Kind != want.kind || got.Bad != want.bad {
			t.Errorf("Understand(%q) = %q bad %t, want %q bad %t", text, got.Kind, got.Bad, want.kind, want.bad)
		}
	}
	f := Understand(Line{Message: `STATS: {"callLegsPS":3, "callLegs":"12/20", "CMA":"0/1", "sip":{"std":"5/6","peer":"4/"}}`})
	if *f.LegsPerSecond != 3 || *f.Legs != 12 || *f.LegsPeak != 20 || *f.Apps != 0 || *f.SIP != 5 || *f.Peer != 4 || f.PeerPeak != nil {
		t.Errorf("STATS: %+v", f)
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"POST https://me:pw@rx.example.org:8801/cdr/abcdef failed": "POST https://rx.example.org:8801/[hidden] failed",
		"passcode=1234, ok": "passcode=[hidden], ok",
		"plain":             "plain",

		"Authorization: Basic dXNlcjpwdw==":                          "Authorization: [hidden]",
		`"authorization":"Bearer abc.def", x`:                        `"authorization":"[hidden]", x`,
		`password="two words", ok`:                                   `password="[hidden]", ok`,
		"turnPassword=geheim ldapPassword: geheim":                   "turnPassword=[hidden] ldapPassword: [hidden]",
		"<passcode>1234</passcode><name>Board</name>":                "<passcode>[hidden]</passcode><name>Board</name>",
		"<callBridge><secret >a b</secret ></callBridge>":            "<callBridge><secret >[hidden]</secret ></callBridge>",
		"stream key: abcd-efgh":                                      "stream key: [hidden]",
		"rtmp://me:pw@media.example.org refused":                     "rtmp://media.example.org refused",
		"srt://media.example.org:9000?streamid=abcd":                 "srt://media.example.org:9000/[hidden]",
		"<streamUrl>rtmp://h.example.org/live/key</streamUrl>":       "<streamUrl>[hidden]</streamUrl>",
		"incoming connection from https://cb1.example.org:445 taken": "incoming connection from https://cb1.example.org:445 taken",
		"the secretary said: come in":                                "the secretary said: come in",
	} {
		if got := Mask(text); got != want {
			t.Errorf("Mask(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestSecretsInAnyPlace: a line that is not laid out as expected has an address where the host or the process would be.
func TestSecretsInAnyPlace(t *testing.T) {
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1", URL: "https://cb1"}}}}}, nil)
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	s, err := New(cfg, Deps{Live: live, Publisher: &shelf{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{
		"2031-01-01T00:00:00Z https://rx.example.org/cdr/S3CR3T refused",
		"2031-01-01T00:00:00Z user.info cb1 https://rx.example.org/cdr/S3CR3T: refused",
		"2031-01-01T00:00:00Z cb1 token:S3CR3T refused",
		"https://rx.example.org/cdr/S3CR3T refused",
	} {
		s.take(t.Context(), raw, []source{{"emea", "cb1"}}, "127.0.0.1")
		if row := fmt.Sprintf("%+v", <-s.rows); strings.Contains(row, "S3CR3T") {
			t.Errorf("%s\nis kept as %s", raw, row)
		}
	}
}

// TestTimesThatStorageCannotHold are kept as lines without a time.
func TestTimesThatStorageCannotHold(t *testing.T) {
	for _, stamp := range []string{"9999-12-31T23:59:59Z", "0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59Z"} {
		if got := Parse(stamp+" cb1 app: hello", time.Now()); !got.Time.IsZero() || got.Message != "hello" || got.Host != "cb1" {
			t.Errorf("%s: %+v, want no time and the rest", stamp, got)
		}
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 40000)
	stream := "first\n5 <1>ab2031-01-01T00:00:00Z c d\r\n11 <1>with\nlf!" + long + "\n" + fmt.Sprintf("%d %s", len(long), long) + "last"
	r := bufio.NewReaderSize(strings.NewReader(stream), 512)
	want := []string{"first\n", "<1>ab", "2031-01-01T00:00:00Z c d\r\n", "<1>with\nlf!", long[:1000], long[:1000], "last"}
	for i, w := range want {
		got, cut, _ := readFrame(r, 1000)
		if string(got) != w || cut != (len(w) == 1000) {
			t.Errorf("frame %d = %.40q (%d bytes, cut %t), want %.40q", i, got, len(got), cut, w)
		}
	}
}

type shelf struct {
	mu    sync.Mutex
	rows  map[string]int
	all   []storage.Alarm
	stats []storage.SyslogStats
	// closed is how often lines are still refused.
	closed int
}

func (s *shelf) PublishRows(_ context.Context, _, table string, rows any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := rows.(type) {
	case []storage.SyslogLine:
		if s.closed > 0 {
			s.closed--
			return fmt.Errorf("closed: %w", bus.ErrUnavailable)
		}
		s.rows[table] += len(r)
	case []storage.SyslogStats:
		s.stats = append(s.stats, r...)
	case []storage.Alarm:
		s.all = append(s.all, r...)
	default:
		s.rows[table]++
	}
	return nil
}

// TestFiguresOfOneMillisecond: a bridge logs its media modules and its statistics at the same moment; rows of one time would replace each other.
func TestFiguresOfOneMillisecond(t *testing.T) {
	now := time.Date(2031, 4, 2, 9, 17, 0, 0, time.UTC)
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1", URL: "https://cb1"}, {Name: "cb2", URL: "https://cb2"}}}}}, nil)
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	out := &shelf{rows: make(map[string]int)}
	s, err := New(cfg, Deps{Live: live, Publisher: out, Clock: func() time.Time { return now.Add(time.Duration(len(out.stats)) * 100 * time.Microsecond) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, bridge := range []string{"cb1", "cb2"} {
		for _, message := range []string{`media module status 1 (1/1) 1/1 (full media capacity)`, `STATS: {"callLegs":"3/4"}`, `STATS: {"callLegs":"5/6"}`} {
			s.take(t.Context(), "2031-04-02T09:17:00Z user.info "+bridge+" app: "+message, []source{{"emea", bridge}}, "127.0.0.1")
		}
	}
	keys := make(map[string]bool)
	for _, r := range out.stats {
		keys[r.CallBridge+r.Time.Truncate(time.Millisecond).String()] = true
		if r.Time.Sub(now) > 10*time.Millisecond {
			t.Errorf("a figure of %s, long after it was read", r.Time)
		}
	}
	if len(out.stats) != 6 || len(keys) != 6 {
		t.Errorf("%d figures under %d keys, want 6 under 6", len(out.stats), len(keys))
	}
}

func TestServerKeepsLinesAndMakesFacts(t *testing.T) {
	defer goleak.VerifyNone(t)
	inv := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{
		{Name: "cb1", URL: "https://cb1", SyslogSources: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}}}}
	live := collector.NewLive(inv, nil)
	out := &shelf{rows: make(map[string]int)}
	cfg := DefaultConfig()
	cfg.Listen, cfg.Flush = "127.0.0.1:0", 10*time.Millisecond
	s, err := New(cfg, Deps{Live: live, Publisher: out})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "Jan  1 00:00:00 user.info cb1 host:server:  INFO : media module status 1110111 (1111111/1110111) 6/7 (reduced)\n")
	fmt.Fprintf(conn, "Jan  1 00:15:00 user.info cb1 host:server:  INFO : media module status 1111111 (1111111/1111111) 7/7 (full media capacity)\n")
	fmt.Fprintf(conn, "whatever\n")
	conn.Close()
	deadline := time.Now().Add(20 * time.Second)
	for {
		out.mu.Lock()
		n := out.rows[storage.TableSyslog]
		out.mu.Unlock()
		if n == 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d lines published, want 3", n)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if m := live.Snapshot().Bridges[0].MediaModules.Value; m != (collector.MediaModules{Total: 7, Working: 7}) {
		t.Errorf("media modules %+v, want 7 of 7", m)
	}
	if len(out.all) != 2 || out.all[0].Cleared != nil || out.all[1].Cleared == nil || out.all[0].AlarmID != out.all[1].AlarmID {
		t.Errorf("alarms %+v, want one interval, raised and cleared", out.all)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestClosedBusLosesNoLine: lines wait for a bus that takes none for a while, and in the end TCP holds them; a server that ends meanwhile ends.
func TestClosedBusLosesNoLine(t *testing.T) {
	defer goleak.VerifyNone(t)
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{{Name: "cb1", URL: "https://cb1"}, {Name: "cb2", URL: "https://cb2"}}}}}, nil)
	const lines = 12_000 // more than the queue and a batch hold
	for name, c := range map[string]struct{ refusals, want int }{"opens again": {5, lines}, "stays closed": {math.MaxInt, 0}} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Listen, cfg.Flush = "127.0.0.1:0", 10*time.Millisecond
			out := &shelf{rows: make(map[string]int), closed: c.refusals}
			s, err := New(cfg, Deps{Live: live, Publisher: out})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- s.Run(ctx) }()
			<-s.Ready()
			conn, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			var wrote sync.WaitGroup
			wrote.Go(func() {
				defer conn.Close()
				for i := range lines {
					fmt.Fprintf(conn, "Jan  1 00:00:00 user.info cb%d host:server:  INFO : line %d\n", i/100%2+1, i)
				}
			})
			kept := func() int {
				out.mu.Lock()
				defer out.mu.Unlock()
				return out.rows[storage.TableSyslog]
			}
			if c.want > 0 {
				eventually(t, "all lines are kept", func() bool { return kept() >= c.want })
			} else {
				eventually(t, "lines are refused", func() bool { out.mu.Lock(); defer out.mu.Unlock(); return out.closed < c.refusals })
			}
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the server does not end")
			}
			wrote.Wait()
			if got := kept(); got != c.want {
				t.Errorf("%d lines are kept, want %d", got, c.want)
			}
		})
	}
}

func TestStrangersAreRefused(t *testing.T) {
	inv := collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{
		{Name: "cb1", URL: "https://cb1", SyslogSources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}}}}
	cfg := DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	s, err := New(cfg, Deps{Live: collector.NewLive(inv, nil), Publisher: &shelf{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.identify(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}); ok {
		t.Error("127.0.0.1 is allowed, want only 192.0.2.0/24")
	}
	if from, ok := s.identify(&net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.7")}); !ok || len(from) != 1 || from[0].bridge != "cb1" {
		t.Errorf("192.0.2.7 as IPv6: %+v %t, want cb1", from, ok)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("Dec 31 23:59:58 user.info Core1 host:server:  INFO : STATS: {}")
	f.Fuzz(func(t *testing.T, raw string) { Understand(Parse(Mask(raw), now)) })
}
