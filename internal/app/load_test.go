package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// loadVariable makes the test binary act as a simulated cluster under load, so that what the simulator needs is not counted as ours: a loadCase as JSON.
const loadVariable = "BRIDGEWATCH_TEST_LOAD"

type loadCase struct {
	Dir            string
	Volume, Crowd  float64
	UpdatesASecond int
}

// loadLine is what the simulated cluster prints: now and then an update that it has just sent, and once a second the sums of its bridges.
type loadLine struct {
	Spoken *cmssim.Spoken
	Stats  *loadStats
}

type loadStats struct {
	cmssim.EventStats
	Calls, People int
	CPU           time.Duration
}

func loadForTest(text string) error {
	var c loadCase
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	const bridges, samples = 24, 5 // samples a second
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	say := func(l loadLine) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(l)
	}
	var sampled time.Time
	sim, err := cmssim.New(cmssim.Config{Seed: 24, Bridges: bridges, Volume: c.Volume, Crowd: c.Crowd, Hold: true, Spoke: func(s cmssim.Spoken) {
		mu.Lock()
		due := time.Since(sampled) >= time.Second/samples
		if due {
			sampled = time.Now()
		}
		mu.Unlock()
		if due {
			say(loadLine{Spoken: &s})
		}
	}})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whoever started us is gone
		stop()
	}()
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	<-sim.Ready()
	for _, b := range sim.Bridges() {
		b.Fault(func(f *cmssim.Faults) { f.Events.SpeakersPerSecond = c.UpdatesASecond / bridges })
	}
	if _, err := writeDemoConfig(c.Dir, sim); err != nil {
		return err
	}
	sim.StartStory()
	for tick := time.NewTicker(time.Second); ; {
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
		s := loadStats{}
		for _, b := range sim.Bridges() {
			e := b.EventStats()
			s.Connections, s.Open, s.Sent, s.Acked, s.BadAcks = s.Connections+e.Connections, s.Open+e.Open, s.Sent+e.Sent, s.Acked+e.Acked, s.BadAcks+e.BadAcks
			s.Silenced, s.Requests = s.Silenced+e.Silenced, s.Requests+e.Requests
		}
		for _, m := range sim.Meetings() {
			s.Calls += len(m.Calls)
			s.People += len(m.People)
		}
		s.CPU, _ = processorTime(os.Getpid())
		say(loadLine{Stats: &s})
	}
}

// processorTime is what a process has used so far, its resident memory too (bytes).
func processorTime(pid int) (time.Duration, int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Linux runs
	return time.Duration(user+system) * tick, pages * int64(os.Getpagesize())
}

// TestEventsLoad: 24 bridges with 21,000 participants and 2,000 updates a second, followed by a process of its own that stores and serves too: no message is
// left unacknowledged, no connection given up, and what a bridge tells is in the API's answers within a second.
func TestEventsLoad(t *testing.T) {
	text := os.Getenv("BRIDGEWATCH_EVENTS_BENCH")
	if text == "" {
		t.Skip("takes minutes; make bench-events runs it")
	}
	length, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		volume, crowd float64
	}{{"40 meetings a bridge", 1.45, 12.5}, {"400 meetings a bridge", 19, 0.47}} {
		if only := os.Getenv("BRIDGEWATCH_EVENTS_BENCH_ONLY"); only == "" || strings.HasPrefix(c.name, only) {
			t.Run(c.name, func(t *testing.T) {
				load(t, loadCase{Dir: t.TempDir(), Volume: c.volume, Crowd: c.crowd, UpdatesASecond: 2000}, length)
			})
		}
	}
}

func load(t *testing.T, c loadCase, length time.Duration) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	setting, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	sim := exec.Command(self)
	sim.Env, sim.Stderr = append(os.Environ(), loadVariable+"="+string(setting)), os.Stderr
	lines, err := sim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	alive, err := sim.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { alive.Close(); _ = sim.Wait() })
	d := &deployment{t: t, dir: c.Dir, path: filepath.Join(c.Dir, "bridgewatch.yml")}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if _, err := config.Load(d.path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the simulated cluster is not ready after two minutes")
		}
	}
	d.takeOtherPorts()
	settings, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.roles = "subscribe,store,expose"
	d.serve()
	m := &measurement{t: t, base: "http://" + settings.HTTP.Listen, spoken: make(chan cmssim.Spoken, 1000), stats: make(chan loadStats, 1000)}
	go m.read(lines)
	m.settle()
	m.run(length, d.cmd.Process.Pid)
}

type measurement struct {
	t      *testing.T
	base   string
	spoken chan cmssim.Spoken
	stats  chan loadStats
}

func (m *measurement) read(lines io.Reader) {
	defer close(m.stats)
	for in := json.NewDecoder(bufio.NewReader(lines)); ; {
		var l loadLine
		if in.Decode(&l) != nil {
			return
		}
		if l.Stats != nil {
			select {
			case m.stats <- *l.Stats:
			default: // nobody reads them now
			}
		}
		if l.Spoken != nil {
			select {
			case m.spoken <- *l.Spoken:
			default:
			}
		}
	}
}

