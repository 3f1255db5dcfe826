package collector

import (
	"fmt"
	"maps"
	"strings"
)

// Sources of alarms: who saw the fault.
const (
	SourceCMS    = "cms"    // the bridge itself, in /system/alarms
	SourcePoller = "poller" // the poller, in what a bridge answers or does not
	SourceSyslog = "syslog" // a line of syslog
	SourceCerts  = "certs"  // a probe of a TLS end point or of a scheduler
)

// Fault is one of the faults that Bridgewatch finds itself: no alarm of CMS stands for it, or not in every release, or only while the bridge can still tell.
// They are stored as intervals beside the alarms of CMS and shown by cms_fault_active.
type Fault struct {
	// Type, as it stands in alarms.type and in the label fault.
	Type string
	// Source, as it stands in alarms.source.
	Source string
	// Subject says what alarms.subject holds.
	Subject string
	// Help says when it is raised and cleared.
	Help string
}

// The types of faults that Bridgewatch finds itself.
const (
	BridgeUnreachable    = "callBridgeUnreachable"
	BridgeBusy           = "callBridgeBusy"
	ClockSkew            = "clockSkew"
	DatabaseError        = "databaseError"
	DatabaseNodeDown     = "databaseNodeDown"
	DatabaseNodeBehind   = "databaseNodeOutOfSync"
	TurnUnreachable      = "turnServerUnreachable"
	WebBridgeUnreachable = "webBridgeUnreachable"
	RecorderUnreachable  = "recorderUnreachable"
	RecorderLowDisk      = "recorderLowDisk"
	StreamerUnreachable  = "streamerUnreachable"
	RecordingFailed      = "recordingNotRunning"
	ReceiverMissing      = "cdrReceiverNotRegistered"
	EventsDisconnected   = "eventsDisconnected"
	LicenseGrace         = "licenseGrace"
	LicenseExpired       = "licenseExpired"
	LicenseExpiring      = "licenseExpiring"
	LicenseMissing       = "licenseMissing"

	MediaModulesDegraded = "mediaModulesDegraded"
	ReceiverUnreachable  = "cdrReceiverUnreachable"
	ICEFailure           = "iceFailure"
	WebBridgeLinkFailure = "webBridgeLinkFailure"
	DatabaseTrouble      = "databaseClusterTrouble"

	CertificateUnseen   = "certificateNotSeen"
	CertificateExpiring = "certificateExpiring"
	CertificateExpired  = "certificateExpired"
	CertificateName     = "certificateNameMismatch"
	CertificateChain    = "certificateNotTrusted"
	SchedulerDown       = "schedulerDown"
)

// Faults lists them all. Thresholds are settings of the package that looks.
func Faults() []Fault {
	return []Fault{
		{BridgeUnreachable, SourcePoller, "bridge", "The bridge did not answer the last poll of /system/status; failure_reason says how."},
		{BridgeBusy, SourcePoller, "bridge", "The bridge answered the last poll with 503 (temporarily busy), three times: it is there."},
		{ClockSkew, SourcePoller, "bridge", "Its clock is off by more than 5 s; cleared below 4 s, as cdrTime has whole seconds."},
		{DatabaseError, SourcePoller, "bridge", "/system/database carries an error."},
		{DatabaseNodeDown, SourcePoller, "node", "The bridge does not see a node of the database cluster."},
		{DatabaseNodeBehind, SourcePoller, "node", "A node of the database cluster is more than 1 MB behind (syncBehind)."},
		{TurnUnreachable, SourcePoller, "TURN server", "The bridge does not reach an address of a TURN server."},
		{WebBridgeUnreachable, SourcePoller, "Web Bridge", "The bridge's link to a Web Bridge is neither up nor unused; failure_reason is its status."},
		{RecorderUnreachable, SourcePoller, "recorder", "The same of a recorder, up to 2.9."},
		{RecorderLowDisk, SourcePoller, "recorder", "The status of a recorder is lowDiskSpace, up to 2.9."},
		{StreamerUnreachable, SourcePoller, "streamer", "The same of a streamer, up to 2.9."},
		{RecordingFailed, SourcePoller, "call", "A call is to be recorded and is not (recording true, recordingStatus false); call_id is the call's."},
		{ReceiverMissing, SourcePoller, "bridge", "Our receiver is not in the bridge's table of CDR receivers."},
		{EventsDisconnected, SourcePoller, "bridge", "The events connection was down at two polls in a row while the API answered."},
		{LicenseGrace, SourcePoller, "feature", "The license file of a bridge has run out and is within its renewal grace, up to 2.9."},
		{LicenseExpired, SourcePoller, "feature", "A feature has expired: of the cluster, or up to 2.9 of one bridge's license file."},
		{LicenseExpiring, SourcePoller, "feature", "A feature of the cluster expires in less than 80 days: its expiry no longer slides along (3.0 and later)."},
		{LicenseMissing, SourcePoller, "callBridge", "Neither callBridge nor callBridgeNoEncryption is licensed."},
		{MediaModulesDegraded, SourceSyslog, "", "Fewer media modules work than there are, or the line says anything but full media capacity."},
		{ReceiverUnreachable, SourceSyslog, "number of the CDR receiver", "The bridge cannot connect to a CDR receiver; cleared by the line that says it could."},
		{ICEFailure, SourceSyslog, "", "ICE failures are logged, mostly for wrong TURN credentials; cleared after 15 minutes without one."},
		{WebBridgeLinkFailure, SourceSyslog, "", "Failures of web bridge links are logged; cleared after 15 minutes without one."},
		{DatabaseTrouble, SourceSyslog, "", "The database cluster logs failures (sfpool); cleared after 15 minutes without one."},
		{CertificateUnseen, SourceCerts, "end point", "A TLS end point shows no certificate; failure_reason says why."},
		{CertificateExpiring, SourceCerts, "end point", "A certificate is valid for less than 21 days more."},
		{CertificateExpired, SourceCerts, "end point", "A certificate is no longer valid."},
		{CertificateName, SourceCerts, "end point", "A certificate does not cover the name that was asked for."},
		{CertificateChain, SourceCerts, "end point", "A certificate in its time leads to no trusted root."},
		{SchedulerDown, SourceCerts, "scheduler", "A scheduler's status document is not there or does not say UP."},
	}
}

// FaultsPage returns the table of faults as Markdown, for docs/metrics.md.
func FaultsPage() string {
	var b strings.Builder
	b.WriteString("| fault | source | subject | raised |\n|---|---|---|---|\n")
	for _, f := range Faults() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Type, f.Source, f.Subject, f.Help)
	}
	return b.String()
}

// faultsKey is where a source keeps its faults: of a bridge, or of a cluster with an empty bridge.
type faultsKey struct{ cluster, bridge, source string }

// SetFaults stores how many intervals a source has open, by type of fault. A type that is absent was not looked at yet. An empty bridge stands for the cluster.
// The figures hold until the next call.
func (l *Live) SetFaults(cluster, bridge, source string, open map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.bridges[bridgeKey{cluster, bridge}]
	if known || bridge == "" && l.clusters[cluster] != nil {
		l.faults[faultsKey{cluster, bridge, source}] = maps.Clone(open)
	}
}

// openFaults gathers the faults of a bridge, or of a cluster, over the sources whose word counts here.
func (l *Live) openFaults(cluster, bridge string, sources ...string) map[string]int {
	open := make(map[string]int)
	for _, source := range sources {
		maps.Copy(open, l.faults[faultsKey{cluster, bridge, source}])
	}
	return open
}
