// Package licensing computes license use of Cisco Meeting Server. It is pure: no I/O, no clock. Shared licenses (SMP Plus) are counted in
// sixths and in exact integers throughout (capacities page §4).
package licensing

import (
	"cmp"
	"math"
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
	// Hosts is how many servers counted in it, Clusters of how many clusters these are.
	Hosts, Clusters int
}

// SMPSixths is the shared licenses in sixths. The true sum over servers is a whole number of sixths; what is counted differs from it by the two decimals
// of each server's counts (three times 0.33 is one call), so the nearest whole number is it: for certain up to 12 servers, and nearly so up to 24.
func (b Bin) SMPSixths() int64 { return Nearest(b.SMP6000) }

// Nearest is thousandths as a whole number, halves up.
func Nearest(thousandths int64) int64 { return (thousandths + 500) / 1000 }

// Licenses is sixths of a shared license as licenses, rounded to two decimals for reading.
func Licenses(sixths int64) float64 { return math.Round(float64(sixths)*100/6) / 100 }

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
		b.PMPAssigned, b.Clusters = sumKnown(assigned[at]), len(assigned[at])
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
	// Complete: every server that counts for the pool counted all through the day. Otherwise the peaks may be too low.
	Complete bool
	// Hosts is how many servers counted on the day, GapSeconds the time for which some of them did not, summed over servers.
	Hosts      int
	GapSeconds int64
	// SMP in sixths; PMP and Recording (recordings and streams together) in whole licenses.
	SMP, PMP, Recording Peak
	// Recordings and Streams are the split of Recording at its peak; Streaming is streams alone.
	Recordings, Streams int64
	Streaming           Peak
	// PMPAssigned is the largest of the day; nil where not reported. Clusters is how many of the pool's counted at one time, at most: of fewer than all it is a part.
	PMPAssigned *int64
	Clusters    int
}

// LongestPause is the longest time between two snapshots of a server that counted all the while: five minutes, some seconds of drift, and a margin.
// Bins alone cannot tell: with drift a healthy server skips one now and then.
const LongestPause = 450 * time.Second

// ReportedDays cuts snapshots into license days of a time zone. A day without any snapshot is not in the result. Give snapshots from LongestPause before the
// first day to LongestPause after the last, or these days look incomplete.
func ReportedDays(snapshots []Snapshot, zone *time.Location) []ReportedDay {
	days := map[Day]*ReportedDay{}
	for _, b := range Bins(snapshots) {
		day := DayOf(b.Start, zone)
		d := days[day]
		if d == nil {
			d = &ReportedDay{Day: day}
			days[day] = d
		}
		d.SMP.see(b.SMPSixths(), b.Start)
		d.PMP.see(Nearest(b.PMP), b.Start)
		recordings, streams := Nearest(b.Recording), Nearest(b.Streaming)
		if d.Recording.At.IsZero() || recordings+streams > d.Recording.Value {
			d.Recordings, d.Streams = recordings, streams
		}
		d.Recording.see(recordings+streams, b.Start)
		d.Streaming.see(streams, b.Start)
		d.PMPAssigned, d.Clusters = maxKnown(d.PMPAssigned, b.PMPAssigned), max(d.Clusters, b.Clusters)
	}
	times := map[[2]string][]time.Time{} // by cluster and host
	for _, s := range snapshots {
		host := [2]string{s.Cluster, s.Host}
		times[host] = append(times[host], s.Time)
	}
	list := make([]ReportedDay, 0, len(days))
	for day, d := range days {
		start, end := day.Start(zone), day.End(zone)
		for _, counted := range times {
			present, gap := coverage(counted, start, end)
			if present {
				d.Hosts++
			}
			d.GapSeconds += int64(gap / time.Second)
		}
		d.Complete = d.GapSeconds == 0
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b ReportedDay) int { return cmp.Compare(a.Day, b.Day) })
	return list
}

// coverage tells whether a server counted in [start, end) and for how long of it it did not. A server that never counts again after the day began
// without it has been retired, and is not missed.
func coverage(times []time.Time, start, end time.Time) (present bool, gap time.Duration) {
	times = slices.Clone(times)
	slices.SortFunc(times, time.Time.Compare)
	if !times[len(times)-1].After(start) {
		return false, 0
	}
	last := start.Add(-LongestPause) // as if unknown before: an entry within the pause of the day's start covers it
	for _, t := range times {
		from, to := last, t
		last = t
		if t.Before(start) {
			continue
		}
		if t.Before(end) {
			present = true
		}
		if to.Sub(from) > LongestPause {
			if from.Before(start) {
				from = start
			}
			if to.After(end) {
				to = end
			}
			gap += max(0, to.Sub(from))
		}
		if !t.Before(end) {
			return present, gap
		}
	}
	if end.Sub(last) > LongestPause {
		gap += end.Sub(last)
	}
	return present, gap
}
