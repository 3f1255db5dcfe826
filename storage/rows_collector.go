package storage

import (
	"math"
	"time"

	"github.com/google/uuid"
)

// Names of the physical tables that the collector fills.
const (
	TableBridgeSamples          = "bridge_samples_data"
	TableLicenseSamples         = "license_samples_data"
	TablePersonalLicenseSamples = "personal_license_samples_data"
	TableLicenseFeatures        = "license_features_data"
	TableAlarms                 = "alarms_data"
	TableDeviceSamples          = "device_samples_data"
	TableCallSamples            = "call_samples_data"
	TableLegSamples             = "leg_samples_data"
	TableOwners                 = "owners_data"
	TableSettings               = "settings_data"
	TableSyslog                 = "syslog_data"
	TableSyslogStats            = "syslog_stats_data"
	TableCertificates           = "certificates_data"
)

// Holdable returns the time that a column of seconds can hold and that is nearest to t: 1970-01-01 to 2106-02-07. Beyond it a time would wrap around, and what never
// ends would have ended long ago.
func Holdable(t time.Time) time.Time {
	return time.Unix(min(max(t.Unix(), 0), math.MaxUint32), 0).UTC()
}

// collectorTables are the tables filled by pollers, syslog and certificate probes.
func collectorTables() []Table {
	return []Table{
		{TableBridgeSamples, BridgeSample{}},
		{TableLicenseSamples, LicenseSample{}},
		{TablePersonalLicenseSamples, PersonalLicenseSample{}},
		{TableLicenseFeatures, LicenseFeature{}},
		{TableAlarms, Alarm{}},
		{TableDeviceSamples, DeviceSample{}},
		{TableCallSamples, CallSample{}},
		{TableLegSamples, LegSample{}},
		{TableOwners, Owner{}},
		{TableSettings, Setting{}},
		{TableSyslog, SyslogLine{}},
		{TableSyslogStats, SyslogStats{}},
		{TableCertificates, Certificate{}},
	}
}

