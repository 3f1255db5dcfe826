package report

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// stored is a store with intervals around the change of clocks in Berlin on 25 October 2026, a day of 25 hours.
func stored(t *testing.T) (*storage.Queries, Pool) {
	t.Helper()
	conn, p := storedIn(t)
	return storage.NewQueries(conn), p
}

func storedIn(t *testing.T) (driver.Conn, Pool) {
	t.Helper()
	conn := storagetest.Store(t)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return v.UTC()
	}
	n := byte(0)
	take := func(from, to, owner string, sixths, pmp, recordings uint8, rule licensing.Rule) {
		n++
		row := storage.LicenseInterval{Cluster: "emea", Meeting: uuid.UUID{15: n}, From: at(from), Until: at(to), StartDay: at(from).Truncate(24 * time.Hour), Name: "Meeting of " + owner,
			OwnerName: owner, OwnerID: uuid.UUID{14: owner[0]}, Bridges: []string{"cb1"}, License: "smp", SMPSixths: sixths, SharedSixths: 6, PMP: pmp, Recordings: recordings, Rule: string(rule), Version: 1}
		if pmp == 1 {
			row.License = "pmp"
		}
		storagetest.Insert(t, conn, storage.LicenseIntervals, row)
	}
	// 24 October: 6 sixths, then 12 from 10:00 to 11:00.
	take("2026-10-24 09:00", "2026-10-24 11:00", "Ada", 6, 0, 0, licensing.RuleOwnerWithoutPMP)
	take("2026-10-24 10:00", "2026-10-24 12:00", "Ben", 6, 0, 1, licensing.RuleOwnerWithoutPMP)
	// Over midnight into the 25th: its peak is what it begins with, 7 sixths, until at 00:30 one ends.
	take("2026-10-24 23:00", "2026-10-25 00:30", "Ada", 6, 0, 0, licensing.RuleOwnerWithoutPMP)
	take("2026-10-24 23:30", "2026-10-25 05:00", "Cid", 1, 0, 0, licensing.RuleSixthAudioOnly)
	take("2026-10-25 23:50", "2026-10-26 00:10", "Dot", 0, 1, 0, licensing.RulePMPOwner) // in the 25th hour, in UTC on the 25th at 22:50
	// 26 October: 13 sixths of 2 licenses: over by a sixth.
	for _, owner := range []string{"Ada", "Ben"} {
		take("2026-10-26 09:00", "2026-10-26 10:00", owner, 6, 0, 0, licensing.RuleOwnerWithoutPMP)
	}
	take("2026-10-26 09:30", "2026-10-26 09:31", "Cid", 1, 0, 0, licensing.RuleSixthAudioOnly)
	storagetest.Insert(t, conn, storage.LicenseUnits, storage.LicenseUnit{Cluster: "emea", StartDay: storage.AllDays(), FactsUntil: at("2026-10-28 12:00"), Version: 1})
	// Records from the 23rd on; on the 27th an hour is missing.
	storagetest.Insert(t, conn, storage.SessionFacts, cdr.Session{ID: uuid.UUID{1}, Cluster: "emea", Bridge: "cb1", FirstIndex: 0, LastIndex: 999, FirstTime: at("2026-10-23 12:00"), LastTime: at("2026-10-28 12:00"),
		Records: 990, Missing: 10, Gaps: []cdr.Gap{{After: 500, Count: 10, From: at("2026-10-27 14:00"), To: at("2026-10-27 15:00")}}, Version: 1})
	two, ten := int64(2), int64(10)
	return conn, Pool{Name: "main", Clusters: []string{"emea"}, Zone: berlin, Readings: licensing.DefaultReadings(),
		Entitlements: []licensing.Entitlement{{From: "2026-01-01", SMP: &two, PMP: &ten, Recording: &ten}}}
}

func period(t *testing.T, p Pool) (from, to, now time.Time) {
	t.Helper()
	return licensing.Day("2026-10-22").Start(p.Zone), licensing.Day("2026-10-29").Start(p.Zone), time.Date(2026, 10, 28, 11, 30, 0, 0, time.UTC)
}

