package storage

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// OwnerGroup is owners that are added up together: by the addresses (JIDs) of users, and by the tenants of spaces.
type OwnerGroup struct {
	Name string
	// Owners are addresses in any case, in which * stands for any text and ? for any character.
	Owners  []string
	Tenants []uuid.UUID
}

// GroupUse is what the meetings of a group's owners took in a period.
type GroupUse struct {
	// Group by name; empty: all owners that are in none, and meetings without an owner.
	Group          string  `json:"group"`
	Meetings       uint64  `json:"meetings"`
	SMPHours       float64 `json:"smp_hours"`
	PMPHours       float64 `json:"pmp_hours"`
	RecordingHours float64 `json:"recording_hours"`
	// SMPPeakSixths is the most of shared licenses that the group took at one time, SMPAt the first instant of it; nil where it took none.
	SMPPeakSixths int64      `json:"smp_peak_sixths"`
	SMPAt         *time.Time `json:"smp_at"`
}

// ownerGroups adds up by group. Behind the groups comes one for those that are in none.
type ownerGroups struct {
	groups    []OwnerGroup
	addresses map[uuid.UUID]string
	sweeps    []*licensing.Sweep
	peaks     []*licensing.Tally
}

// newOwnerGroups asks for the addresses of owners, as they are now.
func (q *Queries) newOwnerGroups(ctx context.Context, p LicensePeriod, groups []OwnerGroup) (*ownerGroups, error) {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(p.Clusters))
	rows, err := selectRows[struct {
		ID      uuid.UUID `ch:"owner_id"`
		Address string    `ch:"address"`
	}](c.within(ctx), q, "SELECT owner_id, argMax(owner_jid, valid_from) AS address FROM owners_data "+c.where()+" AND owner_jid != '' GROUP BY owner_id")
	if err != nil {
		return nil, fmt.Errorf("query the addresses of owners: %w", err)
	}
	g := &ownerGroups{groups: groups, addresses: map[uuid.UUID]string{}}
	for _, r := range rows {
		g.addresses[r.ID] = strings.ToLower(r.Address)
	}
	for range len(groups) + 1 {
		peak := licensing.TallySteps(p.From, p.To, p.To.Sub(p.From))
		g.peaks, g.sweeps = append(g.peaks, peak), append(g.sweeps, licensing.NewSweep(p.From, p.To, peak.See))
	}
	return g, nil
}

// of is the position of the first group that an owner is in.
func (g *ownerGroups) of(key ownerKey) int {
	for i, group := range g.groups {
		if slices.Contains(group.Tenants, key.tenant) {
			return i
		}
		address := g.addresses[key.owner]
		if address == "" || key.owner == uuid.Nil {
			continue
		}
		for _, pattern := range group.Owners {
			if found, err := path.Match(strings.ToLower(pattern), address); err == nil && found {
				return i
			}
		}
	}
	return len(g.groups)
}

// use is the groups in their order, once all was added.
func (g *ownerGroups) use(sums *ownerSums) []GroupUse {
	totals := make([]ownerSum, len(g.peaks))
	for _, s := range sums.by {
		t := &totals[s.group]
		t.meetings, t.sixths, t.pmp, t.capture = t.meetings+s.meetings, t.sixths+s.sixths, t.pmp+s.pmp, t.capture+s.capture
	}
	list := make([]GroupUse, len(totals))
	for i, t := range totals {
		u := &list[i]
		if i < len(g.groups) {
			u.Group = g.groups[i].Name
		}
		u.Meetings, u.SMPHours, u.PMPHours, u.RecordingHours = t.meetings, smpHours(t.sixths), hours(t.pmp), hours(t.capture)
		for _, step := range g.peaks[i].Steps() {
			if p := step.Peaks.SMP; p.Value > 0 {
				u.SMPPeakSixths, u.SMPAt = p.Value, &p.At
			}
		}
	}
	return list
}

// smpHours is license hours of milliseconds of sixths.
func smpHours(sixths int64) float64 { return float64(sixths) / 21_600_000 }

func hours(milliseconds int64) float64 { return float64(milliseconds) / 3_600_000 }
