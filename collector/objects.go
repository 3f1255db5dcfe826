package collector

import (
	"cmp"
	"strings"
	"time"
)

// The types of this file are the objects of the API as the decoder fills them. Their tags are the protocol table:
//
//	cms     element name; "@name" an attribute, "a>b" a path, "*" all children no other field took
//	unit    unit on the wire
//	since   first release that sends it, empty for before 2.0
//	column  table and column that keep it
//	metric  metric that shows it
//
// docs/coverage.md is generated from them. A nil pointer means absent or empty: neither is zero. Where the difference between the two is kept, a field of type
// Empties says which were empty.

// Empties are the tags of the fields that were sent empty: what may be set and is not (cms-api.md §2.2). Nil where none was.
type Empties map[string]bool

// Thousandths is a decimal count held exactly: 5.500 is 5500.
type Thousandths int64

// Float returns the count as a floating-point number, for display.
func (t Thousandths) Float() float64 { return float64(t) / 1000 }

// Date is a license date: the start of the day in UTC. The wire has 2031-Feb-03.
type Date struct{ time.Time }

// Status is /system/status.
type Status struct {
	HostID               *string    `cms:"hostId" unit:"GUID" since:"2.6" column:"bridge_samples.host_id"`
	SoftwareVersion      *string    `cms:"softwareVersion" unit:"text" column:"bridge_samples.software_version" metric:"cms_call_bridge_info"`
	UptimeSeconds        *int64     `cms:"uptimeSeconds" unit:"s" column:"bridge_samples.uptime_seconds" metric:"cms_call_bridge_uptime_seconds"`
	CDRTime              *time.Time `cms:"cdrTime" unit:"time" column:"bridge_samples.clock_skew_seconds" metric:"cms_call_bridge_clock_skew_seconds"`
	ClusterEnabled       *bool      `cms:"clusterEnabled" unit:"bool" since:"2.0" column:"settings.value"`
	ClusterID            *string    `cms:"clusterId" unit:"GUID" since:"3.0" column:"bridge_samples.cluster_id"`
	CDRCorrelatorIndex   *int64     `cms:"cdrCorrelatorIndex" unit:"index" since:"2.2" column:"bridge_samples.cdr_correlator_index" metric:"cms_cdr_records_behind"`
	CallLegsActive       *int64     `cms:"callLegsActive" unit:"legs" column:"bridge_samples.call_legs_active" metric:"cms_call_bridge_call_legs"`
	CallLegsMaxActive    *int64     `cms:"callLegsMaxActive" unit:"legs" column:"bridge_samples.call_legs_max_active" metric:"cms_call_bridge_call_legs_max"`
	CallLegsCompleted    *int64     `cms:"callLegsCompleted" unit:"legs" column:"bridge_samples.call_legs_completed" metric:"cms_call_bridge_call_legs_completed_total"`
	AudioBitRateOutgoing *int64     `cms:"audioBitRateOutgoing" unit:"bit/s" column:"bridge_samples.audio_bit_rate_tx" metric:"cms_call_bridge_media_bytes_per_second"`
	AudioBitRateIncoming *int64     `cms:"audioBitRateIncoming" unit:"bit/s" column:"bridge_samples.audio_bit_rate_rx" metric:"cms_call_bridge_media_bytes_per_second"`
	VideoBitRateOutgoing *int64     `cms:"videoBitRateOutgoing" unit:"bit/s" column:"bridge_samples.video_bit_rate_tx" metric:"cms_call_bridge_media_bytes_per_second"`
	VideoBitRateIncoming *int64     `cms:"videoBitRateIncoming" unit:"bit/s" column:"bridge_samples.video_bit_rate_rx" metric:"cms_call_bridge_media_bytes_per_second"`
	Empties              Empties
}

// Load is /system/load.
type Load struct {
	MediaProcessingLoad *int64 `cms:"mediaProcessingLoad" unit:"load units" since:"2.1" column:"bridge_samples.media_processing_load" metric:"cms_call_bridge_media_processing_load"`
}

