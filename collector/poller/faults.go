package poller

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/faults"
)

// reachable keeps the intervals during which the bridge itself does not answer, or only that it is busy; why is nil when it does.
func (w *worker) reachable(ctx context.Context, at time.Time, why error) {
	var holds []faults.Fault
	switch reason := ReasonOf(why); {
	case why == nil:
	case reason == ReasonBusy:
		holds = append(holds, faults.Fault{Type: collector.BridgeBusy, Subject: w.bridge.Name})
	default:
		holds = append(holds, faults.Fault{Type: collector.BridgeUnreachable, Subject: w.bridge.Name, Reason: reason})
	}
	w.faults.Set(ctx, at, []string{collector.BridgeUnreachable, collector.BridgeBusy}, true, holds)
}

// skewMargin is how far below the limit a clock must come before its fault is over: cdrTime has whole seconds, so what is measured moves by half of one.
const skewMargin = time.Second

func (w *worker) judgeClock(ctx context.Context, at time.Time, skew time.Duration) {
	limit := w.poller.cfg.ClockSkew
	if w.faults.Holds(collector.ClockSkew, w.bridge.Name) {
		limit -= skewMargin
	}
	var holds []faults.Fault
	if skew.Abs() > limit {
		holds = append(holds, faults.Fault{Type: collector.ClockSkew, Subject: w.bridge.Name, Detail: "off by " + skew.Round(time.Second).String()})
	}
	w.faults.Set(ctx, at, []string{collector.ClockSkew}, true, holds)
}

// judgeEvents looks at the events connection, which another part of this instance keeps; where it has told nothing there is nothing to say. One poll without a
// connection is no fault: that is how long a new one may take.
func (w *worker) judgeEvents(ctx context.Context, at time.Time) {
	state, known := w.poller.deps.Live.EventsOf(w.cluster.inv.Name, w.bridge.Name)
	if w.version != "" && !atLeast(w.version, 2, 4) {
		known = false // it has no events to be connected to
	}
	before := w.eventsDown
	w.eventsDown = known && !state.Connected
	var holds []faults.Fault
	if before && w.eventsDown {
		holds = append(holds, faults.Fault{Type: collector.EventsDisconnected, Subject: w.bridge.Name})
	}
	if known {
		w.faults.Set(ctx, at, []string{collector.EventsDisconnected}, true, holds)
	}
}

func (w *worker) judgeDatabase(ctx context.Context, at time.Time, d collector.Database) {
	var holds []faults.Fault
	if trouble := deref(d.Trouble()); trouble != "" {
		holds = append(holds, faults.Fault{Type: collector.DatabaseError, Subject: w.bridge.Name, Detail: trouble})
	}
	for _, n := range d.Nodes {
		if n.Up != nil && !*n.Up {
			holds = append(holds, faults.Fault{Type: collector.DatabaseNodeDown, Subject: deref(n.Hostname)})
		}
		if behind := deref(n.SyncBehind); behind > w.poller.cfg.DatabaseBehind {
			holds = append(holds, faults.Fault{Type: collector.DatabaseNodeBehind, Subject: deref(n.Hostname), Detail: "behind by " + strconv.FormatInt(behind, 10) + " bytes"})
		}
	}
	w.faults.Set(ctx, at, []string{collector.DatabaseError, collector.DatabaseNodeDown, collector.DatabaseNodeBehind}, true, holds)
}

// judgeTurn looks at the TURN servers; complete says that the state of all was read.
func (w *worker) judgeTurn(ctx context.Context, at time.Time, states []collector.TurnState, complete bool) {
	var holds []faults.Fault
	for _, s := range states {
		if s.Reachable != nil && !*s.Reachable {
			holds = append(holds, faults.Fault{Type: collector.TurnUnreachable, Subject: s.Name})
		}
	}
	w.faults.Set(ctx, at, []string{collector.TurnUnreachable}, complete, holds)
}