// BridgeSample is what one poll of one Call Bridge found. A nil field was not answered, which is not zero.
// Units and sources of all fields stand in the column comments of the migration.
type BridgeSample struct {
	Time                   time.Time `ch:"time" json:"time"`
	CMSCluster             string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge             string    `ch:"call_bridge" json:"call_bridge"`
	Up                     uint8     `ch:"up" json:"up"`
	Error                  string    `ch:"error" json:"error"`
	PollSeconds            float64   `ch:"poll_seconds" json:"poll_seconds"`
	SoftwareVersion        string    `ch:"software_version" json:"software_version"`
	HostID                 uuid.UUID `ch:"host_id" json:"host_id"`
	ClusterID              uuid.UUID `ch:"cluster_id" json:"cluster_id"`
	UptimeSeconds          *int64    `ch:"uptime_seconds" json:"uptime_seconds"`
	ClockSkewSeconds       *float64  `ch:"clock_skew_seconds" json:"clock_skew_seconds"`
	CDRCorrelatorIndex     *int64    `ch:"cdr_correlator_index" json:"cdr_correlator_index"`
	CallLegsActive         *int64    `ch:"call_legs_active" json:"call_legs_active"`
	CallLegsMaxActive      *int64    `ch:"call_legs_max_active" json:"call_legs_max_active"`
	CallLegsCompleted      *int64    `ch:"call_legs_completed" json:"call_legs_completed"`
	AudioBitRateTx         *int64    `ch:"audio_bit_rate_tx" json:"audio_bit_rate_tx"`
	AudioBitRateRx         *int64    `ch:"audio_bit_rate_rx" json:"audio_bit_rate_rx"`
	VideoBitRateTx         *int64    `ch:"video_bit_rate_tx" json:"video_bit_rate_tx"`
	VideoBitRateRx         *int64    `ch:"video_bit_rate_rx" json:"video_bit_rate_rx"`
	MediaProcessingLoad    *int64    `ch:"media_processing_load" json:"media_processing_load"`
	LoadLimit              *int64    `ch:"load_limit" json:"load_limit"`
	LoadLimitSource        string    `ch:"load_limit_source" json:"load_limit_source"`
	NewThreshold           *int64    `ch:"new_conference_threshold" json:"new_conference_threshold"`
	ExistingThreshold      *int64    `ch:"existing_conference_threshold" json:"existing_conference_threshold"`
	ParticipantLimit       *int64    `ch:"participant_limit" json:"participant_limit"`
	LicenseReportTime      string    `ch:"license_report_time" json:"license_report_time"`
	Users                  *int64    `ch:"users" json:"users"`
	PersonalAssigned       *int64    `ch:"personal_licenses_assigned" json:"personal_licenses_assigned"`
	PersonalLimit          *int64    `ch:"personal_license_limit" json:"personal_license_limit"`
	SharedLimit            *int64    `ch:"shared_license_limit" json:"shared_license_limit"`
	ParticipantsActive     *int64    `ch:"participants_active" json:"participants_active"`
	CallsActive            *int64    `ch:"calls_active" json:"calls_active"`
	WeightedCallsActive    *int64    `ch:"weighted_calls_active_thousandths" json:"weighted_calls_active_thousandths"`
	CallsWithoutPMP        *int64    `ch:"calls_without_pmp" json:"calls_without_pmp"`
	WeightedWithoutPMP     *int64    `ch:"weighted_calls_without_pmp_thousandths" json:"weighted_calls_without_pmp_thousandths"`
	CapacityUnits          *int64    `ch:"capacity_units_thousandths" json:"capacity_units_thousandths"`
	CapacityUnitsWithout   *int64    `ch:"capacity_units_without_pmp_thousandths" json:"capacity_units_without_pmp_thousandths"`
	DegradedLegs           *int64    `ch:"degraded_legs" json:"degraded_legs"`
	Conferences            *int64    `ch:"conferences" json:"conferences"`
	ParticipantsLocal      *int64    `ch:"participants_local" json:"participants_local"`
	ConferencesRecording   *int64    `ch:"conferences_recording" json:"conferences_recording"`
	ConferencesStreaming   *int64    `ch:"conferences_streaming" json:"conferences_streaming"`
	ConferencesDistributed *int64    `ch:"conferences_distributed" json:"conferences_distributed"`
}

// LicenseSample is one five-minute snapshot of license use that one host (server process) kept. A snapshot that is not there is unknown;
// a field of 0 is a counted zero.
type LicenseSample struct {
	Time       time.Time `ch:"time" json:"time"`
	CMSCluster string    `ch:"cms_cluster" json:"cms_cluster"`
	HostID     uuid.UUID `ch:"host_id" json:"host_id"`
	CallBridge string    `ch:"call_bridge" json:"call_bridge"`
	PMP        int64     `ch:"pmp_thousandths" json:"pmp_thousandths"`
	// PMPAssigned is nil where the release does not report it (before 3.0).
	PMPAssigned *int64    `ch:"pmp_assigned" json:"pmp_assigned"`
	SMPAudio    int64     `ch:"smp_audio_thousandths" json:"smp_audio_thousandths"`
	SMPPtP      int64     `ch:"smp_ptp_thousandths" json:"smp_ptp_thousandths"`
	SMPFull     int64     `ch:"smp_full_thousandths" json:"smp_full_thousandths"`
	Rec         int64     `ch:"rec_thousandths" json:"rec_thousandths"`
	Str         int64     `ch:"str_thousandths" json:"str_thousandths"`
	Polled      time.Time `ch:"polled" json:"polled"`
}

// PersonalLicenseSample is one user's personal license in use on one bridge.
type PersonalLicenseSample struct {
	Time                time.Time `ch:"time" json:"time"`
	CMSCluster          string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge          string    `ch:"call_bridge" json:"call_bridge"`
	UserID              uuid.UUID `ch:"user_id" json:"user_id"`
	CallsActive         *int64    `ch:"calls_active" json:"calls_active"`
	WeightedCallsActive *int64    `ch:"weighted_calls_active_thousandths" json:"weighted_calls_active_thousandths"`
}

