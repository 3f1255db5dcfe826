package cdr

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const meeting = `<records session="3981193c-c935-4d40-bf10-1777a6fa14e5" callBridge="8c625621-2923-441a-8d47-219ccfae927b">
<record type="callStart" time="2023-03-14T09:14:02Z" recordIndex="24" correlatorIndex="40"><call id="0ab08610-9fc9-4da0-b50a-c8fc22006eae"><name>Hafen &amp; Co</name><callType>coSpace</callType></call></record>
<record type="callLegStart" time="2023-03-14T09:14:02Z" recordIndex="25" correlatorIndex="41"><callLeg id="c623889e-2932-4577-acfd-709baf5966bc"><displayName>Old</displayName><type>acano</type><call>0ab08610-9fc9-4da0-b50a-c8fc22006eae</call></callLeg></record>
<record type="callLegUpdate" time="2023-03-14T09:14:03Z" recordIndex="26" correlatorIndex="42"><callLeg id="c623889e-2932-4577-acfd-709baf5966bc"><state>connected</state><call>0ab08610-9fc9-4da0-b50a-c8fc22006eae</call><displayName>New</displayName></callLeg></record>
<record type="callLegStart" time="2023-03-14T09:17:00Z" recordIndex="31" correlatorIndex="43"><callLeg id="1edc855a-a533-4525-8f47-745ff82309c2"><recording>true</recording></callLeg></record>
<record type="recordingStart" time="2023-03-14T09:17:00Z" recordIndex="32" correlatorIndex="44"><recording id="0303a40a-a8a5-4e80-abd7-165cfc8f5fe5"><call>0ab08610-9fc9-4da0-b50a-c8fc22006eae</call><callLeg>1edc855a-a533-4525-8f47-745ff82309c2</callLeg></recording></record>
<record type="callLegEnd" time="2023-03-14T09:31:30Z" recordIndex="33" correlatorIndex="46"><callLeg id="1edc855a-a533-4525-8f47-745ff82309c2"><reason>localTeardown</reason><durationSeconds>870</durationSeconds></callLeg></record>
<record type="callEnd" time="2023-03-14T09:44:09Z" recordIndex="34" correlatorIndex="47"><call id="0ab08610-9fc9-4da0-b50a-c8fc22006eae"><durationSeconds>1807</durationSeconds></call></record>
</records>
<records session="4981193c-c935-4d40-bf10-1777a6fa14e5" callBridge="8c625621-2923-441a-8d47-219ccfae927b">
<record type="callLegEnd" time="2023-03-14T10:00:00Z" recordIndex="1" correlatorIndex="0"><callLeg id="2edc855a-a533-4525-8f47-745ff82309c2"><reason>unknownDestination</reason><durationSeconds>1</durationSeconds></callLeg></record>
</records>`

func decodeAll(t testing.TB, body string) (out []SourcedRecord) {
	for raw, err := range Scan(strings.NewReader(body), Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		rec, err := Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, SourcedRecord{Record: rec, Source: "cb1", Cluster: "emea"})
	}
	return out
}

// TestAnyOrder: any order and duplication, with rows handed out at any moment, ends in the same rows.
func TestAnyOrder(t *testing.T) {
	records := decodeAll(t, meeting)
	asOf := time.Date(2023, 3, 14, 12, 0, 0, 0, time.UTC)
	want := Build(records, DefaultSettings(), asOf)
	if len(want.Calls) != 1 || len(want.Legs) != 3 || len(want.Recordings) != 1 || len(want.Sessions) != 2 {
		t.Fatalf("got %d calls, %d legs, %d recordings, %d sessions", len(want.Calls), len(want.Legs), len(want.Recordings), len(want.Sessions))
	}
	for _, leg := range want.Legs {
		switch leg.ID.String()[:1] {
		case "c":
			if leg.DisplayName != "New" || leg.EndHow != EndCallEnd || !leg.CountsAsPerson {
				t.Errorf("person's leg: %+v", leg)
			}
		case "1":
			if leg.CountsAsPerson || !leg.Recording {
				t.Errorf("recorder's leg: %+v", leg)
			}
		case "2":
			if !leg.Scanner || !leg.StartInferred {
				t.Errorf("scanner's leg: %+v", leg)
			}
		}
	}
	if c := want.Calls[0]; !c.Recorded || *c.DurationSeconds != 1807 || want.Recordings[0].EndHow != EndLegEnd || want.Sessions[0].Missing != 1 {
		t.Errorf("call %+v, recording %+v, session %+v", c, want.Recordings[0], want.Sessions[0])
	}
	rapid.Check(t, func(t *rapid.T) {
		l := NewLedger(DefaultSettings())
		store := map[string]any{}
		keep := func(f Facts) {
			put := func(kind string, id fmt.Stringer, start time.Time, dead uint8, row any) {
				k := kind + id.String() + start.Truncate(time.Hour).String() // the physical sort key
				if dead == 1 {
					delete(store, k)
				} else {
					store[k] = row
				}
			}
			for _, r := range f.Calls {
				r.Version = 0
				put("call", r.ID, r.Start, r.IsDeleted, r)
			}
			for _, r := range f.Legs {
				r.Version = 0
				put("leg"+r.CallID.String(), r.ID, r.Start, r.IsDeleted, r)
			}
			for _, r := range f.Recordings {
				r.Version = 0
				put("recording", r.ID, r.Start, r.IsDeleted, r)
			}
		}
		for _, i := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 2, 5, 0}).Draw(t, "order") {
			l.Add(records[i])
			if rapid.Bool().Draw(t, "hand out") {
				keep(l.Changed(asOf))
			}
		}
		keep(l.Changed(asOf))
		got := store
		store = map[string]any{}
		keep(want)
		if d := cmp.Diff(store, got); d != "" {
			t.Fatal(d)
		}
	})
}