// ClusterConfig is /system/configuration/cluster: what one bridge is told about its place in the cluster.
type ClusterConfig struct {
	UniqueName              *string `cms:"uniqueName" unit:"text" column:"settings.value"`
	PeerLinkBitRate         *int64  `cms:"peerLinkBitRate" unit:"bit/s" column:"settings.value"`
	MaxPeerVideoStreams     *int64  `cms:"maxPeerVideoStreams" unit:"streams" since:"2.3.3" column:"settings.value"`
	ParticipantLimit        *int64  `cms:"participantLimit" unit:"participants" column:"bridge_samples.participant_limit"`
	LoadLimit               *int64  `cms:"loadLimit" unit:"load units" since:"2.1" column:"bridge_samples.load_limit" metric:"cms_call_bridge_load_limit"`
	NewConferenceBasis      *int64  `cms:"newConferenceLoadLimitBasisPoints" unit:"1/10000 of loadLimit" since:"2.1" column:"bridge_samples.new_conference_threshold" metric:"cms_call_bridge_new_conference_threshold"`
	ExistingConferenceBasis *int64  `cms:"existingConferenceLoadLimitBasisPoints" unit:"1/10000 of loadLimit" since:"2.1" column:"bridge_samples.existing_conference_threshold" metric:"cms_call_bridge_existing_conference_threshold"`
	Empties                 Empties
}

// MultipartyLicensing is /system/multipartyLicensing: the license view of one bridge at this instant.
type MultipartyLicensing struct {
	// Timestamp is raw text: samples label local time as UTC (cms-api.md §5.5).
	Timestamp                          *string      `cms:"timestamp" unit:"text" since:"2.0" column:"bridge_samples.license_report_time"`
	PersonalLicenseLimit               *int64       `cms:"personalLicenseLimit" unit:"licenses" since:"2.0" column:"bridge_samples.personal_license_limit"`
	SharedLicenseLimit                 *int64       `cms:"sharedLicenseLimit" unit:"licenses" since:"2.0" column:"bridge_samples.shared_license_limit"`
	Users                              *int64       `cms:"users" unit:"users" since:"2.0" column:"bridge_samples.users"`
	PersonalLicenses                   *int64       `cms:"personalLicenses" unit:"licenses" since:"2.0" column:"bridge_samples.personal_licenses_assigned"`
	ParticipantsActive                 *int64       `cms:"participantsActive" unit:"participants" since:"2.0" column:"bridge_samples.participants_active"`
	CallsActive                        *int64       `cms:"callsActive" unit:"calls" since:"2.0" column:"bridge_samples.calls_active"`
	WeightedCallsActive                *Thousandths `cms:"weightedCallsActive" unit:"calls" since:"2.0" column:"bridge_samples.weighted_calls_active_thousandths"`
	CallsWithoutPersonalLicense        *int64       `cms:"callsWithoutPersonalLicense" unit:"calls" since:"2.0" column:"bridge_samples.calls_without_pmp"`
	WeightedWithoutPersonalLicense     *Thousandths `cms:"weightedCallsWithoutPersonalLicense" unit:"calls" since:"2.0" column:"bridge_samples.weighted_calls_without_pmp_thousandths"`
	CapacityUnitUsage                  *Thousandths `cms:"capacityUnitUsage" unit:"capacity units" since:"2.0" column:"bridge_samples.capacity_units_thousandths"`
	CapacityUnitUsageWithoutPersonalPM *Thousandths `cms:"capacityUnitUsageWithoutPersonalLicense" unit:"capacity units" since:"2.0" column:"bridge_samples.capacity_units_without_pmp_thousandths"`
}

// ActivePersonalLicense is one user of /system/multipartyLicensing/activePersonalLicenses.
type ActivePersonalLicense struct {
	UserID              *string      `cms:"@id" unit:"GUID" since:"2.0" column:"personal_license_samples.user_id"`
	CallsActive         *int64       `cms:"callsActive" unit:"calls" since:"2.0" column:"personal_license_samples.calls_active"`
	WeightedCallsActive *Thousandths `cms:"weightedCallsActive" unit:"calls" since:"2.0" column:"personal_license_samples.weighted_calls_active_thousandths"`
}

