package subscriber

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// simulate starts a simulated deployment; its story is held until StartStory.
func simulate(t *testing.T, cfg cmssim.Config) *cmssim.Sim {
	t.Helper()
	cfg.Hold = true
	sim, err := cmssim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the simulator: %v", err)
		}
	})
	select {
	case <-sim.Ready():
	case <-time.After(time.Minute):
		t.Fatal("the simulator is not ready after a minute")
	}
	return sim
}

// inventoryOf is the simulated deployment as the configuration would name it.
func inventoryOf(t *testing.T, sim *cmssim.Sim) collector.Inventory {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, sim.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := collector.Cluster{Name: "sim", LicensePool: "main"}
	for _, b := range sim.Bridges() {
		cluster.Bridges = append(cluster.Bridges, collector.Bridge{Name: b.Name, URL: b.URL(), Username: b.Username, Password: collector.Secret(b.Password), TLS: collector.TLS{CAFile: ca}})
	}
	return collector.Inventory{Clusters: []collector.Cluster{cluster}}
}

// quick makes what takes minutes take seconds.
func quick() Config {
	cfg := DefaultConfig()
	cfg.BackoffMin, cfg.BackoffMax, cfg.Unsupported = 20*time.Millisecond, 200*time.Millisecond, 300*time.Millisecond
	cfg.Reconcile, cfg.RESTEvery, cfg.RESTDoubt = time.Hour, time.Second, 300*time.Millisecond
	cfg.Publish, cfg.Renew = 50*time.Millisecond, time.Hour
	cfg.Protocol.Collect, cfg.Protocol.Settle, cfg.Protocol.PendingTimeout = 20*time.Millisecond, 500*time.Millisecond, time.Second
	return cfg
}

// bench is a subscriber at work on a simulated deployment.
type follower struct {
	t    *testing.T
	sim  *cmssim.Sim
	sub  *Subscriber
	live *collector.Live
	rows *rows
	stop func()
}

func follow(t *testing.T, sim *cmssim.Sim, cfg Config) *follower {
	t.Helper()
	f := &follower{t: t, sim: sim, live: collector.NewLive(inventoryOf(t, sim), nil), rows: &rows{}}
	names := map[string]string{}
	for _, b := range sim.World().Clusters[0].Bridges {
		names[b.Name] = b.ID.String()
	}
	var lanes poller.Lanes
	sub, err := New(cfg, Deps{Live: f.live, Publisher: f.rows, REST: func(b collector.Bridge) (REST, error) {
		c, err := poller.NewClient(b, 0)
		if err == nil {
			lanes.Join(c)
		}
		return c, err
	}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	f.sub = sub
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sub.RunCluster(ctx, "sim") }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("RunCluster: %v", err)
		}
	})
	t.Cleanup(f.stop)
	// As with a poller, what the bridges are called is learnt while they are followed already.
	learn := time.AfterFunc(2*time.Second, func() { f.live.UpdateCluster("sim", func(s *collector.ClusterState) { s.GUIDs = names }) })
	t.Cleanup(func() { learn.Stop() })
	return f
}

// until waits for something that must come to be, and says what is wrong if it does not.
func until(t *testing.T, limit time.Duration, wrong func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = wrong(); last == "" {
			return
		}
	}
	t.Fatalf("after %s: %s", limit, last)
}

// settled waits until every bridge is live.
func (f *follower) settled() {
	f.t.Helper()
	until(f.t, time.Minute, func() string {
		connections := f.sub.Connections()
		if len(connections) < len(f.sim.Bridges()) {
			return fmt.Sprintf("%d bridges are followed", len(connections))
		}
		for _, c := range connections {
			if c.Phase != events.Live {
				return fmt.Sprintf("%s is %s %+v", c.Bridge, c.Phase, c.Stats)
			}
		}
		return ""
	})
}

