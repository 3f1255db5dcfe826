package licensing

// Readings are the points which the deployment guide leaves open (capacities page §4, "Where the guide leaves a reading open"), as a pool's operator reads them.
type Readings struct {
	// SIPPointToPointFull: a point-to-point call of SIP endpoints alone takes a full license. SIP to SIP stands in the definition of point to point, but not
	// in the list of what takes a sixth.
	SIPPointToPointFull bool
	// RecordedAudioOnlyFull: an audio-only meeting takes a full license while it is recorded or streamed. The lift is stated for gateway and point-to-point calls only.
	RecordedAudioOnlyFull bool
	// VideoForLife: a meeting in which a leg used video takes a full license all its life, not only while such a leg is connected.
	VideoForLife bool
	// UnknownIsAudio: a leg that has not told whether it used video, as it has not ended, is taken for audio only.
	UnknownIsAudio bool
	// LyncConferenceSixth: a call into a Lync conference counts as a gateway call.
	LyncConferenceSixth bool
	// GrantAnyTime: an owner's PMP covers the longest running of their active calls at any time; otherwise what a meeting took at its start is kept for its life.
	GrantAnyTime bool
	// PMPEachCall: each active call of an owner uses a PMP license of its own.
	PMPEachCall bool
	// PMPCalls is how many active calls of its owner a PMP license covers; at least 1.
	PMPCalls int
	// CaptureEach: every recording or stream counts, not every meeting that is recorded or streamed.
	CaptureEach bool
	// PMPInUse: compliance compares PMP licenses in use; otherwise those assigned.
	PMPInUse bool
	// AllowedDays of overage in the window that are still compliant. The guide allows "fewer than 15" and enforces at "more than 15".
	AllowedDays int
}

// DefaultReadings are those of the capacities page: they never understate, where records cannot tell.
func DefaultReadings() Readings { return Readings{PMPCalls: 2, AllowedDays: 15} }

// Reading names the reading that decided an interval; empty where none did.
type Reading string

// The readings, as they stand in the configuration.
const (
	ReadSIPPointToPoint Reading = "sip_point_to_point"
	ReadRecordedAudio   Reading = "recorded_audio_only"
	ReadVideoLife       Reading = "video"
	ReadUnknownVideo    Reading = "unknown_video"
	ReadLyncConference  Reading = "lync_conference"
	ReadGrant           Reading = "pmp_grant"
)
