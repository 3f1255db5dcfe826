package collector

import (
	"cmp"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/collector/capacity"
	"github.com/bridgewatch/bridgewatch/collector/witness"
)

// Sample is a value with the time it was taken and the time until which it may be shown. A zero Sample is a missing one.
// Values are replaced whole and never changed in place, so a copy of a Sample is safe to read without a lock.
type Sample[T any] struct {
	Value T
	// At is when it was taken.
	At time.Time
	// Until is when it becomes too old to stand for now.
	Until time.Time
}

// Known reports whether there is a value that may still be shown at now.
func (s Sample[T]) Known(now time.Time) bool { return !s.At.IsZero() && now.Before(s.Until) }

// BridgeState is the newest of everything about one Call Bridge.
type BridgeState struct {
	Cluster, Bridge string
	// Polled says whether the last poll of /system/status succeeded; not Known before the first.
	Polled              Sample[bool]
	ClockSkew           Sample[time.Duration]
	Status              Sample[Status]
	Load                Sample[Load]
	Config              Sample[ClusterConfig]
	MultipartyLicensing Sample[MultipartyLicensing]
	Alarms              Sample[[]Alarm]
	// DegradedLegs carry a quality alarm now.
	DegradedLegs Sample[int64]
	Calls        Sample[CallSummary]
	// Participants hosted by the bridge, by kind of client: sip, webapp, lync, other.
	Participants Sample[map[string]int64]
	// LicenseFile is /system/licensing, for releases before 3.0.
	LicenseFile  Sample[[]Feature]
	TurnServers  Sample[[]TurnState]
	WebBridges   Sample[[]DeviceState]
	Recorders    Sample[[]DeviceState]
	Streamers    Sample[[]DeviceState]
	Database     Sample[Database]
	CDRReceivers Sample[ReceiverState]
	MediaModules Sample[MediaModules]
	SyslogStats  Sample[SyslogStats]
	Events       Sample[EventsState]
	// EventCalls are the calls as the events subscription tells them: fresher than Calls, which polls tell, and without the numbers of participants.
	EventCalls Sample[CallSummary]
	// Witness is what came of holding records, events and API against one another.
	Witness Sample[witness.Report]
	// TLSUnverified: the bridge's identity is not checked, because the configuration says so.
	TLSUnverified bool
}

// CallSummary sums the calls of one bridge.
type CallSummary struct {
	// ByType counts calls by callType; nil where details were not read.
	ByType map[string]int64
	// Total is the number of calls.
	Total int64
	// Correlators are the distinct callCorrelators, by which the calls of one meeting on several bridges are the same meeting.
	Correlators []string
	// RecordingMeetings and StreamingMeetings are the correlators of calls that are recorded or streamed now; nil where unknown, empty where none is.
	RecordingMeetings, StreamingMeetings []string
	// UnrecordedMeetings are the correlators of calls that are to be recorded and have not been for a while; nil where unknown. Another bridge may record the meeting.
	UnrecordedMeetings []string
	// ParticipantsLocal is the sum of numParticipantsLocal; nil where unknown.
	ParticipantsLocal *int64
	// LargestMeeting is the largest number of participants, local and remote, of one call, LargestLocal of those on this bridge; nil where unknown.
	LargestMeeting, LargestLocal *int64
}

// TurnState is one TURN server as one bridge sees it: the worst of its hosts.
type TurnState struct {
	Name string
	// Type as configured in CMS: cms, acano, expressway, lyncEdge, standard; empty where not said.
	Type        string
	Reachable   *bool
	RoundTrip   *time.Duration
	Allocations *int64
}

// DeviceState is one Web Bridge, recorder or streamer as one bridge sees it.
type DeviceState struct {
	Name   string
	Status string
	// Reachable is nil where the bridge does not use the device.
	Reachable *bool
	// Active recordings or streams on the device; nil where not said.
	Active *int64
}

// ReceiverState is the table of CDR receivers of one bridge.
type ReceiverState struct {
	Receivers []CDRReceiver
	// Maximum is the size of the table; nil where not said.
	Maximum *int64
	// Ours: our own receiver is among them; nil where our address is not known.
	Ours *bool
}

