package licensing

// Readings are the points which the deployment guide leaves open (capacities page §4, "Where the guide leaves a reading open"), as a pool's operator reads them.
type Readings struct {
	// SIPPointToPointFull: a point-to-point call of SIP endpoints alone takes a full license. SIP to SIP stands in the definition of point to point, but not
	// in the list of what takes a sixth.
	SIPPointToPointFull bool `json:"sip_point_to_point_full"`
	// RecordedAudioOnlyFull: an audio-only meeting takes a full license while it is recorded or streamed. The lift is stated for gateway and point-to-point calls only.
	RecordedAudioOnlyFull bool `json:"recorded_audio_only_full"`
	// VideoForLife: a meeting in which a leg used video takes a full license all its life, not only while such a leg is connected.
	VideoForLife bool `json:"video_for_life"`
	// UnknownIsAudio: a leg that has not told whether it used video, as it has not ended, is taken for audio only.
	UnknownIsAudio bool `json:"unknown_is_audio"`
	// LyncConferenceSixth: a call into a Lync conference counts as a gateway call.
	LyncConferenceSixth bool `json:"lync_conference_sixth"`
	// GrantAnyTime: an owner's PMP covers the longest running of their active calls at any time; otherwise what a meeting took at its start is kept for its life.
	GrantAnyTime bool `json:"pmp_grant_any_time"`
	// PMPEachCall: each active call of an owner uses a PMP license of its own.
	PMPEachCall bool `json:"pmp_each_call"`
	// PMPCalls is how many active calls of its owner a PMP license covers; at least 1.
	PMPCalls int `json:"pmp_calls"`
	// CaptureEach: every recording or stream counts, not every meeting that is recorded or streamed.
	CaptureEach bool `json:"capture_each"`
	// PMPInUse: compliance compares PMP licenses in use; otherwise those assigned.
	PMPInUse bool `json:"pmp_compares_in_use"`
	// AllowedDays of overage in the window that are still compliant. The guide allows "fewer than 15" and enforces at "more than 15".
	AllowedDays int `json:"allowed_overage_days"`
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

// ReadLegStatus is no setting but a witness: a connected leg has not told whether it used video, and by the API's status of the leg it has none now.
const ReadLegStatus Reading = "leg_status"
