package cmssim

import (
	"fmt"
	"time"
)

// FaultKind is one way in which a bridge can be made to fail, for those who try all of them. FaultKinds lists them.
type FaultKind struct {
	// Name tells kinds apart, such as "Hang" or "Alarms/turnServerUnavailable".
	Name string
	// Field is the field of Faults that it sets, as in "Events.Ceiling"; empty for what is no field.
	Field string
	// Whole says that it shows only when all bridges of the cluster have it.
	Whole bool
	// Raise starts it and Lift ends it.
	Raise, Lift func(*Bridge) error
}

// longSlow is longer than anybody waits for an answer.
const longSlow = 15 * time.Second

// FaultKinds returns every fault that a bridge of a release can be given. A test holds the list against the fields of Faults and EventFaults.
func FaultKinds(release string) ([]FaultKind, error) {
	rel, err := parseRelease(release)
	if err != nil {
		return nil, fmt.Errorf("cmssim: %w", err)
	}
	var kinds []FaultKind
	add := func(field, variant string, raise, lift func(*Faults)) {
		name := field
		if variant != "" {
			name += "/" + variant
		}
		set := func(edit func(*Faults)) func(*Bridge) error {
			return func(b *Bridge) error { b.Fault(edit); return nil }
		}
		kinds = append(kinds, FaultKind{Name: name, Field: field, Raise: set(raise), Lift: set(lift)})
	}
	add("Down", "", func(f *Faults) { f.Down = true }, func(f *Faults) { f.Down = false })
	add("Hang", "", func(f *Faults) { f.Hang = true }, func(f *Faults) { f.Hang = false })
	add("Slow", "", func(f *Faults) { f.Slow = longSlow }, func(f *Faults) { f.Slow = 0 })
	add("Busy", "", func(f *Faults) { f.Busy = 1 }, func(f *Faults) { f.Busy = 0 })
	add("Refuses", "", func(f *Faults) { f.Refuses = "calls" }, func(f *Faults) { f.Refuses = "" })
	add("BadXML", "", func(f *Faults) { f.BadXML = true }, func(f *Faults) { f.BadXML = false })
	add("HalfDocument", "", func(f *Faults) { f.HalfDocument = true }, func(f *Faults) { f.HalfDocument = false })
	add("ReceiversCut", "", func(f *Faults) { f.ReceiversCut = true }, func(f *Faults) { f.ReceiversCut = false })
	add("ClockSkew", "fast", func(f *Faults) { f.ClockSkew = time.Minute }, func(f *Faults) { f.ClockSkew = 0 })
	add("ClockSkew", "slow", func(f *Faults) { f.ClockSkew = -time.Minute }, func(f *Faults) { f.ClockSkew = 0 })
	add("LostModules", "", func(f *Faults) { f.LostModules = 1 }, func(f *Faults) { f.LostModules = 0 })
	add("TURNUnreachable", "", func(f *Faults) { f.TURNUnreachable = true }, func(f *Faults) { f.TURNUnreachable = false })
	add("WebBridgeFailure", "", func(f *Faults) { f.WebBridgeFailure = true }, func(f *Faults) { f.WebBridgeFailure = false })
	add("RecorderRefuses", "", func(f *Faults) { f.RecorderRefuses = true }, func(f *Faults) { f.RecorderRefuses = false })
	add("DatabaseNodeDown", "", func(f *Faults) { f.DatabaseNodeDown = true }, func(f *Faults) { f.DatabaseNodeDown = false })
	add("DatabaseBehind", "", func(f *Faults) { f.DatabaseBehind = 50e6 }, func(f *Faults) { f.DatabaseBehind = 0 })
	add("ICEFailure", "", func(f *Faults) { f.ICEFailure = true }, func(f *Faults) { f.ICEFailure = false })
	if rel < 300 {
		for _, status := range []string{"connectionFailure", "dnsFailure", "invalidAddress", "lowDiskSpace", "remoteFailure", "unknownFailure"} {
			add("DeviceStatus", status, func(f *Faults) { f.DeviceStatus = status }, func(f *Faults) { f.DeviceStatus = "" })
		}
	}
	for _, state := range LicenseStates() {
		if state != LicenseHealthy {
			add("License", string(state), func(f *Faults) { f.License = state }, func(f *Faults) { f.License = LicenseHealthy })
			kinds[len(kinds)-1].Whole = true
		}
	}
	for _, kind := range alarmTypes(rel) {
		kinds = append(kinds, FaultKind{
			Name: "Alarms/" + kind, Field: "Alarms",
			Raise: func(b *Bridge) error { return b.RaiseAlarm(kind) }, Lift: func(b *Bridge) error { b.ClearAlarm(kind); return nil },
		})
	}
	for field, edit := range eventFaults {
		add("Events."+field, "", func(f *Faults) { edit(&f.Events) }, func(f *Faults) { f.Events = EventFaults{} })
		// Those that are about new connections show once there is one.
		k := &kinds[len(kinds)-1]
		raise := k.Raise
		k.Raise = func(b *Bridge) error { defer b.DropEvents(); return raise(b) }
	}
	healthy := func(b *Bridge) error { return b.SetCertificate(time.Now().Add(certificateLife)) }
	const day = 24 * time.Hour
	for variant, left := range map[string]time.Duration{"expiring": 3 * day, "expired": -day} {
		kinds = append(kinds, FaultKind{
			Name: "certificate/" + variant, Raise: func(b *Bridge) error { return b.SetCertificate(time.Now().Add(left)) }, Lift: healthy,
		})
	}
	none := func(*Bridge) error { return nil }
	return append(kinds,
		FaultKind{Name: "stopped", Raise: func(b *Bridge) error { b.Stop(); return nil }, Lift: func(b *Bridge) error { b.Boot(); return nil }},
		FaultKind{Name: "restarted", Raise: func(b *Bridge) error { b.Restart(); return nil }, Lift: none},
		FaultKind{Name: "lost answers", Raise: func(b *Bridge) error { b.LoseAnswers(3); return nil }, Lift: none},
		FaultKind{Name: "dropped events", Raise: func(b *Bridge) error { b.DropEvents(); return nil }, Lift: none},
	), nil
}