// differs holds what the subscriber knows of every bridge against the simulator's truth, element by element.
func (f *follower) differs() string {
	for _, b := range f.sim.Bridges() {
		known := map[string]any{}
		calls, _ := f.sub.Calls("sim", b.Name)
		for _, c := range calls {
			people := map[string]any{}
			for _, p := range c.People {
				if p.Stale {
					return fmt.Sprintf("%s: %s is stale", b.Name, p.ID)
				}
				people[p.ID] = map[string]string{"name": p.Name, "uri": p.URI, "state": p.State, "direction": p.Direction, "audioMuted": text(p.AudioMuted),
					"videoMuted": text(p.VideoMuted), "layout": p.Layout, "presenter": text(p.Presenter), "canMove": text(p.CanMove), "moved": p.MovedParticipant}
			}
			known[c.ID] = map[string]any{"name": c.Name, "participants": number(c.Participants), "distributedInstances": number(c.DistributedInstances),
				"recording": c.Recording, "streaming": c.Streaming, "lockState": c.LockState, "callType": c.Type, "callCorrelator": c.Correlator, "people": people}
		}
		truth := map[string]any{}
		for _, c := range b.EventTruth() {
			people := map[string]any{}
			for id, p := range c.Roster {
				who := map[string]string{"moved": plain(p["movedParticipant"])}
				for _, name := range []string{"name", "uri", "state", "direction", "audioMuted", "videoMuted", "layout", "presenter", "canMove"} {
					who[name] = plain(p[name])
				}
				people[id] = who
			}
			call := map[string]any{"people": people}
			for _, name := range []string{"name", "participants", "distributedInstances", "recording", "streaming", "lockState", "callType", "callCorrelator"} {
				call[name] = plain(c.Info[name])
			}
			truth[c.ID] = call
		}
		if diff := cmp.Diff(truth, known); diff != "" {
			return fmt.Sprintf("%s (-truth +known):\n%s", b.Name, diff)
		}
	}
	return ""
}