// LicenseFeature is the state of one licensed feature: of the cluster (call_bridge empty, 3.0 and later) or of one bridge's license file.
type LicenseFeature struct {
	Time       time.Time `ch:"time" json:"time"`
	CMSCluster string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge string    `ch:"call_bridge" json:"call_bridge"`
	Feature    string    `ch:"feature" json:"feature"`
	Status     string    `ch:"status" json:"status"`
	// Expiry is the start (UTC) of the day the answer names; nil where it names none.
	Expiry *time.Time `ch:"expiry" json:"expiry"`
	Limit  *int64     `ch:"license_limit" json:"license_limit"`
	Level  string     `ch:"level" json:"level"`
}

// Alarm is one interval during which a fault held. The row with the highest version stands.
type Alarm struct {
	CMSCluster    string     `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge    string     `ch:"call_bridge" json:"call_bridge"`
	Source        string     `ch:"source" json:"source"`
	AlarmID       uuid.UUID  `ch:"alarm_id" json:"alarm_id"`
	Type          string     `ch:"type" json:"type"`
	Raised        time.Time  `ch:"raised" json:"raised"`
	Cleared       *time.Time `ch:"cleared" json:"cleared"`
	LastSeen      time.Time  `ch:"last_seen" json:"last_seen"`
	FailureReason string     `ch:"failure_reason" json:"failure_reason"`
	Subject       string     `ch:"subject" json:"subject"`
	CallID        uuid.UUID  `ch:"call_id" json:"call_id"`
	Detail        string     `ch:"detail" json:"detail"`
	Version       uint64     `ch:"version" json:"version"`
}

// DeviceSample is what one Call Bridge, or one prober, saw of one device: TURN server, Web Bridge, recorder, streamer, database node, scheduler.
type DeviceSample struct {
	Time             time.Time `ch:"time" json:"time"`
	CMSCluster       string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge       string    `ch:"call_bridge" json:"call_bridge"`
	Kind             string    `ch:"kind" json:"kind"`
	Device           string    `ch:"device" json:"device"`
	Address          string    `ch:"address" json:"address"`
	Status           string    `ch:"status" json:"status"`
	Reachable        *uint8    `ch:"reachable" json:"reachable"`
	RoundTripSeconds *float64  `ch:"round_trip_seconds" json:"round_trip_seconds"`
	Active           *int64    `ch:"active" json:"active"`
	BehindBytes      *int64    `ch:"behind_bytes" json:"behind_bytes"`
	Primary          *uint8    `ch:"is_primary" json:"is_primary"`
	Detail           string    `ch:"detail" json:"detail"`
}

// CallSample is the detail of one live call as one bridge saw it.
type CallSample struct {
	Time                 time.Time `ch:"time" json:"time"`
	CMSCluster           string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge           string    `ch:"call_bridge" json:"call_bridge"`
	CallID               uuid.UUID `ch:"call_id" json:"call_id"`
	CallCorrelator       uuid.UUID `ch:"call_correlator" json:"call_correlator"`
	Name                 string    `ch:"name" json:"name"`
	CallType             string    `ch:"call_type" json:"call_type"`
	SpaceID              uuid.UUID `ch:"space_id" json:"space_id"`
	TenantID             uuid.UUID `ch:"tenant_id" json:"tenant_id"`
	OwnerName            string    `ch:"owner_name" json:"owner_name"`
	DurationSeconds      *int64    `ch:"duration_seconds" json:"duration_seconds"`
	Legs                 *int64    `ch:"legs" json:"legs"`
	LegsMaxActive        *int64    `ch:"legs_max_active" json:"legs_max_active"`
	ParticipantsLocal    *int64    `ch:"participants_local" json:"participants_local"`
	ParticipantsRemote   *int64    `ch:"participants_remote" json:"participants_remote"`
	DistributedInstances *int64    `ch:"distributed_instances" json:"distributed_instances"`
	Locked               *uint8    `ch:"locked" json:"locked"`
	Recording            *uint8    `ch:"recording" json:"recording"`
	RecordingStatus      *uint8    `ch:"recording_status" json:"recording_status"`
	Streaming            *uint8    `ch:"streaming" json:"streaming"`
	StreamingStatus      *uint8    `ch:"streaming_status" json:"streaming_status"`
	EndpointRecording    *uint8    `ch:"endpoint_recording" json:"endpoint_recording"`
}

// LegSample is one stream of a degraded call leg: one row a medium and direction.
type LegSample struct {
	Time              time.Time `ch:"time" json:"time"`
	CMSCluster        string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge        string    `ch:"call_bridge" json:"call_bridge"`
	CallLegID         uuid.UUID `ch:"call_leg_id" json:"call_leg_id"`
	CallID            uuid.UUID `ch:"call_id" json:"call_id"`
	RemoteParty       string    `ch:"remote_party" json:"remote_party"`
	Type              string    `ch:"type" json:"type"`
	SubType           string    `ch:"sub_type" json:"sub_type"`
	PacketLossAlarm   uint8     `ch:"packet_loss_alarm" json:"packet_loss_alarm"`
	JitterAlarm       uint8     `ch:"jitter_alarm" json:"jitter_alarm"`
	RoundTripAlarm    uint8     `ch:"round_trip_alarm" json:"round_trip_alarm"`
	Stream            string    `ch:"stream" json:"stream"`
	Codec             string    `ch:"codec" json:"codec"`
	BitRate           *int64    `ch:"bit_rate" json:"bit_rate"`
	PacketLossPercent *float64  `ch:"packet_loss_percent" json:"packet_loss_percent"`
	JitterSeconds     *float64  `ch:"jitter_seconds" json:"jitter_seconds"`
	RoundTripSeconds  *float64  `ch:"round_trip_seconds" json:"round_trip_seconds"`
	Width             *int64    `ch:"width" json:"width"`
	Height            *int64    `ch:"height" json:"height"`
	FrameRate         *float64  `ch:"frame_rate" json:"frame_rate"`
}

// Owner says who owned a space, and with which license, from one time until the next row of the same space.
type Owner struct {
	CMSCluster    string    `ch:"cms_cluster" json:"cms_cluster"`
	SpaceID       uuid.UUID `ch:"space_id" json:"space_id"`
	ValidFrom     time.Time `ch:"valid_from" json:"valid_from"`
	SpaceName     string    `ch:"space_name" json:"space_name"`
	SpaceURI      string    `ch:"space_uri" json:"space_uri"`
	SpaceCallID   string    `ch:"space_call_id" json:"space_call_id"`
	AutoGenerated *uint8    `ch:"auto_generated" json:"auto_generated"`
	TenantID      uuid.UUID `ch:"tenant_id" json:"tenant_id"`
	OwnerID       uuid.UUID `ch:"owner_id" json:"owner_id"`
	OwnerJID      string    `ch:"owner_jid" json:"owner_jid"`
	OwnerName     string    `ch:"owner_name" json:"owner_name"`
	OwnerEmail    string    `ch:"owner_email" json:"owner_email"`
	UserProfileID uuid.UUID `ch:"user_profile_id" json:"user_profile_id"`
	// HasLicense: 1 a personal license, 0 none, nil unknown.
	HasLicense *uint8 `ch:"has_license" json:"has_license"`
	// LicenseFrom says which object granted or refused it: user, tenant, system, none.
	LicenseFrom string `ch:"license_from" json:"license_from"`
	Deleted     uint8  `ch:"deleted" json:"deleted"`
}

// Setting is one field of one slow-moving configuration object, from one time until the next row of the same field.
type Setting struct {
	CMSCluster string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge string    `ch:"call_bridge" json:"call_bridge"`
	Object     string    `ch:"object" json:"object"`
	ObjectID   string    `ch:"object_id" json:"object_id"`
	Field      string    `ch:"field" json:"field"`
	ValidFrom  time.Time `ch:"valid_from" json:"valid_from"`
	Value      *string   `ch:"value" json:"value"`
}

// SyslogLine is one line that a Call Bridge, or a server beside it, sent.
type SyslogLine struct {
	Received time.Time `ch:"received" json:"received"`
	// Sequence tells apart lines received in the same millisecond.
	Sequence   uint64     `ch:"sequence" json:"sequence"`
	CMSCluster string     `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge string     `ch:"call_bridge" json:"call_bridge"`
	Remote     string     `ch:"remote_address" json:"remote_address"`
	Time       *time.Time `ch:"time" json:"time"`
	Facility   string     `ch:"facility" json:"facility"`
	Severity   string     `ch:"severity" json:"severity"`
	Host       string     `ch:"host" json:"host"`
	Process    string     `ch:"process" json:"process"`
	Level      string     `ch:"level" json:"level"`
	Fact       string     `ch:"fact" json:"fact"`
	Message    string     `ch:"message" json:"message"`
}

