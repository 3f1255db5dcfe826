package cmssim

import (
	"reflect"
	"testing"
)

// Every field of Faults has a kind that sets it, so that whoever tries all kinds tries all faults.
func TestFaultKindsCoverTheFields(t *testing.T) {
	set := make(map[string]bool)
	names := make(map[string]bool)
	for _, release := range []string{"2.9", "3.0", "3.8"} {
		kinds, err := FaultKinds(release)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, k := range kinds {
			if seen[k.Name] {
				t.Errorf("%s: %s twice", release, k.Name)
			}
			seen[k.Name], names[k.Name] = true, true
			set[k.Field] = true
		}
		for _, kind := range []string{"Alarms/turnServerUnavailable", "License/frozen", "Events.Ceiling", "stopped"} {
			if !seen[kind] {
				t.Errorf("%s: no %s", release, kind)
			}
		}
	}
	fields := func(prefix string, of reflect.Type, except ...string) {
		for i := range of.NumField() {
			name := of.Field(i).Name
			excepted := false
			for _, e := range except {
				excepted = excepted || e == name
			}
			if !excepted && !set[prefix+name] {
				t.Errorf("no kind sets %s%s", prefix, name)
			}
		}
	}
	// Events has fields of its own; Dialect is a manner of writing, no fault.
	fields("", reflect.TypeFor[Faults](), "Events", "Dialect")
	fields("Events.", reflect.TypeFor[EventFaults]())
}

// Raising and lifting leaves a bridge as it was.
func TestFaultKindsAreLifted(t *testing.T) {
	for _, release := range []string{"2.9", "3.8"} {
		sim := running(t, Config{Seed: 2, Bridges: 2, Release: release})
		kinds, err := FaultKinds(release)
		if err != nil {
			t.Fatal(err)
		}
		b := sim.Bridges()[0]
		for _, k := range kinds {
			before := b.Faults()
			if err := k.Raise(b); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
			if k.Field != "" && reflect.DeepEqual(b.Faults(), before) {
				t.Errorf("%s changes nothing", k.Name)
			}
			if err := k.Lift(b); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
			if got := b.Faults(); len(got.Alarms) != 0 {
				t.Errorf("%s leaves %+v", k.Name, got.Alarms)
			}
			after := b.Faults()
			after.Alarms, before.Alarms = nil, nil
			if !reflect.DeepEqual(after, before) {
				t.Errorf("%s leaves %+v, want %+v", k.Name, after, before)
			}
		}
	}
}
