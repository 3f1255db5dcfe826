package app

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// scraped is the text of one scrape.
type scraped string

// scrape reads the metrics of an instance.
func scrape(address string) (scraped, error) {
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return scraped(text), err
}

// value is that of the first series of a name with a label's value; an error where there is none.
func (s scraped) value(name, label, value string) (float64, error) {
	for line := range strings.Lines(string(s)) {
		series, number, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(series, name+"{") && strings.Contains(series, label+"="+strconv.Quote(value)) {
			return strconv.ParseFloat(number, 64)
		}
	}
	return 0, fmt.Errorf("no series %s{%s=%q}", name, label, value)
}

// TestSyslogOfEachBridge: the demo's configuration takes syslog, tells the bridges apart, and media modules are seen to be lost and to come back.
func TestSyslogOfEachBridge(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole deployment")
	}
	d := newDeployment(t, cmssim.Config{Bridges: 3, Seed: 7})
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.serve()
	d.sim.StartStory()
	working := func(lost int) func() error {
		return func() error {
			metrics, err := scrape(c.HTTP.Listen)
			if err != nil {
				return err
			}
			var problems []error
			for i, b := range d.sim.Bridges() {
				want := 1.0
				if i == lost {
					want = 0
				}
				if got, err := metrics.value("cms_media_modules_working", "call_bridge", b.Name); err != nil {
					problems = append(problems, err)
				} else if got != want {
					problems = append(problems, fmt.Errorf("%s: %g modules work, want %g", b.Name, got, want))
				}
			}
			return errors.Join(problems...)
		}
	}
	waitFor(t, 2*time.Minute, working(-1))
	d.sim.Bridges()[1].Fault(func(f *cmssim.Faults) { f.LostModules = 1 })
	waitFor(t, time.Minute, working(1))
	d.sim.Bridges()[1].Fault(func(f *cmssim.Faults) { f.LostModules = 0 })
	waitFor(t, time.Minute, working(-1))
}
