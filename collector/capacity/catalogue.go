// Package capacity knows what the parts of a Meeting Server deployment can carry: the printed figures as data, each with its source,
// and the arithmetic on them (headroom, fail-over, slots). It does no I/O.
//
// Sources are named as the reference page capacities-and-licensing.md names them; "Table n" is a table of the deployment guide 3.8.
package capacity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Quality is a class of calls.
type Quality string

// The qualities the guide prints figures for, by falling cost; they are the label values of cms_call_bridge_capacity_calls.
const (
	HD1080 Quality = "1080p30"
	HD720  Quality = "720p30"
	SD     Quality = "sd" // 448p30
	Audio  Quality = "audio"
)

// Qualities returns all qualities by falling cost.
func Qualities() []Quality { return []Quality{HD1080, HD720, SD, Audio} }

// Figure is a number with the place it comes from.
type Figure struct {
	Value  int64
	Source string
	// Estimated marks figures that are derived or inferred and not printed for this very case.
	Estimated bool
}

// Figures holds a figure a quality; a quality that is not printed is absent.
type Figures map[Quality]Figure

// Platform is one kind of server for Call Bridges.
type Platform struct {
	// Name in the configuration, e.g. cms1000-m5v2 or vm-16.
	Name  string
	Title string
	// Calls at up to 2.5 Mbit/s H.264 (G.711 for audio). Distribution links count too.
	Calls Figures
	// WebApp calls, internal or over Meeting Server web edge.
	WebApp Figures
	// HDPerConference is the number of HD participants in one conference on one server; nil where not printed.
	HDPerConference *Figure
	// LoadLimit in load units.
	LoadLimit Figure
	// UsersPerCluster is the number of users in a cluster of such servers; nil where not printed.
	UsersPerCluster *Figure
	// SchedulerMeetings is the number of meetings of a scheduler on such a server; nil where not printed.
	SchedulerMeetings *Figure
}

const (
	table24       = "Table 24"
	table24Merged = "Table 24 (merged cell)"
	web           = "Web app calls, internal or over Meeting Server web edge"
	users         = "Users per cluster"
	early         = "Table 24; cms-api.md §13 (before M5v2: M4, M5v1)"
	schedulerAny  = "Scheduler chapter (150,000 on a 1000 or VM)"
	// The guide gives 150,000 in one chapter and 200,000 for a 2000 in another: the smaller is never wrong.
	scheduler2000 = "Scheduler chapter (another chapter has 200,000 for a 2000)"
)

func printed(v int64, source string) *Figure { return &Figure{Value: v, Source: source} }

func figures(source string, hd1080, hd720, sd, audio int64) Figures {
	return Figures{HD1080: {Value: hd1080, Source: source}, HD720: {Value: hd720, Source: source}, SD: {Value: sd, Source: source}, Audio: {Value: audio, Source: source}}
}

// Platforms returns the catalogue of servers, virtual machines apart (see Find).
func Platforms() []Platform {
	return []Platform{
		{
			Name: "cms1000-m5v2", Title: "Meeting Server 1000 M5v2",
			Calls: figures(table24, 60, 120, 240, 2200), WebApp: figures(web, 60, 120, 240, 500),
			HDPerConference: printed(120, table24), LoadLimit: Figure{Value: 120000, Source: table24},
			UsersPerCluster: printed(75000, users), SchedulerMeetings: printed(150000, schedulerAny),
		},
		{
			// One merged cell prints 120,000 for M5v2 and M6; 1000 units a 720p30 call would make it 160,000. The operator may override.
			Name: "cms1000-m6", Title: "Meeting Server 1000 M6",
			Calls: figures(table24, 80, 160, 320, 3000), WebApp: figures(web, 80, 160, 320, 500),
			HDPerConference: printed(120, table24), LoadLimit: Figure{Value: 120000, Source: table24Merged},
			SchedulerMeetings: printed(150000, schedulerAny),
		},
		{
			Name: "cms2000-m5v2", Title: "Meeting Server 2000 M5v2",
			Calls: figures(table24, 437, 875, 1250, 3000), WebApp: figures(web, 437, 875, 1250, 1250),
			HDPerConference: printed(450, table24), LoadLimit: Figure{Value: 875000, Source: table24},
			UsersPerCluster: printed(300000, users), SchedulerMeetings: printed(150000, scheduler2000),
		},
		{
			// As for the 1000: printed 875,000, by the cost model 1,296,000.
			Name: "cms2000-m6", Title: "Meeting Server 2000 M6",
			Calls: figures(table24, 648, 1296, 1875, 3200), WebApp: figures(web, 648, 1296, 1875, 1875),
			HDPerConference: printed(450, table24), LoadLimit: Figure{Value: 875000, Source: table24Merged},
			SchedulerMeetings: printed(150000, scheduler2000),
		},
		{
			Name: "cms1000-m5v1", Title: "Meeting Server 1000 M5v1",
			Calls: Figures{HD720: {Value: 96, Source: table24}}, LoadLimit: Figure{Value: 96000, Source: table24},
			UsersPerCluster: printed(75000, users), SchedulerMeetings: printed(150000, schedulerAny),
		},
		{
			Name: "cms1000-m4", Title: "Meeting Server 1000 M4",
			Calls: Figures{HD720: {Value: 96, Source: table24}}, LoadLimit: Figure{Value: 96000, Source: table24},
			UsersPerCluster: printed(75000, users), SchedulerMeetings: printed(150000, schedulerAny),
		},
		{
			Name: "cms2000-m5v1", Title: "Meeting Server 2000 M5v1",
			Calls: Figures{HD720: {Value: 700, Source: table24}}, LoadLimit: Figure{Value: 700000, Source: table24},
			UsersPerCluster: printed(200000, users), SchedulerMeetings: printed(150000, scheduler2000),
		},
		{
			Name: "cms2000-m4", Title: "Meeting Server 2000 M4",
			Calls: Figures{HD720: {Value: 700, Source: early}}, LoadLimit: Figure{Value: 700000, Source: early},
			UsersPerCluster: printed(75000, users), SchedulerMeetings: printed(150000, scheduler2000),
		},
	}
}