// deviceFaults returns the types of faults of a kind of device: cannot be reached, short of disk where there is such a fault.
func deviceFaults(object string) []string {
	switch object {
	case "webBridges":
		return []string{collector.WebBridgeUnreachable}
	case "recorders":
		return []string{collector.RecorderUnreachable, collector.RecorderLowDisk}
	case "streamers":
		return []string{collector.StreamerUnreachable}
	}
	return nil
}

const lowDiskSpace = "lowDiskSpace"

func (w *worker) judgeDevices(ctx context.Context, at time.Time, object string, states []collector.DeviceState, complete bool) {
	types := deviceFaults(object)
	var holds []faults.Fault
	for _, s := range states {
		switch {
		case s.Reachable != nil && !*s.Reachable:
			holds = append(holds, faults.Fault{Type: types[0], Subject: s.Name, Reason: s.Status})
		case s.Status == lowDiskSpace && len(types) > 1:
			holds = append(holds, faults.Fault{Type: types[1], Subject: s.Name})
		}
	}
	w.faults.Set(ctx, at, types, complete, holds)
}

// judgeCalls looks for calls that are to be recorded and are not. Recorders take a moment to join: CMS sets the status once media flows, so a call is given until its
// detail was read once more. Streaming is not judged: a sample of the guide has it wanted where nothing streams (cms-api.md §7.1), so that may be what it is configured
// to be and no fault.
func (w *worker) judgeCalls(ctx context.Context, at time.Time) {
	var holds []faults.Fault
	complete := true
	for id, c := range w.calls {
		complete = complete && !c.read.IsZero()
		if !c.recordingFails.IsZero() && c.read.After(c.recordingFails) {
			holds = append(holds, faults.Fault{Type: collector.RecordingFailed, Subject: id, CallID: parseID(&id), Detail: deref(c.detail.Name)})
		}
	}
	w.faults.Set(ctx, at, []string{collector.RecordingFailed}, complete, holds)
}

func (w *worker) judgeReceivers(ctx context.Context, at time.Time, ours *bool) {
	if ours == nil {
		return
	}
	var holds []faults.Fault
	if !*ours {
		holds = append(holds, faults.Fault{Type: collector.ReceiverMissing, Subject: w.bridge.Name})
	}
	w.faults.Set(ctx, at, []string{collector.ReceiverMissing}, true, holds)
}

// licenseFileFaults are those of one bridge's license file, clusterLicenseFaults those of a cluster.
func licenseFileFaults() []string {
	return []string{collector.LicenseExpired, collector.LicenseGrace, collector.LicenseMissing}
}

func clusterLicenseFaults() []string {
	return []string{collector.LicenseExpired, collector.LicenseExpiring, collector.LicenseMissing}
}

// judgeFeatures looks at licensed features. Smart licensing (3.0 and later) moves the expiry along at 90 days, so less than ahead means that it stands still; a license
// file ends when it ends, its ahead is 0.
func judgeFeatures(ctx context.Context, book *faults.Book, at time.Time, features []collector.Feature, types []string, ahead time.Duration) {
	const bridge, noEncryption = "callBridge", "callBridgeNoEncryption"
	var holds []faults.Fault
	missing := make(map[string]bool)
	for _, f := range features {
		add := func(kind string) {
			hold := faults.Fault{Type: kind, Subject: f.Name}
			if f.Expiry != nil {
				hold.Detail = "expiry " + f.Expiry.Format(time.DateOnly)
			}
			holds = append(holds, hold)
		}
		switch deref(f.Status) {
		case "expired":
			add(collector.LicenseExpired)
		case "grace":
			add(collector.LicenseGrace)
		case "activated":
			if ahead > 0 && f.Expiry != nil && f.Expiry.Sub(at) < ahead {
				add(collector.LicenseExpiring)
			}
		case "noLicense":
			missing[f.Name] = true
		}
	}
	// Either of the two suffices; where only one is listed it decides.
	listed := slices.ContainsFunc(features, func(f collector.Feature) bool { return f.Name == noEncryption })
	if missing[bridge] && (missing[noEncryption] || !listed) {
		holds = append(holds, faults.Fault{Type: collector.LicenseMissing, Subject: bridge})
	}
	book.Set(ctx, at, types, true, holds)
}
