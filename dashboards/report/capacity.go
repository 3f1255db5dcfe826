package report

import (
	"cmp"
	"context"
	"io"
	"math"
	"slices"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Capacity is the report of load against limits. A figure that is nil is not known.
type Capacity struct {
	Frame
	Bridges []BridgeCapacity `json:"bridges"`
	// Days has a row for each bridge and day of the period, in order of clusters, bridges and days.
	Days []BridgeDay `json:"days"`
	// Failover has a row for each group and day of which polls tell.
	Failover []FailoverDay `json:"failover"`
	// Captures has a row for each cluster, kind and day.
	Captures []CaptureDay `json:"captures"`
}

// BridgeCapacity is one bridge over the whole period.
type BridgeCapacity struct {
	Cluster string `json:"cms_cluster"`
	Bridge  string `json:"call_bridge"`
	// Coverage is the share of the period, 0 to 1, of which polls tell: stretches of ten minutes with an answer.
	Coverage float64 `json:"coverage"`
	// PeakRatio is the highest load by the limit in force, at At first.
	PeakRatio *float64   `json:"peak_ratio"`
	PeakLoad  *int64     `json:"peak_load"`
	At        *time.Time `json:"at"`
	PeakLegs  *int64     `json:"peak_call_legs"`
	// DaysKnown are days of which polls tell anything; the others those of them with load seen above a line. Nil where no limit is known.
	DaysKnown        int  `json:"days_known"`
	DaysOverNew      *int `json:"days_over_new_conference_threshold"`
	DaysOverExisting *int `json:"days_over_existing_conference_threshold"`
	DaysOverLimit    *int `json:"days_over_load_limit"`
}

// BridgeDay is one bridge on one day.
type BridgeDay struct {
	Day      licensing.Day `json:"day"`
	Cluster  string        `json:"cms_cluster"`
	Bridge   string        `json:"call_bridge"`
	Coverage float64       `json:"coverage"`
	// PeakLoad in load units at PeakAt, with the limit then in force; TypicalLoad is the 95th percentile of the polls.
	PeakLoad    *int64     `json:"peak_load"`
	PeakAt      *time.Time `json:"peak_at"`
	LoadLimit   *int64     `json:"load_limit"`
	TypicalLoad *int64     `json:"typical_load"`
	PeakRatio   *float64   `json:"peak_ratio"`
	RatioAt     *time.Time `json:"ratio_at"`
	// Minutes of stretches of ten minutes in which load was seen above a line: an upper bound, up to polls that were missed.
	OverNewMinutes      *int64     `json:"over_new_conference_threshold_minutes"`
	OverExistingMinutes *int64     `json:"over_existing_conference_threshold_minutes"`
	OverLimitMinutes    *int64     `json:"over_load_limit_minutes"`
	PeakLegs            *int64     `json:"peak_call_legs"`
	PeakLegsAt          *time.Time `json:"peak_call_legs_at"`
}

// FailoverDay is what was left of a group at the worst moment of a day, had its busiest bridge died.
type FailoverDay struct {
	Day     licensing.Day `json:"day"`
	Cluster string        `json:"cms_cluster"`
	// Group is empty for the bridges in no group.
	Group    string  `json:"group"`
	Coverage float64 `json:"coverage"`
	// Headroom is the survivors' limits (Survivors) less the load of all (Load), in load units; negative would not fit.
	Headroom  int64     `json:"headroom"`
	Load      int64     `json:"load"`
	Survivors int64     `json:"survivors_limit"`
	At        time.Time `json:"at"`
	Busiest   string    `json:"busiest"`
	Bridges   int64     `json:"bridges"`
	// BelowMinutes is how long it would not have fit, in stretches of ten minutes.
	BelowMinutes int64 `json:"below_minutes"`
}

// CaptureDay is the most recordings, or streams, of a cluster at once on a day, by call records.
type CaptureDay struct {
	Day     licensing.Day `json:"day"`
	Cluster string        `json:"cms_cluster"`
	// Kind is recording or stream.
	Kind  string     `json:"kind"`
	Peak  *int64     `json:"peak"`
	At    *time.Time `json:"at"`
	Begun *int64     `json:"begun"`
	// Slots of the configured devices; nil where none is configured, or one's size is not known.
	Slots *int64 `json:"slots"`
	// Full: all slots were taken, or more.
	Full *bool `json:"full"`
}

// Slots is what the recorders and streamers of a cluster can do at once; nil where it is not known.
type Slots struct{ Recordings, Streams *int64 }

// Equipment is what a configuration says there is.
type Equipment struct {
	Bridges []storage.BridgeOf
	// Slots by cluster.
	Slots map[string]Slots
}

// MakeCapacity asks the store for a report of capacity.
func MakeCapacity(ctx context.Context, q *storage.Queries, s storage.Scope, e Equipment) (Capacity, error) {
	frame, err := newFrame(ctx, q, s)
	if err != nil {
		return Capacity{}, err
	}
	r := Capacity{Frame: frame, Bridges: []BridgeCapacity{}, Days: []BridgeDay{}, Failover: []FailoverDay{}, Captures: []CaptureDay{}}
	loads, err := q.BridgeLoadDays(ctx, s)
	if err != nil {
		return Capacity{}, err
	}
	r.loads(s, loads, e)
	groups, err := q.BridgeGroups(ctx, s)
	if err != nil {
		return Capacity{}, err
	}
	rooms, err := q.HeadroomDays(ctx, s, groups)
	if err != nil {
		return Capacity{}, err
	}
	for _, h := range rooms {
		day := licensing.DayOf(h.Day, time.UTC)
		r.Failover = append(r.Failover, FailoverDay{Day: day, Cluster: h.Cluster, Group: h.Group, Coverage: coverage(s, day, h.Stretches), Headroom: h.Headroom, Load: h.Load, Survivors: h.Headroom + h.Load,
			At: h.At.UTC(), Busiest: h.Busiest, Bridges: *count(h.Bridges), BelowMinutes: *stretches(&h.Below)})
	}
	captures, err := q.CaptureDays(ctx, s)
	if err != nil {
		return Capacity{}, err
	}
	r.captures(s, captures, e)
	return r, nil
}

// coverage is the share of a day, as far as it lies in the period and the past, that so many stretches make up.
func coverage(s storage.Scope, day licensing.Day, stretches uint64) float64 {
	from, to := later(day.Start(s.Zone), s.From), earlier(earlier(day.End(s.Zone), s.To), s.Now)
	const length = storage.StretchSeconds * time.Second
	first, last := from.Truncate(length), to.Add(length-1).Truncate(length)
	if !first.Before(last) {
		return 0
	}
	return math.Min(1, math.Round(1e4*float64(stretches)/float64(last.Sub(first)/length))/1e4)
}

// stretches in minutes.
func stretches(n *uint64) *int64 {
	if n == nil {
		return nil
	}
	v := int64(*n) * storage.StretchSeconds / 60 //nolint:gosec // a count of a day
	return &v
}

// loads fills the rows of bridges, of those that never answered too.
func (r *Capacity) loads(s storage.Scope, list []storage.BridgeLoadDay, e Equipment) {
	type key struct {
		bridge storage.BridgeOf
		day    licensing.Day
	}
	found := map[key]storage.BridgeLoadDay{}
	bridges := slices.DeleteFunc(slices.Clone(e.Bridges), func(b storage.BridgeOf) bool { return !slices.Contains(s.Clusters, b.Cluster) })
	for _, d := range list {
		b := storage.BridgeOf{Cluster: d.Cluster, Bridge: d.Bridge}
		found[key{b, licensing.DayOf(d.Day, time.UTC)}] = d
		bridges = append(bridges, b)
	}
	slices.SortFunc(bridges, func(a, b storage.BridgeOf) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Bridge, b.Bridge))
	})
	for _, b := range slices.Compact(bridges) {
		whole := BridgeCapacity{Cluster: b.Cluster, Bridge: b.Bridge}
		days := licensing.Days(s.From, s.To, s.Zone)
		var past float64
		for _, day := range days {
			d := found[key{b, day}]
			row := BridgeDay{Day: day, Cluster: b.Cluster, Bridge: b.Bridge, Coverage: coverage(s, day, d.Stretches), PeakLoad: d.Load, PeakAt: d.LoadAt, LoadLimit: d.Limit, TypicalLoad: d.Typical,
				PeakRatio: d.Ratio, RatioAt: d.RatioAt, OverNewMinutes: stretches(d.OverNew), OverExistingMinutes: stretches(d.OverExisting), OverLimitMinutes: stretches(d.OverLimit), PeakLegs: d.Legs, PeakLegsAt: d.LegsAt}
			r.Days = append(r.Days, row)
			if from, to := later(day.Start(s.Zone), s.From), earlier(earlier(day.End(s.Zone), s.To), s.Now); from.Before(to) {
				past += to.Sub(from).Hours()
				whole.Coverage += row.Coverage * to.Sub(from).Hours()
			}
			if d.Ratio != nil && (whole.PeakRatio == nil || *d.Ratio > *whole.PeakRatio) {
				whole.PeakRatio, whole.At = d.Ratio, d.RatioAt
			}
			if d.Load != nil {
				whole.DaysKnown++
				if whole.PeakLoad == nil || *d.Load > *whole.PeakLoad {
					whole.PeakLoad = d.Load
					if whole.PeakRatio == nil {
						whole.At = d.LoadAt
					}
				}
			}
			if d.Legs != nil && (whole.PeakLegs == nil || *d.Legs > *whole.PeakLegs) {
				whole.PeakLegs = d.Legs
			}
			for _, line := range []struct {
				to   **int
				over *uint64
			}{{&whole.DaysOverNew, d.OverNew}, {&whole.DaysOverExisting, d.OverExisting}, {&whole.DaysOverLimit, d.OverLimit}} {
				if line.over == nil {
					continue
				}
				if *line.to == nil {
					*line.to = new(int)
				}
				if *line.over > 0 {
					**line.to++
				}
			}
		}
		if past > 0 {
			whole.Coverage = math.Round(1e4*whole.Coverage/past) / 1e4
		}
		r.Bridges = append(r.Bridges, whole)
	}
}