// LicenseUsage is one entry of /system/MPLicenseUsage. Children that are zero are left out on the wire, so within an entry nil is zero,
// but for PMPAssigned before 3.0.
type LicenseUsage struct {
	Time        *time.Time   `cms:"@time" unit:"time" since:"2.6" column:"license_samples.time"`
	PMP         *Thousandths `cms:"pmp" unit:"licenses" since:"2.6" column:"license_samples.pmp" metric:"cms_license_reported_in_use"`
	PMPAssigned *int64       `cms:"pmpAssigned" unit:"licenses" since:"3.0" column:"license_samples.pmp_assigned" metric:"cms_license_reported_assigned"`
	SMPAudio    *Thousandths `cms:"smpAud" unit:"calls" since:"2.6" column:"license_samples.smp_audio" metric:"cms_license_reported_in_use"`
	SMPPtP      *Thousandths `cms:"smpPtP" unit:"calls" since:"2.6" column:"license_samples.smp_ptp" metric:"cms_license_reported_in_use"`
	SMPFull     *Thousandths `cms:"smpFull" unit:"calls" since:"2.6" column:"license_samples.smp_full" metric:"cms_license_reported_in_use"`
	Recording   *Thousandths `cms:"rec" unit:"calls" since:"2.6" column:"license_samples.rec" metric:"cms_license_reported_in_use"`
	Streaming   *Thousandths `cms:"str" unit:"calls" since:"2.6" column:"license_samples.str" metric:"cms_license_reported_in_use"`
}

// KnownHost is one host of /system/MPLicenseUsage/knownHosts.
type KnownHost struct {
	ID *string `cms:"@id" unit:"GUID" since:"2.6" column:"license_samples.host_id"`
}

// Feature is one child of features in /clusterLicensing (3.0 and later) and /system/licensing. Its element name is the feature.
type Feature struct {
	Name   string
	Status *string `cms:"status" unit:"enum" since:"2.0" column:"license_features.status" metric:"cms_license_feature_status"`
	Expiry *Date   `cms:"expiry" unit:"date" since:"2.0" column:"license_features.expiry" metric:"cms_license_feature_expiry_timestamp_seconds"`
	Limit  *int64  `cms:"limit" unit:"licenses" since:"2.0" column:"license_features.license_limit"`
	Level  *string `cms:"level" unit:"enum" since:"2.0" column:"license_features.level"`
}

// Alarm is one alarm of /system/alarms: a fault that holds now. A re-raise has a new id.
type Alarm struct {
	ID                *string `cms:"@id" unit:"GUID" column:"alarms.alarm_id"`
	Type              *string `cms:"type" unit:"enum" column:"alarms.type" metric:"cms_alarm_active"`
	ActiveTimeSeconds *int64  `cms:"activeTimeSeconds" unit:"s" column:"alarms.raised"`
	FailureReason     *string `cms:"failureReason" unit:"enum" column:"alarms.failure_reason"`
	CallBridge        *string `cms:"callBridge" unit:"GUID" column:"alarms.subject"`
	CallBridgeName    *string `cms:"callBridgeName" unit:"text" column:"alarms.subject"`
	Recorder          *string `cms:"recorder" unit:"GUID" since:"1.9" column:"alarms.subject"`
	TurnServer        *string `cms:"turnServer" unit:"GUID" column:"alarms.subject"`
	FileName          *string `cms:"fileName" unit:"text" column:"alarms.subject"`
	Call              *string `cms:"call" unit:"GUID" column:"alarms.call_id"`
	// Others holds children this table does not know, by element name.
	Others map[string]string `cms:"*" unit:"text" column:"alarms.detail"`
}

// AlarmTypes are the alarm types of cms-api.md §5.3, as the guide spells them. Others occur and are kept as sent.
func AlarmTypes() []string {
	return []string{
		"callBrandingResourceInvalid", "callBridgeConnectionFailure", "callDistributionFailure", "cdrConnectionFailure",
		"c2wConnectionFailure", "databaseClusterNodeOutOfSync", "databaseConnectionError", "guestAccountConnectionFailure",
		"ivrBrandingResourceInvalid", "recorderLowDiskSpace", "recorderUnavailable", "turnServerUnavailable",
		"webBridgeArchivePushFailure", "webBridgeArchiveRetrievalFailure",
		"webBridgeBackgroundImagePushFailure", "webBridgeBackgroundImageRetrievalFailure",
		"webBridgeLoginLogoImagePushFailure", "webBridgeLoginLogoImageRetrievalFailure",
		"xmppAuthenticationRegistrationFailure", "xmppRegistrationFailure",
	}
}

