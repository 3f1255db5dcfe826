package poller

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/faults"
	"github.com/bridgewatch/bridgewatch/storage"
)

func (w *worker) pollConfig(ctx context.Context, row *storage.BridgeSample) {
	var c collector.ClusterConfig
	if !w.ask(ctx, "cluster", func() error { return w.client.one(ctx, "/system/configuration/cluster", &c) }) {
		return
	}
	w.update(func(b *collector.BridgeState) { b.Config = sampled(w, "cluster", row.Time, c) })
	w.config.publish(ctx, w, w.bridge.Name, "cluster", "", &c)
}

func (w *worker) pollAlarms(ctx context.Context, row *storage.BridgeSample) {
	var alarms []collector.Alarm
	if !w.ask(ctx, "alarms", func() (err error) {
		alarms, err = collect[collector.Alarm](ctx, w.client, "/system/alarms", "alarm", nil)
		return err
	}) {
		return
	}
	w.update(func(b *collector.BridgeState) { b.Alarms = sampled(w, "alarms", row.Time, alarms) })
	holds := make([]faults.Fault, len(alarms))
	for i, a := range alarms {
		id := parseID(a.ID)
		if id == uuid.Nil {
			id = uuid.NewSHA1(idSpace, []byte(w.bridge.Name+"\x00"+deref(a.Type)))
		}
		holds[i] = faults.Fault{
			ID: id, Type: deref(a.Type), Raised: raised(row.Time, deref(a.ActiveTimeSeconds)),
			Reason: deref(a.FailureReason), CallID: parseID(a.Call), Detail: details(a.Others),
			Subject: cmp.Or(deref(a.CallBridgeName), deref(a.CallBridge), deref(a.Recorder), deref(a.TurnServer), deref(a.FileName)),
		}
	}
	w.alarms.Set(ctx, row.Time, nil, true, holds)
}

// raised is when an alarm began that has held for some seconds: not after now, and not before 1970, whatever the bridge says.
func raised(now time.Time, seconds int64) time.Time {
	return now.Add(-time.Duration(min(max(seconds, 0), now.Unix())) * time.Second)
}

func details(others map[string]string) string {
	names := make([]string, 0, len(others))
	for name, value := range others {
		if strings.Contains(value, "://") { // of a CDR receiver, say, whose address holds its token
			value = withoutSecrets(value)
		}
		if len(value) > 256 {
			value = value[:256]
		}
		names = append(names, name+"="+strings.ToValidUTF8(value, "\uFFFD"))
	}
	slices.Sort(names)
	if len(names) > 16 {
		names = names[:16]
	}
	return strings.Join(names, " ")
}

// pollLegs reads the legs that carry a quality alarm: their number, and the media of the first few.
func (w *worker) pollLegs(ctx context.Context, row *storage.BridgeSample) {
	var legs []collector.CallLeg
	var first page
	if !w.ask(ctx, "callLegs", func() (err error) {
		first, err = w.client.list(ctx, "/callLegs", "callLeg", url.Values{"alarms": {"all"}}, func(e *element) bool {
			var leg collector.CallLeg
			decode(e, &leg)
			legs = append(legs, leg)
			return len(legs) < w.poller.cfg.LegDetails
		})
		return err
	}) {
		return
	}
	n := int64(max(first.total, len(legs)))
	row.DegradedLegs = &n
	w.update(func(b *collector.BridgeState) { b.DegradedLegs = sampled(w, "callLegs", row.Time, n) })
	var rows []storage.LegSample
	for _, leg := range legs {
		if leg.ID == nil {
			continue
		}
		var detail collector.CallLeg
		if !w.askOne(ctx, "callLeg", "/callLegs/"+url.PathEscape(*leg.ID), &detail) {
			continue
		}
		rows = append(rows, legRows(w, row.Time, leg, detail)...)
	}
	if len(rows) > 0 && !w.poller.publish(ctx, w.log, w.bridge.Name, "callLegs", storage.TableLegSamples, rows) {
		w.poller.dropped.Add(float64(len(rows)))
	}
}

