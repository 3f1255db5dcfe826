package story

import (
	"fmt"
	"testing"
)

// tell returns the steps of a story up to an offset, as lines.
func tell(t *testing.T, cfg Config, from, until, to int64) []string {
	t.Helper()
	s := New(NewWorld(cfg).Clusters[0], cfg, from, until)
	var lines []string
	for {
		at, ok := s.Peek()
		if !ok || at > to {
			return lines
		}
		step, _ := s.Next()
		line := fmt.Sprint(step.At, step.Kind, step.Meeting.Correlator)
		if step.Leg != nil {
			line += " leg " + step.Leg.ID.String()
		}
		if step.Call != nil {
			line += " call " + step.Call.ID.String()
		}
		lines = append(lines, line)
	}
}

func TestSameSeedSameStory(t *testing.T) {
	cfg := Config{Seed: 7}
	a, b := tell(t, cfg, -3600, 0, 600), tell(t, cfg, -3600, 0, 600)
	if len(a) < 1000 {
		t.Fatalf("only %d steps in 70 minutes of three bridges", len(a))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("step %d: %s, then %s", i, a[i], b[i])
		}
	}
	if c := tell(t, Config{Seed: 8}, -3600, 0, 600); c[0] == a[0] {
		t.Error("another seed tells the same story")
	}
}

// TestOrder checks what the wire promises: time never runs back, calls frame their legs, everything that begins ends.
func TestOrder(t *testing.T) {
	for _, bridges := range []int{1, 2, 5} {
		cfg := Config{Seed: int64(bridges), Bridges: bridges, Volume: 2}
		const until = 6 * 3600
		s := New(NewWorld(cfg).Clusters[0], cfg, -3600, until)
		calls, legs := make(map[*Call]bool), make(map[*Leg]Kind)
		ids := make(map[GUID]bool)
		last := int64(-3600)
		seen := make(map[LegKind]int)
		var ivr, lobby, moved, distributed, steps int
		for {
			step, ok := s.Next()
			if !ok {
				break
			}
			steps++
			if step.At < last {
				t.Fatalf("%d bridges: step at %d after one at %d", bridges, step.At, last)
			}
			last = step.At
			l := step.Leg
			switch step.Kind {
			case CallStart:
				if ids[step.Call.ID] {
					t.Fatalf("call %s starts twice", step.Call.ID)
				}
				ids[step.Call.ID], calls[step.Call] = true, true
				if len(step.Meeting.Calls) > 1 {
					distributed++
				}
				continue
			case CallEnd:
				if !calls[step.Call] {
					t.Fatalf("call %s ends before it starts", step.Call.ID)
				}
				delete(calls, step.Call)
				continue
			case LegStart:
				if ids[l.ID] {
					t.Fatalf("leg %s starts twice", l.ID)
				}
				ids[l.ID] = true
				seen[l.Kind]++
				if l.Early && !calls[l.Call] {
					t.Fatalf("leg %s starts in a call that is not there", l.ID)
				}
				if l.MovedFrom != nil {
					moved++
				}
			case LegIVR:
				ivr++
			case LegEnter, RecordingStart, StreamStart:
				if !calls[l.Call] {
					t.Fatalf("%v of leg %s at %d, without its call", step.Kind, l.ID, step.At)
				}
			case LegActivate:
				lobby++
			}
			if _, begun := legs[l]; !begun && step.Kind != LegStart {
				t.Fatalf("%v of leg %s before its start", step.Kind, l.ID)
			}
			legs[l] = step.Kind
			if step.Kind == LegEnd {
				if l.Reason == "" {
					t.Fatalf("leg %s ends without a reason", l.ID)
				}
				if l.Enter != Never && l.Call != nil && !calls[l.Call] {
					t.Fatalf("leg %s ends after its call", l.ID)
				}
				delete(legs, l)
			}
		}
		if len(calls) > 0 || len(legs) > 0 || last > until {
			t.Errorf("%d bridges: %d calls and %d legs are left at the end, the last step at %d", bridges, len(calls), len(legs), last)
		}
		for k := range Streamer + 1 {
			if seen[k] == 0 && (k != Link || bridges > 1) {
				t.Errorf("%d bridges: no leg of kind %d in %d steps", bridges, k, steps)
			}
		}
		if ivr == 0 || lobby == 0 || bridges > 1 && (moved == 0 || distributed == 0) {
			t.Errorf("%d bridges: %d in the IVR, %d in the lobby, %d moved, %d distributed", bridges, ivr, lobby, moved, distributed)
		}
	}
}

func TestActivityIsMidMorningAtTheStart(t *testing.T) {
	if a := Activity(5 * 60); a < 0.8 {
		t.Errorf("activity at the start is %v", a)
	}
	if night := Activity(NightBefore); night > 0.05 {
		t.Errorf("activity in the maintenance window is %v", night)
	}
	if weekend := Activity(3 * 86400); weekend > 0.15 {
		t.Errorf("activity on Saturday morning is %v", weekend)
	}
}

func BenchmarkStory(b *testing.B) {
	cfg := Config{Seed: 1}
	s := New(NewWorld(cfg).Clusters[0], cfg, -90*86400, 0)
	for b.Loop() {
		s.Next()
	}
}
