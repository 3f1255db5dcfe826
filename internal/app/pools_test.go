package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/internal/config"
)

// TestEntitlements: the entry in force changes with the pool's own midnight, what is left out stays unknown, and a pool without entries has its days all the same.
func TestEntitlements(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridgewatch.yml")
	const text = `data_dir: /nowhere
license_pools:
  - name: main
    day_boundary: Europe/Berlin
    entitlements:
      - {from: 2026-01-01, pmp: 100, smp: 20}
      - {from: 2026-08-03, smp: 25, recording: 0}
  - name: lab
clusters:
  - {name: emea, license_pool: main, bridges: [{name: cb1, url: "https://cb1.example.org", username: u, password: p, cdr_token: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}]}
  - {name: lab, license_pool: lab, bridges: [{name: cb9, url: "https://cb9.example.org", username: u, password: p, cdr_token: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}]}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	known, err := pools(*c)
	if err != nil {
		t.Fatal(err)
	}
	change := time.Date(2026, 8, 2, 22, 0, 0, 0, time.UTC) // midnight in Berlin
	for at, want := range map[time.Time]map[string]float64{
		change.Add(-time.Second): {"pmp": 100, "smp": 20},
		change:                   {"smp": 25, "recording": 0},
		time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC): {},
	} {
		if diff := cmp.Diff(want, entitled(known[0], at)); diff != "" {
			t.Errorf("entitled at %s (-want +got):\n%s", at, diff)
		}
	}
	var got []string
	for _, r := range entitlementRows(*c, known, change) {
		if r.Written != change || len(r.ZoneFrom) != len(r.ZoneOffset) || len(r.ZoneFrom) == 0 {
			t.Errorf("row %+v", r)
		}
		got = append(got, r.LicensePool+" "+r.ValidFrom.Format(time.DateOnly)+" "+r.DayBoundary+" "+r.PMPCompares+" "+r.CMSClusters[0])
	}
	want := []string{"main 2026-01-01 Europe/Berlin assigned emea", "main 2026-08-03 Europe/Berlin assigned emea", "lab 1970-01-01 UTC assigned lab"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