// askOne reads a detail. An object that ended between list and detail is no error.
func (w *worker) askOne(ctx context.Context, object, path string, dst any) bool {
	ok, _ := w.askMember(ctx, object, path, dst)
	return ok
}

// askMember is askOne and tells whether the object is gone.
func (w *worker) askMember(ctx context.Context, object, path string, dst any) (ok, gone bool) {
	answered := w.ask(ctx, object, func() error {
		err := w.client.one(ctx, path, dst)
		if ReasonOf(err) == ReasonNotFound {
			gone = true
			return nil
		}
		return err
	})
	return answered && !gone, gone
}

func legRows(w *worker, at time.Time, listed, leg collector.CallLeg) []storage.LegSample {
	base := storage.LegSample{
		Time: at, CMSCluster: w.cluster.inv.Name, CallBridge: w.bridge.Name, CallLegID: parseID(listed.ID), CallID: parseID(cmp.Or(leg.Call, listed.Call)),
		RemoteParty: deref(cmp.Or(leg.RemoteParty, listed.RemoteParty)), Type: deref(leg.Type), SubType: deref(leg.SubType),
	}
	if a := listed.Alarms; a != nil {
		base.PacketLossAlarm, base.JitterAlarm, base.RoundTripAlarm = *bit(&a.PacketLoss), *bit(&a.ExcessiveJitter), *bit(&a.HighRoundTripTime)
	}
	var rows []storage.LegSample
	add := func(name string, m *collector.MediaStream) {
		if m == nil {
			return
		}
		r := base
		r.Stream, r.Codec, r.BitRate, r.PacketLossPercent = name, deref(m.Codec), m.BitRate, m.PacketLossPercentage
		r.JitterSeconds, r.RoundTripSeconds = fromMillis(m.Jitter), fromMillis(m.RoundTripTime)
		r.Width, r.Height, r.FrameRate = m.Width, m.Height, m.FrameRate
		rows = append(rows, r)
	}
	video := func(direction string, streams []collector.MediaStream) {
		times := make(map[string]int)
		for _, s := range streams {
			name := direction + "_video"
			if deref(s.Role) == "presentation" {
				name = direction + "_presentation"
			}
			// An end point with several screens has several; rows of one name would replace each other.
			const most = 8
			if times[name]++; times[name] > most {
				continue
			}
			if n := times[name]; n > 1 {
				name += "_" + strconv.Itoa(n)
			}
			add(name, &s)
		}
	}
	add("rx_audio", leg.RxAudio)
	add("tx_audio", leg.TxAudio)
	video("rx", leg.RxVideo)
	video("tx", leg.TxVideo)
	if len(rows) == 0 {
		rows = append(rows, base)
	}
	return rows
}

func fromMillis(ms *float64) *float64 {
	if ms == nil {
		return nil
	}
	s := *ms / 1000
	return &s
}

// knownCall is a live call whose detail was read.
type knownCall struct {
	detail collector.Call
	read   time.Time
	// recordingFails is when it was first read that a recording is wanted and does not run; zero while it does, or none is.
	recordingFails time.Time
}

// recorderPatience is how long a recorder may take to begin; meanwhile the call counts as recorded or not, as it says, but not as unrecorded.
const recorderPatience = time.Minute

