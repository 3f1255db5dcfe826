package cdr

import (
	"time"

	"github.com/google/uuid"
)

// EndHow says how the end of a fact was found. It is an alias, as the ClickHouse client takes plain strings only.
type EndHow = string

const (
	EndNone          EndHow = ""               // still open
	EndRecord        EndHow = "record"         // its own End record
	EndCallEnd       EndHow = "call_end"       // inferred: its call ended (legs, recordings, streams)
	EndLegEnd        EndHow = "leg_end"        // inferred: the leg that feeds it ended (recordings, streams)
	EndNewSession    EndHow = "new_session"    // inferred: the bridge restarted; end = last record of the old session
	EndOrphanTimeout EndHow = "orphan_timeout" // inferred: nothing heard for Settings.OrphanTimeout; end = last record about it
)

// Call is one call of one bridge. Key: (Session, ID). A zero UUID and "" mean "none" or "not known".
type Call struct {
	ID               uuid.UUID  `ch:"id" json:"id"`
	CallCorrelator   uuid.UUID  `ch:"call_correlator" json:"call_correlator"`
	Cluster          string     `ch:"cms_cluster" json:"cms_cluster"`
	Bridge           string     `ch:"call_bridge" json:"call_bridge"`
	BridgeID         uuid.UUID  `ch:"call_bridge_id" json:"call_bridge_id"` // GUID of the bridge; zero outside a cluster
	Session          uuid.UUID  `ch:"session" json:"session"`
	Name             string     `ch:"name" json:"name"`
	CallType         string     `ch:"call_type" json:"call_type"`
	SpaceID          uuid.UUID  `ch:"space_id" json:"space_id"`
	OwnerName        string     `ch:"owner_name" json:"owner_name"`
	TenantID         uuid.UUID  `ch:"tenant_id" json:"tenant_id"`
	CDRTag           string     `ch:"cdr_tag" json:"cdr_tag"`
	Start            time.Time  `ch:"start" json:"start"`
	StartInferred    bool       `ch:"start_inferred" json:"start_inferred"` // no callStart known
	End              *time.Time `ch:"end" json:"end"`                       // nil while open
	EndInferred      bool       `ch:"end_inferred" json:"end_inferred"`
	EndHow           EndHow     `ch:"end_how" json:"end_how"`
	DurationSeconds  *int64     `ch:"duration_seconds" json:"duration_seconds"` // nil while open
	LegsCompleted    *int64     `ch:"legs_completed" json:"legs_completed"`
	LegsMaxActive    *int64     `ch:"legs_max_active" json:"legs_max_active"`
	EndpointRecorded string     `ch:"endpoint_recorded" json:"endpoint_recorded"` // text as it came
	Recorded         bool       `ch:"recorded" json:"recorded"`
	Streamed         bool       `ch:"streamed" json:"streamed"`
	Version          uint64     `ch:"version" json:"version"`
	IsDeleted        uint8      `ch:"is_deleted" json:"is_deleted"` // 1 = tombstone of a row whose start, cluster or bridge moved
}