// captures fills the days of recordings and streams: on a day on which nothing changes, those run that ran before.
func (r *Capacity) captures(s storage.Scope, list []storage.CaptureDay, e Equipment) {
	type key struct {
		cluster string
		stream  bool
		day     licensing.Day
	}
	found := map[key]storage.CaptureDay{}
	for _, c := range list {
		found[key{c.Cluster, c.Stream, licensing.DayOf(c.Day, time.UTC)}] = c
	}
	for _, cluster := range s.Clusters {
		for _, stream := range []bool{false, true} {
			kind, slots := "recording", e.Slots[cluster].Recordings
			if stream {
				kind, slots = "stream", e.Slots[cluster].Streams
			}
			var running int64
			for _, day := range licensing.Days(s.From, s.To, s.Zone) {
				row := CaptureDay{Day: day, Cluster: cluster, Kind: kind, Slots: slots}
				peak, at, begun := running, later(day.Start(s.Zone), s.From).UTC(), int64(0)
				if c, changed := found[key{cluster, stream, day}]; changed {
					if c.Peak > peak {
						peak, at = c.Peak, c.At
					}
					begun, running = *count(c.Begun), c.Left
				}
				if known, _ := r.ofCluster(cluster).day(day); known {
					row.Peak, row.Begun, row.At = &peak, &begun, instantOf(peak, at)
					if slots != nil {
						full := peak >= *slots
						row.Full = &full
					}
				}
				r.Captures = append(r.Captures, row)
			}
		}
	}
}