// settle waits until all bridges are followed and the rate of messages is that of every day: snapshots are over.
func (m *measurement) settle() {
	deadline := time.Now().Add(4 * time.Minute)
	for {
		calls, err := everyCall(m.t, m.base, "active=true")
		followed := map[string]bool{}
		unknown := 0
		for _, c := range calls {
			followed[c.CallBridge] = true
			if c.Live == nil || c.Live.Roster == "none" {
				unknown++
			}
		}
		if err == nil && len(followed) == 24 && unknown*20 <= len(calls) { // there are always some that have just begun
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("%d bridges are followed, %d calls without a roster: %v", len(followed), unknown, err)
		}
		time.Sleep(2 * time.Second)
	}
}

// run measures for a while and holds the figures against what is wanted.
func (m *measurement) run(length time.Duration, pid int) {
	for len(m.stats) > 0 {
		<-m.stats
	}
	for len(m.spoken) > 0 {
		<-m.spoken
	}
	first := <-m.stats
	cpu, _ := processorTime(pid)
	began := time.Now()
	var last loadStats
	var took []time.Duration
	var early, most int64
	lost := 0
	for time.Since(began) < length {
		select {
		case s, open := <-m.stats:
			if !open {
				m.t.Fatal("the simulated cluster is gone")
			}
			last = s
			if _, resident := processorTime(pid); resident > most {
				most = resident
			}
			if early == 0 && time.Since(began) > length/10 {
				_, early = processorTime(pid)
			}
		case s := <-m.spoken:
			if d, seen := m.seen(s); seen {
				took = append(took, d)
			} else {
				lost++
			}
		}
	}
	used, resident := processorTime(pid)
	elapsed := time.Since(began)
	slices.Sort(took)
	if len(took) == 0 {
		m.t.Fatal("no update was seen")
	}
	at := func(share float64) time.Duration {
		return took[min(len(took)-1, int(share*float64(len(took))))].Round(time.Millisecond)
	}
	cores := float64(used-cpu) / float64(elapsed)
	m.t.Logf("%d calls, %d participants; %.0f messages a second for %s", last.Calls, last.People, float64(last.Sent-first.Sent)/elapsed.Seconds(), elapsed.Round(time.Second))
	m.t.Logf("messages %d, unacknowledged at the end %d, out of order %d, connections %d, silenced %d, requests %d",
		last.Sent-first.Sent, last.Sent-last.Acked, last.BadAcks, last.Connections, last.Silenced, last.Requests-first.Requests)
	m.t.Logf("update to API: median %s, p95 %s, p99 %s, most %s of %d; overtaken by the next %d", at(0.5), at(0.95), at(0.99), at(1), len(took), lost)
	m.t.Logf("processor: %.2f cores (following, storing, serving), the simulator beside it %.2f; memory: %d MiB early, %d MiB at the end, %d MiB at most",
		cores, float64(last.CPU-first.CPU)/float64(elapsed), early>>20, resident>>20, most>>20)
	switch {
	case last.BadAcks != 0 || last.Silenced != 0 || last.Sent-last.Acked > 200:
		m.t.Errorf("acknowledgements: %+v", last)
	case last.Connections != 24:
		m.t.Errorf("%d connections, want one a bridge", last.Connections)
	case at(0.95) >= time.Second:
		m.t.Errorf("p95 is %s, want less than a second", at(0.95))
	case cores >= 1:
		m.t.Errorf("%.2f cores, want less than one", cores)
	case lost > len(took)/10:
		m.t.Errorf("%d of %d updates were never seen", lost, lost+len(took))
	}
}

// seen waits until the API's answer has an update. One that is overtaken by the next change of the same participant cannot be seen any more.
func (m *measurement) seen(s cmssim.Spoken) (time.Duration, bool) {
	address := m.base + "/api/v1/calls?active=true&bridge=" + url.QueryEscape(s.Bridge) + "&q=" + url.QueryEscape(s.Name)
	for time.Since(s.At) < 5*time.Second {
		response, err := http.Get(address)
		if err != nil {
			m.t.Fatal(err)
		}
		var page struct {
			Items []struct {
				ID           string `json:"id"`
				Participants []struct {
					ID            string `json:"id"`
					ActiveSpeaker *bool  `json:"active_speaker"`
				} `json:"participants"`
			} `json:"items"`
		}
		err = json.NewDecoder(response.Body).Decode(&page)
		response.Body.Close()
		if err != nil {
			m.t.Fatal(err)
		}
		for _, c := range page.Items {
			for _, p := range c.Participants {
				if c.ID == s.Call && p.ID == s.Participant && p.ActiveSpeaker != nil && *p.ActiveSpeaker == s.Speaking {
					return time.Since(s.At), true
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0, false
}
