package storage

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// LicenseQuestion is what is asked of license use; all of it is answered from one reading.
type LicenseQuestion struct {
	// LicensePeriod is what Owners are of, and the end of all.
	LicensePeriod
	// Days asks for the peaks of every license day of a zone, from DaysFrom on.
	Days     *time.Location
	DaysFrom time.Time
	// Step asks for the peaks of every step from StepsFrom on.
	Step      time.Duration
	StepsFrom time.Time
	// Owners asks for so many owners, those whose meetings took most of shared licenses.
	Owners int
	// Groups asks what the owners of each group took; whoever is in several counts in the first.
	Groups []OwnerGroup
}

// LicenseAnswer is what was asked for, each in order.
type LicenseAnswer struct {
	Days   []licensing.DayPeaks
	Steps  []licensing.StepPeaks
	Owners []OwnerUse
	// Groups in the order in which they were asked for, and behind them whoever is in none.
	Groups []GroupUse
}

// LicenseFigures reads the intervals of a period once and answers a question. A day or step in which nothing changed has what the one before left.
func (q *Queries) LicenseFigures(ctx context.Context, ask LicenseQuestion) (LicenseAnswer, error) {
	read := ask.LicensePeriod
	var tell []func(int64, licensing.Use, int64)
	var days, steps *licensing.Tally
	if ask.Days != nil {
		read.From = earlier(read.From, ask.DaysFrom)
		days = licensing.TallyDays(ask.DaysFrom, ask.To, ask.Days)
		tell = append(tell, days.See)
	}
	if ask.Step > 0 {
		read.From = earlier(read.From, ask.StepsFrom)
		steps = licensing.TallySteps(ask.StepsFrom, ask.To, ask.Step)
		tell = append(tell, steps.See)
	}
	var answer LicenseAnswer
	var err error
	sweeps := []*licensing.Sweep{licensing.NewSweep(read.From, read.To, tell...)}
	owners := newOwnerSums(ask.LicensePeriod)
	var add func([]licenseSpan)
	if ask.Owners > 0 || len(ask.Groups) > 0 {
		add = owners.add
	}
	if len(ask.Groups) > 0 {
		if owners.groups, err = q.newOwnerGroups(ctx, ask.LicensePeriod, ask.Groups); err != nil {
			return answer, err
		}
		sweeps = append(sweeps, owners.groups.sweeps...)
	}
	if err := q.licensePass(ctx, read, ask.From, add, sweeps...); err != nil {
		return answer, err
	}
	if days != nil {
		answer.Days = days.Days(ask.Days)
	}
	if steps != nil {
		answer.Steps = steps.Steps()
	}
	if owners.groups != nil {
		answer.Groups = owners.groups.use(owners)
	}
	if ask.Owners > 0 {
		answer.Owners, err = q.named(ctx, ask.Clusters, owners.most(ask.Owners))
	}
	return answer, err
}

// LicenseDays are the peaks of every license day of a zone in a period, in order.
func (q *Queries) LicenseDays(ctx context.Context, p LicensePeriod, zone *time.Location) ([]licensing.DayPeaks, error) {
	answer, err := q.LicenseFigures(ctx, LicenseQuestion{LicensePeriod: p, Days: zone, DaysFrom: p.From})
	return answer.Days, err
}

// LicenseUse is the use in steps of a period, in order: the peaks of each. The first step begins at the period's start.
func (q *Queries) LicenseUse(ctx context.Context, p LicensePeriod, step time.Duration) ([]licensing.StepPeaks, error) {
	answer, err := q.LicenseFigures(ctx, LicenseQuestion{LicensePeriod: p, Step: step, StepsFrom: p.From})
	return answer.Steps, err
}

// OwnerUse is what the meetings of one owner took in a period.
type OwnerUse struct {
	Owner   string     `json:"owner"`
	OwnerID *uuid.UUID `json:"owner_id"`
	Tenant  *uuid.UUID `json:"tenant_id"`
	// Licensed now: of the owner's latest meeting; nil where not known.
	Licensed *bool  `json:"licensed"`
	Meetings uint64 `json:"meetings"`
	// SMPHours and PMPHours are license hours.
	SMPHours float64 `json:"smp_hours"`
	PMPHours float64 `json:"pmp_hours"`
	// RecordingHours of recordings and streams.
	RecordingHours float64 `json:"recording_hours"`
}

// ownerKey tells owners apart: one may own spaces of several tenants.
type ownerKey struct{ owner, tenant uuid.UUID }

