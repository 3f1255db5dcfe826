package app

import (
	"bufio"
	"maps"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// findings are the findings that are exposed as 1, by bridge.
func findings(t *testing.T, base string) (found map[string]bool, exposed int) {
	t.Helper()
	response, err := http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	line := regexp.MustCompile(`^cms_witness_finding\{call_bridge="([^"]*)",cms_cluster="[^"]*",finding="([^"]*)"\} (\d)$`)
	found = map[string]bool{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			exposed++
			if m[3] == "1" {
				found[m[1]+" "+m[2]] = true
			}
		}
	}
	return found, exposed
}

// TestWitnesses: in the whole program, beside a healthy bridge, one without our receiver, one whose subscription is dead though it answers, one that does not
// answer at all, and one whose clock is off are each found within two minutes, by name, and nothing else is.
func TestWitnesses(t *testing.T) {
	if os.Getenv("BRIDGEWATCH_EVENTS_ROUNDS") == "" {
		t.Skip("takes six minutes; make prove-events runs it")
	}
	d := newDeployment(t, cmssim.Config{Seed: 9, Bridges: 5, Preroll: time.Hour, Speed: 1, Volume: 3})
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + c.HTTP.Listen
	d.serve()
	d.sim.StartStory()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		if response, err := http.Get(base + "/-/ready"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("not ready after a minute")
		}
	}
	for began := time.Now(); time.Since(began) < 3*time.Minute; time.Sleep(5 * time.Second) {
		if found, _ := findings(t, base); len(found) > 0 {
			t.Fatalf("found though all is well: %v", found)
		}
	}
	if _, exposed := findings(t, base); exposed != 20 {
		t.Fatalf("%d findings are exposed, want four of five bridges", exposed)
	}
	bridges := d.sim.Bridges()
	bridges[1].Fault(func(f *cmssim.Faults) { f.ReceiversCut = true })
	bridges[2].Fault(func(f *cmssim.Faults) { f.Events.Frozen = true })
	bridges[3].Fault(func(f *cmssim.Faults) { f.Events.Mute = true })
	bridges[4].Fault(func(f *cmssim.Faults) { f.ClockSkew = 90 * time.Second })
	want := map[string]bool{bridges[1].Name + " cdr_off": true, bridges[2].Name + " events_off": true, bridges[3].Name + " events_off": true, bridges[4].Name + " clock_off": true}
	took := map[string]time.Duration{}
	var found map[string]bool
	for began := time.Now(); time.Since(began) < 2*time.Minute && !maps.Equal(found, want); time.Sleep(time.Second) {
		found, _ = findings(t, base)
		for name := range found {
			if _, known := took[name]; !known {
				took[name] = time.Since(began).Round(time.Second)
			}
		}
	}
	t.Logf("found after: %v", took)
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("after two minutes (-want +found):\n%s", diff)
	}
}