// pollCalls reads the list of calls, and the detail of new ones and of those not read for long, within the budget.
func (w *worker) pollCalls(ctx context.Context, row *storage.BridgeSample) {
	var listed []collector.Call
	if !w.ask(ctx, "calls", func() (err error) {
		listed, err = collect[collector.Call](ctx, w.client, "/calls", "call", nil)
		return err
	}) {
		return
	}
	var rows []storage.CallSample
	current := make(map[string]*knownCall, len(listed))
	now := w.poller.deps.Clock()
	var stale []string
	for _, c := range listed {
		if c.ID == nil {
			continue
		}
		known := w.calls[*c.ID]
		if known == nil {
			known = &knownCall{detail: c}
		}
		// What is to be recorded is looked at each time: that a recording does not run shows nowhere else.
		if now.Sub(known.read) >= w.poller.reread || deref(known.detail.Recording) {
			stale = append(stale, *c.ID)
		}
		current[*c.ID] = known
		if c.CoSpace != nil {
			w.cluster.owners.want(parseID(c.CoSpace), now)
		}
	}
	w.calls = current
	// The longest unread first, so that a large bridge is covered in turns.
	slices.SortFunc(stale, func(a, b string) int {
		return cmp.Or(current[a].read.Compare(current[b].read), strings.Compare(a, b))
	})
	if len(stale) > w.poller.cfg.CallDetails {
		stale = stale[:w.poller.cfg.CallDetails]
	}
	for _, id := range stale {
		var c collector.Call
		ok, gone := w.askMember(ctx, "call", "/calls/"+url.PathEscape(id), &c)
		if gone {
			delete(current, id) // it ended since it was listed, and what is left is the whole again
		}
		if !ok {
			continue
		}
		c.ID = &id
		if c.CallCorrelator == nil {
			c.CallCorrelator = current[id].detail.CallCorrelator
		}
		current[id].take(c, now)
		rows = append(rows, callRow(w, row.Time, c))
	}
	w.judgeCalls(ctx, row.Time)
	summary := summarize(current, now)
	total := int64(len(current))
	row.Conferences, row.ParticipantsLocal = &total, summary.ParticipantsLocal
	row.ConferencesRecording, row.ConferencesStreaming = number(summary.RecordingMeetings), number(summary.StreamingMeetings)
	row.ConferencesDistributed = countCalls(current, func(c collector.Call) bool { return deref(c.NumDistributed) > 0 })
	w.update(func(b *collector.BridgeState) { b.Calls = sampled(w, "calls", row.Time, summary) })
	if len(rows) > 0 && !w.poller.publish(ctx, w.log, w.bridge.Name, "calls", storage.TableCallSamples, rows) {
		w.poller.dropped.Add(float64(len(rows)))
	}
}

// take keeps a call's detail as read at now.
func (c *knownCall) take(detail collector.Call, now time.Time) {
	c.detail, c.read = detail, now
	switch fails := deref(detail.Recording) && detail.RecordingStatus != nil && !*detail.RecordingStatus; {
	case !fails:
		c.recordingFails = time.Time{}
	case c.recordingFails.IsZero():
		c.recordingFails = now
	}
}

func callRow(w *worker, at time.Time, c collector.Call) storage.CallSample {
	return storage.CallSample{
		Time: at, CMSCluster: w.cluster.inv.Name, CallBridge: w.bridge.Name, CallID: parseID(c.ID), CallCorrelator: parseID(c.CallCorrelator),
		Name: deref(c.Name), CallType: deref(c.CallType), SpaceID: parseID(c.CoSpace), TenantID: parseID(c.Tenant), OwnerName: deref(c.OwnerName),
		DurationSeconds: c.DurationSeconds, Legs: c.NumCallLegs, LegsMaxActive: c.MaxCallLegs, ParticipantsLocal: c.NumParticipantsLocal,
		ParticipantsRemote: c.NumParticipantsOther, DistributedInstances: c.NumDistributed, Locked: bit(c.Locked),
		Recording: bit(c.Recording), RecordingStatus: bit(c.RecordingStatus), Streaming: bit(c.Streaming), StreamingStatus: bit(c.StreamingStatus),
		EndpointRecording: bit(c.EndpointRecording),
	}
}

// countCalls counts calls whose detail was read, or nil while some were not.
func countCalls(calls map[string]*knownCall, is func(collector.Call) bool) *int64 {
	var n int64
	for _, c := range calls {
		if c.read.IsZero() {
			return nil
		}
		if is(c.detail) {
			n++
		}
	}
	return &n
}