// ownerSum is in milliseconds.
type ownerSum struct {
	meetings             uint64
	sixths, pmp, capture int64
	// The latest interval: when it began, the day on which its meeting did, and whether its owner had a license, as licenseSpan has them.
	latest   int64
	day      uint16
	licensed uint8
	group    int // position, where groups are asked for
}

// ownerSums adds up by owner.
type ownerSums struct {
	from, to int64
	firstDay uint16
	by       map[ownerKey]*ownerSum
	// early are the meetings that began on the period's first day or before: their first interval may lie before it, so that each is noted. Of all others the first tells of the meeting.
	early map[uuid.UUID]struct{}
	// groups, nil where none are asked for.
	groups *ownerGroups
}

func newOwnerSums(p LicensePeriod) *ownerSums {
	return &ownerSums{from: p.From.UnixMilli(), to: p.To.UnixMilli(), firstDay: uint16(p.From.Unix() / 86400), by: map[ownerKey]*ownerSum{}, early: map[uuid.UUID]struct{}{}}
}

func (o *ownerSums) add(spans []licenseSpan) {
	for i := range spans {
		s := &spans[i]
		milliseconds := min(s.until, o.to) - max(s.from, o.from)
		if milliseconds <= 0 {
			continue
		}
		key := ownerKey{s.owner, s.tenant}
		sum := o.by[key]
		if sum == nil {
			sum = &ownerSum{}
			o.by[key] = sum
			if o.groups != nil {
				sum.group = o.groups.of(key)
			}
		}
		if o.groups != nil {
			o.groups.sweeps[sum.group].Add(s.from, s.until, s.sixths(), 0, 0, 0)
		}
		sum.sixths += int64(s.sixths()) * milliseconds
		sum.pmp += int64(s.pmp()) * milliseconds
		sum.capture += (int64(s.recordings()) + int64(s.streams())) * milliseconds
		if s.from >= sum.latest {
			sum.latest, sum.licensed, sum.day = s.from, s.licensed(), s.day()
		}
		if s.day() > o.firstDay {
			if s.first() {
				sum.meetings++
			}
		} else if _, known := o.early[s.meeting]; !known {
			o.early[s.meeting] = struct{}{}
			sum.meetings++
		}
	}
}

// ownerTotal is an owner with what the meetings took.
type ownerTotal struct {
	ownerKey
	*ownerSum
}

// most are those whose meetings took most of shared licenses, then of personal ones.
func (o *ownerSums) most(limit int) []ownerTotal {
	list := make([]ownerTotal, 0, len(o.by))
	for key, sum := range o.by {
		list = append(list, ownerTotal{key, sum})
	}
	slices.SortFunc(list, func(a, b ownerTotal) int {
		return cmp.Or(cmp.Compare(b.sixths, a.sixths), cmp.Compare(b.pmp, a.pmp), bytes.Compare(a.owner[:], b.owner[:]), bytes.Compare(a.tenant[:], b.tenant[:]))
	})
	return list[:min(limit, len(list))]
}

// named asks for the names of owners, as they were last called.
func (q *Queries) named(ctx context.Context, clusters []string, list []ownerTotal) ([]OwnerUse, error) {
	var days []uint16
	var ids []uuid.UUID
	for _, o := range list {
		ids = append(ids, o.owner)
		days = append(days, o.day)
	}
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(clusters))
	c.add("toUInt16(start_day) IN {days:Array(UInt16)}", "days", strings.ReplaceAll(fmt.Sprint(days), " ", ","))
	c.add("owner_id IN {owners:Array(UUID)} AND is_deleted = 0", "owners", uuidArray(ids))
	rows, err := selectRows[struct {
		ID   uuid.UUID `ch:"owner_id"`
		Name string    `ch:"name"`
	}](c.within(ctx), q, "SELECT owner_id, argMax(owner_name, (from, version)) AS name FROM license_intervals_data "+c.where()+" GROUP BY owner_id")
	if err != nil {
		return nil, fmt.Errorf("query the names of owners: %w", err)
	}
	names := map[uuid.UUID]string{}
	for _, r := range rows {
		if r.ID != uuid.Nil { // whoever is not known has no name
			names[r.ID] = r.Name
		}
	}
	use := []OwnerUse{}
	for _, o := range list {
		u := OwnerUse{Owner: names[o.owner], OwnerID: known(o.owner), Tenant: known(o.tenant), Meetings: o.meetings,
			SMPHours: smpHours(o.sixths), PMPHours: hours(o.pmp), RecordingHours: hours(o.capture)}
		if o.licensed < 2 {
			u.Licensed = new(o.licensed == 1)
		}
		use = append(use, u)
	}
	return use, nil
}

// known is nil for the id that stands for none.
func known(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
