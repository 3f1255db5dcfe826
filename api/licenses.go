package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

type usageParams struct {
	Pool string        `query:"pool" description:"License pool; the only one when left out"`
	From time.Time     `query:"from" description:"Start of the first step; seven days before to (or now) when left out"`
	To   time.Time     `query:"to" description:"End, exclusive; now when left out"`
	Step time.Duration `query:"step" description:"Length of a step, such as 5m or 24h; 1h when left out"`
}

type explainParams struct {
	Pool string    `query:"pool" description:"License pool; the only one when left out"`
	At   time.Time `query:"at" description:"The instant; now when left out"`
}

// usageAnswer is license use by steps.
type usageAnswer struct {
	Pool string `json:"pool"`
	// ComputedUntil is up to when call records are in it; null where nothing is computed.
	ComputedUntil *time.Time  `json:"computed_until"`
	Items         []usageStep `json:"items"`
	// OwnerGroups are what the owners of each configured group took in the whole period, and behind them whoever is in none; empty without groups, null where nothing is computed.
	OwnerGroups []storage.GroupUse `json:"owner_groups"`
}

// usageStep is the peaks within one step, and what CMS itself counted in it, at most; nil where it is not known, as before the first record and in the future.
type usageStep struct {
	Time       time.Time      `json:"time"`
	SMPSixths  *int64         `json:"smp_sixths"`
	SMP        *float64       `json:"smp"`
	PMP        *int64         `json:"pmp"`
	Recording  *int64         `json:"recording"`
	Recordings *int64         `json:"recordings"`
	Streams    *int64         `json:"streams"`
	Reported   *reportedUsage `json:"reported"`
}

// reportedUsage is MPLicenseUsage, summed over the pool's servers by five minutes.
type reportedUsage struct {
	SMPSixths int64   `json:"smp_sixths"`
	SMP       float64 `json:"smp"`
	PMP       int64   `json:"pmp"`
	Recording int64   `json:"recording"`
}

// mostSteps of an answer; Prometheus has the same limit.
const mostSteps = 11_000

// licenseRoutes answer about license pools.
func (s *Server) licenseRoutes() []route {
	return []route{
		{"/licenses/usage", "License use of a pool in steps: the peaks of each, computed from call records, and what CMS itself counted", usageParams{}, usageAnswer{},
			func(ctx context.Context, store Store, p any) (any, error) {
				q := p.(*usageParams)
				pool, err := s.pool(q.Pool)
				if err != nil {
					return nil, err
				}
				if q.To.IsZero() {
					q.To = time.Now()
				}
				period, err := s.periodOf(q.From, q.To)
				if err != nil {
					return nil, err
				}
				step := q.Step
				if step == 0 {
					step = time.Hour
				}
				if step < time.Millisecond || period.To.Sub(period.From)/step >= mostSteps {
					return nil, badRequest("more than %d steps; ask for a longer step or a shorter period", mostSteps)
				}
				return usage(ctx, store, pool, period, step)
			}},
		{"/licenses/explain", "What makes up the license use of a pool at an instant: meetings, owners, rules", explainParams{}, report.Explanation{},
			func(ctx context.Context, store Store, p any) (any, error) {
				q := p.(*explainParams)
				pool, err := s.pool(q.Pool)
				if err != nil {
					return nil, err
				}
				if q.At.IsZero() {
					q.At = time.Now()
				}
				if q.At.After(time.Now()) {
					return nil, badRequest("parameter %q lies in the future", "at")
				}
				answer, err := report.Explain(ctx, store, pool, q.At)
				switch {
				case errors.Is(err, report.ErrNotComputed):
					return nil, &Error{http.StatusServiceUnavailable, err.Error()}
				case errors.Is(err, report.ErrBeforeRecords):
					return nil, &Error{http.StatusNotFound, err.Error()}
				}
				return answer, err
			}},
	}
}

// pool is the one of a name.
func (s *Server) pool(name string) (report.Pool, error) {
	pool, err := report.PoolNamed(s.deps.Pools, name)
	if err != nil {
		return pool, badRequest("parameter %q: %v", "pool", err)
	}
	return pool, nil
}

func usage(ctx context.Context, store Store, pool report.Pool, period storage.Period, step time.Duration) (usageAnswer, error) {
	answer := usageAnswer{Pool: pool.Name, Items: []usageStep{}}
	computed, err := store.LicenseProgress(ctx, pool.Clusters)
	if err != nil {
		return answer, err
	}
	known := storage.LicensePeriod{Clusters: pool.Clusters, From: period.From, To: period.To}
	if now := time.Now(); known.To.After(now) { // a meeting that goes on has no use of the future
		known.To = now
	}
	figures, err := store.LicenseFigures(ctx, storage.LicenseQuestion{LicensePeriod: known, Step: step, StepsFrom: period.From, Groups: pool.Groups})
	if err != nil {
		return answer, err
	}
	snapshots, err := store.LicenseSnapshots(ctx, pool.Clusters, period)
	if err != nil {
		return answer, err
	}
	reported := map[int]*reportedUsage{}
	for _, b := range licensing.Bins(snapshots) {
		at := int(max(0, b.Start.Sub(period.From)) / step)
		r := reported[at]
		if r == nil {
			r = &reportedUsage{}
			reported[at] = r
		}
		r.SMPSixths, r.PMP, r.Recording = max(r.SMPSixths, b.SMPSixths()), max(r.PMP, licensing.Nearest(b.PMP)), max(r.Recording, licensing.Nearest(b.Recording+b.Streaming))
		r.SMP = licensing.Licenses(r.SMPSixths)
	}
	complete, err := store.Completeness(ctx, storage.Period{})
	if err != nil {
		return answer, err
	}
	first := complete.FirstRecord(pool.Clusters)
	for i, at := 0, period.From; at.Before(period.To); i, at = i+1, at.Add(step) {
		item := usageStep{Time: at.UTC(), Reported: reported[i]}
		if !computed.IsZero() && at.Add(step).After(first) && i < len(figures.Steps) {
			peaks := figures.Steps[i].Peaks
			smp := licensing.Licenses(peaks.SMP.Value)
			item.SMPSixths, item.SMP, item.PMP = &peaks.SMP.Value, &smp, &peaks.PMP.Value
			item.Recording, item.Recordings, item.Streams = &peaks.Recording.Value, &peaks.Recordings, &peaks.Streams
		}
		answer.Items = append(answer.Items, item)
	}
	if !computed.IsZero() {
		answer.ComputedUntil, answer.OwnerGroups = &computed, append([]storage.GroupUse{}, figures.Groups...)
	}
	return answer, nil
}