// TestForgetAndRestore: a fresh ledger restored from stored rows and records, given a late start, agrees with Build.
func TestForgetAndRestore(t *testing.T) {
	records := decodeAll(t, meeting)
	asOf := time.Date(2023, 3, 14, 12, 0, 0, 0, time.UTC)
	late := records[1] // the person's callLegStart
	early := append(append([]SourcedRecord{}, records[:1]...), records[2:]...)
	stored := Build(early, DefaultSettings(), asOf)
	l := NewLedger(DefaultSettings())
	l.RestoreSessions(stored.Sessions, nil)
	for range 10 {
		needs := l.Needs([]SourcedRecord{late})
		if len(needs) == 0 {
			break
		}
		for _, o := range needs {
			l.Restore(o, early, Facts{})
		}
	}
	if n := l.Needs([]SourcedRecord{late}); len(n) != 0 {
		t.Fatalf("still needs %v", n)
	}
	l.Add(late)
	got, want := l.Changed(asOf), Build(records, DefaultSettings(), asOf)
	for _, w := range want.Legs {
		if w.ID != late.ID {
			continue
		}
		found := false
		for _, g := range got.Legs {
			if g.ID == w.ID && g.IsDeleted == 0 {
				found = true
				if d := cmp.Diff(w, g); d != "" {
					t.Error(d)
				}
			}
		}
		if !found {
			t.Error("the leg was not handed out")
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, record := range strings.SplitAfter(meeting, "</record>") { // small seeds: the fuzzer works through many
		if at := strings.Index(record, "<record "); at >= 0 {
			f.Add([]byte(`<records session="4c35e6ba-1b38-4b1c-a8c3-b4ab4c6b9f6f">` + record[at:] + "</records>"))
		}
	}
	f.Add([]byte("\xFF\xFE<\x00a\x00>\x00"))
	f.Add([]byte(`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><x:records session="s"><record><![CDATA[<record>]]></record><!-- <record> --></x:records><records/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for raw, err := range Scan(bytes.NewReader(b), Limits{Record: 4096, Tag: 1024}) {
			if err != nil {
				continue
			}
			if record, err := Decode(raw); err == nil {
				again, err := Decode(Raw{Header: raw.Header, XML: MaskSecrets(raw.XML)})
				if err != nil || !reflect.DeepEqual(record, again) {
					t.Errorf("masked, %q decodes to %+v (%v), else to %+v", raw.XML, again, err, record)
				}
			}
		}
		if once := MaskSecrets(b); !bytes.Equal(once, MaskSecrets(once)) {
			t.Errorf("masked twice differs: %q", once)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	b.SetBytes(int64(len(meeting)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += len(decodeAll(b, meeting))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

// TestJoinsAndLeavesACluster: with it a bridge restarts, and its GUID comes or goes; what the session before left open is closed. Another bridge that sends by the
// same token is not taken for it.
func TestJoinsAndLeavesACluster(t *testing.T) {
	session := func(n int, bridge, hour string) string {
		return fmt.Sprintf(`<records session="%[1]d981193c-c935-4d40-bf10-1777a6fa14e5"%[2]s><record type="callStart" time="2023-03-14T%[3]s:00:00Z" recordIndex="1" correlatorIndex="0"><call id="%[1]dab08610-9fc9-4da0-b50a-c8fc22006eae"/></record></records>`, n, bridge, hour)
	}
	const x, y = ` callBridge="8c625621-2923-441a-8d47-219ccfae927b"`, ` callBridge="9c625621-2923-441a-8d47-219ccfae927b"`
	records := decodeAll(t, session(1, "", "06")+session(2, x, "07")+session(3, "", "08")+session(4, x, "09")+session(5, y, "10"))
	want := []EndHow{EndNewSession, EndNewSession, EndNewSession, EndNone, EndNone}
	for range 2 {
		facts := Build(records, DefaultSettings(), time.Date(2023, 3, 14, 12, 0, 0, 0, time.UTC))
		for i, call := range facts.Calls {
			if call.EndHow != want[i] {
				t.Errorf("the call of session %d: end %q, want %q", i+1, call.EndHow, want[i])
			}
		}
		slices.Reverse(records)
	}
}