// UnitsPerVCPU is the load limit of a virtual machine for each vCPU: about 1.25 720p30 calls (Aurus, read as calls and not as GHz; an estimate).
const UnitsPerVCPU = 1250

// maxVCPUs bounds what a configuration may claim: the largest hosts have a few hundred logical processors.
const maxVCPUs = 1024

// Find returns the platform of that name: one of the catalogue, or vm-N for a specification-based virtual machine with N vCPUs.
// The error of an unknown name lists the known ones.
func Find(name string) (Platform, error) {
	wanted := strings.ToLower(strings.TrimSpace(name))
	all := Platforms()
	if i := slices.IndexFunc(all, func(p Platform) bool { return p.Name == wanted }); i >= 0 {
		return all[i], nil
	}
	if digits, ok := strings.CutPrefix(wanted, "vm-"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > maxVCPUs {
			return Platform{}, fmt.Errorf("platform %q: want vm-N with N vCPUs, 1 to %d", name, maxVCPUs)
		}
		const source = "1.25 720p30 calls per vCPU (Aurus)"
		return Platform{
			Name: fmt.Sprintf("vm-%d", n), Title: fmt.Sprintf("Specification-based VM, %d vCPUs", n),
			Calls:             Figures{HD720: {Value: int64(n) * 5 / 4, Source: source, Estimated: true}},
			LoadLimit:         Figure{Value: int64(n) * UnitsPerVCPU, Source: source, Estimated: true},
			UsersPerCluster:   printed(75000, users),
			SchedulerMeetings: printed(150000, schedulerAny),
		}, nil
	}
	names := make([]string, 0, len(all)+1)
	for _, p := range all {
		names = append(names, p.Name)
	}
	return Platform{}, fmt.Errorf("platform %q is not known; known are %s and vm-N (N vCPUs)", name, strings.Join(names, ", "))
}

// Limit is a bound that holds for a cluster, a group or a device and not for one server.
type Limit struct {
	Name   string
	Value  int64
	Unit   string
	Source string
}

// Bounds of clusters, groups and set-up rates (capacities-and-licensing.md §1 and §2).
const (
	MaxBridges             = 24
	BridgesNeedingApproval = 8
	MaxClusterHDCalls      = 21000
	MaxClusterHDCallsOld   = 16800
	// MaxConferenceParticipants in one conference over a cluster.
	MaxConferenceParticipants = 2600
	// Set-up rates, calls a second.
	SetupRateSIP        = 40
	SetupRateWebApp     = 20
	SetupRateExpressway = 6
	// Round-trip times, milliseconds; all are "less than".
	MaxBridgeRTTMillis   = 300
	MaxGroupRTTMillis    = 100
	MaxDatabaseRTTMillis = 200
	MaxDatabaseNodes     = 5
	MaxEdgesPerGroup     = 10
	// Thresholds of a Call Bridge as shares of its load limit, in basis points.
	DefaultNewConferenceBasis      = 5000
	DefaultExistingConferenceBasis = 8000
	// BasisPoints make the whole.
	BasisPoints = 10000
)

// Limits returns the bounds above as data.
func Limits() []Limit {
	const cluster = "Cluster limits"
	return []Limit{
		{"bridges per cluster", MaxBridges, "bridges", cluster},
		{"bridges per cluster from which the vendor must approve", BridgesNeedingApproval, "bridges", cluster},
		{"HD calls per cluster", MaxClusterHDCalls, "720p30 calls", cluster + " (24 x 875)"},
		{"HD calls per cluster of older 2000", MaxClusterHDCallsOld, "720p30 calls", cluster + " (24 x 700)"},
		{"participants per conference per cluster", MaxConferenceParticipants, "participants", cluster},
		{"SIP set-up rate per cluster", SetupRateSIP, "calls/s", cluster},
		{"web app set-up rate per cluster", SetupRateWebApp, "calls/s", cluster},
		{"set-up rate per Expressway cluster", SetupRateExpressway, "calls/s", "Table 25"},
		{"round-trip time between bridges", MaxBridgeRTTMillis, "ms", cluster},
		{"round-trip time inside a Call Bridge Group", MaxGroupRTTMillis, "ms", cluster},
		{"round-trip time between database nodes", MaxDatabaseRTTMillis, "ms", cluster},
		{"database nodes", MaxDatabaseNodes, "nodes", cluster + " (3 recommended)"},
		{"edges per Call Bridge Group", MaxEdgesPerGroup, "edges", "Table 5"},
		{"new conference threshold", DefaultNewConferenceBasis, "1/10000 of loadLimit", "Call Bridge Groups (Aurus, API guide)"},
		{"existing conference threshold", DefaultExistingConferenceBasis, "1/10000 of loadLimit", "Call Bridge Groups (Aurus, API guide)"},
	}
}
