package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Explanation is what makes up a pool's license use at an instant: the meetings, their owners and the rules.
type Explanation struct {
	At        time.Time `json:"at"`
	Pool      string    `json:"pool"`
	SMPSixths int64     `json:"smp_sixths"`
	// SMP is SMPSixths as licenses, rounded for reading.
	SMP float64 `json:"smp"`
	PMP int64   `json:"pmp"`
	// Recording is recordings and streams together.
	Recording  int64              `json:"recording"`
	Recordings int64              `json:"recordings"`
	Streams    int64              `json:"streams"`
	Meetings   []ExplainedMeeting `json:"meetings"`
}

// ExplainedMeeting is one of them; Why is its rule in words.
type ExplainedMeeting struct {
	storage.ExplainedMeeting
	Why string `json:"why"`
}

// ErrNotComputed is returned for a time of which license use is not computed.
var ErrNotComputed = errors.New("license use of that time is not computed yet")

// ErrBeforeRecords is returned for a time before the first call record, of which nothing is known.
var ErrBeforeRecords = errors.New("nothing is known of that time")

// ExplainStore is what Explain asks of the store; *storage.Queries is one.
type ExplainStore interface {
	LicenseProgress(ctx context.Context, clusters []string) (time.Time, error)
	Completeness(ctx context.Context, p storage.Period) (storage.Completeness, error)
	ExplainLicenses(ctx context.Context, clusters []string, at time.Time) ([]storage.ExplainedMeeting, error)
}

// Explain makes the explanation of an instant that is not in the future.
func Explain(ctx context.Context, q ExplainStore, p Pool, at time.Time) (Explanation, error) {
	computed, err := q.LicenseProgress(ctx, p.Clusters)
	if err != nil {
		return Explanation{}, err
	}
	if len(p.Clusters) > 0 && computed.IsZero() {
		return Explanation{}, fmt.Errorf("%w (pool %s)", ErrNotComputed, p.Name)
	}
	known, err := q.Completeness(ctx, storage.Period{})
	if err != nil {
		return Explanation{}, err
	}
	if first := known.FirstRecord(p.Clusters); at.Before(first) {
		return Explanation{}, fmt.Errorf("%w: the call records of pool %s begin at %s", ErrBeforeRecords, p.Name, first.UTC().Format(time.RFC3339))
	}
	rows, err := q.ExplainLicenses(ctx, p.Clusters, at)
	if err != nil {
		return Explanation{}, err
	}
	return newExplanation(p, at, rows), nil
}

func newExplanation(p Pool, at time.Time, rows []storage.ExplainedMeeting) Explanation {
	e := Explanation{At: at.UTC(), Pool: p.Name, Meetings: []ExplainedMeeting{}}
	for _, m := range rows {
		e.SMPSixths += int64(m.Sixths)
		e.PMP += int64(m.PMP)
		e.Recordings += int64(m.Recordings)
		e.Streams += int64(m.Streams)
		e.Meetings = append(e.Meetings, ExplainedMeeting{m, licensing.Rule(m.Rule).Why()})
	}
	e.SMP, e.Recording = licensing.Licenses(e.SMPSixths), e.Recordings+e.Streams
	return e
}

// WriteJSON writes the explanation as one JSON object.
func (e Explanation) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(e)
}

// WriteText writes the explanation for people, times in a zone.
func (e Explanation) WriteText(w io.Writer, zone *time.Location) error {
	fmt.Fprintf(w, "Pool %s at %s (%s)\n", e.Pool, e.At.In(zone).Format("2006-01-02 15:04:05"), zone)
	fmt.Fprintf(w, "SMP %s licenses (%d sixths), PMP %d, recording %d (%d recordings, %d streams), %d meetings\n\n", number(e.SMP), e.SMPSixths, e.PMP, e.Recording, e.Recordings, e.Streams, len(e.Meetings))
	if len(e.Meetings) == 0 {
		_, err := fmt.Fprintln(w, "No meeting was going on.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TAKES\tSINCE\tMEETING\tOWNER\tBRIDGES\tRULE\tREADING")
	for _, m := range e.Meetings {
		takes := "pmp"
		switch {
		case m.License == string(licensing.SMP):
			takes = fmt.Sprintf("%d/6 smp", m.Sixths)
		case m.PMP == 0:
			takes = "pmp (same)" // the owner's license is counted with an earlier meeting
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", takes, m.Start.In(zone).Format("2006-01-02 15:04:05"), line(m.Name), line(m.Owner), join(m.Bridges), m.Rule, m.Reading)
	}
	return t.Flush()
}