func text(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func plain(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// rows keeps what was published, as the bus would: through JSON.
type rows struct {
	mu    sync.Mutex
	event []storage.Event
	stays map[string]storage.ParticipantStay
	fail  bool
}

func (r *rows) PublishRows(_ context.Context, subject, table string, list any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail {
		return fmt.Errorf("the bus is away")
	}
	if !strings.HasPrefix(subject, "cms.events.") {
		return fmt.Errorf("subject %s", subject)
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(storage.Tables(), func(t storage.Table) bool { return t.Name == table })
	decoded, err := storage.Tables()[i].Decode(text)
	if err != nil {
		return err
	}
	for _, row := range decoded {
		switch row := row.(type) {
		case *storage.Event:
			r.event = append(r.event, *row)
		case *storage.ParticipantStay:
			key := fmt.Sprint(row.CallBridge, row.CallID, row.ParticipantID, row.Joined)
			if old, known := r.stays[key]; !known || old.Version <= row.Version {
				if r.stays == nil {
					r.stays = map[string]storage.ParticipantStay{}
				}
				r.stays[key] = *row
			}
		}
	}
	return nil
}

// count counts the timeline's entries of a kind, of all bridges where bridge is empty.
func (r *rows) count(bridge, kind string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.event {
		if e.Kind == kind && (bridge == "" || e.CallBridge == bridge) {
			n++
		}
	}
	return n
}

// TestFollows: a story of a quarter of an hour, told at speed, is known to the last mute once it stands still; the hosts are known over REST; the live state
// has the sums, and the rows have every stay.
func TestFollows(t *testing.T) {
	sim := simulate(t, cmssim.Config{Seed: 13, Bridges: 3, Preroll: time.Hour, Speed: 200, StopAfter: 15 * time.Minute})
	f := follow(t, sim, quick())
	sim.StartStory()
	f.settled()
	if err := sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, f.differs)

	// Meetings over bridges, each participant once and on the bridge that hosts him.
	until(t, 30*time.Second, func() string {
		known, truth := map[string]string{}, map[string]string{}
		for _, m := range f.sub.Meetings("sim") {
			for _, p := range m.Participants {
				if p.Here() && events.CaptureOf(&p.Participant) == events.NoCapture {
					known[m.Correlator+" "+p.ID] = p.HostBridge
				}
			}
		}
		distributed := 0
		for _, m := range sim.Meetings() {
			if len(m.Calls) > 1 {
				distributed++
			}
			for id, bridge := range m.People {
				truth[m.Correlator+" "+id] = bridge
			}
		}
		if distributed == 0 {
			t.Fatal("no meeting spans bridges: the test shows nothing")
		}
		return cmp.Diff(truth, known)
	})

	// The sums of the live state.
	hosts := map[string]int64{}
	for _, m := range sim.Meetings() {
		for _, bridge := range m.People {
			hosts[bridge]++
		}
	}
	until(t, 10*time.Second, func() string {
		for _, b := range f.live.Snapshot().Bridges {
			var people int64
			for _, n := range b.Participants.Value {
				people += n
			}
			if b.Participants.At.IsZero() || people != hosts[b.Bridge] {
				return fmt.Sprintf("%s: %d people known, %d are there", b.Bridge, people, hosts[b.Bridge])
			}
			if !b.Events.Value.Connected || b.Events.Value.LastMessage.IsZero() {
				return b.Bridge + " is not shown as connected"
			}
			if calls := b.EventCalls.Value; int(calls.Total) != len(simBridge(sim, b.Bridge).EventTruth()) {
				return fmt.Sprintf("%s: %d calls", b.Bridge, calls.Total)
			}
		}
		return ""
	})

	// Every acknowledgement in order, none missing.
	for _, b := range sim.Bridges() {
		until(t, 10*time.Second, func() string {
			s := b.EventStats()
			if s.BadAcks != 0 || s.Acked < s.Sent-2 || s.Silenced != 0 || s.Connections != 1 { // chatter goes on
				return fmt.Sprintf("%s: %+v", b.Name, s)
			}
			return ""
		})
	}

	// Once it is over, everybody who is there has an open stay, with the bridge that hosts him, and all stays are of calls that were.
	f.stop()
	open, place := map[string]bool{}, map[string]string{}
	for _, m := range sim.Meetings() {
		for id, bridge := range m.People {
			place[id] = bridge
		}
	}
	f.rows.mu.Lock()
	defer f.rows.mu.Unlock()
	for _, s := range f.rows.stays {
		if s.Left == nil {
			open[s.CallBridge+" "+s.CallID.String()+" "+s.ParticipantID.String()] = true
			// Who came at the very end is written before the API has told where he is.
			if late := s.HostBridge == "" && time.Since(s.Joined) < time.Minute; s.Capture == "" && s.HostBridge != place[s.ParticipantID.String()] && !late {
				t.Errorf("%s is on %q, in the rows on %q", s.Name, place[s.ParticipantID.String()], s.HostBridge)
			}
		}
		if s.CallCorrelator == uuid.Nil || s.Joined.IsZero() || s.Left != nil && s.Left.Before(s.Joined) {
			t.Errorf("stay %+v", s)
		}
	}
	there := map[string]bool{}
	for _, b := range sim.Bridges() {
		for _, c := range b.EventTruth() {
			for id := range c.Roster {
				there[b.Name+" "+c.ID+" "+id] = true
			}
		}
	}
	if diff := cmp.Diff(there, open); diff != "" {
		t.Errorf("open stays (-there +open):\n%s", diff)
	}
	if len(f.rows.stays) <= len(open) {
		t.Errorf("%d stays, all of them open", len(f.rows.stays))
	}
}

func simBridge(sim *cmssim.Sim, name string) *cmssim.Bridge {
	return sim.Bridges()[slices.IndexFunc(sim.Bridges(), func(b *cmssim.Bridge) bool { return b.Name == name })]
}
