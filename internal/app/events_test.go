package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// apiCall is what the API says of a call and of who is in it.
type apiCall struct {
	ID             string `json:"id"`
	CallCorrelator string `json:"call_correlator"`
	CallBridge     string `json:"call_bridge"`
	StartInferred  bool   `json:"start_inferred"`
	Live           *struct {
		Roster string `json:"roster"`
	} `json:"live"`
	Participants []struct {
		ID         string `json:"id"`
		Capture    string `json:"capture"`
		HostBridge string `json:"host_bridge"`
		Source     string `json:"source"`
	} `json:"participants"`
}

// everyCall reads all pages of a list of calls.
func everyCall(t *testing.T, base, query string) ([]apiCall, error) {
	t.Helper()
	var all []apiCall
	for next := ""; ; {
		response, err := http.Get(base + "/api/v1/calls?limit=50&" + query + "&after=" + url.QueryEscape(next))
		if err != nil {
			return nil, err
		}
		var page struct {
			Items []apiCall `json:"items"`
			Next  string    `json:"next"`
			Error string    `json:"error"`
		}
		err = json.NewDecoder(response.Body).Decode(&page)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("status %d: %s %v", response.StatusCode, page.Error, err)
		}
		all = append(all, page.Items...)
		if next = page.Next; next == "" {
			return all, nil
		}
	}
}

// presence is who is in which call on which bridge, by the bridge that hosts him, as events tell. The times of records are the story's, which runs ahead.
func presence(calls []apiCall) map[string]bool {
	there := map[string]bool{}
	for _, c := range calls {
		for _, p := range c.Participants {
			if p.Source == "events" && p.Capture == "" && (p.HostBridge == c.CallBridge || p.HostBridge == "") {
				there[c.CallCorrelator+" "+c.CallBridge+" "+c.ID+" "+p.ID] = true
			}
		}
	}
	return there
}

func truthOf(sim *cmssim.Sim) map[string]bool {
	there := map[string]bool{}
	for _, m := range sim.Meetings() {
		for id, bridge := range m.People {
			there[m.Correlator+" "+bridge+" "+m.Calls[bridge]+" "+id] = true
		}
	}
	return there
}

// TestEventsToAPI: the whole program follows a simulated cluster, and the API tells who is in which meeting on which bridge now, and later who was there then.
func TestEventsToAPI(t *testing.T) {
	d := newDeployment(t, cmssim.Config{Seed: 5, Bridges: 3, Preroll: time.Hour, Speed: 30, StopAfter: 10 * time.Minute})
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + c.HTTP.Listen
	d.serve()
	d.sim.StartStory()
	if err := d.sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	truth := truthOf(d.sim)
	if len(truth) < 20 {
		t.Fatalf("%d people are there: the test shows nothing", len(truth))
	}
	wait := func(query string) []apiCall {
		t.Helper()
		var calls []apiCall
		var wrong string
		for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
			if calls, err = everyCall(t, base, query); err != nil {
				wrong = err.Error()
			} else if wrong = cmp.Diff(truth, presence(calls)); wrong == "" {
				if unfollowed := slices.ContainsFunc(calls, func(c apiCall) bool { return c.Live == nil }); query != "active=true" || !unfollowed {
					return calls
				}
				wrong = "some calls are not followed"
			}
		}
		t.Fatalf("calls?%s (-truth +answer):\n%s", query, wrong)
		return nil
	}
	active := wait("active=true")
	hosts := 0
	for _, call := range active {
		if call.Live == nil || call.Live.Roster != "events" {
			t.Errorf("call %s on %s is not followed: %+v", call.ID, call.CallBridge, call.Live)
		}
		for _, p := range call.Participants {
			if p.HostBridge != "" {
				hosts++
			}
		}
	}
	if hosts == 0 {
		t.Error("no host is known")
	}

	// An instant of now is asked for once it is the past: the bridges vanish, and everybody with them.
	time.Sleep(2 * time.Second)
	then := time.Now().UTC().Format(time.RFC3339Nano)
	time.Sleep(2 * time.Second)
	for _, b := range d.sim.Bridges() {
		b.Stop()
	}
	wait("at=" + url.QueryEscape(then))
	metrics := d.metrics(base)
	for _, name := range []string{"cms_events_connected", "bridgewatch_events_messages_total", "cms_conferences"} {
		if !metrics[name] {
			t.Errorf("no metric %s", name)
		}
	}
}

// TestCeilingInAPI: with room for three rosters a bridge, the API tells of everybody else too, from REST.
func TestCeilingInAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the next round of REST, which is every half minute")
	}
	d := newDeployment(t, cmssim.Config{Seed: 5, Bridges: 2, Preroll: time.Hour, Speed: 60, StopAfter: 5 * time.Minute})
	const ceiling = 4
	for _, b := range d.sim.Bridges() {
		b.Fault(func(f *cmssim.Faults) { f.Events.Ceiling = ceiling })
	}
	text, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.path, fmt.Appendf(text, "events: {enabled: true, ceiling: %d}\n", ceiling), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.serve()
	d.sim.StartStory()
	if err := d.sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	truth := truthOf(d.sim)
	wrong := "not asked"
	for deadline := time.Now().Add(2 * time.Minute); wrong != ""; time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
		calls, err := everyCall(t, "http://"+c.HTTP.Listen, "active=true")
		if err != nil {
			wrong = err.Error()
			continue
		}
		rosters := map[string]int{}
		people := map[string]int{}
		for _, call := range calls {
			if call.Live == nil {
				rosters["not followed"]++
				continue
			}
			rosters[call.Live.Roster]++
			people[call.Live.Roster] += len(call.Participants)
		}
		if wrong = cmp.Diff(truth, presence(calls)); wrong == "" && (rosters["events"] != 2*(ceiling-1) || rosters["rest"] < 5 || people["rest"] < 10 || len(rosters) != 2) {
			wrong = fmt.Sprintf("calls by roster: %v, people: %v", rosters, people)
		}
	}
}

// metrics are the names of the series that are exposed.
func (d *deployment) metrics(base string) map[string]bool {
	d.t.Helper()
	response, err := http.Get(base + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	names := map[string]bool{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, _, _ := strings.Cut(lines.Text(), "{")
		names[name] = true
	}
	return names
}
