package app

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
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

// page is the table of the program's own metrics in a scrape, as Markdown.
func (s scraped) page() string {
	type family struct {
		kind, help string
		labels     map[string]bool
	}
	families := map[string]*family{}
	of := func(name string) *family {
		if families[name] == nil {
			families[name] = &family{labels: map[string]bool{}}
		}
		return families[name]
	}
	label := regexp.MustCompile(`[{,]([a-z_]+)="`)
	for line := range strings.Lines(string(s)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 4)
		name := strings.SplitN(fields[0], "{", 2)[0]
		if of, isBucket := strings.CutSuffix(name, "_bucket"); isBucket {
			name = of
		}
		switch {
		case len(fields) == 4 && fields[1] == "HELP" && strings.HasPrefix(fields[2], "bridgewatch_"):
			of(fields[2]).help = fields[3]
		case len(fields) == 4 && fields[1] == "TYPE" && strings.HasPrefix(fields[2], "bridgewatch_"):
			of(fields[2]).kind = fields[3]
		case families[name] != nil:
			for _, m := range label.FindAllStringSubmatch(line, -1) {
				if m[1] != "le" { // a histogram's own
					families[name].labels["`"+m[1]+"`"] = true
				}
			}
		}
	}
	var page strings.Builder
	page.WriteString("# Metrics of the program itself\n\nMade from a scrape of the whole program (`go generate ./internal/app`). What it tells of Call Bridges: [metrics.md](metrics.md).\n\n" +
		"| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", name, f.kind, strings.Join(slices.Sorted(maps.Keys(f.labels)), ", "), f.help)
	}
	return page.String()
}

var updatePages = flag.Bool("update-pages", false, "write docs/metrics-program.md")

// wellMade checks a scrape of the whole program: Prometheus' conventions, and that docs/metrics-program.md has every metric of ours.
func wellMade(t *testing.T, address string) {
	t.Helper()
	const path = "../../docs/metrics-program.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scrape(address)
	if err != nil {
		t.Fatal(err)
	}
	if *updatePages {
		// Some metrics begin with what they count, such as the first post: what the page has already is waited for.
		for began := time.Now(); s.page() != string(page) && time.Since(began) < 3*time.Minute; time.Sleep(time.Second) {
			if s, err = scrape(address); err != nil {
				t.Fatal(err)
			}
		}
		page = []byte(s.page())
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := promlint.New(strings.NewReader(string(s))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Metric != "cms_license_overage_days" { // the interface page fixes this name: compliance is counted in days
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for line := range strings.Lines(s.page()) {
		if !strings.Contains(string(page), line) {
			t.Errorf("%s lacks a line; go generate ./internal/app:\n%s", path, line)
		}
	}
}

//go:generate go test . -run TestSyslogOfEachBridge -update-pages

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
	wellMade(t, c.HTTP.Listen)
	d.sim.Bridges()[1].Fault(func(f *cmssim.Faults) { f.LostModules = 1 })
	waitFor(t, time.Minute, working(1))
	d.sim.Bridges()[1].Fault(func(f *cmssim.Faults) { f.LostModules = 0 })
	waitFor(t, time.Minute, working(-1))
}

// TestSecondDemo: a demo in a folder in which one runs leaves that one's configuration alone.
func TestSecondDemo(t *testing.T) {
	dir := t.TempDir()
	storagetest.Bus(t, func(c *bus.Config) { c.URL, c.DataDir = "", filepath.Join(dir, "data") })
	err := Demo(t.Context(), DemoOptions{Bridges: 1, Speed: 1, Data: dir, Out: io.Discard, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second demo in %s: %v", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bridgewatch.yml")); err == nil {
		t.Error("the configuration was written over")
	}
}