// MediaModules is what syslog said last about media modules.
type MediaModules struct{ Total, Working int64 }

// SyslogStats are the gauges of the last STATS line; nil where a line lacks them.
type SyslogStats struct {
	DistributionLegs, SIPLegs, AppSessions *int64
	LegsPerSecond                          *float64
}

// EventsState is the state of the events connection to one bridge.
type EventsState struct {
	Connected   bool
	LastMessage time.Time
}

// CertificateState is what the last probe of a TLS end point found.
type CertificateState struct {
	Endpoint string
	Cluster  string
	NotAfter time.Time
	// NameMatches and ChainValid are nil where no certificate was seen.
	NameMatches, ChainValid *bool
}

// SchedulerState is what a scheduler's status document said last.
type SchedulerState struct {
	Name string
	Up   bool
}

// ClusterState is the newest of what belongs to a whole cluster.
type ClusterState struct {
	Cluster string
	// Features is /clusterLicensing (3.0 and later).
	Features Sample[[]Feature]
	// Usage is the newest complete five-minute bin of MPLicenseUsage, summed over hosts.
	Usage Sample[UsageTotals]
	// Groups maps a bridge's uniqueName to the name of its Call Bridge Group; bridges in no group map to "".
	Groups Sample[map[string]string]
	// GUIDs maps a bridge's uniqueName to its callBridge GUID. It does not grow old: a GUID stays a bridge's.
	GUIDs      map[string]string
	Schedulers map[string]Sample[SchedulerState]
}

// UsageTotals is license use of a cluster as its servers report it. Sixths are not applied on the wire; SMPSixths applies them exactly.
type UsageTotals struct {
	// Bin is the start of the five minutes.
	Bin time.Time
	// PMP, Recording and Streaming in thousandths of a license.
	PMP, Recording, Streaming Thousandths
	// SMP6000 is shared licenses in six-thousandths: 6 x full + audio-only + point-to-point, each in thousandths.
	SMP6000 int64
	// PMPAssigned is nil where the release does not report it.
	PMPAssigned *int64
}

// PoolState is what the license engine knows about a pool. Nil means not known.
type PoolState struct {
	// InUse, Assigned and Entitlement by license: pmp, smp, recording. A license that is absent is not known.
	InUse, Assigned, Entitlement map[string]float64
	OverageDays                  *int64
	EnforcementLevel             *int64
}

type bridgeKey struct{ cluster, bridge string }

type counters struct {
	records       map[string]int64
	legEnds       map[string]int64
	qualityAlarms map[string]int64
	legStarts     map[string]int64
	phoneLegs     map[string]int64 // by direction
	mix           *window
	legSeconds    int64
	// badSeconds is fractional: alarms say how long they held in percent.
	badSeconds float64
	duplicates int64
	malformed  int64
	missing    int64
	nextIndex  *int64
	nextHeard  time.Time // when another instance last told nextIndex
	baseIndex  *int64
	lastRecord time.Time
}

type bridgeEntry struct {
	state    BridgeState
	counters counters
	held     map[Feed]bool
	// heardName is the uniqueName by the word of another instance.
	heardName string
}

// Feed is a way by which something is learnt of a bridge. With several instances each feed of a bridge is in the hands of one of them.
type Feed int

// The feeds.
const (
	Polls   Feed = iota // what pollers read, and what is computed from it
	Events              // what the events subscription tells: its state and the participants
	Records             // what the writer counts in the bridge's records
)

// Feeds lists all of them.
func Feeds() []Feed { return []Feed{Polls, Events, Records} }

// Live is the newest state of everything, filled by pollers, writers and subscribers and read by the Prometheus collector, the API and the alert rules.
// All methods may be called from any goroutine. Names that the inventory does not hold are ignored: labels stay a closed set.
type Live struct {
	inventory Inventory
	now       func() time.Time

	mu           sync.Mutex
	bridges      map[bridgeKey]*bridgeEntry
	clusters     map[string]*ClusterState
	certificates map[string]Sample[CertificateState]
	pools        map[string]Sample[PoolState]
	faults       map[faultsKey]map[string]int
	setups       map[string]*window // by cluster
}

