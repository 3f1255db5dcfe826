package subscriber

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

// TestBridgeWithoutEvents: a bridge that refuses the token, gives none, is too old, closes its doors or is gone: its state says so, the timeline names it, the
// other bridges are followed on, REST fills in where it can, and when it is well again it is followed again.
func TestBridgeWithoutEvents(t *testing.T) {
	sim := simulate(t, cmssim.Config{Seed: 17, Bridges: 2, Preroll: time.Hour, Speed: 60, StopAfter: time.Minute})
	f := follow(t, sim, quick())
	sim.StartStory()
	f.settled()
	if err := sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, f.differs)
	bad := sim.Bridges()[0]
	state := func() (Connection, bool) {
		for _, c := range f.sub.Connections() {
			if c.Bridge == bad.Name {
				for _, b := range f.live.Snapshot().Bridges {
					if b.Bridge == bad.Name {
						return c, b.Events.Value.Connected
					}
				}
			}
		}
		return Connection{}, false
	}
	fault := func(edit func(*cmssim.EventFaults)) func() {
		return func() { bad.Fault(func(f *cmssim.Faults) { edit(&f.Events) }) }
	}
	for _, c := range []struct {
		name, kind string
		break1     func()
		rest       bool // REST tells of it meanwhile
	}{
		{"refuses the token", "refused", fault(func(f *cmssim.EventFaults) { f.RefuseToken = 401 }), true},
		{"gives no token", "refused", fault(func(f *cmssim.EventFaults) { f.OmitToken = true }), true},
		{"is too busy for a token", "refused", fault(func(f *cmssim.EventFaults) { f.RefuseToken = 503 }), true},
		{"refuses requests", "lost", fault(func(f *cmssim.EventFaults) { f.AckStatus = "failure" }), true},
		{"is too old", "unsupported", func() {
			if err := bad.SetRelease("2.3"); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"is away", "refused", func() { bad.Fault(func(f *cmssim.Faults) { f.Down = true }) }, false},
	} {
		before := f.rows.count(bad.Name, c.kind)
		c.break1()
		bad.DropEvents()
		until(t, 30*time.Second, func() string {
			follows, connected := state()
			switch {
			case follows.Phase == events.Live || connected && c.kind != "lost": // refused requests come after each connect
				return fmt.Sprintf("a bridge that %s is %s, connected %t", c.name, follows.Phase, connected)
			case f.rows.count(bad.Name, c.kind) == before:
				return fmt.Sprintf("a bridge that %s is not in the timeline as %s", c.name, c.kind)
			}
			for _, other := range f.sub.Connections() {
				if other.Bridge != bad.Name && other.Phase != events.Live {
					return other.Bridge + " is not followed on"
				}
			}
			calls, _ := f.sub.Calls("sim", bad.Name)
			if len(calls) == 0 {
				return "what was known is gone"
			}
			for _, call := range calls {
				if c.rest && (call.Stale || call.Roster == events.RosterNone) || !c.rest && !call.Stale {
					return fmt.Sprintf("a bridge that %s: call %s is stale: %t, its roster comes from %s", c.name, call.ID, call.Stale, call.Roster)
				}
			}
			return ""
		})
		bad.Fault(func(f *cmssim.Faults) { *f = cmssim.Faults{} })
		if err := bad.SetRelease("3.8"); err != nil {
			t.Fatal(err)
		}
		f.settled()
		until(t, 30*time.Second, f.differs)
	}

	// A restart ends its calls, and no participant of them stays behind.
	bad.Restart()
	until(t, 30*time.Second, func() string {
		if s := f.differs(); s != "" {
			return s
		}
		calls, _ := f.sub.Calls("sim", bad.Name)
		if f.rows.count(bad.Name, "call_ended") == 0 || len(calls) != len(bad.EventTruth()) {
			return "the calls of before the restart are there"
		}
		return ""
	})
}

// TestQuietBridge: without a word from the bridge, and without an answer to a ping, nothing is taken for a fault; probes are answered.
func TestQuietBridge(t *testing.T) {
	sim := simulate(t, cmssim.Config{Seed: 3, Bridges: 1, Volume: 0.0001, Preroll: time.Minute, Speed: 1})
	cfg := quick()
	cfg.Protocol.Probe, cfg.Protocol.AckTimeout = 100*time.Millisecond, 5*time.Second
	f := follow(t, sim, cfg)
	sim.StartStory()
	f.settled()
	until(t, 30*time.Second, func() string {
		if n := f.sub.Connections()[0].Stats.Probes; n < 10 {
			return fmt.Sprintf("%d probes", n)
		}
		return ""
	})
	if s := sim.Bridges()[0].EventStats(); s.Connections != 1 || s.Open != 1 {
		t.Errorf("the connection was given up: %+v", s)
	}
}

