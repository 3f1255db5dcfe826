package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/alerts"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// scenery is a deployment with a Prometheus, in which the commands of runbooks are run while their faults are there.
type scenery struct {
	*deployment
	config     config.Config
	prometheus string // host:port
	books      *runbooks
	rows       map[string]string // of the table, by alert
}

// newScenery starts everything. The deployment's faults are there from the start, for what is looked at only now and then.
func newScenery(t *testing.T, simulated cmssim.Config, thresholds map[string]float64, before func(d *deployment)) *scenery {
	t.Helper()
	d := newDeployment(t, simulated)
	before(d)
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.serve()
	waitFor(t, 3*time.Minute, func() error { return ready("http://" + c.HTTP.Listen + "/-/ready") })
	d.sim.StartStory()
	_, prometheus, _ := d.watch(thresholds)
	return &scenery{d, *c, prometheus, newRunbooks(d, prometheus, c.HTTP.Listen), map[string]string{}}
}

// firing lists the alerts that Prometheus says fire, each with its bridge, else the address of its end point, else any bridge.
func (s *scenery) firing() (map[string]notice, error) {
	answer, err := http.Get("http://" + s.prometheus + "/api/v1/alerts")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var message struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&message); err != nil {
		return nil, err
	}
	list := map[string]notice{}
	for _, a := range message.Data.Alerts {
		if a.State == "firing" {
			list[a.Labels["alertname"]] = notice{a.Labels["alertname"], cmp.Or(a.Labels["call_bridge"], a.Labels["endpoint"], s.sim.Bridges()[0].Name)}
		}
	}
	return list, nil
}

// follow waits until the alert of each fault fires, and runs the commands of its runbook then.
func (s *scenery) follow(faults map[string]string) {
	s.t.Helper()
	left := maps.Clone(faults)
	const patience = 5 * time.Minute // some objects are read every two minutes
	for deadline := time.Now().Add(patience); len(left) > 0 && time.Now().Before(deadline); time.Sleep(2 * time.Second) {
		list, err := s.firing()
		if err != nil {
			s.t.Log(err)
			continue
		}
		for _, alert := range slices.Sorted(maps.Keys(left)) {
			n, fires := list[alert]
			if !fires {
				continue
			}
			s.rows[alert] = fmt.Sprintf("| %s | %s | %d |\n", alert, left[alert], s.books.follow(n))
			s.t.Log(strings.TrimSpace(s.rows[alert]))
			delete(left, alert)
			deadline = time.Now().Add(patience)
		}
	}
	for alert, fault := range left {
		s.t.Errorf("%s does not fire: %s\n%s", alert, fault, s.figures(alert))
	}
}