// NewLive returns the empty state of an inventory. The clock decides when samples are too old to be shown; nil means time.Now.
func NewLive(inv Inventory, now func() time.Time) *Live {
	if now == nil {
		now = time.Now
	}
	l := &Live{
		inventory:    inv,
		now:          now,
		bridges:      make(map[bridgeKey]*bridgeEntry),
		clusters:     make(map[string]*ClusterState),
		certificates: make(map[string]Sample[CertificateState]),
		pools:        make(map[string]Sample[PoolState]),
		faults:       make(map[faultsKey]map[string]int),
		setups:       make(map[string]*window),
	}
	for _, c := range inv.Clusters {
		l.clusters[c.Name] = &ClusterState{Cluster: c.Name}
		l.setups[c.Name] = newWindow(time.Second, setupWindow)
		for _, b := range c.Bridges {
			l.bridges[bridgeKey{c.Name, b.Name}] = &bridgeEntry{
				state: BridgeState{Cluster: c.Name, Bridge: b.Name, TLSUnverified: strings.HasPrefix(b.URL, "http:") || !b.TLS.Verifies()},
				counters: counters{
					records: make(map[string]int64), legEnds: make(map[string]int64), qualityAlarms: make(map[string]int64), legStarts: make(map[string]int64),
					phoneLegs: make(map[string]int64),
					mix:       newWindow(time.Minute, mixWindow),
				},
				held: map[Feed]bool{Polls: true, Events: true, Records: true},
			}
		}
	}
	return l
}

// Inventory returns the inventory the state is about.
func (l *Live) Inventory() Inventory { return l.inventory }

// Hold says whether this instance has a feed of a bridge in hand. What comes by a feed that it has not is not exposed, so that sums over instances are right.
// All feeds of all bridges are held at first.
func (l *Live) Hold(feed Feed, cluster, bridge string, held bool) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.held[feed] = held })
}

// HoldCluster is Hold for all bridges of a cluster.
func (l *Live) HoldCluster(feed Feed, cluster string, held bool) {
	for _, c := range l.inventory.Clusters {
		for _, b := range c.Bridges {
			if c.Name == cluster {
				l.Hold(feed, cluster, b.Name, held)
			}
		}
	}
}

// Update changes the state of one bridge under the lock. Slices, maps and pointers must be replaced, not changed: snapshots share them.
func (l *Live) Update(cluster, bridge string, change func(*BridgeState)) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		change(&b.state)
		// A restarted bridge counts from 0 again; so does what we compare with while no record of it has come.
		if index := b.state.Status.Value.CDRCorrelatorIndex; index != nil {
			if b.counters.baseIndex == nil || *index < *b.counters.baseIndex {
				base := *index
				b.counters.baseIndex = &base
			}
		}
	})
}

// UpdateCluster changes the state of one cluster under the lock. The same rule as for Update holds.
func (l *Live) UpdateCluster(cluster string, change func(*ClusterState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.clusters[cluster]; c != nil {
		change(c)
	}
}

// BridgesByGUID names the configured bridges by the callBridge GUIDs that were learnt so far. A bridge is known to the cluster by its uniqueName, to us by
// its configured name.
func (l *Live) BridgesByGUID() map[uuid.UUID]cdr.Bridge {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[uuid.UUID]cdr.Bridge{}
	for _, c := range l.inventory.Clusters {
		for _, b := range c.Bridges {
			entry := l.bridges[bridgeKey{c.Name, b.Name}]
			name := cmp.Or(entry.heardName, b.Name)
			if unique := entry.state.Config.Value.UniqueName; unique != nil {
				name = *unique
			}
			if id, err := uuid.Parse(l.clusters[c.Name].GUIDs[name]); err == nil {
				known[id] = cdr.Bridge{Name: b.Name, Cluster: c.Name}
			}
		}
	}
	return known
}

// Names are what a bridge needs to be recognized in records: the cluster's callBridge GUIDs by uniqueName, and the bridges' uniqueNames by configured name.
type Names struct {
	GUIDs   map[string]string `json:"guids"`
	Uniques map[string]string `json:"uniques"`
}

// Names returns what is known of a cluster.
func (l *Live) Names(cluster string) Names {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := Names{GUIDs: map[string]string{}, Uniques: map[string]string{}}
	if c := l.clusters[cluster]; c != nil {
		maps.Copy(n.GUIDs, c.GUIDs)
	}
	for key, b := range l.bridges {
		if unique := b.state.Config.Value.UniqueName; key.cluster == cluster && unique != nil {
			n.Uniques[key.bridge] = *unique
		} else if key.cluster == cluster && b.heardName != "" {
			n.Uniques[key.bridge] = b.heardName
		}
	}
	return n
}

// HearNames takes the word of the instance that polls a cluster.
func (l *Live) HearNames(cluster string, n Names) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.clusters[cluster]; c != nil && len(n.GUIDs) > 0 {
		c.GUIDs = maps.Clone(n.GUIDs)
	}
	for bridge, unique := range n.Uniques {
		if b := l.bridges[bridgeKey{cluster, bridge}]; b != nil {
			b.heardName = unique
		}
	}
}