// SyslogStats is one STATS line: gauges and five-minute peaks as a Call Bridge logs them.
type SyslogStats struct {
	Time         time.Time `ch:"time" json:"time"`
	CMSCluster   string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge   string    `ch:"call_bridge" json:"call_bridge"`
	LegsPerSec   *float64  `ch:"call_legs_per_second" json:"call_legs_per_second"`
	Legs         *int64    `ch:"call_legs" json:"call_legs"`
	LegsPeak     *int64    `ch:"call_legs_peak" json:"call_legs_peak"`
	Apps         *int64    `ch:"app_sessions" json:"app_sessions"`
	AppsPeak     *int64    `ch:"app_sessions_peak" json:"app_sessions_peak"`
	SIP          *int64    `ch:"sip_legs" json:"sip_legs"`
	SIPPeak      *int64    `ch:"sip_legs_peak" json:"sip_legs_peak"`
	Peer         *int64    `ch:"distribution_legs" json:"distribution_legs"`
	PeerPeak     *int64    `ch:"distribution_legs_peak" json:"distribution_legs_peak"`
	Modules      *int64    `ch:"media_modules" json:"media_modules"`
	ModulesWork  *int64    `ch:"media_modules_working" json:"media_modules_working"`
	ModulesState string    `ch:"media_modules_text" json:"media_modules_text"`
}