// figures are the lines of /metrics that the rule of an alert reads.
func (s *scenery) figures(alert string) string {
	text, err := alerts.Rules(alerts.Options{})
	if err != nil {
		return err.Error()
	}
	_, rule, _ := strings.Cut(string(text), "alert: "+alert+"\n")
	rule, _, _ = strings.Cut(rule, "for:")
	answer, err := http.Get("http://" + s.config.HTTP.Listen + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	var lines strings.Builder
	for line := range strings.Lines(string(page)) {
		name, _, _ := strings.Cut(line, "{")
		if name != line && strings.Contains(rule, name) {
			lines.WriteString(line)
		}
	}
	return rule + lines.String()
}

// post sends a body to the receiver as the first bridge does.
func (s *scenery) post(body []byte) {
	s.t.Helper()
	answer, err := http.Post("http://"+s.config.CDR.Listen+"/cdr/"+s.sim.Bridges()[0].Token(), "text/xml", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		s.t.Fatalf("a body of %d bytes: %s", len(body), answer.Status)
	}
}

// legs posts so many records of a kind from another session of the first bridge, from an index on; leg is what stands in the <callLeg> of each.
func (s *scenery) legs(session uuid.UUID, from, count int, kind, leg string) {
	s.t.Helper()
	var body bytes.Buffer
	fmt.Fprintf(&body, `<?xml version="1.0"?><records session="%s">`, session)
	for i := range count {
		fmt.Fprintf(&body, `<record type="%s" time="%s" recordIndex="%d" correlatorIndex="%d"><callLeg id="%s">%s</callLeg></record>`,
			kind, time.Now().UTC().Format(time.RFC3339), from+i+1, from+i, uuid.New(), leg)
	}
	body.WriteString(`</records>`)
	s.post(body.Bytes())
}

// edit changes the configuration before it is read.
func (d *deployment) edit(change func(text string) string) {
	d.t.Helper()
	text, err := os.ReadFile(d.path)
	if err == nil {
		err = os.WriteFile(d.path, []byte(change(string(text))), 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

var failedInsert = regexp.MustCompile(`bridgewatch_writer_insert_failures_total\{[^}]*\} [1-9]`)

var entitlementsLine = regexp.MustCompile(`pmp: \d+, smp: \d+, recording: \d+`)

// TestRunbookCommands runs the commands of the runbooks while the faults of their alerts are there, as many of them together as go together (make prove-live).
// What needs a threshold to be met in minutes has it lowered. BRIDGEWATCH_PROVE_LIVE names the page that gets the table.
func TestRunbookCommands(t *testing.T) {
	page := os.Getenv("BRIDGEWATCH_PROVE_LIVE")
	if page == "" {
		t.Skip("a quarter of an hour; make prove-live")
	}
	rows := map[string]string{}
	t.Run("3.8", func(t *testing.T) { maps.Copy(rows, runbooksOfToday(t)) })
	t.Run("2.9", func(t *testing.T) { maps.Copy(rows, runbooksOfOld(t)) })
	if t.Failed() {
		return
	}
	names, err := alerts.Runbooks()
	if err != nil {
		t.Fatal(err)
	}
	var table, without strings.Builder
	for _, n := range names {
		if rows[n] != "" {
			table.WriteString(rows[n])
			continue
		}
		why, known := notUnderFault[n]
		if !known {
			t.Errorf("%s: its commands were not run under its fault, and nobody says why", n)
		}
		fmt.Fprintf(&without, "- %s: %s\n", n, why)
	}
	section := "\nWritten by `make prove-live`: `serve` on six simulated bridges, with the faults that go together there together, Debian's Prometheus, and each command as it stands but\n" +
		"for names, addresses and dates. It is run once Prometheus says that the alert fires; it has to end well and to show something, a query a row at least. Failing is\n" +
		"the answer of `bridgewatch check`, which then names what does not work, and of what asks for the very thing that is away. `for` is 2 s; *limit* means that the\n" +
		"threshold was set to that.\n\n" +
		"| alert | fault under which its commands ran | commands |\n|---|---|---|\n" + table.String()
	if without.Len() > 0 {
		section += "\nRun without their fault, which cannot be had in minutes:\n\n" + without.String()
	}
	if err := writeSection(page, runbookHeading, section); err != nil {
		t.Fatal(err)
	}
}

// notUnderFault says of the alerts whose fault is not made here why.
var notUnderFault = map[string]string{
	"CMSDiskFillsSoon":   "a disk that is half full and fills by the hour",
	"CMSLicenseEnforced": "fifteen days over within ninety",
}

// runbooksOfToday is everything but what 3.0 took away.
func runbooksOfToday(t *testing.T) map[string]string {
	s := newScenery(t, cmssim.Config{Clusters: 2, Bridges: 3, Seed: 7, Volume: 1.5, Crowd: 1.7}, map[string]float64{
		"setup_rate": 0.01, "conference_participants": 20, "distribution_share": 0.01, "device_full": 0.01, "recording_days": 1e5, "quality_minutes": 0,
		"license_difference": 0.5, "degraded_share": 0.001, "overage_days": 0, "disk_free_share": 1, "pipeline_lag_seconds": 40,
	}, func(d *deployment) {
		b := d.sim.Bridges()
		other := httptest.NewTLSServer(http.NotFoundHandler()) // its certificate lacks localhost
		d.t.Cleanup(other.Close)
		_, port, _ := net.SplitHostPort(other.Listener.Addr().String())
		d.edit(func(text string) string {
			text = entitlementsLine.ReplaceAllString(text, "pmp: 1, smp: 1, recording: 1")
			text = strings.Replace(text, "    certificates:\n", "    certificates:\n      - \"localhost:"+port+"\"\n", 1)
			return text + "nats: {disk_budget: 64MB}\n"
		})
		for i, f := range []cmssim.Faults{
			{WebBridgeFailure: true, DatabaseBehind: 5e6, RecorderRefuses: true},
			{ClockSkew: 30 * time.Second, TURNUnreachable: true},
			{Refuses: "calls", LostModules: 1, Events: cmssim.EventFaults{RefuseToken: 503}},
			{RecorderRefuses: true, DatabaseNodeDown: true},
			{Down: true},
			{},
		} {
			f.License = cmssim.LicenseFrozen
			if i >= 3 {
				f.License = cmssim.LicenseExpired
			}
			b[i].Fault(func(present *cmssim.Faults) { *present = f })
		}
		b[3].RemoveReceivers()
		for i, left := range map[int]time.Duration{0: 72 * time.Hour, 5: -24 * time.Hour} {
			if err := b[i].SetCertificate(time.Now().Add(left)); err != nil {
				d.t.Fatal(err)
			}
		}
	})
	time.Sleep(15 * time.Second) // figures before the faults
	s.sim.Bridges()[1].Fault(func(f *cmssim.Faults) { f.ICEFailure, f.ReceiversCut = true, true })
	s.sim.Bridges()[2].Restart()
	gap := uuid.New()
	s.legs(gap, 0, 5, "callLegEnd", "<reason>remoteTeardown</reason><durationSeconds>60</durationSeconds>")
	s.legs(uuid.New(), 0, 1000, "callLegEnd", "<reason>unknownDestination</reason><durationSeconds>1</durationSeconds>")
	s.legs(uuid.New(), 0, 1000, "callLegEnd", "<reason>incorrectPasscode</reason><durationSeconds>1</durationSeconds>")
	s.legs(uuid.New(), 0, 1000, "callLegEnd", "<reason>participantLimitReached</reason><durationSeconds>1</durationSeconds>")
	s.legs(uuid.New(), 0, 1000, "callLegStart", "<remoteParty>+881999123456@gw.example.org;user=phone</remoteParty><type>sip</type><direction>outgoing</direction>")
	degraded := func() {
		s.legs(uuid.New(), 0, 500, "callLegEnd", `<reason>remoteTeardown</reason><durationSeconds>3600</durationSeconds><alarm type="packetLoss" durationPercentage="90" />`)
	}
	degraded()
	s.post([]byte(`<records session="1"><record type="callSta`))
	s.probe(1000)
	s.unstorable()
	time.Sleep(10 * time.Second)
	s.legs(gap, 100, 5, "callLegEnd", "<reason>remoteTeardown</reason><durationSeconds>60</durationSeconds>")
	degraded()
	s.follow(map[string]string{
		"CMSAlarm": "TURN servers out of reach", "CMSCriticalAlarm": "Web Bridges out of reach", "CMSBridgeDown": "API unreachable", "CMSBridgeRestarted": "Call Bridge restarted",
		"CMSWebBridgeUnreachable": "Web Bridges out of reach", "CMSTurnServerUnreachable": "TURN servers out of reach", "CMSSchedulerDown": "Web Bridges out of the scheduler's reach",
		"CMSDatabaseNodeBehind": "database node 5 MB behind", "CMSDatabaseNodeDown": "database node down", "CMSClockSkew": "clock half a minute ahead",
		"CMSMediaModulesLost": "media module lost", "CMSEventsSilent": "no token for events", "CMSFault": "ICE failures in syslog", "CMSPollsFail": "calls are answered with 500",
		"CMSReceiverNotRegistered": "our CDR receiver removed", "CMSMeetingNotRecorded": "recorder refuses",
		"CMSCertificateExpired": "certificate ended yesterday", "CMSCertificateExpiresSoon": "certificate ends in three days", "CMSCertificateNameWrong": "probed by a name that it lacks",
		"CMSLicenseExpired": "licenses expired", "CMSLicenseExpiryFrozen": "expiry of the licenses frozen",
		"CMSLicensesNearEntitlement": "entitled to one license", "CMSLicensesExceeded": "entitled to one license", "CMSAssignedLicensesExceeded": "entitled to one license",
		"CMSRecordingLicensesExhausted": "entitled to one license", "CMSOverageDaysHigh": "today over the entitlement (limit 0 days)", "CMSLicenseCountDiffers": "records of two bridges do not arrive (limit 0.5)",
		"CMSWitnessesDiffer": "our CDR receiver removed: only events and API tell of calls", "CMSRecordsBehind": "no way to the CDR receiver", "CMSRecordsMissing": "95 records skipped", "CMSMalformedBodies": "half a body", "CMSDeadLetters": "a row for a table that there is not",
		"CMSBridgeLoadHigh": "half as many meetings again, of 1.7 times the people", "CMSBridgeRefusesCalls": "half as many meetings again, of 1.7 times the people",
		"CMSGroupRefusesConferences": "half as many meetings again, of 1.7 times the people", "CMSFailoverHeadroomNegative": "half as many meetings again, of 1.7 times the people",
		"CMSCallSetupRateHigh": "calls at all (limit 0.01 a second)", "CMSConferenceTooLarge": "a conference of more than 20 (limit)", "CMSDistributionTaxHigh": "links between bridges (limit 1 %)",
		"CMSRecorderNearlyFull": "a meeting is recorded (limit 1 % of the slots)", "CMSStreamerNearlyFull": "a meeting is streamed (limit 1 % of the slots)",
		"CMSRecorderDiskTooSmall": "recordings to be kept for 100,000 days (limit)", "CMSDiskNearlyFull": "a disk that is not empty (limit 100 % free)",
		"CMSDegradedLegsHigh": "a leg with a quality alarm (limit 0.1 %)", "CMSQualityBudgetBurnsFast": "1,000 hours, 90 % of each with packet loss", "CMSQualityBudgetBurnsSlowly": "1,000 hours, 90 % of each with packet loss",
		"CMSQualityObjectiveMissed": "1,000 hours, 90 % of each with packet loss",
		"CMSCallsRefused":           "1,000 legs over the participant limit", "CMSScanSuspected": "1,000 legs to unknown destinations", "CMSPasscodeGuessing": "1,000 wrong passcodes",
		"CMSTollFraudSuspected": "1,000 telephone numbers called", "CMSReceiverProbed": "1,000 requests for what the receiver does not have",
	})
	engine := func(sent syscall.Signal) {
		if err := syscall.Kill(engineProcess(t, s.cmd.Process.Pid), sent); err != nil {
			t.Fatal(err)
		}
	}
	// A restart takes a moment; it is killed until an insert has met one.
	waitFor(t, 2*time.Minute, func() error {
		engine(syscall.SIGKILL)
		time.Sleep(2 * time.Second)
		if failures := s.figures("CMSWriterFailing"); !failedInsert.MatchString(failures) {
			return fmt.Errorf("no insert has failed: %s", failures)
		}
		return nil
	})
	s.follow(map[string]string{"CMSEngineRestarts": "the engine's process killed", "CMSWriterFailing": "the engine's process killed"})
	t.Logf("%d commands work without their fault", s.books.rest(s.sim.Bridges()[0].Name))

	engine(syscall.SIGSTOP)
	body := make([]byte, 1<<20)
	for range 59 {
		if _, err := rand.Read(body); err != nil { // what compresses fills nothing
			t.Fatal(err)
		}
		s.post(body)
	}
	s.follow(map[string]string{"CMSPipelineLag": "engine halted (SIGSTOP)", "CMSBusBacklog": "engine halted, 59 of 64 MB wait", "CMSBusNearlyFull": "engine halted, 59 of 64 MB wait"})
	engine(syscall.SIGCONT)

	rules := filepath.Join(s.dir, "rules.yml")
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(rules, bytes.ReplaceAll(text, []byte("record: bridgewatch:threshold:"), []byte("record: elsewhere:threshold:")), 0o600); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post("http://"+s.prometheus+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	s.follow(map[string]string{"CMSThresholdsMissing": "no rule makes the thresholds"})
	s.kill()
	s.follow(map[string]string{"CMSPipelineAbsent": "Bridgewatch killed"})
	return s.rows
}

// runbooksOfOld is what only releases before 3.0 have, and a third state of the licenses.
func runbooksOfOld(t *testing.T) map[string]string {
	s := newScenery(t, cmssim.Config{Bridges: 2, Seed: 7, Release: "2.9"}, nil, func(d *deployment) {
		for i, status := range []string{"connectionFailure", "lowDiskSpace"} {
			d.sim.Bridges()[i].Fault(func(f *cmssim.Faults) { f.DeviceStatus, f.License = status, cmssim.LicenseNone })
		}
	})
	s.follow(map[string]string{
		"CMSRecorderUnreachable": "recorders and streamers report connectionFailure (2.9)", "CMSStreamerUnreachable": "recorders and streamers report connectionFailure (2.9)",
		"CMSRecorderDiskLow": "recorders and streamers report lowDiskSpace (2.9)", "CMSLicenseMissing": "licenses gone",
	})
	return s.rows
}

// probe asks the receiver for what it does not have.
func (s *scenery) probe(times int) {
	s.t.Helper()
	for range times {
		answer, err := http.Get("http://" + s.config.CDR.Listen + "/robots.txt")
		if err != nil {
			s.t.Fatal(err)
		}
		answer.Body.Close()
	}
}

// unstorable publishes, beside the process, a row for a table that its writer does not know.
func (s *scenery) unstorable() {
	s.t.Helper()
	cfg := busConfig(s.config)
	cfg.Join = true
	b := bus.New(cfg, bus.Deps{})
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	<-b.Ready()
	err := b.PublishRows(ctx, bus.Subject("status", "cb1", "tomorrow"), "table_of_tomorrow", []struct{ N int }{{1}})
	cancel()
	<-done
	if err != nil {
		s.t.Fatal(err)
	}
}