// summarize sums the calls of a bridge. Figures that need details stay nil until all details were read: a part is not the whole.
func summarize(calls map[string]*knownCall, now time.Time) collector.CallSummary {
	s := collector.CallSummary{Total: int64(len(calls)), ByType: make(map[string]int64)}
	var local, largest, largestLocal int64
	complete := true
	for id, c := range calls {
		// A call without correlator (before 1.7) is a meeting of its own.
		s.Correlators = append(s.Correlators, cmp.Or(deref(c.detail.CallCorrelator), id))
		if c.read.IsZero() {
			complete = false
			continue
		}
		kind := deref(c.detail.CallType)
		if !slices.Contains(collector.CallTypes(), kind) {
			kind = collector.Other
		}
		s.ByType[kind]++
		here := deref(c.detail.NumParticipantsLocal)
		local += here
		largest, largestLocal = max(largest, here+deref(c.detail.NumParticipantsOther)), max(largestLocal, here)
	}
	slices.Sort(s.Correlators)
	if !complete {
		s.ByType = nil
		return s
	}
	s.ParticipantsLocal, s.LargestMeeting, s.LargestLocal = &local, &largest, &largestLocal
	s.RecordingMeetings, s.StreamingMeetings, s.UnrecordedMeetings = []string{}, []string{}, []string{}
	statusTold := true
	for id, c := range calls {
		statusTold = statusTold && c.detail.RecordingStatus != nil
		meeting := cmp.Or(deref(c.detail.CallCorrelator), id)
		// Where a release sends no status the intent is the best there is.
		if deref(cmp.Or(c.detail.RecordingStatus, c.detail.Recording)) {
			s.RecordingMeetings = append(s.RecordingMeetings, meeting)
		}
		if !c.recordingFails.IsZero() && now.Sub(c.recordingFails) >= recorderPatience {
			s.UnrecordedMeetings = append(s.UnrecordedMeetings, meeting)
		}
		if deref(cmp.Or(c.detail.StreamingStatus, c.detail.Streaming)) {
			s.StreamingMeetings = append(s.StreamingMeetings, meeting)
		}
	}
	if !statusTold {
		s.UnrecordedMeetings = nil
	}
	return s
}

// number is the length of a list, or nil where the list is not known.
func number(list []string) *int64 {
	if list == nil {
		return nil
	}
	n := int64(len(list))
	return &n
}

func (w *worker) pollPersonal(ctx context.Context, row *storage.BridgeSample) {
	var in []collector.ActivePersonalLicense
	if !w.ask(ctx, "activePersonalLicenses", func() (err error) {
		in, err = collect[collector.ActivePersonalLicense](ctx, w.client, "/system/multipartyLicensing/activePersonalLicenses", "user", nil)
		return err
	}) || len(in) == 0 {
		return
	}
	rows := make([]storage.PersonalLicenseSample, len(in))
	for i, l := range in {
		rows[i] = storage.PersonalLicenseSample{
			Time: row.Time, CMSCluster: w.cluster.inv.Name, CallBridge: w.bridge.Name, UserID: parseID(l.UserID),
			CallsActive: l.CallsActive, WeightedCallsActive: whole(l.WeightedCallsActive),
		}
		if rows[i].UserID == uuid.Nil { // only the counters are documented (cms-api.md §5.6), and rows of one user would replace each other
			rows[i].UserID = uuid.NewSHA1(idSpace, []byte("user "+strconv.Itoa(i)))
		}
	}
	if !w.poller.publish(ctx, w.log, w.bridge.Name, "activePersonalLicenses", storage.TablePersonalLicenseSamples, rows) {
		w.poller.dropped.Add(float64(len(rows)))
	}
}

