package cmssim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// alarmBook gives every instance of a fault its id and keeps when it began.
type alarmBook struct {
	ids    story.Chooser
	active []activeAlarm
}

type activeAlarm struct {
	Alarm
	key   string
	id    story.GUID
	since int64 // story offset
}

func (a Alarm) key() string {
	parts := []string{a.Type, a.FailureReason}
	for _, name := range companionNames {
		if v, ok := a.Companions[name]; ok {
			parts = append(parts, name+"="+v)
		}
	}
	return strings.Join(parts, "|")
}

// companionNames are the companion fields of alarms in the order in which they are written.
var companionNames = []string{"callBridge", "callBridgeName", "call", "recorder", "turnServer", "callBrandingProfile", "ivrBrandingProfile", "fileName"}

// AlarmTypes returns every alarm type of the reference (cms-api.md, 5.3) that a release knows.
func AlarmTypes(release string) ([]string, error) {
	rel, err := parseRelease(release)
	if err != nil {
		return nil, fmt.Errorf("cmssim: %w", err)
	}
	return alarmTypes(rel), nil
}

func alarmTypes(rel release) []string {
	types := []string{
		"callBrandingResourceInvalid", "callBridgeConnectionFailure", "callDistributionFailure", "cdrConnectionFailure",
		"databaseClusterNodeOutOfSync", "databaseConnectionError", "ivrBrandingResourceInvalid", "turnServerUnavailable",
		"webBridgeArchivePushFailure", "webBridgeArchiveRetrievalFailure", "webBridgeBackgroundImagePushFailure",
		"webBridgeBackgroundImageRetrievalFailure", "webBridgeLoginLogoImagePushFailure", "webBridgeLoginLogoImageRetrievalFailure",
	}
	if rel >= 300 {
		return append(types, "c2wConnectionFailure")
	}
	return append(types, "guestAccountConnectionFailure", "recorderLowDiskSpace", "recorderUnavailable", "xmppAuthenticationRegistrationFailure", "xmppRegistrationFailure")
}

// RaiseAlarm raises an alarm of a type on the bridge, with the companion fields that the type has.
func (b *Bridge) RaiseAlarm(kind string) error {
	if rel := b.release(); !slices.Contains(alarmTypes(rel), kind) {
		return fmt.Errorf("cmssim: %s: release %s has no alarm %q", b.Name, rel.softwareVersion(), kind)
	}
	c := b.cluster
	a := Alarm{Type: kind, Companions: map[string]string{}}
	peer := c.bridges[(b.state.Index+1)%len(c.bridges)]
	switch kind {
	case "callBridgeConnectionFailure":
		a.FailureReason = "connectFailure"
		a.Companions["callBridge"] = peer.GUID
	case "callDistributionFailure":
		a.Companions["callBridgeName"] = peer.Name
		c.state.mu.Lock()
		if len(b.state.calls) > 0 {
			a.Companions["call"] = b.state.calls[0].ID.String()
		}
		c.state.mu.Unlock()
	case "callBrandingResourceInvalid":
		a.FailureReason = "dataFormatInvalid"
		a.Companions["callBrandingProfile"], a.Companions["fileName"] = c.CallProfile.String(), "background.jpg"
	case "ivrBrandingResourceInvalid":
		a.FailureReason = "fileNotFound"
		a.Companions["ivrBrandingProfile"], a.Companions["fileName"] = c.CallProfile.String(), "welcome.wav"
	case "recorderLowDiskSpace", "recorderUnavailable":
		a.Companions["recorder"] = c.Recorders[0].ID.String()
	case "turnServerUnavailable":
		a.FailureReason = "connectFailure"
		a.Companions["turnServer"] = c.TURNServers[0].ID.String()
	case "databaseConnectionError", "databaseClusterNodeOutOfSync", "cdrConnectionFailure":
	default:
		a.FailureReason = "serviceUnavailable"
	}
	b.Fault(func(f *Faults) { f.Alarms = append(slices.Clone(f.Alarms), a) })
	return nil
}

// ClearAlarm ends all alarms of a type that were raised. Those with a cause of their own stay while it lasts.
func (b *Bridge) ClearAlarm(kind string) {
	b.Fault(func(f *Faults) {
		f.Alarms = slices.DeleteFunc(slices.Clone(f.Alarms), func(a Alarm) bool { return a.Type == kind })
	})
}

// causes lists the alarms that hold now: those raised by hand and those that other faults bring with them.
func (q *request) causes() []Alarm {
	list := slices.Clone(q.faults.Alarms)
	add := func(kind, reason, companion, value string) {
		a := Alarm{Type: kind, FailureReason: reason}
		if companion != "" {
			a.Companions = map[string]string{companion: value}
		}
		list = append(list, a)
	}
	for _, peer := range q.b.cluster.bridges {
		if peer != q.b && peer.state.stopped {
			add("callBridgeConnectionFailure", "connectFailure", "callBridge", peer.GUID)
		}
	}
	if len(q.b.feed.failing()) > 0 {
		add("cdrConnectionFailure", "", "", "")
	}
	if q.faults.DatabaseNodeDown || q.faults.DatabaseBehind > 0 {
		add("databaseClusterNodeOutOfSync", "", "", "")
	}
	if q.faults.TURNUnreachable {
		for _, d := range q.cluster().TURNServers {
			if d.Group == q.st.Group {
				add("turnServerUnavailable", "connectFailure", "turnServer", d.ID.String())
			}
		}
	}
	if q.faults.WebBridgeFailure {
		if q.rel >= 300 {
			add("c2wConnectionFailure", "connectFailure", "", "")
		} else {
			add("guestAccountConnectionFailure", "connectFailure", "", "")
		}
	}
	if q.rel < 300 {
		switch q.faults.DeviceStatus {
		case "", "success", "unused":
		case "lowDiskSpace":
			add("recorderLowDiskSpace", "", "recorder", deviceFor(q.cluster().Recorders, q.st.Bridge).ID.String())
		default:
			add("recorderUnavailable", "connectFailure", "recorder", deviceFor(q.cluster().Recorders, q.st.Bridge).ID.String())
		}
	}
	return list
}

func (q *request) alarms() answer {
	book := &q.b.alarms
	causes := q.causes()
	holds := make(map[string]bool, len(causes))
	for _, a := range causes {
		holds[a.key()] = true
	}
	book.active = slices.DeleteFunc(book.active, func(a activeAlarm) bool { return !holds[a.key] })
	for _, a := range causes {
		key := a.key()
		if !slices.ContainsFunc(book.active, func(o activeAlarm) bool { return o.key == key }) {
			book.active = append(book.active, activeAlarm{Alarm: a, key: key, id: book.ids.GUID(), since: q.now})
		}
	}
	return q.page("alarms", len(book.active), func(i int) element {
		a := book.active[i]
		return alarmDoc(a.id.String(), a.Alarm, q.now-a.since)
	})
}

// alarmDoc is one alarm of /system/alarms.
func alarmDoc(id string, a Alarm, age int64) element {
	e := el("alarm", txt("type", a.Type), num("activeTimeSeconds", age)).attr("id", id)
	if a.FailureReason != "" {
		e = e.with(txt("failureReason", a.FailureReason))
	}
	for _, name := range companionNames {
		if v, ok := a.Companions[name]; ok {
			e = e.with(txt(name, v))
		}
	}
	return e
}
