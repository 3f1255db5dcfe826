package capacity

import (
	"fmt"
	"math"
	"strings"
)

// Resolution is what a recorder or streamer is set to.
type Resolution string

// The resolutions the guide prints figures for.
const (
	Res1080  Resolution = "1080p"
	Res720   Resolution = "720p"
	ResAudio Resolution = "audio"
)

// GB is the gigabyte of the guide's tables and of the configuration, in bytes; MB likewise.
const (
	GB int64 = 1000 * MB
	MB int64 = 1000 * 1000
)

// Recorder is an internal SIP recorder on a machine of its own.
type Recorder struct {
	Name  string
	VCPUs int
	// Memory and Disk in bytes; a zero disk is not known.
	Memory, Disk int64
	Resolution   Resolution
	// Limit is the operator's `recorder limit`; zero means none.
	Limit int
}

// Streamer is an internal SIP streamer on a machine of its own.
type Streamer struct {
	Name  string
	VCPUs int
	// Memory in bytes.
	Memory     int64
	Resolution Resolution
	// Limit is the operator's `streamer limit`; zero means none.
	Limit int
}

// Slots is how much a device can do at once.
type Slots struct {
	Count int64
	// Bound names what limits it: vcpus, memory, product, operator.
	Bound string
	// Note says what a person should know, e.g. that the machine is below the smallest supported size; empty mostly.
	Note string
}

// RecorderFigures are a row of Table 8.
type RecorderFigures struct {
	// PerVCPU recordings.
	PerVCPU int64
	// MemoryEach and DiskPerHour in bytes for one recording.
	MemoryEach, DiskPerHour int64
	// Most concurrent recordings.
	Most int64
}

// RecorderTable returns the row of Table 8 for a resolution; ok is false for an unknown one.
func RecorderTable(r Resolution) (row RecorderFigures, ok bool) {
	switch r {
	case Res720:
		return RecorderFigures{PerVCPU: 2, MemoryEach: 500 * MB, DiskPerHour: 1 * GB, Most: 40}, true
	case Res1080:
		return RecorderFigures{PerVCPU: 1, MemoryEach: 1 * GB, DiskPerHour: 2 * GB, Most: 20}, true
	case ResAudio:
		return RecorderFigures{PerVCPU: 16, MemoryEach: 100 * MB, DiskPerHour: 150 * MB, Most: 100}, true
	}
	return RecorderFigures{}, false
}

const (
	leastVCPUs  = 4
	leastMemory = 4 * GB
)

// Slots returns how many recordings run at once: the least of vCPUs × per-vCPU, memory / per-recording memory, the product's most and the operator's limit (Table 8).
func (r Recorder) Slots() (Slots, error) {
	row, ok := RecorderTable(r.Resolution)
	if !ok {
		return Slots{}, fmt.Errorf("recorder %q: resolution %q is not 1080p, 720p or audio", r.Name, r.Resolution)
	}
	if r.VCPUs <= 0 || r.Memory <= 0 {
		return Slots{}, fmt.Errorf("recorder %q: vcpus and memory must be given", r.Name)
	}
	s := Slots{Count: int64(r.VCPUs) * row.PerVCPU, Bound: "vcpus"}
	s.atMost(r.Memory/row.MemoryEach, "memory")
	s.atMost(row.Most, "product")
	if r.Limit > 0 {
		s.atMost(int64(r.Limit), "operator")
	}
	if r.VCPUs < leastVCPUs || r.Memory < leastMemory {
		s.Note = "below the smallest supported machine (4 vCPUs, 4 GB)"
	}
	return s, nil
}

// DiskRecordingHours returns the hours of one recording that the whole disk holds; ok is false where the disk or the resolution is not known.
func (r Recorder) DiskRecordingHours() (hours float64, ok bool) { return r.DiskHours(r.Disk, 1) }

// DiskHours returns the hours that the disk lasts with that many recordings at once; ok is false where the disk or the resolution is not known, or nothing records.
func (r Recorder) DiskHours(free int64, recordings int64) (hours float64, ok bool) {
	row, known := RecorderTable(r.Resolution)
	if !known || free <= 0 || recordings <= 0 {
		return 0, false
	}
	return float64(free) / float64(row.DiskPerHour*recordings), true
}

func (s *Slots) atMost(n int64, bound string) {
	if n < s.Count {
		s.Count, s.Bound = n, bound
	}
}

// streamerCorners are the rows of Table 9 as the corners of a square: 4 or 8 vCPUs by 4 or 8 GB. Three are printed. The fourth, 8 vCPUs with 4 GB,
// is not: it is taken as 4 vCPUs with 4 GB, since doubling the memory of that machine alone doubles its streams, so memory is what binds it.
type streamerCorners struct {
	v4m4, v4m8, v8m4, v8m8 int64
}

func streamerTable(r Resolution) (streamerCorners, bool) {
	switch r {
	case Res720:
		return streamerCorners{50, 100, 50, 200}, true
	case Res1080:
		return streamerCorners{37, 75, 37, 150}, true
	case ResAudio:
		return streamerCorners{100, 200, 100, 200}, true
	}
	return streamerCorners{}, false
}