func (w *worker) pollDatabase(ctx context.Context, row *storage.BridgeSample) {
	var d collector.Database
	if !w.ask(ctx, "database", func() error { return w.client.one(ctx, "/system/database", &d) }) {
		return
	}
	rows := make([]storage.DeviceSample, 0, len(d.Nodes))
	for _, n := range d.Nodes {
		r := storage.DeviceSample{
			Time: row.Time, CMSCluster: w.cluster.inv.Name, CallBridge: w.bridge.Name, Kind: "database_node", Device: deref(n.Hostname),
			Reachable: bit(n.Up), Primary: bit(cmp.Or(n.Primary, n.Master)), Detail: deref(d.Trouble()),
		}
		if n.SyncBehind != nil && *n.SyncBehind >= 0 {
			r.BehindBytes = n.SyncBehind
		}
		rows = append(rows, r)
	}
	w.update(func(b *collector.BridgeState) { b.Database = sampled(w, "database", row.Time, d) })
	w.judgeDatabase(ctx, row.Time, d)
	w.config.publish(ctx, w, w.bridge.Name, "database", "", &d)
	w.publishDevices(ctx, "database", rows)
}

func (w *worker) publishDevices(ctx context.Context, object string, rows []storage.DeviceSample) {
	if len(rows) > 0 && !w.poller.publish(ctx, w.log, w.bridge.Name, object, storage.TableDeviceSamples, rows) {
		w.poller.dropped.Add(float64(len(rows)))
	}
}

// knownTurn is a TURN server and when its detail was read; zero where that failed so far.
type knownTurn struct {
	server collector.TurnServer
	read   time.Time
}

// rereadDevice is how often the configuration of a device is read again.
const rereadDevice = time.Hour

func (w *worker) pollTurn(ctx context.Context, row *storage.BridgeSample) {
	var servers []collector.TurnServer
	if !w.ask(ctx, "turnServers", func() (err error) {
		servers, err = collect[collector.TurnServer](ctx, w.client, "/turnServers", "turnServer", nil)
		return err
	}) {
		return
	}
	states := []collector.TurnState{}
	complete := true
	now, current := w.poller.deps.Clock(), make(map[string]knownTurn, len(servers))
	var rows []storage.DeviceSample
	for _, s := range servers {
		if s.ID == nil {
			continue
		}
		path := "/turnServers/" + url.PathEscape(*s.ID)
		// The list carries few fields; what the detail adds changes with the configuration only.
		known, ok := w.turn[*s.ID]
		if !ok || now.Sub(known.read) >= rereadDevice {
			var detail collector.TurnServer
			if w.askOne(ctx, "turnServer", path, &detail) {
				detail.ID, detail.ServerAddress = s.ID, cmp.Or(detail.ServerAddress, s.ServerAddress)
				known = knownTurn{detail, now}
			} else if !ok {
				known.server = s
			}
		}
		s, current[*s.ID] = known.server, known
		w.config.publish(ctx, w, w.bridge.Name, "turnServer", *s.ID, &s)
		var hosts []*element
		gone := false
		if !w.ask(ctx, "turnServerStatus", func() error {
			root, err := w.client.get(ctx, path+"/status", nil)
			if ReasonOf(err) == ReasonNotFound {
				gone = true
				return nil
			}
			if err == nil {
				hosts = root.all("host")
			}
			return err
		}) || gone {
			complete = complete && gone
			continue
		}
		state := collector.TurnState{Name: cmp.Or(deref(s.ServerAddress), *s.ID), Type: deref(s.Type)}
		for _, e := range hosts {
			var h collector.TurnHost
			decode(e, &h)
			rows = append(rows, turnRow(w, row.Time, state.Name, h))
			worsen(&state, h)
		}
		states = append(states, state)
	}
	w.turn = current
	w.update(func(b *collector.BridgeState) { b.TurnServers = sampled(w, "turnServers", row.Time, states) })
	w.judgeTurn(ctx, row.Time, states, complete)
	w.publishDevices(ctx, "turnServers", rows)
}