// SetCertificate stores what a probe found.
func (l *Live) SetCertificate(s Sample[CertificateState]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.certificates[s.Value.Cluster+"\x00"+s.Value.Endpoint] = s
}

// SetPool stores what the license engine found about a pool.
func (l *Live) SetPool(pool string, s Sample[PoolState]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pools[pool] = s
}

// SetEvents stores the state of the events connection to a bridge. It holds until the next call.
func (l *Live) SetEvents(cluster, bridge string, connected bool, lastMessage time.Time) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		b.state.Events = Sample[EventsState]{Value: EventsState{connected, lastMessage}, At: l.now(), Until: forever}
	})
}

// EventsOf returns the state of the events connection to a bridge; known is false where this instance does not have the events of the bridge, or nobody told.
func (l *Live) EventsOf(cluster, bridge string) (state EventsState, known bool) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		state, known = b.state.Events.Value, b.held[Events] && !b.state.Events.At.IsZero()
	})
	return state, known
}

// SetWitness stores what a comparison found. It is shown until validFor has passed.
func (l *Live) SetWitness(cluster, bridge string, r witness.Report, validFor time.Duration) {
	now := l.now()
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		b.state.Witness = Sample[witness.Report]{Value: r, At: now, Until: now.Add(validFor)}
	})
}

// SetEventCalls stores the calls as the events tell them. They are shown until validFor has passed.
func (l *Live) SetEventCalls(cluster, bridge string, calls CallSummary, validFor time.Duration) {
	now := l.now()
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		b.state.EventCalls = Sample[CallSummary]{Value: calls, At: now, Until: now.Add(validFor)}
	})
}

// SetParticipants stores the people a bridge hosts now, by kind of client (sip, webapp, lync, other), from whoever knows best: the events roster where it is
// connected. The figure is shown until validFor has passed.
func (l *Live) SetParticipants(cluster, bridge string, byClient map[string]int64, validFor time.Duration) {
	now := l.now()
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		b.state.Participants = Sample[map[string]int64]{Value: maps.Clone(byClient), At: now, Until: now.Add(validFor)}
	})
}

// forever is the Until of states that hold until they are replaced.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// CountRecord counts one record accepted after de-duplication. Unknown types count as Other.
func (l *Live) CountRecord(cluster, bridge, recordType string) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.records[closed(recordType, RecordTypes())]++ })
}

// CountDuplicate counts one record that had been stored before.
func (l *Live) CountDuplicate(cluster, bridge string) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.duplicates++ })
}

// CountMalformedBody counts one body that could not, or not wholly, be understood.
func (l *Live) CountMalformedBody(cluster, bridge string) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.malformed++ })
}

// CountLegEnd counts one call leg that ended for that reason. Unknown reasons count as Other.
func (l *Live) CountLegEnd(cluster, bridge, reason string) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.legEnds[closed(reason, LegEndReasons())]++ })
}

// CountQualityAlarm counts one quality alarm in a callLegEnd. Unknown types count as Other.
func (l *Live) CountQualityAlarm(cluster, bridge, alarm string) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.qualityAlarms[closed(alarm, QualityAlarms())]++ })
}

