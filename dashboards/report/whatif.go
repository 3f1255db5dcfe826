package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// WhatIfQuestion is history under another assignment or entitlement.
type WhatIfQuestion struct {
	From, To time.Time
	// Give a PMP license to these owners: names, addresses or ids; or to the Top who would spare most.
	Give []string
	Top  int
	// SMP entitlement instead of what was held; nil: what was held.
	SMP *int64
	// Prices, where not nil, ask for the cheapest mix with at most AllowedDays of overage in any window.
	Prices      *licensing.Prices
	AllowedDays int
	// Progress is told what is done, from 0 to 1; nil: nobody asks.
	Progress func(step string, share float64)
}

// WhatIf is the answer.
type WhatIf struct {
	Pool        string       `json:"pool"`
	From        time.Time    `json:"from"`
	To          time.Time    `json:"to"`
	DayBoundary string       `json:"day_boundary"`
	AllowedDays int          `json:"allowed_overage_days"`
	AsItWas     Outcome      `json:"as_it_was"`
	WhatIf      *Outcome     `json:"what_if"`
	Given       []GivenOwner `json:"given"`
	Cheapest    *CheapestMix `json:"cheapest"`
	// Candidates are the owners without a PMP license who would spare most shared licenses with one.
	Candidates []GivenOwner `json:"candidates"`
	// Unused are PMP licenses of owners whose meetings have not used them for UnusedDays: 60, or fewer where call records do not go back as far.
	Unused     []storage.KnownOwner `json:"unused"`
	UnusedDays int                  `json:"unused_days"`
	// Days of the period of which something is known.
	Days     []WhatIfDay         `json:"days"`
	Forecast *licensing.Forecast `json:"forecast"`
	// ForecastExceeds is the day on which more than the allowed days will be reached by the forecast, with what is held now; null: not within it.
	ForecastExceeds *licensing.Day `json:"forecast_exceeds"`
}

// Outcome is how a period comes out.
type Outcome struct {
	PeakSixths int64   `json:"peak_sixths"`
	Peak       float64 `json:"peak"`
	// SMP held: the entitlement asked for; nil where it changes by day as configured.
	SMP *int64 `json:"smp"`
	// DaysOver of the period, and the most of them in any window of 90 days; nil without an entitlement.
	DaysOver    *int64 `json:"days_over"`
	WorstWindow *int64 `json:"worst_window"`
}

// WhatIfDay is one day: as it was, and with what was asked.
type WhatIfDay struct {
	Day          licensing.Day `json:"day"`
	SMPSixths    int64         `json:"smp_sixths"`
	WhatIfSixths *int64        `json:"what_if_sixths"`
	Entitled     *int64        `json:"entitled"`
}

// GivenOwner is an owner with the shared license hours that a PMP license spares.
type GivenOwner struct {
	OwnerID uuid.UUID `json:"owner_id"`
	Owner   string    `json:"owner"`
	Hours   float64   `json:"spared_smp_hours"`
}

// CheapestMix is the least costly assignment and entitlement that would have kept overage within the allowed days.
type CheapestMix struct {
	Given []GivenOwner `json:"given"`
	SMP   int64        `json:"smp"`
	Cost  float64      `json:"cost"`
	// Without is the cost, and the shared licenses, with PMP licenses as they are.
	WithoutSMP  int64   `json:"without_smp"`
	WithoutCost float64 `json:"without_cost"`
}

const (
	// unusedDays is after how long without a meeting a PMP license counts as unused.
	unusedDays = 60
	// candidates are the owners looked at where none are named.
	candidates = 60
	// forecastDays is how far the forecast looks.
	forecastDays = 90
)