func turnRow(w *worker, at time.Time, name string, h collector.TurnHost) storage.DeviceSample {
	r := storage.DeviceSample{
		Time: at, CMSCluster: w.cluster.inv.Name, CallBridge: w.bridge.Name, Kind: "turn_server", Device: name,
		Address: deref(h.Address), Reachable: bit(h.Reachable), Active: h.NumAllocations,
	}
	if h.PortNumber != nil {
		r.Address += ":" + strconv.FormatInt(*h.PortNumber, 10)
	}
	if h.RoundTripTimeMs != nil {
		s := float64(*h.RoundTripTimeMs) / 1000
		r.RoundTripSeconds = &s
	}
	if h.MappedAddress != nil {
		r.Detail = fmt.Sprintf("mapped to %s:%d", *h.MappedAddress, deref(h.MappedPortNumber))
	}
	return r
}

// worsen folds one host into the state of its TURN server: all must be reachable, the longest round trip counts, allocations add up.
func worsen(s *collector.TurnState, h collector.TurnHost) {
	if h.Reachable != nil {
		both := *h.Reachable && (s.Reachable == nil || *s.Reachable)
		s.Reachable = &both
	}
	if h.RoundTripTimeMs != nil {
		rtt := max(time.Duration(*h.RoundTripTimeMs)*time.Millisecond, deref(s.RoundTrip))
		s.RoundTrip = &rtt
	}
	if h.NumAllocations != nil {
		sum := *h.NumAllocations + deref(s.Allocations)
		s.Allocations = &sum
	}
}

// pollDevices returns the poll of a collection whose members have a url and a status: Web Bridges, recorders, streamers.
func (w *worker) pollDevices(object, child, kind string, set func(*collector.BridgeState, collector.Sample[[]collector.DeviceState])) func(context.Context, *storage.BridgeSample) {
	return func(ctx context.Context, row *storage.BridgeSample) {
		var devices []collector.Device
		if !w.ask(ctx, object, func() (err error) {
			devices, err = collect[collector.Device](ctx, w.client, "/"+object, child, nil)
			return err
		}) {
			return
		}
		states := []collector.DeviceState{}
		complete := true
		var rows []storage.DeviceSample
		for _, d := range devices {
			if d.ID == nil {
				continue
			}
			path := "/" + object + "/" + url.PathEscape(*d.ID)
			if d.URL == nil {
				id := d.ID
				w.askOne(ctx, child, path, &d)
				d.ID = id
			}
			if d.URL != nil {
				clean := withoutSecrets(*d.URL)
				d.URL = &clean
			}
			w.config.publish(ctx, w, w.bridge.Name, child, *d.ID, &d)
			var s collector.DeviceStatus
			if !w.askOne(ctx, child+"Status", path+"/status", &s) {
				complete = false
				continue
			}
			state := collector.DeviceState{Name: cmp.Or(deref(d.URL), *d.ID), Status: deref(s.Status), Active: cmp.Or(s.ActiveRecordings, s.ActiveStreams)}
			if state.Status != "" && state.Status != "unused" {
				// A recorder short of disk is still connected.
				ok := state.Status == "success" || state.Status == lowDiskSpace
				state.Reachable = &ok
			}
			states = append(states, state)
			rows = append(rows, storage.DeviceSample{
				Time: row.Time, CMSCluster: w.cluster.inv.Name, CallBridge: w.bridge.Name, Kind: kind, Device: state.Name,
				Status: state.Status, Reachable: bit(state.Reachable), Active: state.Active,
			})
		}
		w.update(func(b *collector.BridgeState) { set(b, sampled(w, object, row.Time, states)) })
		w.judgeDevices(ctx, row.Time, object, states, complete)
		w.publishDevices(ctx, object, rows)
	}
}

