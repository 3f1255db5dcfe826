package capacity

// LimitSource says where a load limit comes from.
type LimitSource string

// The sources of a load limit, in order of truth.
const (
	FromBridge    LimitSource = "bridge"    // the bridge's configured loadLimit
	FromOperator  LimitSource = "operator"  // the override in the configuration
	FromCatalogue LimitSource = "catalogue" // the platform's figure
	Unknown       LimitSource = ""
)

// LoadLimit returns the load limit in force, in load units: what the bridge has configured, else the operator's override, else the platform's figure.
// Zero means "not set" for the first two; platform may be empty. The source is Unknown where none of them says.
func LoadLimit(configured, override int64, platform string) (int64, LimitSource) {
	switch {
	case configured > 0:
		return configured, FromBridge
	case override > 0:
		return override, FromOperator
	case platform != "":
		if p, err := Find(platform); err == nil {
			return p.LoadLimit.Value, FromCatalogue
		}
	}
	return 0, Unknown
}

// Threshold returns the share of a load limit, in load units. A basis outside 0 to 10000 is replaced by the default.
func Threshold(limit int64, basis *int64, defaultBasis int64) int64 {
	b := defaultBasis
	if basis != nil && *basis >= 0 && *basis <= BasisPoints {
		b = *basis
	}
	return limit/BasisPoints*b + limit%BasisPoints*b/BasisPoints
}

// Cost of one leg in load units, as an exact ratio. The model is derived: it fits every printed row of Table 24 for M5v2.
type Cost struct{ Num, Den int64 }

// LegCost returns what one leg of a quality costs: 1080p30 2000, 720p30 1000, SD 500, audio 120000/2200 (about 55).
func LegCost(q Quality) Cost {
	switch q {
	case HD1080:
		return Cost{2000, 1}
	case HD720:
		return Cost{1000, 1}
	case SD:
		return Cost{500, 1}
	default:
		return Cost{120000, 2200}
	}
}

// endless is more load units than any server has. Limits above it, which somebody sets to have none, count as that much, so that no sum runs over.
const endless = 1 << 40

func bounded(units int64) int64 { return min(max(units, 0), endless) }

// Room returns how many more legs of one quality fit between load and limit, were all of them of that quality. Never negative. Derived, see Cost.
func Room(load, limit int64, q Quality) int64 {
	free := bounded(limit) - bounded(load)
	if free <= 0 {
		return 0
	}
	c := LegCost(q)
	return free * c.Den / c.Num
}

// Mix counts legs by quality.
type Mix map[Quality]int64

// RoomAtMix returns how many more legs of each quality fit when new legs come in the proportions of mix, by the derived cost model.
// The result is nil for an empty mix: there is no proportion to keep.
func RoomAtMix(load, limit int64, mix Mix) Mix {
	// All sums in units of 1/11 load unit: 120000/2200 = 600/11, so every cost is whole.
	const scale = 11
	var costOfMix, legs int64
	for _, q := range Qualities() {
		n := mix[q]
		if n <= 0 {
			continue
		}
		c := LegCost(q)
		costOfMix += n * (c.Num * scale / c.Den)
		legs += n
	}
	if legs == 0 {
		return nil
	}
	room := make(Mix, len(mix))
	free := max(bounded(limit)-bounded(load), 0) * scale
	for _, q := range Qualities() {
		if n := mix[q]; n > 0 {
			room[q] = free/costOfMix*n + free%costOfMix*n/costOfMix
		}
	}
	return room
}

// DistributionLinks returns the number of media ports that the links of one meeting take when it spans that many bridges:
// every bridge sends to every other, so three participants on three bridges take 3 + 6 = 9 ports (the guide's example).
func DistributionLinks(bridges int64) int64 {
	if bridges < 2 {
		return 0
	}
	return bridges * (bridges - 1)
}

// Member is one Call Bridge in a fail-over sum.
type Member struct {
	Name string
	// Group is the name of its Call Bridge Group; bridges in no group form the group "".
	Group string
	// Down marks a bridge that is known to be dead: it neither carries nor could take load.
	Down bool
	// Load and Limit in load units; nil where not known.
	Load, Limit *int64
	// Participants on the bridge; nil where not known.
	Participants *int64
}

// Failover is what happens to one group when its busiest bridge dies.
type Failover struct {
	Group string
	// Busiest is the bridge with the most load; of equals the one with the higher limit, since that loses more.
	Busiest string
	// Headroom is the sum of the survivors' limits less the load of all, in load units. Negative: it would not fit.
	Headroom int64
	// Stranded is how many of the busiest bridge's participants could not rejoin, rounded up; nil where their number is not known.
	Stranded *int64
	// Unknown names the bridges whose load or limit is missing; the other fields then say nothing.
	Unknown []string
	// Survivors is the number of bridges left.
	Survivors int
}

// FailoverByGroup computes the fail-over of every group that has a bridge which is not down, in the order of first appearance.
func FailoverByGroup(members []Member) []Failover {
	var order []string
	groups := make(map[string][]Member)
	for _, m := range members {
		if m.Down {
			continue
		}
		if _, seen := groups[m.Group]; !seen {
			order = append(order, m.Group)
		}
		groups[m.Group] = append(groups[m.Group], m)
	}
	out := make([]Failover, 0, len(order))
	for _, g := range order {
		out = append(out, failover(g, groups[g]))
	}
	return out
}

func failover(group string, members []Member) Failover {
	f := Failover{Group: group, Survivors: len(members) - 1}
	var load, limit int64
	var busiest *Member
	for i := range members {
		m := &members[i]
		if m.Load == nil || m.Limit == nil {
			f.Unknown = append(f.Unknown, m.Name)
			continue
		}
		load += bounded(*m.Load)
		limit += bounded(*m.Limit)
		if busiest == nil || *m.Load > *busiest.Load || *m.Load == *busiest.Load && *m.Limit > *busiest.Limit {
			busiest = m
		}
	}
	if len(f.Unknown) > 0 {
		return f
	}
	f.Busiest = busiest.Name
	f.Headroom = limit - bounded(*busiest.Limit) - load
	f.Stranded = stranded(f.Headroom, f.Survivors, busiest)
	return f
}

// stranded shares the overflow among the dead bridge's participants by load: each is taken to cost the same.
// An overflow above the dead bridge's load is the survivors' own and strands no more than everybody.
func stranded(headroom int64, survivors int, dead *Member) *int64 {
	if dead.Participants == nil {
		return nil
	}
	n := *dead.Participants
	switch {
	case survivors == 0:
	case headroom >= 0 || *dead.Load <= 0:
		n = 0
	default:
		carried := bounded(*dead.Load)
		overflow := min(-headroom, carried)
		n = (n*overflow + carried - 1) / carried
	}
	return &n
}
