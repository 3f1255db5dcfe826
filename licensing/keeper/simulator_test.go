package keeper

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// heard is a receiver of CDRs that keeps facts.
type heard struct{ ledger *cdr.Ledger }

func (h heard) RoundTrip(r *http.Request) (*http.Response, error) {
	for raw, err := range cdr.Scan(r.Body, cdr.Limits{}) {
		if err != nil {
			return nil, err
		}
		record, err := cdr.Decode(raw)
		if err != nil {
			return nil, err
		}
		h.ledger.Add(cdr.SourcedRecord{Record: record, Source: strings.TrimPrefix(r.URL.Path, "/"), Cluster: "emea", Received: record.Time})
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// api asks a simulated bridge for one element's text below the root of an object; empty where it is not there.
func api(t *testing.T, b *cmssim.Bridge, path, element string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://bridge/api/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(b.Username, b.Password)
	answer, err := b.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	document := etree.NewDocument()
	if _, err := document.ReadFrom(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v", path, answer.StatusCode, err)
	}
	if e := document.Root().FindElement(element); e != nil {
		return e.Text()
	}
	return ""
}

// played is a simulated working day of three bridges: what the simulator knows to be true at each minute, and what the keeper made of its CDRs.
type played struct {
	start     time.Time
	truth     []cmssim.LicenseUse
	facts     cdr.Facts
	intervals []storage.LicenseInterval
}

// unsure tells at which minutes a leg had not told of its video.
func (p played) unsure() map[int]bool {
	found := map[int]bool{}
	for _, i := range p.intervals {
		if i.Reading != string(licensing.ReadUnknownVideo) {
			continue
		}
		for m := range p.truth {
			if at := p.start.Add(time.Duration(m) * time.Minute); !i.From.After(at) && at.Before(i.Until) {
				found[m] = true
			}
		}
	}
	return found
}

func (p played) levels() []licensing.Level {
	var list []licensing.Interval
	for _, i := range p.intervals {
		list = append(list, licensing.Interval{Span: licensing.Span{From: i.From, To: i.Until}, Sixths: int64(i.SMPSixths), Personal: int64(i.PMP), Recordings: int64(i.Recordings), Streams: int64(i.Streams)})
	}
	return licensing.Levels(list)
}

// play plays a day; minute is called when one has passed and its truth was noted.
func play(t *testing.T, minutes int, minute func(m int, sim *cmssim.Stepped)) played {
	t.Helper()
	conn := storagetest.Store(t)
	p := played{start: time.Date(2026, 8, 3, 5, 0, 0, 0, time.UTC)}
	receiver := heard{cdr.NewLedger(cdr.DefaultSettings())}
	sim, err := cmssim.NewStepped(cmssim.Config{Bridges: 3, Seed: 11, Start: p.start}, receiver)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range sim.Bridges() {
		if err := b.AddReceiver("http://receiver/" + b.Name); err != nil {
			t.Fatal(err)
		}
	}
	for m := range minutes {
		sim.Advance(t.Context(), time.Duration(m)*time.Minute)
		use, ok := sim.LicenseUse("emea")
		if !ok {
			t.Fatal("no cluster emea")
		}
		p.truth = append(p.truth, use)
		minute(m, sim)
	}
	end := p.start.Add(time.Duration(minutes) * time.Minute)
	p.facts = receiver.ledger.Changed(end)
	storagetest.Insert(t, conn, storage.CallFacts, p.facts.Calls...)
	storagetest.Insert(t, conn, storage.LegFacts, p.facts.Legs...)
	storagetest.Insert(t, conn, storage.RecordingFacts, p.facts.Recordings...)
	storagetest.Insert(t, conn, storage.StreamFacts, p.facts.Streams...)
	storagetest.Insert(t, conn, storage.Table{Name: "owners_data", Row: storage.Owner{}}, owners(t, sim.Bridges()[0], p.facts, p.start)...)

	k := New(Config{Clusters: map[string]licensing.Readings{"emea": licensing.DefaultReadings()}},
		Deps{Store: conn, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return end }})
	if err := k.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = storage.NewQueries(conn).EachLicenseInterval(t.Context(), storage.LicensePeriod{Clusters: []string{"emea"}, From: p.start.Add(-24 * time.Hour), To: end}, func(i storage.LicenseInterval) error {
		p.intervals = append(p.intervals, i)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAgainstSimulator: over a simulated working day of a cluster of three bridges the use computed from its CDRs is what the simulator knows to be true, at every minute: its own count
// is that of the meetings it plays, and shares no code with ours. While a leg is connected that will tell its use of video only at its end, ours may be higher, never lower.
func TestAgainstSimulator(t *testing.T) {
	const minutes = 10 * 60
	p := play(t, minutes, func(int, *cmssim.Stepped) {})
	start, truth, unsure := p.start, p.truth, p.unsure()
	levels := p.levels()
	compared, busiest := 0, 0
	for m, want := range truth {
		got := licensing.UseAt(levels, start.Add(time.Duration(m)*time.Minute))
		if int(got.PMP) != want.PersonalLicenses || int(got.Recordings) != want.Recordings || int(got.Streams) != want.Streams {
			t.Fatalf("minute %d: %+v, truth %+v", m, got, want)
		}
		if unsure[m] {
			if int(got.SMPSixths) < want.SharedSixths() {
				t.Fatalf("minute %d: %d sixths, understated: truth %d", m, got.SMPSixths, want.SharedSixths())
			}
			continue
		}
		if int(got.SMPSixths) != want.SharedSixths() {
			t.Fatalf("minute %d: %d sixths, truth %d (%+v)", m, got.SMPSixths, want.SharedSixths(), want)
		}
		compared++
		busiest = max(busiest, want.SharedSixths())
	}
	t.Logf("%d meetings' intervals; %d of %d minutes compared exactly, up to %d sixths; at the rest ours was never lower", len(p.intervals), compared, minutes, busiest)
	if compared < minutes/3 || busiest < 60 {
		t.Errorf("only %d minutes compared, up to %d sixths", compared, busiest)
	}
}

// TestRestartAtThePeak: a Call Bridge restarts at the minute of a day's highest use. What it cut off ends with the last that was heard of it, before the new session; nothing is smoothed, and what
// people dial again is not counted on top of what was cut off: after the restart ours is what the simulator knows, or higher where legs have not told of video.
func TestRestartAtThePeak(t *testing.T) {
	const minutes = 3 * 60
	peak, most := 0, 0
	play(t, 60, func(m int, sim *cmssim.Stepped) {
		if use, _ := sim.LicenseUse("emea"); use.SharedSixths() > most {
			peak, most = m, use.SharedSixths()
		}
	})
	after := 0
	p := play(t, minutes, func(m int, sim *cmssim.Stepped) {
		if m == peak {
			sim.Bridges()[1].Restart()
			use, _ := sim.LicenseUse("emea")
			after = use.SharedSixths()
		}
	})
	if p.truth[peak].SharedSixths() != most || after >= most-12 {
		t.Fatalf("at the peak %d sixths, want %d; after the restart %d: it must cut off meetings", p.truth[peak].SharedSixths(), most, after)
	}
	cut := 0
	for _, c := range p.facts.Calls {
		if c.EndHow == cdr.EndNewSession {
			cut++
		}
	}
	levels, unsure := p.levels(), p.unsure()
	equal := 0
	for m, want := range p.truth {
		got := licensing.UseAt(levels, p.start.Add(time.Duration(m)*time.Minute))
		if m == peak { // what is cut off ends with the last that was heard of it, seconds before
			if int(got.SMPSixths) < after || int(got.SMPSixths) > most {
				t.Errorf("at the restart %d sixths, want from %d to %d", got.SMPSixths, after, most)
			}
			continue
		}
		if int(got.PMP) != want.PersonalLicenses || int(got.Recordings) != want.Recordings || int(got.Streams) != want.Streams || int(got.SMPSixths) < want.SharedSixths() || int(got.SMPSixths) > want.SharedSixths() && !unsure[m] {
			t.Errorf("minute %d (peak at %d): %+v, truth %+v", m, peak, got, want)
		}
		if int(got.SMPSixths) == want.SharedSixths() {
			equal++
		}
	}
	t.Logf("restart at minute %d: %d calls cut off, from %d to %d sixths; equal at %d of %d minutes, higher at the others", peak, cut, most, after, equal, minutes)
	if cut == 0 || equal < minutes/4 {
		t.Errorf("%d calls cut off, equal at %d minutes", cut, equal)
	}
}

// owners asks for the owners of all spaces that meetings used.
func owners(t *testing.T, b *cmssim.Bridge, facts cdr.Facts, at time.Time) (rows []storage.Owner) {
	t.Helper()
	known := map[uuid.UUID]bool{}
	licensed := map[string]string{}
	for _, c := range facts.Calls {
		if c.SpaceID == uuid.Nil || known[c.SpaceID] {
			continue
		}
		known[c.SpaceID] = true
		row := storage.Owner{CMSCluster: "emea", SpaceID: c.SpaceID, ValidFrom: at}
		if user := api(t, b, "coSpaces/"+c.SpaceID.String(), "ownerId"); user != "" {
			row.OwnerID = uuid.MustParse(user)
			if _, asked := licensed[user]; !asked {
				profile := api(t, b, "users/"+user, "userProfile")
				if profile == "" {
					profile = api(t, b, "system/profiles", "userProfile")
				}
				licensed[user] = "false"
				if profile != "" {
					licensed[user] = api(t, b, "userProfiles/"+profile, "hasLicense")
				}
			}
			row.HasLicense = new(uint8(0))
			if licensed[user] == "true" {
				*row.HasLicense = 1
			}
		}
		rows = append(rows, row)
	}
	return rows
}
