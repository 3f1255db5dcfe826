package licensing

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// Worked examples: one for each rule and for how rules meet. Times are minutes after 10:00.

var ten = time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)

func minutes(from, to int) Span {
	at := func(m int) time.Time { return ten.Add(time.Duration(m) * time.Minute) }
	if to < 0 {
		return Span{From: at(from)}
	}
	return Span{at(from), at(to)}
}

const open = -1

func leg(kind LegKind, video Known, from, to int) Leg {
	return Leg{Span: minutes(from, to), Kind: kind, Video: video}
}

// space is a meeting in a space with an owner.
func space(id byte, owner *Owner, from, to int, legs ...Leg) *Meeting {
	return &Meeting{ID: uuid.UUID{15: id}, Cluster: "emea", CallType: "coSpace", Space: uuid.UUID{14: id}, Owner: owner, Calls: []Span{minutes(from, to)}, Legs: legs}
}

// direct is a call outside a space.
func direct(id byte, callType string, from, to int, legs ...Leg) *Meeting {
	return &Meeting{ID: uuid.UUID{15: id}, Cluster: "emea", CallType: callType, Calls: []Span{minutes(from, to)}, Legs: legs}
}

func user(id byte, licensed *bool) *Owner { return &Owner{ID: uuid.UUID{13: id}, Licensed: licensed} }

// step of a golden example: what the first meeting takes from a minute on.
type want struct {
	from, to int
	license  License
	sixths   int64
	personal int64
	rule     Rule
	reading  Reading
}