// eventFaults gives each field of EventFaults a value that is a fault.
var eventFaults = map[string]func(*EventFaults){
	"RefuseToken":       func(f *EventFaults) { f.RefuseToken = 503 },
	"OmitToken":         func(f *EventFaults) { f.OmitToken = true },
	"AckStatus":         func(f *EventFaults) { f.AckStatus = "failure" },
	"EndlessPending":    func(f *EventFaults) { f.EndlessPending = true },
	"Ceiling":           func(f *EventFaults) { f.Ceiling = 5 },
	"DropInSnapshot":    func(f *EventFaults) { f.DropInSnapshot = true },
	"DeltaFirst":        func(f *EventFaults) { f.DeltaFirst = true },
	"SwapOrder":         func(f *EventFaults) { f.SwapOrder = true },
	"LateRoster":        func(f *EventFaults) { f.LateRoster = true },
	"RemoveNoReason":    func(f *EventFaults) { f.RemoveNoReason = true },
	"GarbageMoved":      func(f *EventFaults) { f.GarbageMoved = true },
	"Unknowns":          func(f *EventFaults) { f.Unknowns = true },
	"Fragments":         func(f *EventFaults) { f.Fragments = true },
	"SpeakersPerSecond": func(f *EventFaults) { f.SpeakersPerSecond = 20 },
	"AckTimeout":        func(f *EventFaults) { f.AckTimeout = time.Second },
	"AckShrink":         func(f *EventFaults) { f.AckShrink = true },
	"Frozen":            func(f *EventFaults) { f.Frozen = true },
	"Mute":              func(f *EventFaults) { f.Mute = true },
}
