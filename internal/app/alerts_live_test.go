package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/alerts"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// notice names an alert as people are told of it; bridge is empty where the alert is of no single one.
type notice struct{ alert, bridge string }

// inbox is the webhook that Alertmanager notifies. It keeps when each alert, the last time that it fired, was first told as firing and as resolved.
type inbox struct {
	mu              sync.Mutex
	fired, resolved map[notice]time.Time
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var message struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, a := range message.Alerts {
		n := notice{a.Labels["alertname"], a.Labels["call_bridge"]}
		_, firing := i.fired[n]
		_, over := i.resolved[n]
		switch {
		case a.Status == "resolved" && !over:
			i.resolved[n] = time.Now()
		case a.Status == "firing" && (!firing || over):
			i.fired[n] = time.Now()
			delete(i.resolved, n)
		}
	}
}

// forget lets the next notification of an alert count as its first.
func (i *inbox) forget(n notice) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.fired, n)
	delete(i.resolved, n)
}

// all lists the alerts that fire or have fired.
func (i *inbox) all() []notice {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Collect(maps.Keys(i.fired))
}

// told is when an alert was first notified, as firing or as resolved.
func (i *inbox) told(n notice) (fired, resolved time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fired[n], i.resolved[n]
}

var (
	holding   = regexp.MustCompile(`(?m)^( +(?:for|keep_firing_for)): [1-9][0-9]*[smh]$`)
	lateLooks = regexp.MustCompile(` offset 1d`) // of a rule that waits for a day of figures
	least     = regexp.MustCompile(`(min_over_time\([a-z_]+)\[[0-9]+m\]`)
)