// CountLegSeconds counts the life of a call leg that ended and the part of it in which a quality alarm held, both in seconds.
func (l *Live) CountLegSeconds(cluster, bridge string, whole int64, degraded float64) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		b.counters.legSeconds += whole
		b.counters.badSeconds += degraded
	})
}

// CountPhoneLeg counts one call leg that began with a telephone number at its far end. Unknown directions count as Other.
func (l *Live) CountPhoneLeg(cluster, bridge, direction string) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.phoneLegs[closed(direction, Directions())]++ })
}

// SetMissing stores how many records of the bridge are missing now, over its sessions.
func (l *Live) SetMissing(cluster, bridge string, records int64) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.missing = records })
}

// SetNextIndex stores the correlatorIndex we expect next from the bridge's running session. A new session is told by a lower index.
func (l *Live) SetNextIndex(cluster, bridge string, next int64) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) { b.counters.nextIndex = &next })
}

// HearNextIndex is SetNextIndex by the word of the instance that counts the records; it is believed for a minute. nil: that instance knows none.
func (l *Live) HearNextIndex(cluster, bridge string, next *int64) {
	now := l.now()
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		if !b.held[Records] {
			b.counters.nextIndex, b.counters.nextHeard = next, now
		}
	})
}

// nextIndexValid is how long the word of another instance is believed.
const nextIndexValid = time.Minute

// NextIndexes are the indexes expected next, by bridge of a cluster, as far as they are known.
func (l *Live) NextIndexes(cluster string) map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := map[string]int64{}
	for key, b := range l.bridges {
		if key.cluster == cluster && b.counters.nextIndex != nil {
			known[key.bridge] = *b.counters.nextIndex
		}
	}
	return known
}

// SetLastRecord stores the time of the newest record of the bridge; an earlier time than the stored one is ignored.
func (l *Live) SetLastRecord(cluster, bridge string, at time.Time) {
	l.bridge(cluster, bridge, func(b *bridgeEntry) {
		if at.After(b.counters.lastRecord) {
			b.counters.lastRecord = at
		}
	})
}

