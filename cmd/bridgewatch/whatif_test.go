package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/licensing"
)

// TestWhatIfQuestion: what is asked for, and what is refused in words.
func TestWhatIfQuestion(t *testing.T) {
	pool := report.Pool{Name: "main", Zone: time.UTC, Readings: licensing.DefaultReadings()}
	ask, err := whatIfCmd{GivePMP: "-", Days: -1}.question(pool, strings.NewReader("\ufeffAda Lovelace\r\n\r\n# no longer with us: Ben\r\n ben@example.org \r\n"))
	if err != nil || !slices.Equal(ask.Give, []string{"Ada Lovelace", "ben@example.org"}) || ask.AllowedDays != 15 {
		t.Errorf("%q, %d days (%v)", ask.Give, ask.AllowedDays, err)
	}
	for _, bad := range []whatIfCmd{
		{Top: -1}, {GivePMP: "-"}, {Entitlement: map[string]string{"smp": "-1"}}, {Entitlement: map[string]string{"smp": "2.5"}}, {Entitlement: map[string]string{"pmp": "5"}},
		{Prices: map[string]string{"pmp": "1"}}, {Prices: map[string]string{"pmp": "NaN", "smp": "1"}}, {Prices: map[string]string{"pmp": "-1", "smp": "1"}}, {Prices: map[string]string{"pmp": "1", "smp": "1", "recording": "1"}},
		{From: "2026-02-02", To: "2026-02-01"},
	} {
		if ask, err := bad.question(pool, strings.NewReader("\n")); err == nil {
			t.Errorf("%+v is taken: %+v", bad, ask)
		}
	}
}