// watch starts Prometheus and Alertmanager on the deployment, with some thresholds set, each "for" and "keep_firing_for" cut to two seconds and a rule that
// waits for a day of figures not doing so. It returns the webhook's inbox and the addresses of Prometheus and Alertmanager.
func (d *deployment) watch(thresholds map[string]float64) (box *inbox, prometheus, alertmanager string) {
	d.t.Helper()
	text, err := alerts.Rules(alerts.Options{Set: thresholds})
	if err != nil {
		d.t.Fatal(err)
	}
	quick := least.ReplaceAllString(lateLooks.ReplaceAllString(holding.ReplaceAllString(string(text), "$1: 2s"), " offset 5s"), "$1[10s]")
	inhibition, err := alerts.Inhibition()
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := config.Load(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	box = &inbox{fired: map[notice]time.Time{}, resolved: map[notice]time.Time{}}
	webhook := httptest.NewServer(box)
	d.t.Cleanup(webhook.Close)
	addresses := make([]string, 2)
	for i := range addresses {
		if addresses[i], err = freeAddress("127.0.0.1:0"); err != nil {
			d.t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"rules.yml": quick,
		"prometheus.yml": fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\n"+
			"alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n"+
			"scrape_configs: [{job_name: bridgewatch, static_configs: [{targets: [%q]}]}]\n", filepath.Join(d.dir, "rules.yml"), addresses[1], c.HTTP.Listen),
		"alertmanager.yml": string(inhibition) + fmt.Sprintf("route: {receiver: inbox, group_by: ['...'], group_wait: 1s, group_interval: 1s}\n"+
			"receivers: [{name: inbox, webhook_configs: [{url: %q, send_resolved: true}]}]\n", webhook.URL),
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	d.beside("prometheus", "--config.file="+filepath.Join(d.dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(d.dir, "tsdb"),
		"--web.listen-address="+addresses[0], "--web.enable-lifecycle", "--log.level=warn")
	d.beside("prometheus-alertmanager", "--config.file="+filepath.Join(d.dir, "alertmanager.yml"), "--storage.path="+filepath.Join(d.dir, "alertmanager"),
		"--web.listen-address="+addresses[1], "--cluster.listen-address=", "--log.level=warn")
	for _, address := range addresses {
		waitFor(d.t, time.Minute, func() error { return ready("http://" + address + "/-/ready") })
	}
	return box, addresses[0], "http://" + addresses[1]
}

// beside runs a program until the test is over.
func (d *deployment) beside(name string, args ...string) {
	d.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
}

func ready(url string) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

// control sends one request to the simulator's control interface.
func (d *deployment) control(method, path, body string) {
	d.t.Helper()
	answer := httptest.NewRecorder()
	d.sim.Control().ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(body)))
	if answer.Code != http.StatusOK {
		d.t.Fatalf("%s %s: %d %s", method, path, answer.Code, answer.Body)
	}
}

// inhibited says whether Alertmanager keeps an alert quiet on account of another.
func inhibited(alertmanager string, n notice) error {
	answer, err := http.Get(alertmanager + "/api/v2/alerts")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var list []struct {
		Labels map[string]string
		Status struct{ InhibitedBy []string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		return err
	}
	var there []string
	for _, a := range list {
		if a.Labels["alertname"] == n.alert && a.Labels["call_bridge"] == n.bridge && len(a.Status.InhibitedBy) > 0 {
			return nil
		}
		there = append(there, a.Labels["alertname"]+" "+a.Labels["call_bridge"])
	}
	return fmt.Errorf("%v is not inhibited; Alertmanager has %q", n, there)
}

// liveHeading and runbookHeading begin the sections of docs/alerts-proven.md that TestAlertsLive and TestRunbookCommands write; `make prove-alerts` leaves them alone.
const (
	liveHeading    = "\n## Live\n"
	runbookHeading = "\n## Commands of the runbooks\n"
)

// writeSection replaces a section of a page, or adds it as the last.
func writeSection(path, heading, section string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, old, _ := strings.Cut(string(page), heading)
	after := ""
	if i := strings.Index(old, "\n## "); i >= 0 {
		after = old[i:]
	}
	return os.WriteFile(path, []byte(strings.TrimRight(before, "\n")+"\n"+heading+section+after), 0o644)
}

// trial is faults that are there together, and the alerts that they have to bring about.
type trial struct {
	inject, repair func()
	expect         []expectation
}

// expectation is one alert of a trial and the fault, in words, that it is for.
type expectation struct {
	notice
	fault string
}

// run injects a trial's faults, waits for the notifications, runs the commands of the runbooks, repairs, and waits until the alerts are resolved. It returns
// rows of the table.
func (d *deployment) run(box *inbox, books *runbooks, x trial) []string {
	d.t.Helper()
	for _, e := range x.expect { // an earlier fault may have raised it on the side, such as cdrConnectionFailure while nobody receives
		waitFor(d.t, 2*time.Minute, func() error {
			if fired, resolved := box.told(e.notice); !fired.IsZero() && resolved.IsZero() {
				return fmt.Errorf("%v fires before its fault: %s", e.notice, e.fault)
			}
			return nil
		})
		box.forget(e.notice)
	}
	all := func(since func(notice) time.Time) func() error {
		return func() error {
			var missing []notice
			for _, e := range x.expect {
				if since(e.notice).IsZero() {
					missing = append(missing, e.notice)
				}
			}
			if len(missing) > 0 {
				return fmt.Errorf("no notification of %v", missing)
			}
			return nil
		}
	}
	injected := time.Now()
	x.inject()
	waitFor(d.t, 5*time.Minute, all(func(n notice) time.Time { fired, _ := box.told(n); return fired }))
	commands := map[notice]int{}
	for _, e := range x.expect {
		commands[e.notice] = books.follow(e.notice)
	}
	repaired := time.Now()
	x.repair()
	waitFor(d.t, 5*time.Minute, all(func(n notice) time.Time { _, resolved := box.told(n); return resolved }))
	var rows []string
	for _, e := range x.expect {
		fired, resolved := box.told(e.notice)
		row := fmt.Sprintf("| %s | %s | %.0f s | %.0f s | %d |\n", e.alert, e.fault, fired.Sub(injected).Seconds(), resolved.Sub(repaired).Seconds(), commands[e.notice])
		d.t.Log(strings.TrimSpace(row))
		rows = append(rows, row)
	}
	return rows
}

// TestAlertsLive proves alerts end to end (make prove-live): faults go in by the simulator's control interface, the whole
// program is scraped by a real Prometheus, and a webhook is told by a real Alertmanager. BRIDGEWATCH_PROVE_LIVE names the page that
// gets the table.
func TestAlertsLive(t *testing.T) {
	page := os.Getenv("BRIDGEWATCH_PROVE_LIVE")
	if page == "" {
		t.Skip("minutes long; make prove-live")
	}
	for _, program := range []string{"prometheus", "prometheus-alertmanager"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v (Debian's package of that name)", err)
		}
	}
	d := newDeployment(t, cmssim.Config{Bridges: 3, Seed: 7})
	d.serve()
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, 2*time.Minute, func() error { return ready("http://" + c.HTTP.Listen + "/metrics") })
	d.sim.StartStory()
	time.Sleep(20 * time.Second) // every bridge is polled a few times, and its events are subscribed to
	box, prometheus, alertmanager := d.watch(map[string]float64{"restart_seconds": 180, "pipeline_lag_seconds": 100})
	books := newRunbooks(d, prometheus, c.HTTP.Listen)
	time.Sleep(20 * time.Second)             // what is wrong without a fault shows itself
	waitFor(t, 3*time.Minute, func() error { // a slow start may have raised something that goes by itself
		for _, n := range box.all() {
			fired, resolved := box.told(n)
			if !fired.IsZero() && resolved.IsZero() && !strings.HasPrefix(n.alert, "CMSLicense") { // the simulated pool is exceeded now and then
				return fmt.Errorf("%v fires without a fault", n)
			}
		}
		return nil
	})

	var names []string
	for _, b := range d.sim.Bridges() {
		names = append(names, b.Name)
	}
	fault := func(bridge int, faults string) { d.control("PUT", "/bridges/"+names[bridge]+"/faults", faults) }
	post := func(bridge int, what string) { d.control("POST", "/bridges/"+names[bridge]+"/"+what, "") }
	on := func(bridge int, alert, fault string) expectation {
		return expectation{notice{alert, names[bridge]}, fault}
	}
	of := func(alert, fault string) expectation { return expectation{notice{alert: alert}, fault} }
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(engineProcess(t, d.cmd.Process.Pid), s); err != nil {
			t.Fatal(err)
		}
	}
	var rows []string
	for _, x := range []trial{
		{func() { fault(1, `{"Down":true}`) }, func() { fault(1, `{}`) }, []expectation{on(1, "CMSBridgeDown", "API unreachable")}},
		{func() { post(2, "restart") }, func() {
			// The alarm begins while the restart explains it: it fires, and nobody is told.
			quiet := notice{"CMSAlarm", names[2]}
			box.forget(quiet)
			post(2, "alarm/callDistributionFailure")
			waitFor(t, 2*time.Minute, func() error { return inhibited(alertmanager, quiet) }) // alarms are read once a minute
			if fired, _ := box.told(quiet); !fired.IsZero() {
				t.Errorf("%v was told though the restart inhibits it", quiet)
			}
			d.control("DELETE", "/bridges/"+names[2]+"/alarm/callDistributionFailure", "")
		}, []expectation{on(2, "CMSBridgeRestarted", "Call Bridge restarted")}},
		{d.kill, d.serve, []expectation{of("CMSPipelineAbsent", "Bridgewatch killed")}},
		{func() {
			fault(0, `{"TURNUnreachable":true}`)
			fault(1, `{"WebBridgeFailure":true,"ClockSkew":30000000000,"DatabaseBehind":5000000}`)
			fault(2, `{"DatabaseNodeDown":true,"LostModules":1}`)
		}, func() {
			for i := range names {
				fault(i, `{}`)
			}
		}, []expectation{
			on(0, "CMSTurnServerUnreachable", "TURN servers out of reach"), on(0, "CMSAlarm", "TURN servers out of reach"),
			on(1, "CMSWebBridgeUnreachable", "Web Bridges out of reach"), on(1, "CMSCriticalAlarm", "Web Bridges out of reach"),
			on(1, "CMSClockSkew", "clock half a minute ahead"),
			of("CMSDatabaseNodeDown", "database node down"), of("CMSDatabaseNodeBehind", "database node 5 MB behind"),
			on(2, "CMSMediaModulesLost", "media module lost"),
		}},
		{func() { signal(syscall.SIGSTOP) }, func() { signal(syscall.SIGCONT) }, []expectation{of("CMSPipelineLag", "engine halted (SIGSTOP)")}},
	} {
		rows = append(rows, d.run(box, books, x)...)
	}
	section := "\nWritten by `make prove-live`: simulator, `serve`, Debian's Prometheus and Alertmanager, and a webhook on one machine with 2 cores. `for` and\n" +
		"`keep_firing_for` are 2 s, scrapes and evaluations a second apart, polls five; databases, TURN servers and Web Bridges are read every two minutes.\n" +
		"Thresholds: `restart_seconds` 180, `pipeline_lag_seconds` 100. Times run from the fault (its repair) to the notification.\n\n" +
		"*Commands* of the runbook were run while the fault was there, as they stand but for addresses, and worked.\n\n" +
		"| alert | fault | told after | resolved after | commands |\n|---|---|---|---|---|\n" + strings.Join(rows, "") +
		"\nWhile CMSBridgeRestarted fired, a CMSAlarm of the same bridge was inhibited: Alertmanager had it, the webhook was not told.\n"
	if err := writeSection(page, liveHeading, section); err != nil {
		t.Fatal(err)
	}
}