// Other is the label value for anything outside a closed set.
const Other = "other"

// AlarmLabel returns the type in the guide's spelling, or Other. Case is ignored: the guide's own capitalization varies.
func AlarmLabel(sent string) string {
	for _, known := range AlarmTypes() {
		if strings.EqualFold(known, sent) {
			return known
		}
	}
	// One table of the guide prints ClusternodeOutof, cut short.
	if strings.HasPrefix(strings.ToLower(sent), "databaseclusternodeoutof") {
		return "databaseClusterNodeOutOfSync"
	}
	return Other
}

// Call is a member of /calls, in list form or in detail.
type Call struct {
	ID                   *string `cms:"@id" unit:"GUID" column:"call_samples.call_id"`
	Name                 *string `cms:"name" unit:"text" since:"2.3" column:"call_samples.name"`
	CallType             *string `cms:"callType" unit:"enum" since:"2.3" column:"call_samples.call_type" metric:"cms_conferences"`
	CoSpace              *string `cms:"coSpace" unit:"GUID" column:"call_samples.space_id"`
	Tenant               *string `cms:"tenant" unit:"GUID" column:"call_samples.tenant_id"`
	CallCorrelator       *string `cms:"callCorrelator" unit:"GUID" since:"1.7" column:"call_samples.call_correlator" metric:"cms_meetings"`
	OwnerName            *string `cms:"ownerName" unit:"text" since:"2.2" column:"call_samples.owner_name"`
	DurationSeconds      *int64  `cms:"durationSeconds" unit:"s" column:"call_samples.duration_seconds"`
	NumCallLegs          *int64  `cms:"numCallLegs" unit:"legs" column:"call_samples.legs"`
	MaxCallLegs          *int64  `cms:"maxCallLegs" unit:"legs" column:"call_samples.legs_max_active"`
	NumParticipantsLocal *int64  `cms:"numParticipantsLocal" unit:"participants" column:"call_samples.participants_local" metric:"cms_participants"`
	NumParticipantsOther *int64  `cms:"numParticipantsRemote" unit:"participants" column:"call_samples.participants_remote"`
	NumDistributed       *int64  `cms:"numDistributedInstances" unit:"bridges" column:"call_samples.distributed_instances"`
	Locked               *bool   `cms:"locked" unit:"bool" column:"call_samples.locked"`
	Recording            *bool   `cms:"recording" unit:"bool" since:"2.1" column:"call_samples.recording"`
	RecordingStatus      *bool   `cms:"recordingStatus" unit:"bool" column:"call_samples.recording_status" metric:"cms_recorder_recordings"`
	Streaming            *bool   `cms:"streaming" unit:"bool" since:"2.1" column:"call_samples.streaming"`
	StreamingStatus      *bool   `cms:"streamingStatus" unit:"bool" column:"call_samples.streaming_status" metric:"cms_streamer_streams"`
	EndpointRecording    *bool   `cms:"endpointRecording" unit:"bool" since:"2.4" column:"call_samples.endpoint_recording"`
}

// CallTypes are the values of callType.
func CallTypes() []string { return []string{"coSpace", "forwarding", "adHoc", "lyncConferencing"} }

// CallLeg is a member of /callLegs, in list form or in detail.
type CallLeg struct {
	ID          *string       `cms:"@id" unit:"GUID" column:"leg_samples.call_leg_id"`
	RemoteParty *string       `cms:"remoteParty" unit:"text" column:"leg_samples.remote_party"`
	Call        *string       `cms:"call" unit:"GUID" column:"leg_samples.call_id"`
	Type        *string       `cms:"type" unit:"enum" column:"leg_samples.type" metric:"cms_participants"`
	SubType     *string       `cms:"subtype" unit:"enum" column:"leg_samples.sub_type" metric:"cms_participants"`
	Alarms      *LegAlarms    `cms:"alarms"`
	RxAudio     *MediaStream  `cms:"status>rxAudio"`
	TxAudio     *MediaStream  `cms:"status>txAudio"`
	RxVideo     []MediaStream `cms:"status>rxVideo"`
	TxVideo     []MediaStream `cms:"status>txVideo"`
}