// Leg is one call leg. Key: (Session, ID).
type Leg struct {
	ID             uuid.UUID   `ch:"id" json:"id"`
	CallID         uuid.UUID   `ch:"call_id" json:"call_id"` // the last call it was in; zero if it never was in one
	Calls          []uuid.UUID `ch:"calls" json:"calls"`     // all calls in order of entry, only if more than one
	Cluster        string      `ch:"cms_cluster" json:"cms_cluster"`
	Bridge         string      `ch:"call_bridge" json:"call_bridge"`
	BridgeID       uuid.UUID   `ch:"call_bridge_id" json:"call_bridge_id"`
	Session        uuid.UUID   `ch:"session" json:"session"`
	DisplayName    string      `ch:"display_name" json:"display_name"`         // "" if unknown, also for the placeholder "Unknown Party"
	DisplayNameRaw string      `ch:"display_name_raw" json:"display_name_raw"` // only where it differs from display_name
	RemoteParty    string      `ch:"remote_party" json:"remote_party"`
	RemoteAddress  string      `ch:"remote_address" json:"remote_address"`
	LocalAddress   string      `ch:"local_address" json:"local_address"`
	Type           string      `ch:"type" json:"type"`
	SubType        string      `ch:"sub_type" json:"sub_type"`
	LyncSubType    string      `ch:"lync_sub_type" json:"lync_sub_type"`
	Direction      string      `ch:"direction" json:"direction"`
	Guest          *bool       `ch:"guest" json:"guest"`         // nil: not said
	Recording      bool        `ch:"recording" json:"recording"` // feeds a recorder
	Streaming      bool        `ch:"streaming" json:"streaming"` // feeds a streamer
	CountsAsPerson bool        `ch:"counts_as_person" json:"counts_as_person"`
	Scanner        bool        `ch:"scanner" json:"scanner"` // never in a call, refused in seconds
	IVR            bool        `ch:"ivr" json:"ivr"`         // was in the IVR at some time
	Lobby          bool        `ch:"lobby" json:"lobby"`     // waited deactivated at some time
	CDRTag         string      `ch:"cdr_tag" json:"cdr_tag"`
	OwnerID        string      `ch:"owner_id" json:"owner_id"`
	GroupID        uuid.UUID   `ch:"group_id" json:"group_id"`

	SIPCallID          string    `ch:"sip_call_id" json:"sip_call_id"`
	ReplacesSIPCallID  string    `ch:"replaces_sip_call_id" json:"replaces_sip_call_id"`
	CanMove            *bool     `ch:"can_move" json:"can_move"`
	MovedLeg           uuid.UUID `ch:"moved_call_leg" json:"moved_call_leg"`
	MovedLegBridge     uuid.UUID `ch:"moved_call_leg_call_bridge" json:"moved_call_leg_call_bridge"`
	ConfirmationStatus string    `ch:"confirmation_status" json:"confirmation_status"`

	Start            time.Time  `ch:"start" json:"start"`
	StartInferred    bool       `ch:"start_inferred" json:"start_inferred"`
	Connected        *time.Time `ch:"connected" json:"connected"` // first state connected
	Joined           *time.Time `ch:"joined" json:"joined"`       // first record that names the call of CallID
	Activated        *time.Time `ch:"activated" json:"activated"` // first seen in a call and not deactivated
	End              *time.Time `ch:"end" json:"end"`
	EndInferred      bool       `ch:"end_inferred" json:"end_inferred"`
	EndHow           EndHow     `ch:"end_how" json:"end_how"`
	EndReason        string     `ch:"end_reason" json:"end_reason"`
	RemoteTeardown   *bool      `ch:"remote_teardown" json:"remote_teardown"`
	DurationSeconds  *int64     `ch:"duration_seconds" json:"duration_seconds"`
	ActivatedSeconds *int64     `ch:"activated_seconds" json:"activated_seconds"`

	MaxScreens  *int64 `ch:"max_screens" json:"max_screens"`
	Encrypted   *bool  `ch:"encrypted_media" json:"encrypted_media"`
	Unencrypted *bool  `ch:"unencrypted_media" json:"unencrypted_media"`

	MainVideoViewerPercent         *float32 `ch:"main_video_viewer_percent" json:"main_video_viewer_percent"`
	MainVideoContributorPercent    *float32 `ch:"main_video_contributor_percent" json:"main_video_contributor_percent"`
	PresentationViewerPercent      *float32 `ch:"presentation_viewer_percent" json:"presentation_viewer_percent"`
	PresentationContributorPercent *float32 `ch:"presentation_contributor_percent" json:"presentation_contributor_percent"`
	MultistreamVideoPercent        *float32 `ch:"multistream_video_percent" json:"multistream_video_percent"`

	Alarms []Alarm `ch:"alarms" json:"alarms"`

	RxAudioCodec string `ch:"rx_audio_codec" json:"rx_audio_codec"`
	TxAudioCodec string `ch:"tx_audio_codec" json:"tx_audio_codec"`
	RxVideoCodec string `ch:"rx_video_codec" json:"rx_video_codec"`
	TxVideoCodec string `ch:"tx_video_codec" json:"tx_video_codec"`

	RxVideoWidth  *int64 `ch:"rx_video_width" json:"rx_video_width"`
	RxVideoHeight *int64 `ch:"rx_video_height" json:"rx_video_height"`
	TxVideoWidth  *int64 `ch:"tx_video_width" json:"tx_video_width"`
	TxVideoHeight *int64 `ch:"tx_video_height" json:"tx_video_height"`

	RxAudioBurstSeconds *float32 `ch:"rx_audio_burst_seconds" json:"rx_audio_burst_seconds"` // in bursts of loss
	RxAudioBurstDensity *float32 `ch:"rx_audio_burst_density" json:"rx_audio_burst_density"`
	RxAudioGapSeconds   *float32 `ch:"rx_audio_gap_seconds" json:"rx_audio_gap_seconds"` // between bursts
	RxAudioGapDensity   *float32 `ch:"rx_audio_gap_density" json:"rx_audio_gap_density"`
	RxVideoBurstSeconds *float32 `ch:"rx_video_burst_seconds" json:"rx_video_burst_seconds"`
	RxVideoBurstDensity *float32 `ch:"rx_video_burst_density" json:"rx_video_burst_density"`
	RxVideoGapSeconds   *float32 `ch:"rx_video_gap_seconds" json:"rx_video_gap_seconds"`
	RxVideoGapDensity   *float32 `ch:"rx_video_gap_density" json:"rx_video_gap_density"`

	Version   uint64 `ch:"version" json:"version"`
	IsDeleted uint8  `ch:"is_deleted" json:"is_deleted"`
}