// withoutSecrets keeps scheme, host and port of an address: paths, queries and user parts carry keys and tokens.
func withoutSecrets(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

// pollLicenseFile reads the license file of one server. From 3.0 on it may say noLicense on a licensed server and is not asked (cms-api.md §5.4).
func (w *worker) pollLicenseFile(ctx context.Context, row *storage.BridgeSample) {
	if atLeast(w.version, 3, 0) {
		w.faults.Forget(ctx, row.Time, licenseFileFaults())
		return
	}
	var features []collector.Feature
	if w.ask(ctx, "licensing", func() (err error) {
		features, err = w.client.features(ctx, "/system/licensing")
		return err
	}) {
		w.update(func(b *collector.BridgeState) { b.LicenseFile = sampled(w, "licensing", row.Time, features) })
		judgeFeatures(ctx, w.faults, row.Time, features, licenseFileFaults(), 0)
		w.publishFeatures(ctx, row.Time, w.bridge.Name, features)
	}
}

// features reads an answer whose features carry their names as element names, whatever they are.
func (c *Client) features(ctx context.Context, path string) ([]collector.Feature, error) {
	root, err := c.get(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	list := root.child("features")
	if list == nil {
		list = root
	}
	const most = 64
	out := []collector.Feature{}
	for i, e := range list.children {
		if i == most {
			break
		}
		f := collector.Feature{Name: clip(e.name)}
		decode(e, &f)
		out = append(out, f)
	}
	return out, nil
}

func (w *worker) publishFeatures(ctx context.Context, at time.Time, bridge string, features []collector.Feature) {
	rows := make([]storage.LicenseFeature, len(features))
	for i, f := range features {
		rows[i] = storage.LicenseFeature{
			Time: at, CMSCluster: w.cluster.inv.Name, CallBridge: bridge, Feature: f.Name, Status: deref(f.Status), Limit: f.Limit, Level: deref(f.Level),
		}
		if f.Expiry != nil {
			rows[i].Expiry = new(storage.Holdable(f.Expiry.Time))
		}
	}
	if len(rows) > 0 && !w.poller.publish(ctx, w.log, w.bridge.Name, "licensing", storage.TableLicenseFeatures, rows) {
		w.poller.dropped.Add(float64(len(rows)))
	}
}

// receivers reads the CDR receivers of a bridge. Addresses are cut and digested before anything else sees them: they hold tokens.
func (c *Client) receivers(ctx context.Context) (collector.ReceiverState, error) {
	var state collector.ReceiverState
	first, err := c.list(ctx, "/system/cdrReceivers", "cdrReceiver", nil, func(e *element) bool {
		var r collector.CDRReceiver
		decode(e, &r)
		if r.URI != nil {
			r.Digest = sha256.Sum256([]byte(*r.URI))
			clean := withoutSecrets(*r.URI)
			r.URI = &clean
		}
		state.Receivers = append(state.Receivers, r)
		return true
	})
	if err != nil {
		return state, err
	}
	if first.root != nil {
		if n, err := strconv.ParseInt(first.root.attrs["maximum"], 10, 64); err == nil {
			state.Maximum = &n
		}
	}
	return state, nil
}

// has reports whether an address is among the receivers.
func has(state collector.ReceiverState, address collector.Secret) bool {
	digest := sha256.Sum256([]byte(address.Reveal()))
	return slices.ContainsFunc(state.Receivers, func(r collector.CDRReceiver) bool { return r.Digest == digest })
}

func (w *worker) pollReceivers(ctx context.Context, row *storage.BridgeSample) {
	var state collector.ReceiverState
	if !w.ask(ctx, "cdrReceivers", func() (err error) { state, err = w.client.receivers(ctx); return err }) {
		return
	}
	if address := w.poller.cfg.Receivers[w.cluster.inv.Name][w.bridge.Name]; address != "" {
		ours := has(state, address)
		state.Ours = &ours
	}
	w.judgeReceivers(ctx, row.Time, state.Ours)
	w.update(func(b *collector.BridgeState) { b.CDRReceivers = sampled(w, "cdrReceivers", row.Time, state) })
	for _, r := range state.Receivers {
		w.config.publish(ctx, w, w.bridge.Name, "cdrReceiver", deref(r.ID), &r)
	}
}
