package poller

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

// usageServer answers MPLicenseUsage as the guide says: newest first, bounds inclusive, 20 a page, an idle snapshot an empty entry.
func usageServer(now time.Time, host uuid.UUID, kept time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/system/MPLicenseUsage/knownHosts" {
			fmt.Fprintf(w, `<knownHosts total="1"><host id="%s"></host></knownHosts>`, host)
			return
		}
		q := r.URL.Query()
		bound := func(name string, otherwise time.Time) time.Time {
			if t, err := time.Parse(time.RFC3339, q.Get(name)); err == nil {
				return t
			}
			return otherwise
		}
		from, to, offset := bound("startTime", now.Add(-kept)), bound("endTime", now), 0
		fmt.Sscan(q.Get("offset"), &offset)
		var times []time.Time
		for t := now.Truncate(usageBin); !t.Before(now.Add(-kept)); t = t.Add(-usageBin) {
			if !t.Before(from) && !t.After(to) {
				times = append(times, t)
			}
		}
		fmt.Fprintf(w, `<MPLicenseUsage total="%d">`, len(times))
		for _, t := range times[min(offset, len(times)):min(offset+20, len(times))] {
			fmt.Fprintf(w, `<entry time="%s">`, t.Format(time.RFC3339))
			if t.Minute() != 0 {
				fmt.Fprint(w, `<smpFull>1.50</smpFull><smpAud>1.00</smpAud>`)
			}
			fmt.Fprint(w, `</entry>`)
		}
		fmt.Fprint(w, `</MPLicenseUsage>`)
	}
}

func TestUsageHasNoHoles(t *testing.T) {
	now := time.Date(2031, 4, 2, 9, 17, 0, 0, time.UTC)
	host := uuid.New()
	for name, c := range map[string]struct {
		known map[uuid.UUID]storage.UsageRange
		// stored is what earlier runs had.
		oldest, newest time.Time
	}{
		"a first run":                  {},
		"after three days of absence":  {known: map[uuid.UUID]storage.UsageRange{host: {First: now.Add(-100 * time.Hour), Last: now.Add(-72 * time.Hour)}}, oldest: now.Add(-100 * time.Hour), newest: now.Add(-72 * time.Hour)},
		"after a restart of a minute":  {known: map[uuid.UUID]storage.UsageRange{host: {First: now.Add(-240 * time.Hour), Last: now.Add(-6 * time.Minute)}}, oldest: now.Add(-240 * time.Hour), newest: now.Add(-6 * time.Minute)},
		"an earlier run never got far": {known: map[uuid.UUID]storage.UsageRange{host: {First: now.Add(-7 * time.Hour), Last: now.Add(-7 * time.Hour)}}, oldest: now.Add(-7 * time.Hour), newest: now.Add(-7 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake(t, usageServer(now, host, 200*time.Hour))
			live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{client.bridge}}}}, nil)
			out := &shelf{rows: make(map[string][]any)}
			cfg := DefaultConfig()
			cfg.Backfill = 200 * time.Hour
			p, err := New(cfg, Deps{Live: live, Publisher: out, Clock: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			run, err := p.newRun(live.Inventory().Clusters[0])
			if err != nil {
				t.Fatal(err)
			}
			u, w := run.usage, run.workers[0]
			w.client = client
			u.recall(c.known)
			u.poll(t.Context(), w)
			for steps := 0; u.backfill(t.Context(), w); steps++ {
				if steps > 2000 {
					t.Fatal("the back-fill never ends")
				}
			}
			u.poll(t.Context(), w)
			have := make(map[int64]int64)
			for _, r := range rowsOf[storage.LicenseSample](out, storage.TableLicenseSamples) {
				have[r.Time.Unix()] = r.SMPFull
			}
			for at := now.Truncate(usageBin); !at.Before(now.Add(-200 * time.Hour)); at = at.Add(-usageBin) {
				full, stored := have[at.Unix()]
				before := !at.Before(c.oldest) && !at.After(c.newest)
				if !stored && !before {
					t.Fatalf("no snapshot of %s", at)
				}
				if want := int64(1500); stored && at.Minute() != 0 && full != want || stored && at.Minute() == 0 && full != 0 {
					t.Fatalf("%s: smp_full %d", at, full)
				}
			}
			usage := live.Snapshot().Clusters[0].Usage.Value
			if usage.SMP6000 != 6*1500+1000 || !usage.Bin.Equal(now.Truncate(usageBin)) {
				t.Errorf("live usage %+v, want the newest bin", usage)
			}
		})
	}
}

// TestUsageOfAClockThatWasAhead: snapshots of a host whose clock was a day ahead must not hide those that it makes once the clock is right, nor stay the newest
// that is shown; what cannot be a time at all is left out.
func TestUsageOfAClockThatWasAhead(t *testing.T) {
	now := time.Date(2031, 4, 2, 9, 17, 0, 0, time.UTC)
	host := uuid.New()
	kept := map[time.Time]string{now.Add(24 * time.Hour): "9.00", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC): "7.00"}
	client := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/system/MPLicenseUsage/knownHosts" {
			fmt.Fprintf(w, `<knownHosts total="1"><host id="%s"></host></knownHosts>`, host)
			return
		}
		from, err := time.Parse(time.RFC3339, r.URL.Query().Get("startTime"))
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, `<MPLicenseUsage>`)
		for at, full := range kept {
			if !at.Before(from) {
				fmt.Fprintf(w, `<entry time="%s"><smpFull>%s</smpFull></entry>`, at.Format(time.RFC3339), full)
			}
		}
		fmt.Fprint(w, `</MPLicenseUsage>`)
	})
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{client.bridge}}}}, nil)
	out := &shelf{rows: make(map[string][]any)}
	p, err := New(DefaultConfig(), Deps{Live: live, Publisher: out, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	run, err := p.newRun(live.Inventory().Clusters[0])
	if err != nil {
		t.Fatal(err)
	}
	u, w := run.usage, run.workers[0]
	w.client = client
	u.recall(map[uuid.UUID]storage.UsageRange{host: {First: now.Add(-time.Hour), Last: now.Add(24 * time.Hour)}})
	u.poll(t.Context(), w)
	// Now the clock is right.
	now = now.Add(5 * time.Minute)
	kept[now.Add(-time.Minute)] = "1.00"
	u.poll(t.Context(), w)
	have := make(map[string]int64)
	for _, r := range rowsOf[storage.LicenseSample](out, storage.TableLicenseSamples) {
		have[r.Time.Format(time.RFC3339)] = r.SMPFull
	}
	want := map[string]int64{"2031-04-03T09:17:00Z": 9000, "2031-04-02T09:21:00Z": 1000}
	if !maps.Equal(have, want) {
		t.Errorf("stored %v, want %v", have, want)
	}
	if usage := live.Snapshot().Clusters[0].Usage.Value; usage.SMP6000 != 6000 {
		t.Errorf("live usage %+v, want that of now", usage)
	}
}