// Certificate is what one probe of one TLS end point found.
type Certificate struct {
	Time        time.Time  `ch:"time" json:"time"`
	CMSCluster  string     `ch:"cms_cluster" json:"cms_cluster"`
	Endpoint    string     `ch:"endpoint" json:"endpoint"`
	Reached     uint8      `ch:"reached" json:"reached"`
	Error       string     `ch:"error" json:"error"`
	NotBefore   *time.Time `ch:"not_before" json:"not_before"`
	NotAfter    *time.Time `ch:"not_after" json:"not_after"`
	ChainExpiry *time.Time `ch:"chain_not_after" json:"chain_not_after"`
	Subject     string     `ch:"subject" json:"subject"`
	Issuer      string     `ch:"issuer" json:"issuer"`
	Names       []string   `ch:"names" json:"names"`
	NameMatches *uint8     `ch:"name_matches" json:"name_matches"`
	ChainValid  *uint8     `ch:"chain_valid" json:"chain_valid"`
	Problem     string     `ch:"problem" json:"problem"`
	KeyType     string     `ch:"key_type" json:"key_type"`
	KeyBits     uint32     `ch:"key_bits" json:"key_bits"`
	Signature   string     `ch:"signature_algorithm" json:"signature_algorithm"`
	Serial      string     `ch:"serial" json:"serial"`
	Fingerprint string     `ch:"fingerprint_sha256" json:"fingerprint_sha256"`
	TLSVersion  string     `ch:"tls_version" json:"tls_version"`
}