// LegAlarms are the quality alarms of a call leg; presence is the signal, the value is not specified.
type LegAlarms struct {
	PacketLoss        bool `cms:"packetLoss" unit:"presence" column:"leg_samples.packet_loss_alarm"`
	ExcessiveJitter   bool `cms:"excessiveJitter" unit:"presence" column:"leg_samples.jitter_alarm"`
	HighRoundTripTime bool `cms:"highRoundTripTime" unit:"presence" column:"leg_samples.round_trip_alarm"`
}

// MediaStream is one stream of a call leg's status. Numbers are missing on young or odd streams.
type MediaStream struct {
	Role                 *string  `cms:"@role" unit:"enum" column:"leg_samples.stream"`
	Codec                *string  `cms:"codec" unit:"enum" column:"leg_samples.codec"`
	BitRate              *int64   `cms:"bitRate" unit:"bit/s" column:"leg_samples.bit_rate"`
	PacketLossPercentage *float64 `cms:"packetLossPercentage" unit:"%" column:"leg_samples.packet_loss_percent"`
	Jitter               *float64 `cms:"jitter" unit:"ms (inferred)" column:"leg_samples.jitter_seconds"`
	RoundTripTime        *float64 `cms:"roundTripTime" unit:"ms (inferred)" column:"leg_samples.round_trip_seconds"`
	Width                *int64   `cms:"width" unit:"pixels" column:"leg_samples.width"`
	Height               *int64   `cms:"height" unit:"pixels" column:"leg_samples.height"`
	FrameRate            *float64 `cms:"frameRate" unit:"1/s" column:"leg_samples.frame_rate"`
}

// Database is /system/database. The guide's tables say "attribute" where samples show elements, so the decoder takes either; it does not show where the error stands.
type Database struct {
	Clustered    *string        `cms:"clustered" unit:"enum" column:"settings.value"`
	Error        *string        `cms:"cluster>error" unit:"text" column:"device_samples.detail"`
	ErrorOutside *string        `cms:"error" unit:"text" column:"device_samples.detail"`
	TotalNodes   *int64         `cms:"cluster>totalNodes" unit:"nodes" column:"settings.value"`
	NodeInUse    *string        `cms:"cluster>nodeInUse" unit:"text" column:"settings.value"`
	Nodes        []DatabaseNode `cms:"cluster>node"`
	Empties      Empties
}

// Trouble is the error, wherever it stands; nil where there is none.
func (d Database) Trouble() *string { return cmp.Or(d.Error, d.ErrorOutside) }

// DatabaseNode is one node of the database cluster as one Call Bridge sees it.
type DatabaseNode struct {
	Hostname   *string `cms:"hostname" unit:"text" column:"device_samples.device"`
	Up         *bool   `cms:"up" unit:"bool" column:"device_samples.reachable" metric:"cms_database_node_up"`
	SyncBehind *int64  `cms:"syncBehind" unit:"bytes, -1 unknown" column:"device_samples.behind_bytes" metric:"cms_database_node_behind_bytes"`
	Master     *bool   `cms:"master" unit:"bool" column:"device_samples.is_primary"`
	Primary    *bool   `cms:"primary" unit:"bool" since:"3.0 (inferred)" column:"device_samples.is_primary"`
}

// TurnServer is a member of /turnServers. Its user name and password are never decoded.
type TurnServer struct {
	ID              *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	ServerAddress   *string `cms:"serverAddress" unit:"address" column:"device_samples.device"`
	ClientAddress   *string `cms:"clientAddress" unit:"address" column:"settings.value"`
	Type            *string `cms:"type" unit:"enum" column:"settings.value"`
	CallBridge      *string `cms:"callBridge" unit:"GUID" column:"settings.value"`
	CallBridgeGroup *string `cms:"callBridgeGroup" unit:"GUID" since:"2.1" column:"settings.value"`
	Empties         Empties
}

