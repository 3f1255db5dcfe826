package events

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the scripts of testdata bring about, to be read by eye")

// TestScripts plays exchanges with a bridge. A script of testdata has a step a line, and below it, marked >, what the machine must do:
//
//	open, lost REASON     a socket is open, or gone
//	after DURATION        time passes; the machine is asked whenever it says it is due
//	ack [N] [STATUS]      the bridge acknowledges our last request, or that of number N
//	S {…}                 an inner message of the bridge; envelope and number are added where they lack
//	raw TEXT              a frame as it stands
//	calls/roster CALL [..] what the API lists, asked for now (or: calls@1s, a second ago)
//	state                 all that is known
//	set NAME VALUE        a setting, before the first open
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.script")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".script"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := strings.Split(string(text), "\n")
			for i, line := range strings.Split(got, "\n") {
				if i >= len(want) || line != want[i] {
					t.Fatalf("%s:%d differs:\n got %s\nwant %s", path, i+1, line, slices.Concat(want, make([]string, i+1))[i])
				}
			}
		})
	}
}

type player struct {
	t    *testing.T
	m    *Machine
	cfg  Config
	now  time.Time
	next int64 // the bridge's number of its next message
	sent int64 // our last request
	out  strings.Builder
	dead bool
}

func play(t *testing.T, script string) string {
	t.Helper()
	p := &player{t: t, cfg: DefaultConfig(), now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	lines := bufio.NewScanner(strings.NewReader(script))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, ">") {
			continue
		}
		p.out.WriteString(line + "\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p.step(line)
	}
	return p.out.String()
}

func (p *player) say(format string, args ...any) { fmt.Fprintf(&p.out, "> "+format+"\n", args...) }

func (p *player) step(line string) {
	word, rest, _ := strings.Cut(line, " ")
	if p.m == nil && word != "set" {
		if err := p.cfg.Validate(); err != nil {
			p.t.Fatal(err)
		}
		p.m = New(p.cfg)
	}
	ago := time.Duration(0)
	if name, text, ok := strings.Cut(word, "@"); ok {
		word = name
		ago, _ = time.ParseDuration(text)
	}
	switch word {
	case "set":
		p.set(rest)
		return
	case "open":
		p.next, p.sent, p.dead = 1, 0, false
		p.m.Open(p.now)
		p.pass(0)
	case "lost":
		p.m.Lost(p.now, rest)
	case "after":
		d, err := time.ParseDuration(rest)
		if err != nil {
			p.t.Fatal(err)
		}
		p.pass(d)
	case "ack":
		id, status := p.sent, "success"
		for _, f := range strings.Fields(rest) {
			if n, err := strconv.ParseInt(f, 10, 64); err == nil {
				id = n
			} else {
				status = f
			}
		}
		p.receive(fmt.Sprintf(`{ "type": "messageAck", "messageAck": { "messageId": %d, "status": %q } }`, id, status))
	case "S":
		p.receive(p.envelope(rest))
	case "raw":
		p.receive(rest)
	case "calls":
		var listed []ListedCall
		for _, f := range strings.Fields(rest) {
			listed = append(listed, ListedCall{ID: f, Correlator: "m-" + f, Name: "listed"})
		}
		p.m.ReconcileCalls(p.now, p.now.Add(-ago), listed)
	case "roster":
		call, people, _ := strings.Cut(rest, " ")
		var listed []ListedParticipant
		for _, f := range strings.Fields(people) {
			id, host, _ := strings.Cut(f, "@")
			listed = append(listed, ListedParticipant{ID: id, Name: "listed " + id, State: "connected", Host: host})
		}
		p.m.ReconcileRoster(p.now, p.now.Add(-ago), call, listed)
	case "state":
		p.state()
	default:
		p.t.Fatalf("no step %q", word)
	}
	p.tell()
}

func (p *player) set(rest string) {
	name, value, _ := strings.Cut(rest, " ")
	n, _ := strconv.Atoi(value)
	d, _ := time.ParseDuration(value)
	switch name {
	case "ceiling":
		p.cfg.Ceiling = n
	case "callinfo":
		p.cfg.CallInfo = true
	case "nospeaker":
		p.cfg.ActiveSpeaker = false
	case "elements":
		p.cfg.RosterElements = strings.Fields(value)
	case "maxcalls":
		p.cfg.MaxCalls = n
	case "maxpeople":
		p.cfg.MaxParticipants = n
	case "sample":
		p.cfg.SpeakerSample = d
	default:
		p.t.Fatalf("no setting %q", name)
	}
}

func (p *player) envelope(inner string) string {
	if !strings.Contains(inner, `"messageId"`) {
		inner = strings.Replace(inner, "{", fmt.Sprintf(`{ "messageId": %d,`, p.next), 1)
	}
	frame := `{ "type": "message", "message": ` + inner + ` }`
	if f, err := ParseFrame([]byte(frame)); err == nil {
		p.next = f.ID + 1
	}
	return frame
}

