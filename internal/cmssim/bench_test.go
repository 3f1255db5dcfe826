package cmssim

import (
	"testing"
	"time"
)

// BenchmarkHistory renders a week of three bridges into bodies.
func BenchmarkHistory(b *testing.B) {
	var records, bytes int64
	for b.Loop() {
		n, err := History(b.Context(), Config{Seed: 1, Start: time.Unix(1800000000, 0), Backfill: 7 * 24 * time.Hour}, func(_ *Bridge, xml []byte) error {
			bytes += int64(len(xml))
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		records += n
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(bytes)/float64(records), "B/record")
	b.ReportMetric(float64(records)/float64(b.N), "records/week")
}