// TurnHost is one host of /turnServers/<id>/status.
type TurnHost struct {
	Address          *string `cms:"address" unit:"address" column:"device_samples.address"`
	PortNumber       *int64  `cms:"portNumber" unit:"port" column:"device_samples.address"`
	Reachable        *bool   `cms:"reachable" unit:"bool" column:"device_samples.reachable" metric:"cms_turn_server_reachable"`
	RoundTripTimeMs  *int64  `cms:"roundTripTimeMs" unit:"ms" column:"device_samples.round_trip_seconds" metric:"cms_turn_server_round_trip_seconds"`
	NumAllocations   *int64  `cms:"numAllocations" unit:"allocations" column:"device_samples.active" metric:"cms_turn_server_allocations"`
	MappedAddress    *string `cms:"mappedAddress" unit:"address" column:"device_samples.detail"`
	MappedPortNumber *int64  `cms:"mappedPortNumber" unit:"port" column:"device_samples.detail"`
}

// WebBridge is a member of /webBridges.
type WebBridge struct {
	ID              *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	URL             *string `cms:"url" unit:"URL" column:"device_samples.device"`
	CallBridge      *string `cms:"callBridge" unit:"GUID" column:"settings.value"`
	CallBridgeGroup *string `cms:"callBridgeGroup" unit:"GUID" column:"settings.value"`
	Empties         Empties
}

// Device is a member of /recorders (1.9 to 2.9) or /streamers (2.1 to 2.9).
type Device struct {
	ID              *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	URL             *string `cms:"url" unit:"URL" column:"device_samples.device"`
	CallBridge      *string `cms:"callBridge" unit:"GUID" column:"settings.value"`
	CallBridgeGroup *string `cms:"callBridgeGroup" unit:"GUID" column:"settings.value"`
	Empties         Empties
}

// DeviceStatus is the status of a Web Bridge, recorder or streamer, as one Call Bridge sees it.
type DeviceStatus struct {
	Status           *string `cms:"status" unit:"enum" since:"2.2" column:"device_samples.status" metric:"cms_web_bridge_reachable"`
	ActiveRecordings *int64  `cms:"activeRecordings" unit:"recordings" since:"2.2" column:"device_samples.active" metric:"cms_recorder_recordings"`
	ActiveStreams    *int64  `cms:"activeStreams" unit:"streams" since:"2.2" column:"device_samples.active" metric:"cms_streamer_streams"`
}

// CallBridge is a member of /callBridges: a peer as the cluster's database names it.
type CallBridge struct {
	ID              *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	Name            *string `cms:"name" unit:"text" column:"settings.value"`
	Address         *string `cms:"address" unit:"URL" column:"settings.value"`
	CallBridgeGroup *string `cms:"callBridgeGroup" unit:"GUID" since:"2.1" column:"settings.value" metric:"cms_group_failover_headroom"`
	Empties         Empties
}

// CallBridgeGroup is a member of /callBridgeGroups.
type CallBridgeGroup struct {
	ID                   *string `cms:"@id" unit:"GUID" since:"2.1" column:"settings.object_id"`
	Name                 *string `cms:"name" unit:"text" since:"2.1" column:"settings.value" metric:"cms_group_failover_headroom"`
	LoadBalancingEnabled *bool   `cms:"loadBalancingEnabled" unit:"bool" since:"2.1" column:"settings.value"`
	LoadBalanceLync      *bool   `cms:"loadBalanceLyncCalls" unit:"bool" since:"2.1" column:"settings.value"`
	LoadBalanceOutgoing  *bool   `cms:"loadBalanceOutgoingCalls" unit:"bool" since:"2.2" column:"settings.value"`
	LoadBalanceUser      *bool   `cms:"loadBalanceUserCalls" unit:"bool" since:"2.3" column:"settings.value"`
	LoadBalanceIndirect  *bool   `cms:"loadBalanceIndirectCalls" unit:"bool" since:"2.4" column:"settings.value"`
	Empties              Empties
}

// Profiles is /system/profiles: the profiles that hold where nothing more specific does.
type Profiles struct {
	UserProfile *string `cms:"userProfile" unit:"GUID" column:"settings.value"`
	CallProfile *string `cms:"callProfile" unit:"GUID" column:"settings.value"`
	Empties     Empties
}