// Recording is one recording of a call. Key: (Session, ID).
type Recording struct {
	ID              uuid.UUID  `ch:"id" json:"id"`
	CallID          uuid.UUID  `ch:"call_id" json:"call_id"`
	LegID           uuid.UUID  `ch:"call_leg_id" json:"call_leg_id"` // the leg that feeds the recorder
	Cluster         string     `ch:"cms_cluster" json:"cms_cluster"`
	Bridge          string     `ch:"call_bridge" json:"call_bridge"`
	BridgeID        uuid.UUID  `ch:"call_bridge_id" json:"call_bridge_id"`
	Session         uuid.UUID  `ch:"session" json:"session"`
	Path            string     `ch:"path" json:"path"` // without extension
	RecorderURL     string     `ch:"recorder_url" json:"recorder_url"`
	RecorderURI     string     `ch:"recorder_uri" json:"recorder_uri"`
	Start           time.Time  `ch:"start" json:"start"`
	StartInferred   bool       `ch:"start_inferred" json:"start_inferred"`
	End             *time.Time `ch:"end" json:"end"`
	EndInferred     bool       `ch:"end_inferred" json:"end_inferred"`
	EndHow          EndHow     `ch:"end_how" json:"end_how"`
	DurationSeconds *int64     `ch:"duration_seconds" json:"duration_seconds"`
	Version         uint64     `ch:"version" json:"version"`
	IsDeleted       uint8      `ch:"is_deleted" json:"is_deleted"`
}

// Stream is one stream of a call. Key: (Session, ID). Its URL is masked: the stream key is a secret.
type Stream struct {
	ID              uuid.UUID  `ch:"id" json:"id"`
	CallID          uuid.UUID  `ch:"call_id" json:"call_id"`
	LegID           uuid.UUID  `ch:"call_leg_id" json:"call_leg_id"` // the leg that feeds the streamer
	Cluster         string     `ch:"cms_cluster" json:"cms_cluster"`
	Bridge          string     `ch:"call_bridge" json:"call_bridge"`
	BridgeID        uuid.UUID  `ch:"call_bridge_id" json:"call_bridge_id"`
	Session         uuid.UUID  `ch:"session" json:"session"`
	StreamURL       string     `ch:"stream_url" json:"stream_url"` // scheme and host only
	StreamerURL     string     `ch:"streamer_url" json:"streamer_url"`
	StreamerURI     string     `ch:"streamer_uri" json:"streamer_uri"`
	Start           time.Time  `ch:"start" json:"start"`
	StartInferred   bool       `ch:"start_inferred" json:"start_inferred"`
	End             *time.Time `ch:"end" json:"end"`
	EndInferred     bool       `ch:"end_inferred" json:"end_inferred"`
	EndHow          EndHow     `ch:"end_how" json:"end_how"`
	DurationSeconds *int64     `ch:"duration_seconds" json:"duration_seconds"`
	Version         uint64     `ch:"version" json:"version"`
	IsDeleted       uint8      `ch:"is_deleted" json:"is_deleted"`
}