func TestLicenseReport(t *testing.T) {
	q, p := stored(t)
	from, to, now := period(t, p)
	r, err := MakeLicense(t.Context(), q, p, from, to, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ExplainPeaks(t.Context(), q, p, 2); err != nil {
		t.Fatal(err)
	}
	type figures struct {
		smp, pmp, recording int64
		complete, over      bool
	}
	want := map[licensing.Day]*figures{
		"2026-10-22": nil,                     // before the first record: not known, which is not zero
		"2026-10-23": {0, 0, 0, false, false}, // records from noon on
		"2026-10-24": {12, 0, 1, true, false}, // 6 + 6 sixths are 2 licenses of 2: not over
		"2026-10-25": {7, 1, 0, true, false},  // carried over midnight; the 25th hour counts to it
		"2026-10-26": {13, 1, 0, true, true},  // 13 sixths exceed 2 licenses
		"2026-10-27": {0, 0, 0, false, false}, // an hour is missing
		"2026-10-28": {0, 0, 0, false, false}, // has not ended
	}
	for _, d := range r.Days {
		w := want[d.Day]
		if w == nil {
			if d.SMP.PeakSixths != nil || d.Overage != nil || d.Complete {
				t.Errorf("%s: %+v, want nothing known", d.Day, d)
			}
			continue
		}
		if d.SMP.PeakSixths == nil {
			t.Errorf("%s is not computed", d.Day)
			continue
		}
		if got := (figures{*d.SMP.PeakSixths, *d.PMP.Peak, *d.Recording.Peak, d.Complete, *d.SMP.Over}); got != *w {
			t.Errorf("%s: %+v, want %+v", d.Day, got, *w)
		}
	}
	if r.Days[3].SMP.At == nil || !r.Days[3].SMP.At.Equal(licensing.Day("2026-10-25").Start(p.Zone)) {
		t.Errorf("the 25th's peak is at %v, want its midnight", r.Days[3].SMP.At)
	}
	if o := r.Overage; o.Days == nil || *o.Days != 1 || *o.DaysLeft != 14 || *o.EnforcementLevel != 0 || o.UnknownDays != 90-6 || *o.OldestLeaves != "2027-01-24" {
		t.Errorf("overage %+v", o)
	}
	if r.Completeness.Missing != 10 || *r.Completeness.Ratio != .99 {
		t.Errorf("completeness %+v", r.Completeness)
	}
	// The highest day is explained by what its sum is made of.
	if e := r.Peaks[0]; e.SMPSixths != 13 || len(e.Meetings) != 3 || e.Meetings[0].Sixths != 6 || e.Meetings[2].Rule != string(licensing.RuleSixthAudioOnly) || e.Meetings[2].Why == "" {
		t.Errorf("highest day: %+v", e)
	}
	// Ada: 2 h + 1.5 h + 1 h of a license.
	if o := r.Owners[0]; o.Owner != "Ada" || o.SMPHours != 4.5 || o.Meetings != 3 {
		t.Errorf("first owner %+v", o)
	}
}

// TestFormats: every format says the same, states its time zone, and keeps what is not known apart from zero.
func TestFormats(t *testing.T) {
	q, p := stored(t)
	from, to, now := period(t, p)
	r, err := MakeLicense(t.Context(), q, p, from, to, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ExplainPeaks(t.Context(), q, p, 2); err != nil {
		t.Fatal(err)
	}
	r.Peaks[0].Meetings[0].Name = `=HYPERLINK("http://x")<script>alert(1)</script>` + "\x1b[31m"
	d := r.Document(p.Zone)
	var page, book, print bytes.Buffer
	if err := errors.Join(d.WriteHTML(&page), d.WriteXLSX(&book), d.WritePDF(&print)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Compliant as far as is known: 1 days of overage in the last 90", "Europe/Berlin", "2.17", "smp_sixth_audio_only", "99.0000 % complete", "<svg"} {
		if !strings.Contains(page.String(), text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "\x1b") {
		t.Error("a meeting's name got into the page as it came")
	}
	if !bytes.HasPrefix(print.Bytes(), []byte("%PDF-")) || print.Len() < 20_000 {
		t.Errorf("%d bytes of PDF", print.Len())
	}
	f, err := excelize.OpenReader(&book)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	if got := strings.Join(f.GetSheetList(), ", "); got != "Summary, Days, Peaks explained, Overage window, By owner, Reported and computed, Completeness, Method, Charts, Chart data" {
		t.Errorf("sheets: %s", got)
	}
	rows, err := f.GetRows("Days")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[4:] {
		if row[0] == "2026-10-26" && (row[2] != "2.17" || row[3] != "2026-10-26 09:30:00") || row[0] == "2026-10-22" && len(row) > 2 && row[2] != "" || row[0] == "2026-10-27" && row[2] != "0" {
			t.Errorf("row %v", row)
		}
	}
	for _, sheet := range []string{"Peaks explained"} {
		if formula, err := f.GetCellFormula(sheet, "B5"); err != nil || formula != "" {
			t.Errorf("a name became the formula %q (%v)", formula, err)
		}
	}
	r.Pseudonymize()
	d = r.Document(p.Zone)
	var text bytes.Buffer
	if err := errors.Join(d.WriteHTML(&text), r.WriteJSON(&text), r.WriteCSV(&text)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Ada", "Ben", "Cid", "HYPERLINK", uuid.UUID{14: 'A'}.String()} {
		if strings.Contains(text.String(), name) {
			t.Errorf("%q is still there", name)
		}
	}
	if !strings.Contains(text.String(), "Owner 1") || !strings.Contains(text.String(), "Meeting 1") {
		t.Error("no pseudonyms")
	}
}

// TestPack: a pack verifies, and not with a byte of it changed, wherever.
func TestPack(t *testing.T) {
	q, p := stored(t)
	from, to, now := period(t, p)
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "true-up.pack")
	if _, err := MakePack(t.Context(), q, p, from, to, now, 2, key, path); err != nil {
		t.Fatal(err)
	}
	pack, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(bytes.NewReader(pack), public)
	if err != nil || v.Differences != "" || v.Days != 7 || v.Inputs < 10 {
		t.Fatalf("%+v, %v", v, err)
	}
	rnd := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // a seed makes it repeat
	for i := range pack {
		if len(pack) > 3000 && rnd.IntN(len(pack)) > 3000 {
			continue
		}
		bad := bytes.Clone(pack)
		bad[i] ^= 1 << rnd.IntN(8)
		var found *TamperedError
		if _, err := Verify(bytes.NewReader(bad), public); !errors.As(err, &found) {
			t.Fatalf("byte %d of %d changed: %v", i, len(pack), err)
		}
	}
	for _, bad := range [][]byte{pack[:len(pack)-1], append(bytes.Clone(pack), '\n'), {}} {
		var found *TamperedError
		if _, err := Verify(bytes.NewReader(bad), nil); !errors.As(err, &found) {
			t.Errorf("cut or longer: %v", err)
		}
	}
	at := bytes.Index(pack, []byte(`"smp_sixths":6`))
	bad := bytes.Clone(pack)
	bad[at+len(`"smp_sixths":`)] = '5'
	if _, err := Verify(bytes.NewReader(bad), public); err == nil || !strings.Contains(err.Error(), "section report.json, lines 1 to 1") && !strings.Contains(err.Error(), "section intervals.jsonl, lines") {
		t.Errorf("a changed figure is not named: %v", err)
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(bytes.NewReader(pack), other); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("another key: %v", err)
	}
}

// TestJSONNames: names that people script against.
func TestJSONNames(t *testing.T) {
	var r map[string]any
	var b bytes.Buffer
	if err := NewLicense(LicenseInput{Pool: Pool{Name: "main", Zone: time.UTC}, From: time.Unix(0, 0), To: time.Unix(86400, 0)}).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pool", "from", "to", "day_boundary", "generated_at", "completeness", "days", "overage", "reported"} {
		if _, ok := r[name]; !ok {
			t.Errorf("%q is not in the report", name)
		}
	}
	for _, name := range []string{"as_of", "window_days", "days", "enforcement_level", "days_left"} {
		if _, ok := r["overage"].(map[string]any)[name]; !ok {
			t.Errorf("%q is not in overage", name)
		}
	}
}