func (l *Live) bridge(cluster, bridge string, do func(*bridgeEntry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.bridges[bridgeKey{cluster, bridge}]; b != nil {
		do(b)
	}
}

func closed(value string, set []string) string {
	for _, known := range set {
		if known == value {
			return known
		}
	}
	return Other
}

// RecordTypes are the nine known types of CDR records (cms-cdr.md §2).
func RecordTypes() []string {
	return []string{
		"callStart", "callEnd", "callLegStart", "callLegUpdate", "callLegEnd",
		"recordingStart", "recordingEnd", "streamingStart", "streamingEnd",
	}
}

// LegEndReasons are the known reasons of callLegEnd (cms-cdr.md §3.3).
func LegEndReasons() []string {
	return []string{
		"apiInitiatedTeardown", "callDeactivated", "callEnded", "callMoved", "clientInitiatedTeardown", "confirmationTimeOut", "dnsFailure",
		"encryptionRequired", "error", "incorrectPasscode", "ivrTimeout", "ivrUnknownCall", "localTeardown", "participantLimitReached",
		"remoteBusy", "remoteRejected", "remoteTeardown", "ringingTimeout", "tenantParticipantLimitReached", "timeout", "unknownDestination",
	}
}

// Directions are the known directions of a call leg (cms-cdr.md §2.3).
func Directions() []string { return []string{"incoming", "outgoing"} }

// QualityAlarms are the known quality alarms of a call leg (cms-cdr.md §2.5, cms-api.md §7.2).
func QualityAlarms() []string { return []string{"packetLoss", "excessiveJitter", "highRoundTripTime"} }

// Snapshot is a consistent copy of the live state, with what is too old left out.
type Snapshot struct {
	At time.Time
	// Bridges that are held, in the order of the inventory.
	Bridges      []BridgeSnapshot
	Clusters     []ClusterState
	Certificates []CertificateState
	Pools        map[string]PoolState
	// Faults of a cluster as a whole that have open intervals, by cluster and type; 0 where none is open, absent where nobody looked.
	Faults map[string]map[string]int
	// SetupPeaks are the most calls that were set up in one second of the last five minutes, by cluster and kind of client (SetupClients).
	SetupPeaks map[string]map[string]int64
}

// BridgeSnapshot is one bridge in a snapshot.
//
// Its Calls are those of the events where they are known, completed by what only polls tell; PolledCalls are what polls alone say.
type BridgeSnapshot struct {
	BridgeState
	PolledCalls Sample[CallSummary]
	Inventory   Bridge
	// Held are the feeds of the bridge that this instance has in hand; what comes by the others is zero.
	Held map[Feed]bool
	// LoadLimit in force, load units; zero with an empty source where unknown.
	LoadLimit       int64
	LoadLimitSource capacity.LimitSource
	// Records, LegEnds, QualityAlarms, LegStarts and PhoneLegs count by the closed sets; a value without entry is 0.
	Records, LegEnds, QualityAlarms, LegStarts, PhoneLegs map[string]int64
	// LegSeconds of the legs that ended, and DegradedSeconds of them in which a quality alarm held.
	LegSeconds                     int64
	DegradedSeconds                float64
	Duplicates, Malformed, Missing int64
	// Mix of the legs that ended within the last hour, by best quality; nil where none did.
	Mix capacity.Mix
	// Behind is the bridge's cdrCorrelatorIndex less the index we expect next; nil where the bridge's is not known.
	Behind     *int64
	LastRecord time.Time
	// Faults is the number of open intervals by type of fault; absent where nobody looked.
	Faults map[string]int
}

// Up reports whether the last poll succeeded; known is false before the first.
func (b BridgeSnapshot) Up() (up, known bool) { return b.Polled.Value, !b.Polled.At.IsZero() }

// Snapshot returns a copy of the state as of now. Samples that are too old are zero in it.
func (l *Live) Snapshot() Snapshot {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	snap := Snapshot{At: now, Pools: make(map[string]PoolState), Faults: make(map[string]map[string]int), SetupPeaks: make(map[string]map[string]int64)}
	for _, c := range l.inventory.Clusters {
		_, snap.SetupPeaks[c.Name] = l.setups[c.Name].sum(now)
		held := false
		for _, inv := range c.Bridges {
			entry := l.bridges[bridgeKey{c.Name, inv.Name}]
			held = held || entry.held[Polls]
			b := entry.snapshot(now, inv)
			// As with all of syslog: it is told by the instance that the lines come to, whoever polls.
			b.Faults = l.openFaults(c.Name, inv.Name, SourceSyslog)
			if entry.held[Polls] {
				b.Faults = l.openFaults(c.Name, inv.Name, SourceSyslog, SourcePoller)
			}
			snap.Bridges = append(snap.Bridges, b)
		}
		if !held && len(c.Bridges) > 0 {
			continue
		}
		cluster := *l.clusters[c.Name]
		dropOld(&cluster.Features, now)
		dropOld(&cluster.Usage, now)
		dropOld(&cluster.Groups, now)
		cluster.Schedulers = make(map[string]Sample[SchedulerState])
		for name, s := range l.clusters[c.Name].Schedulers {
			if s.Known(now) {
				cluster.Schedulers[name] = s
			}
		}
		snap.Clusters = append(snap.Clusters, cluster)
		snap.Faults[c.Name] = l.openFaults(c.Name, "", SourcePoller, SourceCerts)
		for _, endpoint := range c.Certificates {
			if s := l.certificates[c.Name+"\x00"+endpoint]; s.Known(now) {
				snap.Certificates = append(snap.Certificates, s.Value)
			}
		}
	}
	for name, p := range l.pools {
		if p.Known(now) {
			snap.Pools[name] = p.Value
		}
	}
	return snap
}

func (e *bridgeEntry) snapshot(now time.Time, inv Bridge) BridgeSnapshot {
	s := BridgeSnapshot{
		BridgeState: e.state, Inventory: inv, Held: maps.Clone(e.held),
		Records: maps.Clone(e.counters.records), LegEnds: maps.Clone(e.counters.legEnds), QualityAlarms: maps.Clone(e.counters.qualityAlarms),
		LegStarts: maps.Clone(e.counters.legStarts), Mix: e.counters.mix.present(now),
		PhoneLegs: maps.Clone(e.counters.phoneLegs), LegSeconds: e.counters.legSeconds, DegradedSeconds: e.counters.badSeconds,
		Duplicates: e.counters.duplicates, Malformed: e.counters.malformed, Missing: e.counters.missing,
		LastRecord: e.counters.lastRecord,
	}
	if !e.held[Polls] {
		// Syslog is told by the instance that the bridge sends it to, whoever polls.
		s.BridgeState = BridgeState{Cluster: e.state.Cluster, Bridge: e.state.Bridge, Participants: e.state.Participants, Events: e.state.Events, Witness: e.state.Witness,
			MediaModules: e.state.MediaModules, SyslogStats: e.state.SyslogStats}
	}
	if !e.held[Events] {
		s.Participants, s.Events, s.EventCalls = Sample[map[string]int64]{}, Sample[EventsState]{}, Sample[CallSummary]{}
	}
	dropOld(&s.ClockSkew, now)
	dropOld(&s.Status, now)
	dropOld(&s.Load, now)
	dropOld(&s.Config, now)
	dropOld(&s.MultipartyLicensing, now)
	dropOld(&s.Alarms, now)
	dropOld(&s.DegradedLegs, now)
	dropOld(&s.Calls, now)
	dropOld(&s.Participants, now)
	dropOld(&s.LicenseFile, now)
	dropOld(&s.TurnServers, now)
	dropOld(&s.WebBridges, now)
	dropOld(&s.Recorders, now)
	dropOld(&s.Streamers, now)
	dropOld(&s.Database, now)
	dropOld(&s.CDRReceivers, now)
	dropOld(&s.MediaModules, now)
	dropOld(&s.SyslogStats, now)
	dropOld(&s.Events, now)
	dropOld(&s.EventCalls, now)
	dropOld(&s.Witness, now)
	s.PolledCalls = s.Calls
	if e.held[Polls] && !s.EventCalls.At.IsZero() { // who polls the bridge tells of its calls
		s.Calls = s.EventCalls
		polled := s.PolledCalls.Value
		s.Calls.Value.ParticipantsLocal, s.Calls.Value.LargestMeeting, s.Calls.Value.LargestLocal = polled.ParticipantsLocal, polled.LargestMeeting, polled.LargestLocal
		s.Calls.Value.UnrecordedMeetings = polled.UnrecordedMeetings
	}
	var configured int64
	if limit := s.Config.Value.LoadLimit; limit != nil {
		configured = *limit
	}
	// Before the bridge's own configuration was read the catalogue would give an answer that the bridge may contradict a moment later.
	if !s.Config.At.IsZero() {
		s.LoadLimit, s.LoadLimitSource = capacity.LoadLimit(configured, inv.LoadLimit, inv.Platform)
	}
	heard := e.held[Records] || now.Before(e.counters.nextHeard.Add(nextIndexValid))
	if theirs := s.Status.Value.CDRCorrelatorIndex; theirs != nil && heard {
		// Without a record of ours, count from the first index seen: a receiver that was added late has lost nothing.
		ours := e.counters.baseIndex
		if e.counters.nextIndex != nil {
			ours = e.counters.nextIndex
		}
		behind := int64(0)
		if ours != nil {
			behind = max(*theirs-*ours, 0)
		}
		s.Behind = &behind
	}
	return s
}

func dropOld[T any](s *Sample[T], now time.Time) {
	if !s.Known(now) {
		*s = Sample[T]{}
	}
}

// Limits returns the load limit in force with its two thresholds, in load units; ok is false where no limit is known.
func (b BridgeSnapshot) Limits() (limit, newConference, existingConference int64, source capacity.LimitSource, ok bool) {
	if b.LoadLimitSource == capacity.Unknown {
		return 0, 0, 0, capacity.Unknown, false
	}
	cfg := b.Config.Value
	return b.LoadLimit, capacity.Threshold(b.LoadLimit, cfg.NewConferenceBasis, capacity.DefaultNewConferenceBasis),
		capacity.Threshold(b.LoadLimit, cfg.ExistingConferenceBasis, capacity.DefaultExistingConferenceBasis), b.LoadLimitSource, true
}