// Session is one run of one bridge and how complete its records are. Key: ID. Its rows are also what a fresh ledger is restored
// from, so they must be stored after the other facts of a batch and before its bodies are acknowledged.
type Session struct {
	ID              uuid.UUID `ch:"session" json:"session"`
	Cluster         string    `ch:"cms_cluster" json:"cms_cluster"`
	Bridge          string    `ch:"call_bridge" json:"call_bridge"`
	BridgeID        uuid.UUID `ch:"call_bridge_id" json:"call_bridge_id"`
	Source          string    `ch:"source" json:"source"`                 // token by which its records came
	SourceCluster   string    `ch:"source_cluster" json:"source_cluster"` // cluster of that token's bridge
	FirstIndex      int64     `ch:"first_index" json:"first_index"`       // lowest and highest correlatorIndex known
	LastIndex       int64     `ch:"last_index" json:"last_index"`
	FirstMissing    int64     `ch:"first_missing" json:"first_missing"`       // what the record of the lowest index says is missing before it
	FirstIndexTime  time.Time `ch:"first_index_time" json:"first_index_time"` // of the records with these indices
	LastIndexTime   time.Time `ch:"last_index_time" json:"last_index_time"`
	FirstTime       time.Time `ch:"first_time" json:"first_time"` // earliest and latest record time known
	LastTime        time.Time `ch:"last_time" json:"last_time"`
	Records         int64     `ch:"records" json:"records"`                   // distinct records
	Duplicates      int64     `ch:"duplicates" json:"duplicates"`             // copies received beyond the first
	ReportedMissing int64     `ch:"reported_missing" json:"reported_missing"` // missing indices the bridge admits
	Missing         int64     `ch:"missing" json:"missing"`                   // indices absent between first and last
	Gaps            []Gap     `ch:"gaps" json:"gaps"`                         // in order
	Superseded      bool      `ch:"superseded" json:"superseded"`             // a later session of the same bridge is known
	Version         uint64    `ch:"version" json:"version"`
}

// Place is the bridge whose session it turns out to be.
type Place struct {
	Session  uuid.UUID
	Bridge   string
	Cluster  string
	BridgeID uuid.UUID
}

// Gap is a run of absent correlator indices.
type Gap struct {
	After    int64     `ch:"after" json:"after"` // last index before the gap
	Count    int64     `ch:"count" json:"count"`
	Reported int64     `ch:"reported" json:"reported"` // how many of them the bridge says it discarded, at most Count
	From     time.Time `ch:"from" json:"from"`         // time of the record before the gap
	To       time.Time `ch:"to" json:"to"`             // time of the record after it
}

// Finding is something an operator must look at; it never changes a fact.
type Finding struct {
	Kind    FindingKind
	Session uuid.UUID
	Source  string    // token by which the record came
	Cluster string    // cluster of that token's bridge
	At      time.Time // when the record was received
	Bridge  string    // bridge that the callBridge GUID names, "" if unknown
	GUID    uuid.UUID
	Text    string
}

// FindingKind is the closed set of findings.
type FindingKind string

const (
	// FindingForeignBridge: a token brought records of another configured bridge.
	FindingForeignBridge FindingKind = "foreign_bridge"
	// FindingTwoBridges: one session carries two callBridge GUIDs.
	FindingTwoBridges FindingKind = "two_bridges"
)

// Facts are rows that changed, or with [Build] all rows. Order: by session, then start, then id.
type Facts struct {
	// Moved sessions: all their stored rows are to say this place, each with a version one higher. Do so before the rows below are stored.
	Moved []Place
	// Reopened sessions are superseded no longer. Store them before the rows below: a restart looks for rows to be made anew in sessions that are not superseded.
	Reopened   []Session
	Calls      []Call
	Legs       []Leg
	Recordings []Recording
	Streams    []Stream
	Sessions   []Session // store these last
	Findings   []Finding
}
