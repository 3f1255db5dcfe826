package cdr

import (
	"time"

	"github.com/google/uuid"
)

// Type is the type attribute of a record (cms-cdr 2). The set is open: an unknown type is kept as it came.
type Type string

// The nine known record types.
const (
	CallStart      Type = "callStart"
	CallEnd        Type = "callEnd"
	CallLegStart   Type = "callLegStart"
	CallLegUpdate  Type = "callLegUpdate"
	CallLegEnd     Type = "callLegEnd"
	RecordingStart Type = "recordingStart"
	RecordingEnd   Type = "recordingEnd"
	StreamingStart Type = "streamingStart"
	StreamingEnd   Type = "streamingEnd"
)

// Header is what the envelope and the record element say (cms-cdr 1.4, 1.5). (Session, CorrelatorIndex) is a record's identity.
type Header struct {
	Session         uuid.UUID // made when the Call Bridge starts
	CallBridge      uuid.UUID // which bridge sends; zero outside a cluster, and sometimes within one (cms-cdr 5)
	Type            Type
	Time            time.Time // when the bridge made the record, UTC; resolution so far one second
	RecordIndex     int64     // position in what was sent to this receiver, from 1; 0 if absent. Identifies nothing.
	CorrelatorIndex int64     // position among all records of the session, from 0
	Missing         int64     // numPreceedingRecordsMissing: how many records directly before this one the bridge discarded
}

// Record is one decoded record. Exactly one of the four details is set for the nine known types, none for an unknown type.
type Record struct {
	Header
	ID        uuid.UUID // id attribute of the child element; zero if absent
	Call      *CallDetail
	Leg       *LegDetail
	Recording *RecordingDetail
	Stream    *StreamDetail
	// Unknown holds what no field above takes, flattened: path below the record → text, as "callLeg/newThing/@kind".
	// Repeated paths are numbered from the second on: "callLeg/newThing#2". Nil if there is nothing.
	Unknown map[string]string
}

// SourcedRecord is a record with the envelope of its receipt.
type SourcedRecord struct {
	Record
	Source   string    // configured name of the bridge whose token was used
	Cluster  string    // configured cluster of that bridge
	Received time.Time // UTC
	BodyID   uuid.UUID
}

// CallDetail is the <call> element of callStart and callEnd (cms-cdr 2.1, 2.2). Absent and empty mean the same: "", zero UUID, nil.
type CallDetail struct {
	Name             string
	OwnerName        string
	CallType         string
	Space            uuid.UUID
	Tenant           uuid.UUID
	CDRTag           string
	CallCorrelator   uuid.UUID
	LegsCompleted    *int64
	LegsMaxActive    *int64
	DurationSeconds  *int64
	EndpointRecorded string // shape unseen; text as it came
}

// LegDetail is the <callLeg> element of callLegStart, callLegUpdate and callLegEnd (cms-cdr 2.3–2.5).
type LegDetail struct {
	RemoteParty        string
	LocalAddress       string
	DisplayName        string // as it came, the placeholder "Unknown Party" included
	RemoteAddress      string
	Type               string
	SubType            string
	LyncSubType        string
	Direction          string
	Guest              *bool
	Recording          *bool
	Streaming          *bool
	Call               uuid.UUID
	IVR                bool
	State              string
	Deactivated        *bool
	CDRTag             string
	OwnerID            string
	GroupID            uuid.UUID
	SIPCallID          string
	ReplacesSIPCallID  string
	CanMove            *bool
	MovedLeg           uuid.UUID
	MovedLegBridge     uuid.UUID
	ConfirmationStatus string

	Reason           string
	RemoteTeardown   *bool
	DurationSeconds  *int64
	ActivatedSeconds *int64
	MaxScreens       *int64
	Encrypted        *bool
	Unencrypted      *bool
	Usage            MediaUsage
	Alarms           []Alarm
	RxAudio          Media
	TxAudio          Media
	RxVideo          Media
	TxVideo          Media
}

// MediaUsage is mediaUsagePercentages: shares of the leg's life, 0 to 100.
type MediaUsage struct {
	MainVideoViewer         *float64
	MainVideoContributor    *float64
	PresentationViewer      *float64
	PresentationContributor *float64
	Multistream             *float64
}

// Alarm is a quality alarm of a leg: a hint, not a proof of bad quality (cms-cdr 2.5).
type Alarm struct {
	Type            string   `ch:"type" json:"type"`                         // packetLoss, excessiveJitter, highRoundTripTime, …
	DurationPercent *float32 `ch:"duration_percent" json:"duration_percent"` // share of the leg's life; nil if not said
}

// Media describes one direction of one medium, seen from the server: rx is what the far end sent.
type Media struct {
	Codec         string
	Width, Height *int64 // largest picture, pixels
	Bursts, Gap   PacketStat
}

// PacketStat is a duration (probably seconds) and a density after the burst and gap model of RTCP XR.
type PacketStat struct {
	Duration *float64
	Density  *float64
}

// RecordingDetail is the <recording> element (cms-cdr 2.6).
type RecordingDetail struct {
	Path        string
	RecorderURL string
	RecorderURI string
	Call        uuid.UUID
	Leg         uuid.UUID
}

// StreamDetail is the <streaming> element (cms-cdr 2.7). The stream key never gets past the decoder.
type StreamDetail struct {
	StreamURL   string // scheme and host only
	StreamerURL string
	StreamerURI string
	Call        uuid.UUID
	Leg         uuid.UUID
}