// receive does as the reader of a socket does: acknowledge, then look.
func (p *player) receive(text string) {
	f, err := ParseFrame([]byte(text))
	if err != nil {
		p.fail(err)
		return
	}
	if ack := f.Ack(); (f.Type != "") != (string(ack) == fmt.Sprintf(`{"type":"messageAck","messageAck":{"messageId":%d,"status":"success"}}`, f.ID)) {
		p.t.Fatalf("acknowledged with %s", ack)
	}
	if err := p.m.Receive(p.now, f); err != nil {
		p.fail(err)
	}
}

func (p *player) fail(err error) {
	for _, known := range []error{ErrMalformed, ErrRefused, ErrNoAck, ErrNoCalls} {
		if errors.Is(err, known) {
			p.say("error: %s", known)
		}
	}
	p.dead = true
}

// pass lets time go by, from one due moment to the next.
func (p *player) pass(d time.Duration) {
	end := p.now.Add(d)
	for !p.dead {
		if err := p.m.Tick(p.now); err != nil {
			p.fail(err)
			break
		}
		if req := p.m.TakeRequest(p.now); req != nil {
			p.request(req)
		}
		p.tell()
		due := p.m.Due()
		if due.After(end) {
			break
		}
		if !due.After(p.now) {
			due = p.now.Add(time.Millisecond) // nothing may be due for ever
			if p.m.Due().Before(p.now.Add(-time.Second)) {
				p.t.Fatalf("due since %s", p.m.Due())
			}
		}
		p.now = due
	}
	p.now = end
}

func (p *player) request(data []byte) {
	var in struct {
		Type    string
		Message struct {
			MessageID     int64
			Type          string
			Subscriptions []struct {
				Index      int
				Type, Call string
				Elements   []string
			}
		}
	}
	if err := json.Unmarshal(data, &in); err != nil || in.Type != "message" || in.Message.Type != "subscribeRequest" {
		p.t.Fatalf("request %s: %v", data, err)
	}
	p.sent = in.Message.MessageID
	var b bytes.Buffer
	for _, s := range in.Message.Subscriptions {
		fmt.Fprintf(&b, " %d:%s", s.Index, s.Type)
		if s.Call != "" {
			fmt.Fprintf(&b, "(%s)", s.Call)
		}
		if len(s.Elements) == 0 {
			p.t.Errorf("request %d: no elements for %d", p.sent, s.Index)
		}
	}
	p.say("C request %d:%s", p.sent, b.String())
}

// tell prints the changes since the last step.
func (p *player) tell() {
	for _, c := range p.m.TakeChanges() {
		var b strings.Builder
		if c.Call != nil {
			b.WriteString(" " + c.Call.ID)
		}
		if c.Participant != nil {
			b.WriteString(" " + c.Participant.ID)
		}
		if c.Element != "" {
			fmt.Fprintf(&b, " %s %q -> %q", c.Element, c.From, c.To)
		}
		if c.Reason != "" {
			fmt.Fprintf(&b, " (%s)", c.Reason)
		}
		if c.AtSnapshot {
			b.WriteString(" at snapshot")
		}
		p.say("%s%s", c.Kind, b.String())
	}
}

func (p *player) state() {
	p.say("phase %s", p.m.Phase())
	for c := range p.m.Calls() {
		var b strings.Builder
		for _, e := range []struct{ name, value string }{
			{"", c.Name}, {"type", c.Type}, {"correlator", c.Correlator}, {"participants", optional(c.Participants, decimal)},
			{"others", optional(c.DistributedInstances, decimal)}, {"recording", c.Recording}, {"streaming", c.Streaming},
			{"lock", c.LockState}, {"joinMute", optional(c.JoinAudioMuteOverride, strconv.FormatBool)},
		} {
			if e.value != "" && e.value != "inactive" {
				fmt.Fprintf(&b, " %s", strings.TrimPrefix(e.name+"="+strconv.Quote(e.value), "="))
			}
		}
		p.say("call %s%s roster=%s%s", c.ID, b.String(), c.Roster, mark(c.Stale, " stale"))
		for _, who := range c.People {
			var b strings.Builder
			fmt.Fprintf(&b, " %q %s %s", who.Name, who.State, who.Direction)
			for _, f := range []struct {
				name  string
				value *bool
			}{{"muted", who.AudioMuted}, {"speaking", who.ActiveSpeaker}, {"presenting", who.Presenter}} {
				b.WriteString(mark(f.value != nil && *f.value, " "+f.name))
			}
			if who.Importance != nil {
				fmt.Fprintf(&b, " importance=%d", *who.Importance)
			}
			b.WriteString(mark(who.HostKnown, " host="+who.Host) + mark(!who.Here(), " not joined") + mark(who.Stale, " stale"))
			p.say("  %s%s", who.ID, b.String())
		}
	}
	list, calls := p.m.NeedsREST()
	if doubt, doubted := p.m.TakeDoubts(); list || doubt || len(calls)+len(doubted) > 0 {
		p.say("over REST: list=%t calls=%v; in doubt: list=%t calls=%v", list, calls, doubt, doubted)
	}
	s := p.m.Stats()
	counts := map[string]int64{"odd": s.Odd, "holes": s.Holes, "late": s.Late, "unknown": s.Unknown, "ignored": s.Ignored, "probes": s.Probes}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] != 0 {
			p.say("count %s %d", name, counts[name])
		}
	}
}

func mark(on bool, text string) string {
	if on {
		return text
	}
	return ""
}