// MakeWhatIf answers a question from the store.
func MakeWhatIf(ctx context.Context, q *storage.Queries, p Pool, ask WhatIfQuestion) (WhatIf, error) {
	tell := func(step string, share float64) {
		if ask.Progress != nil {
			ask.Progress(step, share)
		}
	}
	w := WhatIf{Pool: p.Name, From: ask.From.UTC(), To: ask.To.UTC(), DayBoundary: p.Zone.String(), AllowedDays: ask.AllowedDays, UnusedDays: unusedDays,
		Given: []GivenOwner{}, Candidates: []GivenOwner{}, Unused: []storage.KnownOwner{}, Days: []WhatIfDay{}}
	computed, err := q.LicenseProgress(ctx, p.Clusters)
	if err != nil {
		return w, err
	}
	if computed.IsZero() {
		return w, fmt.Errorf("%w (pool %s)", ErrNotComputed, p.Name)
	}
	known, err := q.KnownOwners(ctx, p.Clusters)
	if err != nil {
		return w, err
	}
	named, err := find(known, ask.Give)
	if err != nil {
		return w, err
	}
	period, first, err := knownPart(ctx, q, p, ask, computed)
	if err != nil {
		return w, err
	}
	w.unused(known, first, earlier(ask.To, computed))
	tell("owners", 0)
	top, err := q.LicenseCandidates(ctx, period, max(candidates, ask.Top))
	if err != nil {
		return w, err
	}
	ids := slices.Clone(named)
	for _, c := range top {
		if !slices.Contains(ids, c.ID) {
			ids = append(ids, c.ID)
		}
	}
	tell("meetings", 0)
	var of []licensing.HistoryInterval
	for some := range slices.Chunk(ids, 500) { // what fits into the address of a query
		list, err := q.LicenseHistory(ctx, period, some)
		if err != nil {
			return w, err
		}
		of = append(of, list...)
	}
	begin, length := period.From.UnixMilli(), float64(period.To.Sub(period.From).Milliseconds())
	h, err := licensing.NewHistory(period.From, period.To, p.Zone, p.Readings, func(point func(at, sixths int64)) error {
		n := 0
		return q.LicenseLevels(ctx, period, func(at, sixths int64) {
			if n++; n%100_000 == 0 {
				tell("levels", float64(at-begin)/length)
			}
			point(at, sixths)
		})
	}, of)
	if err != nil {
		return w, err
	}
	var given []int
	for i, o := range h.Owners {
		if slices.Contains(named, o.ID) || i < ask.Top {
			given = append(given, i)
		}
		if len(w.Candidates) < candidates {
			w.Candidates = append(w.Candidates, owner(o))
		}
	}
	w.Given = owners(h, given)
	was := h.Peaks()
	held := make([]*int64, len(was))
	for i, d := range was {
		if e, ok := licensing.EntitledOn(p.Entitlements, d.Day); ok {
			held[i] = e.SMP
		}
		w.Days = append(w.Days, WhatIfDay{Day: d.Day, SMPSixths: d.Sixths, Entitled: held[i]})
	}
	w.AsItWas = outcome(was, held, nil)
	if len(ask.Give) > 0 || ask.Top > 0 || ask.SMP != nil {
		then := h.Peaks(given...)
		for i, d := range then {
			w.Days[i].WhatIfSixths = &d.Sixths
		}
		o := outcome(then, held, ask.SMP)
		w.WhatIf = &o
	}
	if ask.Prices != nil {
		best := h.Cheapest(*ask.Prices, ask.AllowedDays, func(share float64) { tell("cheapest mix", share) })
		plain := licensing.Needed(was, ask.AllowedDays)
		w.Cheapest = &CheapestMix{Given: owners(h, best.Given), SMP: best.SMP, Cost: best.Cost, WithoutSMP: plain, WithoutCost: float64(plain) * ask.Prices.SMP}
	}
	return w, w.forecast(was, held, earlier(ask.To, computed), p.Zone)
}