// fakeBridge answers tokens and hands each socket to a script: for what the simulator does not do.
func fakeBridge(t *testing.T, script func(*websocket.Conn)) (*Subscriber, *collector.Live) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/authTokens", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(tokenHeader, "a token & more") })
	mux.HandleFunc("GET /events/v1", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("authToken") != "a token & more" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var upgrader websocket.Upgrader
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		script(ws)
	})
	server := httptest.NewServer(mux)
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "fake", LicensePool: "main", Bridges: []collector.Bridge{{Name: "cb", URL: server.URL}}}}}, nil)
	cfg := quick()
	cfg.MaxFrame, cfg.MaxQueue = 1<<20, 4<<20
	sub, err := New(cfg, Deps{Live: live})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sub.RunCluster(ctx, "fake") }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("RunCluster: %v", err)
		}
		server.CloseClientConnections()
		server.Close()
	})
	return sub, live
}

// TestHostileBridge: what cannot be understood, is too large or is no text ends the connection, and another is tried; nothing else happens.
func TestHostileBridge(t *testing.T) {
	for name, send := range map[string]func(*websocket.Conn) error{
		"no JSON": func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.TextMessage, []byte("hello")) },
		"deep JSON": func(ws *websocket.Conn) error {
			return ws.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("[", 100_000)))
		},
		"binary":    func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.BinaryMessage, []byte{1, 2}) },
		"too large": func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.TextMessage, make([]byte, 2<<20)) },
		"a close": func(ws *websocket.Conn) error {
			return ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4711, "go away"))
		},
		"nothing": func(*websocket.Conn) error { return nil },
		"no list": func(ws *websocket.Conn) error {
			return ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"message","message":{"messageId":1,"type":"subscriptionUpdate","subscriptions":7}}`))
		},
		"end of list": func(ws *websocket.Conn) error {
			return ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"message","message":{"messageId":1,"type":"subscriptionUpdate","subscriptions":[{"index":1,"state":"deactivated"}]}}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sockets atomic.Int64
			fakeBridge(t, func(ws *websocket.Conn) {
				sockets.Add(1)
				_ = send(ws)
				if name != "nothing" {
					_, _, _ = ws.ReadMessage()
					_, _, _ = ws.ReadMessage()
				}
			})
			until(t, 30*time.Second, func() string {
				if n := sockets.Load(); n < 3 {
					return fmt.Sprintf("%d connections", n)
				}
				return ""
			})
		})
	}
}

// TestAcknowledgedAtOnce: every message is acknowledged, in order and at once, while the one who looks at them is held up; a ping is answered by the same writer.
func TestAcknowledgedAtOnce(t *testing.T) {
	const many = 3000
	acked := make(chan int64, many)
	pong := make(chan string, 1)
	sub, _ := fakeBridge(t, func(ws *websocket.Conn) {
		ws.SetPongHandler(func(data string) error { pong <- data; return nil })
		_ = ws.WriteControl(websocket.PingMessage, []byte("there?"), time.Now().Add(time.Second))
		go func() {
			for i := range many {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(fmt.Sprintf(`{"type":"message","message":{"messageId":%d,"type":"maintenanceNotice"}}`, i+1)))
			}
		}()
		for {
			var in struct {
				MessageAck *struct{ MessageID int64 }
			}
			if ws.ReadJSON(&in) != nil {
				return
			}
			if in.MessageAck != nil {
				acked <- in.MessageAck.MessageID
			}
		}
	})
	until(t, 10*time.Second, func() string {
		if len(sub.of("")) == 0 {
			return "no session"
		}
		return ""
	})
	held := sub.of("")[0]
	held.mu.Lock() // whoever looks at the frames is stuck
	defer held.mu.Unlock()
	for i := range int64(many) {
		select {
		case id := <-acked:
			if id != i+1 {
				t.Fatalf("acknowledged %d after %d", id, i)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d acknowledged", i, many)
		}
	}
	select {
	case data := <-pong:
		if data != "there?" {
			t.Errorf("answered %q", data)
		}
	case <-time.After(20 * time.Second):
		t.Error("the ping is not answered")
	}
}
