package storage_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestHistoryOfAMovedLeg: whoever asks for a call gets its legs whole, also the recording that such a leg fed while it was in another call.
func TestHistoryOfAMovedLeg(t *testing.T) {
	conn := storagetest.Store(t)
	const session, first, second = "8d782124-c918-568d-a907-3e21b2c3813c", "a0e90000-0000-4000-8000-000000000001", "bcb70000-0000-4000-8000-000000000002"
	body := strings.NewReplacer("FIRST", first, "SECOND", second).Replace(`<records session="` + session + `">
<record type="callLegStart" time="2026-03-14T09:00:00Z" recordIndex="1" correlatorIndex="1"><callLeg id="bf390000-0000-4000-8000-000000000003"><call>FIRST</call></callLeg></record>
<record type="recordingStart" time="2026-03-14T09:01:00Z" recordIndex="2" correlatorIndex="2"><recording id="b7740000-0000-4000-8000-000000000004"><call>FIRST</call><callLeg>bf390000-0000-4000-8000-000000000003</callLeg></recording></record>
<record type="callLegUpdate" time="2026-03-14T09:02:00Z" recordIndex="3" correlatorIndex="3"><callLeg id="bf390000-0000-4000-8000-000000000003"><call>SECOND</call></callLeg></record>
<record type="callLegStart" time="2026-03-14T09:03:00Z" recordIndex="4" correlatorIndex="4"><callLeg id="12e70000-0000-4000-8000-000000000005"><call>FIRST</call></callLeg></record>
</records>`)
	for raw, err := range cdr.Scan(strings.NewReader(body), cdr.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		record, err := cdr.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		storagetest.Insert(t, conn, storage.Records, *storage.RecordRow(cdr.SourcedRecord{Record: record, Source: "cb1", Cluster: "emea"}, string(raw.XML)))
	}
	for _, test := range []struct {
		call string
		want int // records
	}{{first, 4}, {second, 3}} {
		history, err := storage.LoadHistory(t.Context(), conn, []cdr.Object{{Session: uuid.MustParse(session), Kind: cdr.KindCall, ID: uuid.MustParse(test.call)}})
		if err != nil {
			t.Fatal(err)
		}
		if len(history.Records) != test.want {
			t.Errorf("call %s: %d records, want %d: %v", test.call, len(history.Records), test.want, history.Records)
		}
	}
}

// TestHistoryOfAbsurdDurations: the stored row is found whatever its record says of the time before, or a start that comes late would leave two rows.
func TestHistoryOfAbsurdDurations(t *testing.T) {
	conn := storagetest.Store(t)
	session := uuid.New()
	for i, seconds := range []string{"-3600", "9223372036854775807", "60"} {
		id := uuid.New()
		body := `<records session="` + session.String() + `"><record type="callLegEnd" time="2026-03-14T09:00:00Z" correlatorIndex="` + strconv.Itoa(i) + `"><callLeg id="` + id.String() +
			`"><reason>error</reason><durationSeconds>` + seconds + `</durationSeconds></callLeg></record></records>`
		for raw, err := range cdr.Scan(strings.NewReader(body), cdr.Limits{}) {
			if err != nil {
				t.Fatal(err)
			}
			record, err := cdr.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			sourced := cdr.SourcedRecord{Record: record, Source: "cb1", Cluster: "emea"}
			storagetest.Insert(t, conn, storage.Records, *storage.RecordRow(sourced, string(raw.XML)))
			storagetest.Insert(t, conn, storage.LegFacts, cdr.Build([]cdr.SourcedRecord{sourced}, cdr.DefaultSettings(), record.Time).Legs...)
		}
		history, err := storage.LoadHistory(t.Context(), conn, []cdr.Object{{Session: session, Kind: cdr.KindLeg, ID: id}})
		if err != nil || len(history.Records) != 1 || len(history.Facts.Legs) != 1 {
			t.Errorf("a leg of %s s: %d records, %d rows, %v; want one of each", seconds, len(history.Records), len(history.Facts.Legs), err)
		}
	}
}