func TestGolden(t *testing.T) {
	yes, no := new(true), new(false)
	three := []Leg{leg(SIPLeg, Yes, 0, 30), leg(WebAppLeg, Yes, 0, 30), leg(WebAppLeg, Yes, 0, 30)}
	recorded := func(m *Meeting, from, to int) *Meeting { m.Recordings = []Span{minutes(from, to)}; return m }
	streamed := func(m *Meeting, from, to int) *Meeting { m.Streams = []Span{minutes(from, to)}; return m }
	seen := func(l Leg, without ...Span) Leg { l.NoVideo = without; return l }
	with := func(change func(*Readings)) Readings { r := DefaultReadings(); change(&r); return r }
	for _, c := range []struct {
		name     string
		readings Readings
		meetings []*Meeting // what is asked is the last
		want     []want
	}{
		{"the owner has PMP, present or not", DefaultReadings(), []*Meeting{space(1, user(1, yes), 0, 30, three...)},
			[]want{{0, 30, PMP, 0, 1, RulePMPOwner, ""}}}, // one personal license, no shared one
		{"no owner", DefaultReadings(), []*Meeting{space(1, user(0, nil), 0, 30, three...)},
			[]want{{0, 30, SMP, 6, 0, RuleNoOwner, ""}}}, // 1 license = 6 sixths
		{"an owner without PMP", DefaultReadings(), []*Meeting{space(1, user(1, no), 0, 30, three...)},
			[]want{{0, 30, SMP, 6, 0, RuleOwnerWithoutPMP, ""}}},
		{"a space of which nothing is known", DefaultReadings(), []*Meeting{space(1, nil, 0, 30, three...)},
			[]want{{0, 30, SMP, 6, 0, RuleOwnerUnknown, ""}}},
		{"an owner whose profile is not known", DefaultReadings(), []*Meeting{space(1, user(1, nil), 0, 30, three...)},
			[]want{{0, 30, SMP, 6, 0, RuleOwnerUnknown, ""}}},
		// A PMP license covers two active calls and is one license in use: the first counts 1, the second 0.
		{"the owner's second call", DefaultReadings(), []*Meeting{space(1, user(1, yes), 0, 20, three...), space(2, user(1, yes), 10, 30, three...)},
			[]want{{10, 20, PMP, 0, 0, RulePMPOwner, ""}, {20, 30, PMP, 0, 1, RulePMPOwner, ""}}},
		// The third takes a shared license; that the first ends at 20 changes nothing, as it is decided at the start.
		{"the owner's third call", DefaultReadings(), []*Meeting{space(1, user(1, yes), 0, 20, three...), space(2, user(1, yes), 5, 30, three...), space(3, user(1, yes), 10, 30, three...)},
			[]want{{10, 30, SMP, 6, 0, RulePMPInUse, ReadGrant}}},
		{"the owner's third call, granted at any time", with(func(r *Readings) { r.GrantAnyTime = true }),
			[]*Meeting{space(1, user(1, yes), 0, 20, three...), space(2, user(1, yes), 5, 30, three...), space(3, user(1, yes), 10, 30, three...)},
			[]want{{10, 20, SMP, 6, 0, RulePMPInUse, ReadGrant}, {20, 30, PMP, 0, 0, RulePMPOwner, ""}}},
		// The first has ended at the second at which the third begins.
		{"one call ends as another begins", DefaultReadings(), []*Meeting{space(1, user(1, yes), 0, 10, three...), space(2, user(1, yes), 5, 30, three...), space(3, user(1, yes), 10, 30, three...)},
			[]want{{10, 30, PMP, 0, 0, RulePMPOwner, ""}}},
		{"users of two clusters with one id", DefaultReadings(), []*Meeting{{ID: uuid.UUID{1}, Cluster: "apac", Space: uuid.UUID{2}, Owner: user(1, yes), Calls: []Span{minutes(0, 30)}}, space(2, user(1, yes), 10, 30, three...)},
			[]want{{10, 30, PMP, 0, 1, RulePMPOwner, ""}}},

		{"audio only", DefaultReadings(), []*Meeting{space(1, user(1, no), 0, 30, leg(SIPLeg, No, 0, 30), leg(WebAppLeg, No, 0, 30), leg(SIPLeg, No, 0, 30))},
			[]want{{0, 30, SMP, 1, 0, RuleSixthAudioOnly, ""}}},
		// One leg with video from 10 to 20: full while it is connected.
		{"audio, video, audio", DefaultReadings(), []*Meeting{space(1, user(1, no), 0, 30, leg(SIPLeg, No, 0, 30), leg(SIPLeg, No, 0, 30), leg(SIPLeg, Yes, 10, 20))},
			[]want{{0, 10, SMP, 1, 0, RuleSixthAudioOnly, ReadVideoLife}, {10, 20, SMP, 6, 0, RuleOwnerWithoutPMP, ""}, {20, 30, SMP, 1, 0, RuleSixthAudioOnly, ReadVideoLife}}},
		{"video at some time, for life", with(func(r *Readings) { r.VideoForLife = true }), []*Meeting{space(1, user(1, no), 0, 30, leg(SIPLeg, No, 0, 30), leg(SIPLeg, No, 0, 30), leg(SIPLeg, Yes, 10, 20))},
			[]want{{0, 10, SMP, 6, 0, RuleOwnerWithoutPMP, ReadVideoLife}, {10, 20, SMP, 6, 0, RuleOwnerWithoutPMP, ""}, {20, 30, SMP, 6, 0, RuleOwnerWithoutPMP, ReadVideoLife}}},
		{"a leg that has not told", DefaultReadings(), []*Meeting{space(1, user(1, no), 0, open, leg(SIPLeg, No, 0, 30), leg(SIPLeg, No, 0, 30), leg(WebAppLeg, Unknown, 10, open))},
			[]want{{0, 10, SMP, 1, 0, RuleSixthAudioOnly, ""}, {10, 60, SMP, 6, 0, RuleOwnerWithoutPMP, ReadUnknownVideo}}},
		// Seen without video from 20 to 25 and from 40 on, by answers that hold for five minutes: a sixth then, and full where nobody looked.
		{"a leg that has not told, seen without video", DefaultReadings(), []*Meeting{space(1, user(1, no), 10, open, leg(SIPLeg, No, 10, open), leg(SIPLeg, No, 10, open), seen(leg(WebAppLeg, Unknown, 10, open), minutes(20, 25), minutes(40, 45)))},
			[]want{{10, 20, SMP, 6, 0, RuleOwnerWithoutPMP, ReadUnknownVideo}, {20, 25, SMP, 1, 0, RuleSixthAudioOnly, ReadLegStatus}, {25, 40, SMP, 6, 0, RuleOwnerWithoutPMP, ReadUnknownVideo},
				{40, 45, SMP, 1, 0, RuleSixthAudioOnly, ReadLegStatus}, {45, 60, SMP, 6, 0, RuleOwnerWithoutPMP, ReadUnknownVideo}}},
		// One of two was seen without, the other was not looked at: not known.
		{"one of two seen without video", DefaultReadings(), []*Meeting{space(1, user(1, no), 0, open, leg(SIPLeg, Unknown, 0, open), seen(leg(WebAppLeg, Unknown, 0, open), minutes(0, 60)))},
			[]want{{0, 60, SMP, 6, 0, RuleOwnerWithoutPMP, ReadUnknownVideo}}},
		// The record decides: it used video, whatever was seen at one instant.
		{"seen without video, told otherwise", DefaultReadings(), []*Meeting{space(1, user(1, no), 0, 30, seen(leg(WebAppLeg, Yes, 0, 30), minutes(10, 15)))},
			[]want{{0, 30, SMP, 6, 0, RuleOwnerWithoutPMP, ""}}},
		// Who reads video as a matter of a whole life cannot know from an instant.
		{"seen without video, for life", with(func(r *Readings) { r.VideoForLife = true }), []*Meeting{space(1, user(1, no), 0, open, seen(leg(WebAppLeg, Unknown, 0, open), minutes(0, 60)))},
			[]want{{0, 60, SMP, 6, 0, RuleOwnerWithoutPMP, ReadUnknownVideo}}},
		{"audio only, recorded", DefaultReadings(), []*Meeting{recorded(space(1, user(1, no), 0, 30, leg(SIPLeg, No, 0, 30), leg(SIPLeg, No, 0, 30), leg(SIPLeg, No, 0, 30), leg(CaptureLeg, Yes, 10, 20)), 10, 20)},
			[]want{{0, 10, SMP, 1, 0, RuleSixthAudioOnly, ""}, {10, 20, SMP, 1, 0, RuleSixthAudioOnly, ReadRecordedAudio}, {20, 30, SMP, 1, 0, RuleSixthAudioOnly, ""}}},
		{"audio only, recorded takes a full one", with(func(r *Readings) { r.RecordedAudioOnlyFull = true }), []*Meeting{recorded(space(1, user(1, no), 0, 30, leg(SIPLeg, No, 0, 30), leg(SIPLeg, No, 0, 30), leg(SIPLeg, No, 0, 30)), 10, 20)},
			[]want{{0, 10, SMP, 1, 0, RuleSixthAudioOnly, ""}, {10, 20, SMP, 6, 0, RuleOwnerWithoutPMP, ReadRecordedAudio}, {20, 30, SMP, 1, 0, RuleSixthAudioOnly, ""}}},

		{"web app to SIP", DefaultReadings(), []*Meeting{direct(1, "adHoc", 0, 30, leg(WebAppLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30))},
			[]want{{0, 30, SMP, 1, 0, RuleSixthPointToPoint, ""}}},
		{"SIP to SIP", DefaultReadings(), []*Meeting{direct(1, "adHoc", 0, 30, leg(SIPLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30))},
			[]want{{0, 30, SMP, 1, 0, RuleSixthPointToPoint, ReadSIPPointToPoint}}},
		{"SIP to SIP takes a full one", with(func(r *Readings) { r.SIPPointToPointFull = true }), []*Meeting{direct(1, "adHoc", 0, 30, leg(SIPLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30))},
			[]want{{0, 30, SMP, 6, 0, RuleNoOwner, ReadSIPPointToPoint}}},
		// Two participants until 10, three until 20, two again.
		{"a third joins and leaves", DefaultReadings(), []*Meeting{direct(1, "adHoc", 0, 30, leg(WebAppLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30), leg(SIPLeg, Yes, 10, 20))},
			[]want{{0, 10, SMP, 1, 0, RuleSixthPointToPoint, ""}, {10, 20, SMP, 6, 0, RuleNoOwner, ""}, {20, 30, SMP, 1, 0, RuleSixthPointToPoint, ""}}},
		// A recorder's leg makes three participants, so that the call is point to point no more; either way it is a full license while recorded.
		{"point to point, recorded", DefaultReadings(), []*Meeting{recorded(direct(1, "adHoc", 0, 30, leg(WebAppLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30), leg(CaptureLeg, Yes, 10, 20)), 10, 20)},
			[]want{{0, 10, SMP, 1, 0, RuleSixthPointToPoint, ""}, {10, 20, SMP, 6, 0, RuleFullRecorded, ""}, {20, 30, SMP, 1, 0, RuleSixthPointToPoint, ""}}},
		{"point to point, audio only, recorded", DefaultReadings(), []*Meeting{recorded(direct(1, "adHoc", 0, 30, leg(WebAppLeg, No, 0, 30), leg(WebAppLeg, No, 0, 30), leg(CaptureLeg, No, 10, 20)), 10, 20)},
			[]want{{0, 10, SMP, 1, 0, RuleSixthAudioOnly, ""}, {10, 20, SMP, 6, 0, RuleFullRecorded, ""}, {20, 30, SMP, 1, 0, RuleSixthAudioOnly, ""}}},
		{"two people in a space are no point-to-point call", DefaultReadings(), []*Meeting{space(1, user(1, no), 0, 30, leg(WebAppLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30))},
			[]want{{0, 30, SMP, 6, 0, RuleOwnerWithoutPMP, ""}}},

		{"a Lync gateway call", DefaultReadings(), []*Meeting{direct(1, "forwarding", 0, 30, leg(LyncLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30))},
			[]want{{0, 30, SMP, 1, 0, RuleSixthGateway, ""}}},
		{"a Lync gateway call, streamed", DefaultReadings(), []*Meeting{streamed(direct(1, "forwarding", 0, 30, leg(LyncLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30)), 10, 30)},
			[]want{{0, 10, SMP, 1, 0, RuleSixthGateway, ""}, {10, 30, SMP, 6, 0, RuleFullRecorded, ""}}},
		{"into a Lync conference (dual home)", DefaultReadings(), []*Meeting{direct(1, "lyncConferencing", 0, 30, leg(LyncLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30))},
			[]want{{0, 30, SMP, 6, 0, RuleNoOwner, ReadLyncConference}}},
		{"into a Lync conference, as a gateway call", with(func(r *Readings) { r.LyncConferenceSixth = true }), []*Meeting{direct(1, "lyncConferencing", 0, 30, leg(LyncLeg, Yes, 0, 30), leg(SIPLeg, Yes, 0, 30))},
			[]want{{0, 30, SMP, 1, 0, RuleSixthGateway, ReadLyncConference}}},

		// Two bridges' calls of one meeting are one meeting; between 20 and 25 none lives.
		{"over two bridges, with a pause", DefaultReadings(), []*Meeting{{ID: uuid.UUID{1}, Cluster: "emea", Calls: []Span{minutes(0, 15), minutes(5, 20), minutes(25, 30)}, Legs: three}},
			[]want{{0, 20, SMP, 6, 0, RuleNoOwner, ""}, {25, 30, SMP, 6, 0, RuleNoOwner, ""}}},
	} {
		asked := c.meetings[len(c.meetings)-1]
		var got []want
		for _, i := range Intervals(c.meetings, c.readings, ten.Add(time.Hour)) {
			if i.Meeting == asked {
				got = append(got, want{int(i.From.Sub(ten).Minutes()), int(i.To.Sub(ten).Minutes()), i.License, i.Sixths, i.Personal, i.Rule, i.Reading})
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
			continue
		}
		for k := range got {
			if got[k] != c.want[k] {
				t.Errorf("%s, interval %d:\n got %+v\nwant %+v", c.name, k, got[k], c.want[k])
			}
		}
	}
}

// TestUse: one recorded meeting on two bridges counts once; a recording and a stream take two recording licenses.
func TestUse(t *testing.T) {
	twice := space(1, user(1, new(false)), 0, 30, leg(SIPLeg, Yes, 0, 30))
	twice.Recordings = []Span{minutes(0, 20), minutes(5, 25)}
	both := space(2, user(2, new(true)), 10, 30, leg(SIPLeg, Yes, 10, 30))
	both.Streams, both.Recordings = []Span{minutes(15, 30)}, []Span{minutes(15, 18)}
	audio := space(3, nil, 0, 30, leg(SIPLeg, No, 0, 30))
	levels := Levels(Intervals([]*Meeting{twice, both, audio}, DefaultReadings(), ten.Add(time.Hour)))
	for at, want := range map[int]Use{
		0:  {SMPSixths: 7, Recordings: 1},                     // 6 + 1 sixths: 1.17 licenses
		10: {SMPSixths: 7, PMP: 1, Recordings: 1},             //
		16: {SMPSixths: 7, PMP: 1, Recordings: 2, Streams: 1}, // 2 recorded + 1 streamed = 3 recording licenses
		20: {SMPSixths: 7, PMP: 1, Recordings: 1, Streams: 1}, // the first bridge's recording ended, the second's goes on
		25: {SMPSixths: 7, PMP: 1, Streams: 1},                //
		30: {}, -1: {},                                        // from its end on nothing is in use
	} {
		if got := UseAt(levels, ten.Add(time.Duration(at)*time.Minute)); got != want {
			t.Errorf("minute %d: %+v, want %+v", at, got, want)
		}
	}
	p := PeaksWithin(levels, minutes(5, 40))
	if p.SMP.Value != 7 || !p.SMP.At.Equal(ten.Add(5*time.Minute)) { // carried over from before
		t.Errorf("SMP peak %+v, want 7 from minute 5", p.SMP)
	}
	if p.Recording.Value != 3 || p.Recordings != 2 || p.Streams != 1 || !p.Recording.At.Equal(ten.Add(15*time.Minute)) {
		t.Errorf("recording peak %+v of %d + %d, want 3 = 2 + 1 at minute 15", p.Recording, p.Recordings, p.Streams)
	}
}

func TestStand(t *testing.T) {
	asOf := Day("2026-11-21")
	days := func(n int, from Day) []UsedDay {
		var list []UsedDay
		for d := asOf.Add(1 - WindowDays); d <= asOf; d = d.Next() {
			over := d >= from && d < from.Add(n)
			value := int64(240)
			if over {
				value = 241 // 40 licenses are 240 sixths: a sixth more is over
			}
			list = append(list, UsedDay{Day: d, Computed: true, Known: true, Held: Entitlement{SMP: new(int64(40))}, Peaks: Peaks{SMP: Peak{Value: value}}})
		}
		return list
	}
	verdict := func(d UsedDay) *bool { return d.Over(DefaultReadings()).Overage() }
	stand := func(list []UsedDay, expiry time.Time) Standing {
		return Stand(list, verdict, asOf, 15, expiry, time.UTC)
	}
	first := asOf.Add(1 - WindowDays) // 2026-08-24
	if s := stand(days(0, first), time.Time{}); s.Days != 0 || s.Left != 15 || s.Level != 0 || s.Leaves != "" || s.Exceeds != asOf.Add(16) {
		t.Errorf("without overage: %+v", s)
	}
	// Exactly 15 is the last compliant state; the first of them leaves 90 days after it was. With every further day over, tomorrow is the 16th in the window,
	// unless one leaves: those at the window's start do, one a day, and as many come as leave.
	if s := stand(days(15, asOf.Add(-14)), time.Time{}); s.Days != 15 || s.Left != 0 || s.Level != 0 || s.Exceeds != asOf.Add(1) || s.Leaves != asOf.Add(-14).Add(90) {
		t.Errorf("15 days: %+v", s)
	}
	if s := stand(days(15, first), time.Time{}); s.Level != 0 || s.Exceeds != asOf.Add(16) || s.Leaves != asOf.Add(1) {
		t.Errorf("15 days at the window's start: %+v", s) // 15 leave in 15 days while 15 come; the 16th new one exceeds
	}
	if s := stand(days(16, asOf.Add(-15)), time.Time{}); s.Days != 16 || s.Level != 1 || s.Reached != asOf || s.Level2 != asOf.Add(90) || s.Level3 != asOf.Add(180) || s.Exceeds != "" {
		t.Errorf("16 days: %+v", s)
	}
	end := time.Date(2026, 12, 31, 12, 0, 0, 0, time.UTC)
	if s := stand(days(16, asOf.Add(-15)), end); s.Level2 != "2026-12-31" || s.Level3 != "2027-03-31" {
		t.Errorf("16 days and an expiry that counts down: %+v", s)
	}
	if s := stand(days(0, first), asOf.Add(-1).Start(time.UTC)); s.Level != 2 {
		t.Errorf("expired yesterday: level %d, want 2", s.Level)
	}
	if s := stand(days(0, first), asOf.Add(-91).Start(time.UTC)); s.Level != 3 {
		t.Errorf("expired 91 days ago: level %d, want 3", s.Level)
	}
	missing := days(3, first)
	missing[50].Computed = false
	if s := stand(missing, time.Time{}); s.Days != 3 || s.Unknown != 1 {
		t.Errorf("a day without figures: %+v, want one unknown", s)
	}
}

// TestOver: what cannot be judged is not judged, and does not keep the other license from being judged.
func TestOver(t *testing.T) {
	held := Entitlement{SMP: new(int64(1)), PMP: new(int64(10)), Recording: new(int64(2))}
	day := UsedDay{Computed: true, Known: true, Held: held, Peaks: Peaks{SMP: Peak{Value: 6}, PMP: Peak{Value: 11}, Recording: Peak{Value: 3}}}
	o := day.Over(DefaultReadings())
	if o.SMP == nil || *o.SMP || o.PMP != nil || o.Recording == nil || !*o.Recording || o.Overage() == nil || *o.Overage() {
		t.Errorf("PMP assigned not known: SMP kept, PMP not judged, recording over: %+v", o)
	}
	day.PMPAssigned = new(int64(11)) // 11 assigned against 10
	if o := day.Over(DefaultReadings()); o.PMP == nil || !*o.PMP || !*o.Overage() {
		t.Errorf("11 assigned of 10: %+v", o)
	}
	day.PMPAssigned = new(int64(10))
	inUse := DefaultReadings()
	inUse.PMPInUse = true
	if o := day.Over(inUse); o.PMP == nil || !*o.PMP {
		t.Errorf("11 in use of 10, read so: %+v", o)
	}
	if o := (UsedDay{Computed: true, Peaks: day.Peaks}).Over(inUse); o.SMP != nil || o.PMP != nil || o.Overage() != nil {
		t.Errorf("without entitlement nothing can be over: %+v", o)
	}
}
