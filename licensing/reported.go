// Package licensing computes license use of Cisco Meeting Server. It is pure: no I/O, no clock. Shared licenses (SMP Plus) are counted in
// sixths and in exact integers throughout (capacities page §4).
package licensing

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is what one server counted at one instant (MPLicenseUsage, API page §5.7). Counts are thousandths; a count the server left out is zero.
type Snapshot struct {
	Time    time.Time
	Cluster string
	Host    string
	// PMP, audio-only, point-to-point and full shared calls are normalised over the bridges that a call spans.
	PMP, SMPAudio, SMPPointToPoint, SMPFull int64
	// Recording and Streaming calls.
	Recording, Streaming int64
	// PMPAssigned is of the whole cluster; nil before release 3.0.
	PMPAssigned *int64
}

// BinSeconds is the length of the bins into which servers' snapshots are put, as each has a phase of its own.
const BinSeconds = 300

// Bin is what all servers of a pool counted in five minutes. Counts are thousandths, SMP six-thousandths: exact.
type Bin struct {
	// Start of the five minutes, UTC.
	Start time.Time
	// SMP6000 is shared licenses in six-thousandths: 6 × full + audio-only + point-to-point, each in thousandths.
	SMP6000 int64
	PMP     int64
	// Recording and Streaming in thousandths of a call.
	Recording, Streaming int64
	// PMPAssigned summed over the pool's clusters; nil where a cluster does not say.
	PMPAssigned *int64
	// Hosts is how many servers counted in it.
	Hosts int
}

// SMPSixths is the shared licenses in sixths, rounded up from thousandths only where the sum over servers came out a hair low
// (three times 0.33 is one call): to the next whole sixth within the tolerance of hosts × 0.01.
func (b Bin) SMPSixths() int64 { return roundUp(b.SMP6000, 1000, int64(b.Hosts)*10*6) }

// roundUp divides by unit, rounding up unless the rest is within the tolerance above a whole number.
func roundUp(value, unit, tolerance int64) int64 {
	whole, rest := value/unit, value%unit
	if rest > min(tolerance, unit/2) {
		whole++
	}
	return whole
}

// Bins sums the snapshots of a pool's servers by five minutes, oldest first. Of two snapshots of one server in a bin the larger of each count stands
// (drift may put two into one).
func Bins(snapshots []Snapshot) []Bin {
	type key struct {
		bin           int64
		cluster, host string
	}
	byHost := map[key]Snapshot{}
	for _, s := range snapshots {
		k := key{s.Time.Unix() / BinSeconds, s.Cluster, s.Host}
		known, ok := byHost[k]
		if !ok {
			byHost[k] = s
			continue
		}
		known.PMP = max(known.PMP, s.PMP)
		known.SMPAudio = max(known.SMPAudio, s.SMPAudio)
		known.SMPPointToPoint = max(known.SMPPointToPoint, s.SMPPointToPoint)
		known.SMPFull = max(known.SMPFull, s.SMPFull)
		known.Recording = max(known.Recording, s.Recording)
		known.Streaming = max(known.Streaming, s.Streaming)
		known.PMPAssigned = maxKnown(known.PMPAssigned, s.PMPAssigned)
		byHost[k] = known
	}
	bins := map[int64]*Bin{}
	assigned := map[int64]map[string]*int64{} // bin → cluster → the largest that its servers say
	for k, s := range byHost {
		b := bins[k.bin]
		if b == nil {
			b = &Bin{Start: time.Unix(k.bin*BinSeconds, 0).UTC()}
			bins[k.bin], assigned[k.bin] = b, map[string]*int64{}
		}
		b.SMP6000 += 6*s.SMPFull + s.SMPAudio + s.SMPPointToPoint
		b.PMP += s.PMP
		b.Recording += s.Recording
		b.Streaming += s.Streaming
		b.Hosts++
		assigned[k.bin][k.cluster] = maxKnown(assigned[k.bin][k.cluster], s.PMPAssigned)
	}
	list := make([]Bin, 0, len(bins))
	for at, b := range bins {
		b.PMPAssigned = sumKnown(assigned[at])
		list = append(list, *b)
	}
	slices.SortFunc(list, func(a, b Bin) int { return a.Start.Compare(b.Start) })
	return list
}

func maxKnown(a, b *int64) *int64 {
	switch {
	case a == nil:
		return b
	case b == nil || *a >= *b:
		return a
	}
	return b
}

// sumKnown is nil as soon as one cluster does not say: a sum of some would look like the sum of all.
func sumKnown(clusters map[string]*int64) *int64 {
	var total int64
	for _, n := range clusters {
		if n == nil {
			return nil
		}
		total += *n
	}
	return &total
}

// Peak is a largest value and the first instant it was reached.
type Peak struct {
	Value int64
	At    time.Time
}

func (p *Peak) see(value int64, at time.Time) {
	if p.At.IsZero() || value > p.Value {
		p.Value, p.At = value, at
	}
}

// ReportedDay is what the servers of a pool counted in one license day.
type ReportedDay struct {
	Day Day
	// Bins that were counted, of Expected in the day (276 to 300 where clocks change). A day with fewer is partial: its peaks may be too low.
	Bins, Expected int
	// SMP in sixths; PMP and Recording (recordings and streams together) in whole licenses, rounded up within the tolerance of sums.
	SMP, PMP, Recording Peak
	// Recordings and Streams are the split of Recording at its peak; Streaming is streams alone.
	Recordings, Streams int64
	Streaming           Peak
	// PMPAssigned is the largest of the day; nil where not reported.
	PMPAssigned *int64
}

// Complete tells whether every five minutes of the day were counted.
func (d ReportedDay) Complete() bool { return d.Bins >= d.Expected }

// ReportedDays cuts bins into license days of a time zone; a day without any bin is not in the result.
func ReportedDays(bins []Bin, zone *time.Location) []ReportedDay {
	days := map[Day]*ReportedDay{}
	for _, b := range bins {
		day := DayOf(b.Start, zone)
		d := days[day]
		if d == nil {
			d = &ReportedDay{Day: day, Expected: int(day.End(zone).Sub(day.Start(zone)) / (BinSeconds * time.Second))}
			days[day] = d
		}
		tolerance := int64(b.Hosts) * 10
		d.Bins++
		d.SMP.see(b.SMPSixths(), b.Start)
		d.PMP.see(roundUp(b.PMP, 1000, tolerance), b.Start)
		recordings, streams := roundUp(b.Recording, 1000, tolerance), roundUp(b.Streaming, 1000, tolerance)
		if d.Recording.At.IsZero() || recordings+streams > d.Recording.Value {
			d.Recordings, d.Streams = recordings, streams
		}
		d.Recording.see(recordings+streams, b.Start)
		d.Streaming.see(streams, b.Start)
		d.PMPAssigned = maxKnown(d.PMPAssigned, b.PMPAssigned)
	}
	list := make([]ReportedDay, 0, len(days))
	for _, d := range days {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b ReportedDay) int { return cmp.Compare(a.Day, b.Day) })
	return list
}
