package report_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestQuality: Monday 2 and Tuesday 3 November 2026 in Berlin; Wednesday is not known.
func TestQuality(t *testing.T) {
	conn, zone := storagetest.Store(t), berlin(t)
	f := &facts{t: t, zone: zone}
	suffers := func(alarms ...cdr.Alarm) func(*cdr.Leg) { return func(l *cdr.Leg) { l.Alarms = alarms } }
	alarm := func(kind string, percent float32) cdr.Alarm { return cdr.Alarm{Type: kind, DurationPercent: &percent} }
	from := func(address, audio string) func(*cdr.Leg) {
		return func(l *cdr.Leg) { l.RemoteAddress, l.RxAudioCodec = address, audio }
	}

	board := f.held("cb1", "Board", "Olga", "2026-11-02 09:00", "2026-11-02 10:00")
	there := f.held("cb2", "Board", "Olga", "2026-11-02 09:00", "2026-11-02 10:00", func(c *cdr.Call) { c.CallCorrelator = board.CallCorrelator })
	// ann, 60 minutes: packet loss for 10 % and jitter for 15 %: at most 25 %, 15 minutes bad.
	f.leg(board, "ann", "2026-11-02 09:00", "2026-11-02 10:00", suffers(alarm("packetLoss", 10), alarm("excessiveJitter", 15)), from("sip:ann@192.0.2.77:5060", "opus"))
	// bob, 40 minutes on the other bridge: two alarms of 80 % are all of it, no more: 40 bad.
	f.leg(there, "bob", "2026-11-02 09:10", "2026-11-02 09:50", suffers(alarm("packetLoss", 80), alarm("highRoundTripTime", 80)), from("192.0.2.1", "opus"))
	// cid, 20 minutes: an alarm that does not say how long it held: 20 bad.
	f.leg(there, "cid", "2026-11-02 09:00", "2026-11-02 09:20", suffers(cdr.Alarm{Type: "somethingNew"}), from("[2001:db8:1:2::9]:5061", "g722"))
	// dee, 30 minutes, good; a mapped address.
	f.leg(board, "dee", "2026-11-02 09:00", "2026-11-02 09:30", from("::ffff:192.0.2.200", "g722"))
	// eve is still there, and fay's end record never came: not judged, no minutes.
	f.leg(board, "eve", "2026-11-02 09:00", "", from("eve@example.org", ""))
	f.leg(board, "fay", "2026-11-02 09:00", "2026-11-02 10:00", suffers(alarm("packetLoss", 100)), func(l *cdr.Leg) { l.EndHow, l.EndInferred = cdr.EndNewSession, true })
	// Neither counts: a recorder, and one who was never connected.
	f.leg(board, "recorder", "2026-11-02 09:00", "2026-11-02 10:00", func(l *cdr.Leg) { l.CountsAsPerson = false }, suffers(alarm("packetLoss", 100)))
	f.leg(board, "gus", "2026-11-02 09:00", "2026-11-02 09:01", func(l *cdr.Leg) { l.Connected, l.Activated = nil, nil })
	// Tuesday: hal, 50 minutes of the web app without any address that is one: 2 % packet loss, 1 minute. An alarm of 0 % is an alarm all the same, of no minutes.
	desk := f.held("cb1", "Desk", "Paul", "2026-11-03 10:00", "2026-11-03 10:50")
	f.leg(desk, "hal", "2026-11-03 10:00", "2026-11-03 10:50", webapp, suffers(alarm("packetLoss", 2)), from("1.2.3", "opus"))
	f.leg(desk, "ida", "2026-11-03 10:00", "2026-11-03 10:10", webapp, suffers(alarm("excessiveJitter", 0)), from("300.1.1.1", "opus"))
	// Began before the period.
	f.leg(desk, "old", "2026-11-01 23:00", "2026-11-02 09:00", suffers(alarm("packetLoss", 100)))
	f.write(conn, f.session("cb1", "2026-11-01 08:00", "2026-11-03 23:00"), f.session("cb2", "2026-11-01 08:00", "2026-11-03 23:00"))

	scope := storage.Scope{Clusters: []string{"emea"}, From: f.at("2026-11-02 00:00"), To: f.at("2026-11-05 00:00"), Zone: zone, Now: f.at("2026-11-04 12:00")}
	r, err := report.MakeQuality(t.Context(), storage.NewQueries(conn), scope)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s report.QualityShare) string {
		return fmt.Sprint(s.Key, ": ", s.Legs, " ", s.Judged, " ", s.Alarmed, " ", s.PacketLoss, " ", s.ExcessiveJitter, " ", s.HighRoundTripTime, " ", s.OtherAlarms, " ", s.Minutes, " ", s.GoodMinutes, " ", show(s.GoodRatio))
	}
	texts := func(list []report.QualityShare) (out []string) {
		for _, s := range list {
			out = append(out, text(s))
		}
		return out
	}
	check := func(what string, want, got []string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: legs, judged, alarmed, loss, jitter, round trip, other, minutes, good, ratio (-want +got):\n%s", what, diff)
		}
	}
	// Monday: 6 legs, 4 judged; 60 + 40 + 20 + 30 = 150 minutes, 15 + 40 + 20 = 75 bad. Tuesday: 60 minutes, 1 bad.
	check("all", []string{": 8 6 5 3 2 1 1 210 134 0.6381"}, texts([]report.QualityShare{*r.Totals}))
	check("days", []string{"2026-11-02: 6 4 3 2 1 1 1 150 75 0.5", "2026-11-03: 2 2 2 1 1 0 0 60 59 0.9833"}, texts([]report.QualityShare{*r.Days[0].Quality, *r.Days[1].Quality}))
	if d := r.Days[2]; d.Quality != nil || d.Complete {
		t.Errorf("a day of which nothing is known: %+v", d)
	}
	check("bridges", []string{"cb2: 2 2 2 1 0 1 1 60 0 0", "cb1: 6 4 3 2 2 0 0 150 134 0.8933"}, texts(r.Bridges))
	check("clients", []string{"sip: 6 4 3 2 1 1 1 150 75 0.5", "webapp: 2 2 2 1 1 0 0 60 59 0.9833"}, texts(r.Clients))
	// opus: ann, bob, hal, ida; g722: cid, dee; none: eve, fay.
	check("audio codecs", []string{"opus: 4 4 4 3 2 1 0 160 104 0.65", "g722: 2 2 1 0 0 0 1 50 30 0.6", ": 2 0 0 0 0 0 0 0 0 ?"}, texts(r.AudioCodecs))
	check("networks", []string{"192.0.2.0/24: 3 3 2 2 1 1 0 130 75 0.5769", "2001:db8:1::/48: 1 1 1 0 0 0 1 20 0 0", ": 4 2 2 1 1 0 0 60 59 0.9833"}, texts(r.Networks))
	var meetings []string
	for _, m := range r.Meetings {
		meetings = append(meetings, fmt.Sprint(m.Name, " ", m.Bridges, " ", m.Legs, " ", m.Judged, " ", m.Alarmed, " ", m.Seconds/60, " ", m.BadSeconds/60))
	}
	check("meetings", []string{"Board [cb1 cb2] 6 4 3 150 75", "Desk [cb1] 2 2 2 60 1"}, meetings)
	if d := r.Document(); d.State != report.Bad {
		t.Errorf("%s: %s", d.State, d.Verdict)
	}
	everyFormat(t, "quality", r.Document(), r.WriteJSON, r.WriteCSV)

	scope.From, scope.To = f.at("2026-10-20 00:00"), f.at("2026-10-22 00:00")
	if r, err = report.MakeQuality(t.Context(), storage.NewQueries(conn), scope); err != nil {
		t.Fatal(err)
	}
	if d := r.Document(); r.Totals != nil || d.State != report.Unknown {
		t.Errorf("before the first record: %s: %+v", d.Verdict, r.Totals)
	}
	everyFormat(t, "quality-unknown", r.Document(), r.WriteJSON, r.WriteCSV)
}