// knownPart is the days of a question's period of which something is known: from the first record on, and not beyond the day up to which license use is computed. On days
// before and behind them use was not zero. First is the time of the first record, zero where none is known.
func knownPart(ctx context.Context, q *storage.Queries, p Pool, ask WhatIfQuestion, computed time.Time) (part storage.LicensePeriod, first time.Time, err error) {
	end := earlier(licensing.DayOf(computed, p.Zone).End(p.Zone), time.Now())
	part = storage.LicensePeriod{Clusters: p.Clusters, From: ask.From, To: earlier(ask.To, end)}
	if !part.From.Before(part.To) {
		return part, first, fmt.Errorf("%w (pool %s)", ErrNotComputed, p.Name)
	}
	found, err := q.Completeness(ctx, storage.Period{})
	if err != nil {
		return part, first, err
	}
	first = found.FirstRecord(p.Clusters)
	if !first.Before(part.To) {
		return part, first, fmt.Errorf("the call records of pool %s begin at %s, after the period", p.Name, first.UTC().Format(time.RFC3339))
	}
	if first.After(part.From) {
		part.From = later(part.From, licensing.DayOf(first, p.Zone).Start(p.Zone))
	}
	return part, first, nil
}

// unused lists the PMP licenses that no meeting used in the last days of what is known: unusedDays, or as many as records go back.
func (w *WhatIf) unused(owners []storage.KnownOwner, first, to time.Time) {
	if !first.IsZero() {
		w.UnusedDays = min(unusedDays, int(to.Sub(first)/(24*time.Hour)))
	}
	since := to.AddDate(0, 0, -w.UnusedDays)
	for _, o := range owners {
		if w.UnusedDays > 0 && o.Licensed != nil && *o.Licensed == 1 && (o.LastUsed == nil || o.LastUsed.Before(since)) {
			w.Unused = append(w.Unused, o)
		}
	}
}

// forecast looks ahead from the last day that was whole at the end of what is known.
func (w *WhatIf) forecast(was []licensing.DayPeak, held []*int64, known time.Time, zone *time.Location) error {
	if n := len(was); n > 0 && was[n-1].Day.End(zone).After(known) {
		was, held = was[:n-1], held[:n-1]
	}
	f, err := licensing.NewForecast(was, forecastDays)
	if errors.Is(err, licensing.ErrShortHistory) {
		return nil
	}
	if err != nil {
		return err
	}
	w.Forecast = &f
	if now := held[len(held)-1]; now != nil {
		w.ForecastExceeds = day(f.Exceeds(was, *now, w.AllowedDays))
	}
	return nil
}

func owner(o licensing.Spender) GivenOwner {
	return GivenOwner{o.ID, o.Name, float64(int64(o.Hours*100+.5)) / 100}
}

func owners(h *licensing.History, given []int) []GivenOwner {
	list := []GivenOwner{}
	for _, g := range given {
		list = append(list, owner(h.Owners[g]))
	}
	return list
}

// outcome of days under what was held on each, or under one number of licenses.
func outcome(peaks []licensing.DayPeak, held []*int64, smp *int64) Outcome {
	o := Outcome{SMP: smp}
	var over []licensing.DayPeak // one that is over has a sixth, for DaysOver with 0 licenses
	judged := false
	for i, p := range peaks {
		o.PeakSixths = max(o.PeakSixths, p.Sixths)
		limit := held[i]
		if smp != nil {
			limit = smp
		}
		if limit == nil {
			continue
		}
		judged = true
		if p.Sixths > 6**limit {
			over = append(over, licensing.DayPeak{Day: p.Day, Sixths: 1})
		}
	}
	o.Peak = licensing.Licenses(o.PeakSixths)
	if judged {
		days, worst := licensing.DaysOver(over, 0)
		n, m := int64(len(days)), int64(worst)
		o.DaysOver, o.WorstWindow = &n, &m
	}
	return o
}

