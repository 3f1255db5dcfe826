package api

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// picture is a live picture that stands still.
type picture struct {
	calls []events.CallView
	all   bool
}

func (p *picture) States(wanted func(LiveBridge) bool) (calls []LiveCall, bridges []LiveBridge, all bool) {
	bridge := LiveBridge{"emea", "cb1"}
	for _, c := range p.calls {
		if wanted(bridge) {
			calls = append(calls, LiveCall{bridge, c.Call})
		}
	}
	return calls, []LiveBridge{bridge}, p.all
}

func (p *picture) Mentions(c LiveCall, text string) bool {
	view, _, _ := p.View(c)
	says := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(text)) }
	return says(view.Name) || slices.ContainsFunc(view.People, func(p events.Participant) bool { return says(p.Name) || says(p.URI) })
}

func (p *picture) View(c LiveCall) (events.CallView, []string, bool) {
	i := slices.IndexFunc(p.calls, func(v events.CallView) bool { return v.ID == c.Call.ID })
	if i < 0 {
		return events.CallView{}, nil, false
	}
	hosts := make([]string, len(p.calls[i].People))
	for n := range hosts {
		hosts[n] = "cb1"
	}
	return p.calls[i], hosts, true
}

// TestActiveCalls: calls of a followed bridge are as its events tell, completed by what records say; those of other bridges are as their records say; pages
// over both give each once.
func TestActiveCalls(t *testing.T) {
	conn := storagetest.Store(t)
	base := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	open := func(bridge, name string, minutes int) *cdr.Call {
		c := call(base, minutes, name)
		c.Bridge, c.End, c.DurationSeconds, c.EndHow, c.OwnerName = bridge, nil, nil, cdr.EndNone, "Olga"
		return c
	}
	both, over, elsewhere := open("cb1", "Both", 0), open("cb1", "Over", 5), open("cb2", "Elsewhere", 10)
	insert(t, conn, storage.CallFacts, both, over, elsewhere)
	yes, three := true, int64(3)
	pic := &picture{calls: []events.CallView{
		{Call: events.Call{ID: both.ID.String(), Correlator: both.CallCorrelator.String(), Name: "Both, renamed", Type: "coSpace", Since: base, Participants: &three, Recording: "active",
			Roster: events.RosterEvents}, People: []events.Participant{
			{ID: uuid.NewString(), Name: "Zoë", URI: "zoe@example.org", State: "connected", Direction: "incoming", ActiveSpeaker: &yes, Joined: base, Seen: base},
			{ID: uuid.NewString(), Name: "Rings", State: "ringing", Direction: "outgoing"}}},
		{Call: events.Call{ID: uuid.NewString(), Name: "Only live", Since: base.Add(20 * time.Minute), Roster: events.RosterNone, Stale: false}},
	}}
	queries := storage.NewQueries(conn)
	server := httptest.NewServer(New(Config{}, Deps{Store: func() Store { return queries }, Live: pic, Log: slog.New(slog.DiscardHandler)}).Handler())
	defer server.Close()

	answer := get(t, server, "/api/v1/calls?active=true", 200)
	late := func(item any) bool {
		live, _ := item.(map[string]any)["live"].(map[string]any)
		return live["records_late"] != nil
	}
	for began := time.Now(); slices.ContainsFunc(answer["items"].([]any), late) && time.Since(began) < time.Minute; { // a busy machine: what records tell comes later
		time.Sleep(100 * time.Millisecond)
		answer = get(t, server, "/api/v1/calls?active=true", 200)
	}
	if diff := cmp.Diff([]string{"Only live", "Elsewhere", "Both, renamed"}, names(answer)); diff != "" {
		t.Fatalf("active calls, newest first (-want +got):\n%s", diff)
	}
	items := answer["items"].([]any)
	first := items[2].(map[string]any)
	live := first["live"].(map[string]any)
	people := first["participants"].([]any)
	if first["owner_name"] != "Olga" || first["recorded"] != true || live["recording"] != true || live["streaming"] != nil || live["participants"] != 3.0 || live["roster"] != "events" || len(people) != 1 {
		t.Errorf("the call that both know: %v", first)
	}
	zoe := people[0].(map[string]any)
	if zoe["name"] != "Zoë" || zoe["host_bridge"] != "cb1" || zoe["client"] != "sip" || zoe["active_speaker"] != true || zoe["audio_muted"] != nil || zoe["source"] != "events" {
		t.Errorf("the participant: %v", zoe)
	}
	if only := items[0].(map[string]any); only["start_inferred"] != true || only["call_correlator"] != nil {
		t.Errorf("the call that only events know: %v", only)
	}
	if other := items[1].(map[string]any); other["live"] != nil {
		t.Errorf("the call of a bridge that is not followed: %v", other)
	}
	for query, want := range map[string][]string{
		"&q=ZO%C3%AB": {"Both, renamed"}, "&q=example.org": {"Both, renamed"}, "&bridge=cb2": {"Elsewhere"}, "&bridge=cb1": {"Only live", "Both, renamed"}, "&cluster=apac": nil, "&q=over": nil,
	} {
		if got := names(get(t, server, "/api/v1/calls?active=true"+query, 200)); !slices.Equal(got, want) {
			t.Errorf("active calls with %s: %v, want %v", query, got, want)
		}
	}
	var paged []string
	for next, pages := "", 0; pages < 5; pages++ {
		page := get(t, server, "/api/v1/calls?active=true&limit=1&after="+url.QueryEscape(next), 200)
		paged = append(paged, names(page)...)
		if next, _ = page["next"].(string); next == "" {
			break
		}
	}
	if strings.Join(paged, " ") != "Only live Elsewhere Both, renamed" {
		t.Errorf("pages: %v", paged)
	}
	if pic.all = true; fmt.Sprint(names(get(t, server, "/api/v1/calls?active=true", 200))) != "[Only live Both, renamed]" {
		t.Error("where all bridges are followed, records add calls")
	}
	get(t, server, "/api/v1/calls?active=true&at=2026-01-01", 400)
}
