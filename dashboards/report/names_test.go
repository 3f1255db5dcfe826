package report

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// TestNamesFromOutside: whatever participants, spaces and bridges are called, every format is written.
func TestNamesFromOutside(t *testing.T) {
	var bridges []string
	for range 24 { // the largest cluster
		bridges = append(bridges, "callbridge-frankfurt-east")
	}
	for name, text := range map[string]string{"first of a higher plane": "a\U00010000b", "emoji": "\U0001F600\U0001F469\u200d\U0001F467", "last": "\U0010FFFF\uFFFF", "broken": "\xff\xfe", "formula": "=cmd|' /C calc'!A0",
		"right to left": "\u202Eabc\u05d0", "long": strings.Repeat("Quarterly review ", 500), "long word": strings.Repeat("x", 40_000), "markup": "<script>alert(1)</script>]]>&amp;"} {
		t.Run(name, func(t *testing.T) {
			at := time.Date(2026, 8, 3, 9, 0, 0, 0, time.UTC)
			r := License{Pool: "main", Clusters: []string{"emea"}, From: at, To: at.AddDate(0, 0, 1), DayBoundary: "UTC", GeneratedAt: at, Readings: licensing.DefaultReadings(),
				Owners: []storage.OwnerUse{{Owner: text}}, Groups: []storage.GroupUse{{Group: text}},
				Peaks: []Explanation{{At: at, Meetings: []ExplainedMeeting{{ExplainedMeeting: storage.ExplainedMeeting{Name: text, Owner: text, Bridges: bridges, License: "smp"}}}}}}
			d := r.Document(time.UTC)
			for format, write := range map[string]func(io.Writer) error{"xlsx": d.WriteXLSX, "html": d.WriteHTML, "pdf": d.WritePDF} {
				var out bytes.Buffer
				if err := write(&out); err != nil {
					t.Errorf("%s: %v", format, err)
				}
				if format == "html" && strings.Contains(out.String(), "<script>") {
					t.Error("html: markup of a name is in it")
				}
			}
		})
	}
}