// find are the ids of owners by name, address or id, in any case. One that is not known, or that several have, is an error.
func find(known []storage.KnownOwner, names []string) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	var unknown []string
	for _, name := range names {
		var found []uuid.UUID
		for _, o := range known {
			if slices.ContainsFunc([]string{o.ID.String(), o.Name, o.JID, o.Email}, func(s string) bool { return s != "" && strings.EqualFold(s, name) }) && !slices.Contains(found, o.ID) {
				found = append(found, o.ID)
			}
		}
		switch len(found) {
		case 1:
			ids = append(ids, found[0])
		case 0:
			unknown = append(unknown, name)
		default:
			return nil, fmt.Errorf("%d owners are called %q; give their address or id", len(found), name)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no space is owned by %s; owners are known by name, address or id", strings.Join(unknown, ", "))
	}
	return ids, nil
}

// WriteJSON writes the answer as one JSON object.
func (w WhatIf) WriteJSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(w)
}

// WriteText writes the answer for people, days in a zone.
func (w WhatIf) WriteText(out io.Writer, zone *time.Location) error {
	fmt.Fprintf(out, "Pool %s, %s to %s (%s)\n\n", w.Pool, w.From.In(zone).Format(time.DateOnly), w.To.In(zone).Format("2006-01-02 15:04"), zone)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tSMP held\thighest SMP\tdays over\tmost in 90 days\t")
	row := func(name string, o Outcome) {
		held := "as configured"
		if o.SMP != nil {
			held = fmt.Sprint(*o.SMP)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", name, held, number(o.Peak), orUnknown(o.DaysOver), orUnknown(o.WorstWindow))
	}
	row("as it was", w.AsItWas)
	if w.WhatIf != nil {
		row("what if", *w.WhatIf)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	list := func(title string, owners []GivenOwner) {
		fmt.Fprintf(out, "\n%s\n", title)
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, o := range owners {
			fmt.Fprintf(t, "  %s\t%s\tspares %s SMP hours\n", line(o.Owner), o.OwnerID, number(o.Hours))
		}
		t.Flush() //nolint:errcheck // the next write tells
	}
	if len(w.Given) > 0 {
		list(fmt.Sprintf("PMP given to %d owners:", len(w.Given)), w.Given)
	} else if len(w.Candidates) > 0 {
		list("Who would spare most with a PMP license:", w.Candidates[:min(10, len(w.Candidates))])
	}
	if c := w.Cheapest; c != nil {
		fmt.Fprintf(out, "\nCheapest with at most %d days over in any 90: %d SMP and %d more PMP, cost %s (with PMP as it is: %d SMP, cost %s).\n", w.AllowedDays, c.SMP, len(c.Given), number(c.Cost), c.WithoutSMP, number(c.WithoutCost))
		if len(c.Given) > 0 {
			list("PMP to:", c.Given)
		}
	}
	fmt.Fprintf(out, "\n%d PMP licenses of owners of spaces have not been used for %d days.\n", len(w.Unused), w.UnusedDays)
	for _, o := range w.Unused[:min(10, len(w.Unused))] {
		fmt.Fprintf(out, "  %s %s\n", line(o.Name), line(o.JID))
	}
	if f := w.Forecast; f != nil {
		var most licensing.ForecastDay
		for _, d := range f.Days {
			if d.Expected > most.Expected {
				most = d
			}
		}
		fmt.Fprintf(out, "\nForecast of %d days: at most %s licenses expected (%s), %.0f %% of days between the bounds; on %d held-out days %.0f %% were.\n", len(f.Days),
			number(licensing.Licenses(most.Expected)), most.Day, f.Interval*100, f.Tested, f.Coverage*100)
		if w.ForecastExceeds != nil {
			fmt.Fprintf(out, "By it more than %d days of overage are reached on %s.\n", w.AllowedDays, *w.ForecastExceeds)
		}
		return nil
	}
	_, err := fmt.Fprintln(out, "\nNo forecast: it needs six whole weeks.")
	return err
}

func orUnknown(n *int64) string {
	if n == nil {
		return "not known"
	}
	return fmt.Sprint(*n)
}