// CallProfile is a member of /callProfiles.
type CallProfile struct {
	ID             *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	SIPRecorderURI *string `cms:"sipRecorderUri" unit:"URI" since:"2.9" column:"settings.value"`
	SIPStreamerURI *string `cms:"sipStreamerUri" unit:"URI" since:"3.0" column:"settings.value"`
	RecordingMode  *string `cms:"recordingMode" unit:"enum" column:"settings.value"`
	StreamingMode  *string `cms:"streamingMode" unit:"enum" column:"settings.value"`
	Empties        Empties
}

// CoSpace is a member of /coSpaces. Passcode, secret and stream address are never decoded.
type CoSpace struct {
	ID               *string `cms:"@id" unit:"GUID" column:"owners.space_id"`
	Name             *string `cms:"name" unit:"text" column:"owners.space_name"`
	URI              *string `cms:"uri" unit:"URI" column:"owners.space_uri"`
	CallID           *string `cms:"callId" unit:"digits" column:"owners.space_call_id"`
	Tenant           *string `cms:"tenant" unit:"GUID" column:"owners.tenant_id"`
	AutoGenerated    *bool   `cms:"autoGenerated" unit:"bool" column:"owners.auto_generated"`
	OwnerID          *string `cms:"ownerId" unit:"GUID" column:"owners.owner_id"`
	OwnerJID         *string `cms:"ownerJid" unit:"JID" column:"owners.owner_jid"`
	MeetingScheduler *string `cms:"meetingScheduler" unit:"text" since:"2.2" column:"owners.owner_name"`
}

// User is a member of /users.
type User struct {
	ID          *string `cms:"@id" unit:"GUID" column:"owners.owner_id"`
	UserJID     *string `cms:"userJid" unit:"JID" column:"owners.owner_jid"`
	Name        *string `cms:"name" unit:"text" column:"owners.owner_name"`
	Email       *string `cms:"email" unit:"address" column:"owners.owner_email"`
	Tenant      *string `cms:"tenant" unit:"GUID" column:"owners.tenant_id"`
	UserProfile *string `cms:"userProfile" unit:"GUID" column:"owners.user_profile_id"`
}

// UserProfile is a member of /userProfiles. The deployment guide once prints hasLicence; the wire has hasLicense.
type UserProfile struct {
	ID          *string `cms:"@id" unit:"GUID" column:"owners.user_profile_id"`
	HasLicense  *bool   `cms:"hasLicense" unit:"bool" since:"2.0" column:"owners.has_license"`
	HasLicenceB *bool   `cms:"hasLicence" unit:"bool" since:"2.0" column:"owners.has_license"`
}

// LDAPSource is a member of /ldapSources.
type LDAPSource struct {
	ID          *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	Tenant      *string `cms:"tenant" unit:"GUID" column:"settings.value"`
	UserProfile *string `cms:"userProfile" unit:"GUID" since:"2.0" column:"settings.value"`
	Empties     Empties
}

// Tenant is a member of /tenants.
type Tenant struct {
	ID               *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	Name             *string `cms:"name" unit:"text" column:"settings.value"`
	UserProfile      *string `cms:"userProfile" unit:"GUID" column:"owners.user_profile_id"`
	ParticipantLimit *int64  `cms:"participantLimit" unit:"participants" column:"settings.value"`
	Empties          Empties
}

// CDRReceiver is a member of /system/cdrReceivers. Its address holds a token, so only scheme, host and port are kept, with a digest to compare.
type CDRReceiver struct {
	ID *string `cms:"@id" unit:"GUID" column:"settings.object_id"`
	// URI is scheme://host:port of the receiver; its path and query are dropped when the answer is decoded.
	URI *string `cms:"uri" unit:"URL" column:"settings.value" metric:"cms_cdr_receiver_registered"`
	// Digest is the SHA-256 of the whole address.
	Digest [32]byte
}

// Object is one node of the API in the collector's plan (cms-api.md §15).
type Object struct {
	// Name as it stands in metrics, subjects and settings.
	Name string
	// Path below /api/v1; {id} stands for an id.
	Path string
	// Since and Until are the first and the last release that has it; empty means before 2.0, or still.
	Since, Until string
	// Scope is "bridge": every bridge is asked, or "cluster": one bridge that answers is asked.
	Scope string
	// Every is how often it is read; 0 means at the cluster's poll interval, a negative number on demand.
	Every time.Duration
	// Type is a zero value of what it decodes into.
	Type any
}