// ofCluster is the frame of one of its clusters.
func (f Frame) ofCluster(cluster string) Frame {
	f.known.clusters = []string{cluster}
	f.known.sessions = slices.DeleteFunc(slices.Clone(f.known.sessions), func(s storage.SessionCompleteness) bool { return s.Cluster != cluster })
	return f
}

// WriteJSON writes the report as one JSON object.
func (r Capacity) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteCSV writes a line for each bridge and day, group and day, and cluster, kind of capture and day, which the first column tells apart. An empty cell is not known, or does not apply.
func (r Capacity) WriteCSV(w io.Writer) error {
	return csvLines(w, "of,day,cms_cluster,name,coverage,peak,peak_at,capacity,typical,peak_ratio,over_new_minutes,over_existing_minutes,over_limit_minutes,peak_call_legs,headroom,busiest,begun", func(line func(...any) error) error {
		for _, d := range r.Days {
			if err := line("bridge", string(d.Day), d.Cluster, d.Bridge, d.Coverage, d.PeakLoad, d.PeakAt, d.LoadLimit, d.TypicalLoad, d.PeakRatio, d.OverNewMinutes, d.OverExistingMinutes, d.OverLimitMinutes, d.PeakLegs); err != nil {
				return err
			}
		}
		for _, d := range r.Failover {
			if err := line("group", string(d.Day), d.Cluster, d.Group, d.Coverage, d.Load, d.At, d.Survivors, nil, nil, nil, nil, d.BelowMinutes, nil, d.Headroom, d.Busiest); err != nil {
				return err
			}
		}
		for _, d := range r.Captures {
			if err := line(d.Kind, string(d.Day), d.Cluster, nil, nil, d.Peak, d.At, d.Slots, nil, nil, nil, nil, nil, nil, nil, nil, d.Begun); err != nil {
				return err
			}
		}
		return nil
	})
}
