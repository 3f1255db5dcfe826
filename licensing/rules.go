package licensing

import "github.com/google/uuid"

// License is the kind of user license that a meeting takes.
type License string

// The user licenses.
const (
	PMP License = "pmp" // Personal Multiparty Plus: the owner's
	SMP License = "smp" // Shared Multiparty Plus
)

// Rule says why a meeting took what it took (17.1.7 and 17.1.9 of the deployment guide, capacities page §4).
type Rule string

// The rules. Ad hoc escalations and TMS bookings by a licensed user are not visible in records or the API; such meetings appear as shared.
const (
	RulePMPOwner          Rule = "pmp_owner"
	RuleNoOwner           Rule = "smp_no_owner"
	RuleOwnerWithoutPMP   Rule = "smp_owner_without_pmp"
	RulePMPInUse          Rule = "smp_pmp_in_use"
	RuleOwnerUnknown      Rule = "smp_owner_unknown"
	RuleSixthAudioOnly    Rule = "smp_sixth_audio_only"
	RuleSixthGateway      Rule = "smp_sixth_gateway"
	RuleSixthPointToPoint Rule = "smp_sixth_point_to_point"
	RuleFullRecorded      Rule = "smp_full_recorded"
)

// Shared licenses in sixths.
const (
	full  int64 = 6
	sixth int64 = 1
)

// Why is a rule in words.
func (r Rule) Why() string { return reasons[r] }

// Rules are all rules, in the order in which they are asked for.
func Rules() []Rule {
	return []Rule{RulePMPOwner, RuleNoOwner, RuleOwnerWithoutPMP, RulePMPInUse, RuleOwnerUnknown, RuleSixthAudioOnly, RuleSixthGateway, RuleSixthPointToPoint, RuleFullRecorded}
}

var reasons = map[Rule]string{
	RulePMPOwner:          "The space's owner has a PMP license, and at most the covered number of their calls was active.",
	RuleNoOwner:           "The meeting has no owner: a shared license.",
	RuleOwnerWithoutPMP:   "The space's owner has no PMP license: a shared license.",
	RulePMPInUse:          "The owner's PMP license was already covering as many active calls as it may: a shared license.",
	RuleOwnerUnknown:      "Who owns the space, or whether the owner has a PMP license, is not known: taken as a shared license.",
	RuleSixthAudioOnly:    "No participant used video: a sixth of a shared license.",
	RuleSixthGateway:      "A Lync or Skype gateway call: a sixth of a shared license.",
	RuleSixthPointToPoint: "A point-to-point call outside a space: a sixth of a shared license.",
	RuleFullRecorded:      "A gateway or point-to-point call that is recorded or streamed: a full shared license.",
}

// ownerRule is why a meeting that got no PMP license takes a shared one.
func (m *Meeting) ownerRule() Rule {
	switch o := m.Owner; {
	case m.Space == uuid.Nil:
		return RuleNoOwner
	case o == nil:
		return RuleOwnerUnknown
	case o.ID == uuid.Nil:
		return RuleNoOwner
	case o.Licensed == nil:
		return RuleOwnerUnknown
	case *o.Licensed:
		return RulePMPInUse
	}
	return RuleOwnerWithoutPMP
}

// licensed tells whether the meeting's owner has a PMP license.
func (m *Meeting) licensed() bool {
	return m.Space != uuid.Nil && m.Owner != nil && m.Owner.ID != uuid.Nil && m.Owner.Licensed != nil && *m.Owner.Licensed
}

// Call types of CDRs that rules ask for.
const (
	callForwarding       = "forwarding"
	callLyncConferencing = "lyncConferencing"
)

// moment is what is true of a meeting at one instant.
type moment struct {
	personal     bool // granted a PMP license
	participants int  // distinct, without recorders and streamers: these lift the call to a full license, be it as a third participant or as a recording
	sip, others  int  // legs of SIP endpoints; of web app and Lync
	lync         int
	video        int  // legs that used video
	unknown      int  // legs of which it is not known
	silent       int  // legs of which it is not known, but which have no video now
	ever         bool // a leg of the meeting used video, now or at another time
	recordings   int
	streams      int
}

// shared applies 17.1.9: how many sixths of a shared license the meeting takes at a moment at which it has no personal one, by which rule, and which reading decided.
func (m *Meeting) shared(now moment, r Readings) (int64, Rule, Reading) {
	captured := now.recordings+now.streams > 0
	lyncConference := m.CallType == callLyncConferencing
	gateway := m.CallType == callForwarding && now.lync > 0 || lyncConference && r.LyncConferenceSixth
	pointToPoint := m.Space == uuid.Nil && !lyncConference && now.participants <= 2
	sipOnly := now.sip > 0 && now.others == 0

	var reading Reading
	if pointToPoint && !gateway && sipOnly {
		reading = ReadSIPPointToPoint
		pointToPoint = !r.SIPPointToPointFull
	}
	if lyncConference {
		reading = ReadLyncConference
	}
	audioOnly, audioReading := now.video == 0, Reading("")
	switch {
	case now.video > 0:
	case now.unknown > 0:
		audioOnly, audioReading = r.UnknownIsAudio, ReadUnknownVideo
	case now.silent > 0 && r.VideoForLife: // which nobody can have seen
		audioOnly, audioReading = r.UnknownIsAudio, ReadUnknownVideo
	case now.silent > 0:
		audioOnly, audioReading = true, ReadLegStatus
	case now.ever:
		audioOnly, audioReading = !r.VideoForLife, ReadVideoLife
	}
	switch {
	case captured && (gateway || pointToPoint):
		return full, RuleFullRecorded, reading
	case audioOnly && captured && r.RecordedAudioOnlyFull:
		return full, m.ownerRule(), ReadRecordedAudio
	case audioOnly && captured:
		return sixth, RuleSixthAudioOnly, ReadRecordedAudio
	case audioOnly:
		return sixth, RuleSixthAudioOnly, audioReading
	case gateway:
		return sixth, RuleSixthGateway, reading
	case pointToPoint:
		return sixth, RuleSixthPointToPoint, reading
	case reading == "":
		reading = audioReading
	}
	return full, m.ownerRule(), reading
}