// Slots returns how many streams run at once. The printed rows (Table 9) are exact; between them the figure is interpolated linearly in vCPUs and in memory and
// rounded down; above 8 vCPUs and 8 GB the ceilings hold (200 at 720p, 150 at 1080p, 200 audio). A machine below the smallest row has no figure: an error.
func (s Streamer) Slots() (Slots, error) {
	c, ok := streamerTable(s.Resolution)
	if !ok {
		return Slots{}, fmt.Errorf("streamer %q: resolution %q is not 1080p, 720p or audio", s.Name, s.Resolution)
	}
	if s.VCPUs < leastVCPUs || s.Memory < leastMemory {
		return Slots{}, fmt.Errorf("streamer %q: no figure below 4 vCPUs and 4 GB", s.Name)
	}
	x := min(float64(s.VCPUs-4)/4, 1)
	y := min(float64(s.Memory-4*GB)/float64(4*GB), 1)
	n := (1-x)*(1-y)*float64(c.v4m4) + (1-x)*y*float64(c.v4m8) + x*(1-y)*float64(c.v8m4) + x*y*float64(c.v8m8)
	// A hair above the sum, so that rounding errors of the four terms do not turn 100 into 99.
	out := Slots{Count: int64(math.Floor(n + 1e-9)), Bound: "vcpus and memory"}
	if x >= 1 && y >= 1 {
		out.Bound = "product"
	}
	if (x != 0 && x != 1) || (y != 0 && y != 1) {
		out.Note = "interpolated between the rows of Table 9"
	}
	if x > 0 && y < 1 {
		out.Note = "interpolated; Table 9 prints no row with more than 4 vCPUs and less than 8 GB"
	}
	if s.Limit > 0 {
		out.atMost(int64(s.Limit), "operator")
	}
	return out, nil
}

// Edge is what stands between the web app outside and the bridges: a Meeting Server Edge machine, or a cluster of Expressway pairs.
type Edge struct {
	Name string
	// Size is one of EdgeSizes.
	Size string
	// Nodes of an Expressway cluster, 1 to 6; zero means 1. An Edge machine has no nodes.
	Nodes int
}

// The ways of the web app from outside.
const (
	ViaEdge       = "edge"
	ViaExpressway = "expressway"
)

const expresswayPrefix = "expressway-"

// EdgeSizes are the sizes of Edge machines (small: 4 vCPUs, 4 GB, 1 Gbit/s; large: 16 vCPUs, 8 GB, 10 Gbit/s) and of Expressways (appliance CE1200, large and
// medium virtual appliance).
func EdgeSizes() []string {
	return []string{"small", "large", expresswayPrefix + "ce1200", expresswayPrefix + "large", expresswayPrefix + "medium"}
}

// Via says which of the two it is.
func (e Edge) Via() string {
	if strings.HasPrefix(e.Size, expresswayPrefix) {
		return ViaExpressway
	}
	return ViaEdge
}

// Calls returns the external web app calls it carries (Tables 5 and 25).
func (e Edge) Calls() (Figures, error) {
	const table5 = "Table 5"
	size, isExpressway := strings.CutPrefix(e.Size, expresswayPrefix)
	switch {
	case isExpressway:
		fullHD, others, err := Expressway{Name: e.Name, Size: size, Nodes: max(e.Nodes, 1)}.Calls()
		if err != nil {
			return nil, err
		}
		return Figures{HD1080: fullHD, HD720: others, SD: others, Audio: others}, nil
	case e.Size == "small":
		return figures(table5, 100, 175, 250, 850), nil
	case e.Size == "large":
		return figures(table5, 350, 700, 1000, 3000), nil
	}
	return nil, fmt.Errorf("edge %q: size %q is not one of %s", e.Name, e.Size, strings.Join(EdgeSizes(), ", "))
}

// Expressway is a cluster of Expressway pairs that carries external web app calls.
type Expressway struct {
	Name string
	// Size is ce1200, large or medium (virtual appliance).
	Size string
	// Nodes in the cluster, 1 to 6.
	Nodes int
}

// Calls returns the external web app calls of the cluster: full HD, and all others. Four of up to six nodes add capacity, the rest is redundancy (Table 25).
func (e Expressway) Calls() (fullHD, others Figure, err error) {
	const table25 = "Table 25"
	var hd, rest int64
	switch e.Size {
	case "ce1200", "large":
		hd, rest = 150, 200
	case "medium":
		hd, rest = 50, 50
	default:
		return Figure{}, Figure{}, fmt.Errorf("expressway %q: size %q is not ce1200, large or medium", e.Name, e.Size)
	}
	if e.Nodes < 1 || e.Nodes > 6 {
		return Figure{}, Figure{}, fmt.Errorf("expressway %q: %d nodes, want 1 to 6", e.Name, e.Nodes)
	}
	n := int64(min(e.Nodes, 4))
	return Figure{Value: hd * n, Source: table25}, Figure{Value: rest * n, Source: table25}, nil
}
