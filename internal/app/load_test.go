package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
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
	SampleFrom     int // people in the roster of an update that is looked for: in a small one the next change of the same person follows at once
}

// loadLine is what the simulated cluster prints: now and then an update that it has just sent, that such a one was changed again, and once a second the sums
// of its bridges.
type loadLine struct {
	Spoken    *cmssim.Spoken
	Overtaken bool
	Stats     *loadStats
}

// updateOf is what an update is about: a participant in a call's roster.
type updateOf struct{ Bridge, Call, Participant string }

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
	say := func(l loadLine) { _ = out.Encode(l) }
	var sampled time.Time
	watched := map[updateOf]time.Time{} // what was sampled and may still be looked for
	sim, err := cmssim.New(cmssim.Config{Seed: 24, Bridges: bridges, Volume: c.Volume, Crowd: c.Crowd, Hold: true, Spoke: func(s cmssim.Spoken) {
		mu.Lock()
		defer mu.Unlock()
		of := updateOf{s.Bridge, s.Call, s.Participant}
		if _, again := watched[of]; again {
			delete(watched, of)
			say(loadLine{Spoken: &s, Overtaken: true})
			return
		}
		if s.Name == "" || s.Roster < c.SampleFrom || time.Since(sampled) < time.Second/samples {
			return
		}
		sampled = time.Now()
		maps.DeleteFunc(watched, func(_ updateOf, at time.Time) bool { return sampled.Sub(at) > seenWithin })
		watched[of] = sampled
		say(loadLine{Spoken: &s})
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
	if profile := os.Getenv(profileVariable); profile != "" {
		go profileOnSignal(profile + ".simulator")
	}
	for _, b := range sim.Bridges() {
		b.Fault(func(f *cmssim.Faults) { f.Events.SpeakersPerSecond = (c.UpdatesASecond + bridges - 1) / bridges })
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
		s.Calls, s.People = sim.Size()
		s.CPU, _ = processorTime(os.Getpid())
		mu.Lock()
		say(loadLine{Stats: &s})
		mu.Unlock()
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
		sampleFrom    int
	}{{"40 meetings a bridge", 1.5, 15, 20}, {"400 meetings a bridge", 19.5, 0.44, 6}} { // from the first minute on at least 21,000 people
		if only := os.Getenv("BRIDGEWATCH_EVENTS_BENCH_ONLY"); only == "" || strings.HasPrefix(c.name, only) {
			t.Run(c.name, func(t *testing.T) {
				load(t, loadCase{Dir: t.TempDir(), Volume: c.volume, Crowd: c.crowd, UpdatesASecond: 2000, SampleFrom: c.sampleFrom}, length)
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
	m := &measurement{
		t: t, base: "http://" + settings.HTTP.Listen, stats: make(chan loadStats, 1000), seen: make(chan sighting, 1000), looking: map[updateOf]context.CancelFunc{},
		program: d.cmd.Process, simulator: sim.Process, engine: engineProcess(t, d.cmd.Process.Pid), wanted: c,
	}
	go m.read(lines)
	m.settle()
	m.run(length)
}

// measurement holds a process that follows the simulated cluster against what the cluster says of itself.
type measurement struct {
	t         *testing.T
	base      string
	program   *os.Process
	engine    int // the process of the embedded store
	wanted    loadCase
	simulator *os.Process
	stats     chan loadStats
	seen      chan sighting

	mu      sync.Mutex
	began   bool
	looking map[updateOf]context.CancelFunc
}

// sighting is how long it took until the API's answer had an update; or it was overtaken by the next change of the same thing, and cannot be seen any more.
type sighting struct {
	took      time.Duration
	overtaken bool
	err       error
}

// seenWithin is how long an update is looked for. What is not seen until then counts as so much.
const seenWithin = 5 * time.Second

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
			m.look(*l.Spoken, l.Overtaken)
		}
	}
}

// look begins to look for an update, each by itself: one that takes long keeps nobody from seeing that the next ones do as well.
func (m *measurement) look(s cmssim.Spoken, overtaken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := updateOf{s.Bridge, s.Call, s.Participant}
	if stop := m.looking[of]; stop != nil && overtaken {
		stop()
	}
	if overtaken || !m.began {
		return
	}
	ctx, stop := context.WithDeadline(m.t.Context(), s.At.Add(seenWithin))
	m.looking[of] = stop
	go func() {
		found := m.find(ctx, s)
		m.mu.Lock()
		delete(m.looking, of)
		m.mu.Unlock()
		stop()
		m.seen <- found
	}()
}

// find asks the API until its answer has an update.
func (m *measurement) find(ctx context.Context, s cmssim.Spoken) sighting {
	address := m.base + "/api/v1/calls?active=true&limit=1000&bridge=" + url.QueryEscape(s.Bridge) + "&q=" + url.QueryEscape(s.Name)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 160*time.Millisecond) {
		there, err := m.has(ctx, address, s)
		switch {
		case there:
			return sighting{took: time.Since(s.At)}
		case errors.Is(ctx.Err(), context.Canceled):
			return sighting{overtaken: true}
		case ctx.Err() != nil:
			return sighting{took: seenWithin}
		case err != nil:
			return sighting{err: err}
		}
		time.Sleep(pause)
	}
}

func (m *measurement) has(ctx context.Context, address string, s cmssim.Spoken) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	var page struct {
		Error string `json:"error"`
		Items []struct {
			ID           string `json:"id"`
			Participants []struct {
				ID            string `json:"id"`
				ActiveSpeaker *bool  `json:"active_speaker"`
			} `json:"participants"`
		} `json:"items"`
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil || page.Error != "" {
		return false, fmt.Errorf("calls: status %d %s: %w", response.StatusCode, page.Error, err)
	}
	for _, c := range page.Items {
		for _, p := range c.Participants {
			if c.ID == s.Call && p.ID == s.Participant && p.ActiveSpeaker != nil && *p.ActiveSpeaker == s.Speaking {
				return true, nil
			}
		}
	}
	return false, nil
}

// exposed sums the series of each metric.
func (m *measurement) exposed() map[string]float64 {
	response, err := http.Get(m.base + "/metrics")
	if err != nil {
		m.t.Fatal(err)
	}
	defer response.Body.Close()
	sums := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		name, _, labelled := strings.Cut(series, "{")
		if !labelled {
			name, value, _ = strings.Cut(lines.Text(), " ")
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			sums[name] += number
		}
	}
	return sums
}

// settle waits until all bridges are followed and the cluster has as many people as are wanted; and for a while until nearly all of them are known, as REST, which
// tells where they are, takes its time on a busy machine.
func (m *measurement) settle() {
	var last loadStats
	for began := time.Now(); ; time.Sleep(2 * time.Second) {
		for len(m.stats) > 0 {
			last = <-m.stats
		}
		known := m.exposed()
		followed := last.People >= wantedPeople+wantedPeople/70 && known["cms_events_connected"] == 24
		waited := time.Since(began)
		if followed && (known["cms_participants"] >= 0.97*float64(last.People) || waited > 4*time.Minute) {
			m.t.Logf("settled after %s, %.0f of %d participants in cms_participants", waited.Round(time.Second), known["cms_participants"], last.People)
			return
		}
		if waited > 10*time.Minute {
			m.t.Fatalf("%.0f bridges are followed, %.0f participants known of %d, of %d wanted", known["cms_events_connected"], known["cms_participants"], last.People, wantedPeople)
		}
	}
}

// ackWithin is how long after the end the last message sent before it may be without its acknowledgement: a simulated bridge falls silent after as long.
const ackWithin = 10 * time.Second

// wantedPeople are in the cluster's meetings at each moment that is measured.
const wantedPeople = 21_000

// usage is what the processes have used up to now, and hold.
type usage struct {
	program, engine             time.Duration
	programMemory, engineMemory int64
}

func (m *measurement) usage() (u usage) {
	u.program, u.programMemory = processorTime(m.program.Pid)
	u.engine, u.engineMemory = processorTime(m.engine)
	return u
}

// run measures for a while and holds the figures against what is wanted.
func (m *measurement) run(length time.Duration) {
	for len(m.stats) > 0 {
		<-m.stats
	}
	first := <-m.stats
	m.mu.Lock()
	m.began = true
	m.mu.Unlock()
	m.profile()
	start, began := m.usage(), time.Now()
	var last loadStats
	var early, most usage
	var heap, known float64
	fewest := first.People
	var took []time.Duration
	overtaken := 0
	for time.Since(began) < length {
		select {
		case s, open := <-m.stats:
			if !open {
				m.t.Fatal("the simulated cluster is gone")
			}
			last, fewest = s, min(fewest, s.People)
			now := m.usage()
			most.programMemory, most.engineMemory = max(most.programMemory, now.programMemory), max(most.engineMemory, now.engineMemory)
			if early == (usage{}) && time.Since(began) > length/10 {
				early = now
			}
			if sums := m.exposed(); len(sums) > 0 { // as a Prometheus does, if more often
				heap, known = max(heap, sums["go_memstats_heap_inuse_bytes"]), max(known, sums["cms_participants"])
			}
		case s := <-m.seen:
			switch {
			case s.err != nil:
				m.t.Fatal(s.err)
			case s.overtaken:
				overtaken++
			default:
				took = append(took, s.took)
			}
		}
	}
	end, elapsed := m.usage(), time.Since(began)
	m.profile()
	acked := last.Acked
	for deadline := time.Now().Add(ackWithin); acked < last.Sent && time.Now().Before(deadline); acked = (<-m.stats).Acked {
	}
	slices.Sort(took)
	if len(took) == 0 {
		m.t.Fatal("no update was seen")
	}
	at := func(share float64) time.Duration {
		return took[min(len(took)-1, int(share*float64(len(took))))].Round(time.Millisecond)
	}
	cores := func(used time.Duration) float64 { return float64(used) / float64(elapsed) }
	sent := last.Sent - first.Sent
	rate := float64(sent) / elapsed.Seconds()
	program, store := cores(end.program-start.program), cores(end.engine-start.engine)
	m.t.Logf("%d calls, %d participants at the end, %d at least, %.0f at most in cms_participants; %.0f messages a second for %s", last.Calls, last.People, fewest, known, rate, elapsed.Round(time.Second))
	m.t.Logf("messages %d, on their way at the end %d, never acknowledged %d, out of order %d, connections %d, silenced %d, requests %d",
		sent, last.Sent-last.Acked, max(0, last.Sent-acked), last.BadAcks, last.Connections, last.Silenced, last.Requests-first.Requests)
	m.t.Logf("update to API: median %s, p95 %s, p99 %s, most %s of %d; overtaken by the next %d", at(0.5), at(0.95), at(0.99), at(1), len(took), overtaken)
	m.t.Logf("processor: %.2f cores (following, serving), the store's process %.2f; the simulator beside them %.2f", program, store, cores(last.CPU-first.CPU))
	m.t.Logf("memory: %d MiB early, %d MiB at the end, %d MiB at most, of it heap %.0f MiB; the store's process %d MiB, %d MiB, %d MiB",
		early.programMemory>>20, end.programMemory>>20, most.programMemory>>20, heap/(1<<20), early.engineMemory>>20, end.engineMemory>>20, most.engineMemory>>20)
	for _, wrong := range []struct {
		is   bool
		what string
	}{
		{last.BadAcks != 0 || last.Silenced != 0 || acked < last.Sent, fmt.Sprintf("acknowledgements: %+v", last)},
		{last.Connections != 24, fmt.Sprintf("%d connections, want one a bridge", last.Connections)},
		{known < 0.95*float64(fewest), fmt.Sprintf("cms_participants never had more than %.0f of %d", known, fewest)},
		{fewest < wantedPeople, fmt.Sprintf("%d participants, want at least %d", fewest, wantedPeople)},
		{rate < float64(m.wanted.UpdatesASecond), fmt.Sprintf("the simulator sent %.0f messages a second, not %d: the machine has no room for it", rate, m.wanted.UpdatesASecond)},
		{at(0.95) >= time.Second, fmt.Sprintf("p95 is %s, want less than a second", at(0.95))},
		{program+store >= 1, fmt.Sprintf("%.2f cores, want less than one", program+store)},
		{overtaken > len(took)/10, fmt.Sprintf("%d updates were overtaken, %d seen: the figures say little", overtaken, len(took))},
		{float64(len(took)) < 2*elapsed.Seconds(), fmt.Sprintf("%d samples, want two a second", len(took))},
	} {
		if wrong.is {
			m.t.Error(wrong.what)
		}
	}
}

// profile begins or ends processor profiles, where one is asked for.
func (m *measurement) profile() {
	if os.Getenv(profileVariable) != "" {
		_, _ = m.program.Signal(syscall.SIGUSR1), m.simulator.Signal(syscall.SIGUSR1)
		time.Sleep(2 * time.Second) // it takes a moment to be written
	}
}

// profileVariable names the file for a processor profile of the program while it is measured; that of the simulator lies beside it.
const profileVariable = "BRIDGEWATCH_TEST_PROFILE"

// profileOnSignal lets SIGUSR1 begin a profile, and end it.
func profileOnSignal(path string) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	<-asked
	file, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		return
	}
	<-asked
	pprof.StopCPUProfile()
	_ = file.Close()
}