// OnDemand as Object.Every: read when something else names it.
const OnDemand = time.Duration(-1)

// Objects is the plan: every node that is read, in the order in which a bridge is asked.
func Objects() []Object {
	const minute = time.Minute
	return []Object{
		{"status", "/system/status", "", "", "bridge", 0, Status{}},
		{"load", "/system/load", "2.1", "", "bridge", 0, Load{}},
		{"multipartyLicensing", "/system/multipartyLicensing", "2.0", "", "bridge", 0, MultipartyLicensing{}},
		{"alarms", "/system/alarms", "", "", "bridge", minute, Alarm{}},
		{"callLegs", "/callLegs?alarms=all", "", "", "bridge", minute, CallLeg{}},
		{"callLeg", "/callLegs/{id}", "", "", "bridge", OnDemand, CallLeg{}},
		{"calls", "/calls", "", "", "bridge", minute, Call{}},
		{"call", "/calls/{id}", "", "", "bridge", OnDemand, Call{}},
		{"activePersonalLicenses", "/system/multipartyLicensing/activePersonalLicenses", "2.0", "", "bridge", minute, ActivePersonalLicense{}},
		{"database", "/system/database", "", "", "bridge", 2 * minute, Database{}},
		{"turnServers", "/turnServers", "", "", "bridge", 2 * minute, TurnServer{}},
		{"turnServerStatus", "/turnServers/{id}/status", "", "", "bridge", 2 * minute, TurnHost{}},
		{"webBridges", "/webBridges", "", "", "bridge", 2 * minute, WebBridge{}},
		{"webBridgeStatus", "/webBridges/{id}/status", "2.2", "", "bridge", 2 * minute, DeviceStatus{}},
		{"recorders", "/recorders", "1.9", "2.9", "bridge", 2 * minute, Device{}},
		{"recorderStatus", "/recorders/{id}/status", "2.2", "2.9", "bridge", 2 * minute, DeviceStatus{}},
		{"streamers", "/streamers", "2.1", "2.9", "bridge", 2 * minute, Device{}},
		{"streamerStatus", "/streamers/{id}/status", "2.2", "2.9", "bridge", 2 * minute, DeviceStatus{}},
		{"cluster", "/system/configuration/cluster", "", "", "bridge", 10 * minute, ClusterConfig{}},
		{"licensing", "/system/licensing", "2.0", "", "bridge", 15 * minute, Feature{}},
		{"cdrReceivers", "/system/cdrReceivers", "", "", "bridge", 15 * minute, CDRReceiver{}},
		{"profiles", "/system/profiles", "", "", "cluster", 60 * minute, Profiles{}},
		{"callBridges", "/callBridges", "", "", "cluster", 10 * minute, CallBridge{}},
		{"callBridgeGroups", "/callBridgeGroups", "2.1", "", "cluster", 10 * minute, CallBridgeGroup{}},
		{"knownHosts", "/system/MPLicenseUsage/knownHosts", "2.6", "", "cluster", 5 * minute, KnownHost{}},
		{"MPLicenseUsage", "/system/MPLicenseUsage", "2.6", "", "cluster", 5 * minute, LicenseUsage{}},
		{"clusterLicensing", "/clusterLicensing", "3.0", "", "cluster", 15 * minute, Feature{}},
		{"callProfiles", "/callProfiles", "", "", "cluster", 60 * minute, CallProfile{}},
		{"userProfiles", "/userProfiles", "", "", "cluster", 60 * minute, UserProfile{}},
		{"ldapSources", "/ldapSources", "", "", "cluster", 60 * minute, LDAPSource{}},
		{"tenants", "/tenants", "", "", "cluster", 60 * minute, Tenant{}},
		{"coSpace", "/coSpaces/{id}", "", "", "cluster", OnDemand, CoSpace{}},
		{"user", "/users/{id}", "", "", "cluster", OnDemand, User{}},
	}
}
