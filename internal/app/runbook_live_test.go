package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/alerts"
)

// runbooks runs the commands of runbooks in a deployment, as they stand but for names and addresses.
type runbooks struct {
	t       *testing.T
	bridges map[string]string // name → host:port
	env     []string
	dir     string // where commands run
	replace *strings.Replacer
	done    map[string]bool // commands that were run while their fault was there, by alert and command
}

func newRunbooks(d *deployment, prometheus, http string) *runbooks {
	d.t.Helper()
	bin := d.t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/bridgewatch").CombinedOutput(); err != nil {
		d.t.Fatalf("build bridgewatch: %v\n%s", err, out)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		d.t.Fatal(err)
	}
	dir := d.t.TempDir() // one command names the rule files as they lie in the source, another writes a file
	if err := os.Symlink(filepath.Join(root, "alerts"), filepath.Join(dir, "alerts")); err != nil {
		d.t.Fatal(err)
	}
	r := &runbooks{t: d.t, dir: dir, done: map[string]bool{}, bridges: map[string]string{}, replace: strings.NewReplacer("127.0.0.1:9090", prometheus, "127.0.0.1:8800", http),
		env: append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "BRIDGEWATCH_CONFIG="+d.path)}
	for _, b := range d.sim.Bridges() {
		r.bridges[b.Name] = strings.TrimPrefix(b.URL(), "https://")
	}
	return r
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// answersByFailing are the commands whose failure is what they have to say while their fault is there.
var answersByFailing = map[string][]string{
	"CMSBridgeDown":     {`bridgewatch check -c "$BRIDGEWATCH_CONFIG"`},
	"CMSPipelineAbsent": {"curl -s http://127.0.0.1:8800/-/healthy", "systemctl status bridgewatch"},
	"CMSPipelineLag":    {`bridgewatch sql "SELECT 1"`},
}

// commands are those of an alert's runbook, a line each.
func (r *runbooks) commands(alert string) (list []string) {
	r.t.Helper()
	text, err := alerts.Runbook(alert)
	if err != nil {
		r.t.Error(err)
	}
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for command := range strings.Lines(block[1]) {
			list = append(list, strings.TrimSpace(command))
		}
	}
	return list
}

// run runs one command with the name and the address of a bridge, or the address of an end point, put in. here is false where this machine lacks the program, such as systemctl in a container.
func (r *runbooks) run(command, bridge string) (out string, here bool, err error) {
	program := strings.Fields(command)[0]
	_, missing := exec.LookPath(program)
	_, noSystemd := os.Stat("/run/systemd/system")
	if program != "bridgewatch" && missing != nil || program == "systemctl" && noSystemd != nil {
		return "", false, nil
	}
	now := time.Now().UTC()
	day := func(t time.Time) string { return t.Format(time.DateOnly) }
	concrete := strings.NewReplacer("2026-08-03T10:15:00Z", now.Add(-time.Minute).Format(time.RFC3339), "--from 2026-08-01 --to 2026-11-01", "--from "+day(now.AddDate(0, 0, -30))+" --to "+day(now.AddDate(0, 0, 1)),
		"from=2026-08-03T00:00:00Z&to=2026-08-04T00:00:00Z", "from="+day(now)+"T00:00:00Z&to="+day(now.AddDate(0, 0, 1))+"T00:00:00Z").Replace(r.replace.Replace(command))
	address := r.bridges[bridge]
	if _, _, err := net.SplitHostPort(bridge); err == nil {
		address = bridge
	}
	if address != "" {
		concrete = strings.NewReplacer("cb1.example.org:445", address, "'cb1'", "'"+bridge+"'").Replace(concrete)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", concrete)
	shell.Env, shell.Dir, shell.WaitDelay = r.env, r.dir, time.Second
	text, err := shell.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", concrete, errors.Join(err, ctx.Err()), text)
	} else if strings.Contains(command, "/api/v1/query") && !strings.Contains(string(text), `"status":"success"`) {
		err = fmt.Errorf("%s:\n%s", concrete, text)
	}
	return string(text), true, err
}

// follow runs the commands of the runbook of an alert whose fault is there, and returns how many worked. Each has to print something, a query to find something;
// what the fault has not reached yet is asked again for a while.
func (r *runbooks) follow(n notice) (ran int) {
	r.t.Helper()
	for _, command := range r.commands(n.alert) {
		r.done[n.alert+" "+command] = true
		for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(2 * time.Second) {
			out, here, err := r.run(command, n.bridge)
			if !here {
				r.t.Logf("%s: not here: %s", n.alert, command)
				break
			}
			if err == nil && !shows(command, out) {
				err = fmt.Errorf("%s shows nothing while its fault is there", command)
			}
			if err == nil || slices.Contains(answersByFailing[n.alert], command) || checked(command, out) {
				ran++
				break
			}
			if time.Now().After(deadline) {
				r.t.Errorf("%s: %v", n.alert, err)
				break
			}
		}
	}
	return ran
}

// checked says whether bridgewatch check told of each part; it fails for any that has a fault.
func checked(command, out string) bool {
	return strings.HasPrefix(command, "bridgewatch check") && strings.Contains(out, "FAILED") && strings.Contains(out, " ok ")
}

// shows says whether a command that worked printed something that it was asked for.
func shows(command, out string) bool {
	out = strings.TrimSpace(out)
	switch {
	case strings.Contains(command, "/api/v1/query"):
		return strings.Contains(out, `"metric"`)
	case strings.HasPrefix(command, "bridgewatch report"): // into a file
		return true
	case strings.Contains(command, "/api/v1/"):
		return regexp.MustCompile(`"(id|missing)":`).MatchString(out)
	}
	return out != ""
}

// rest runs every command of every runbook that was not run while its fault was there, and returns how many worked.
func (r *runbooks) rest(bridge string) (ran int) {
	r.t.Helper()
	names, err := alerts.Runbooks()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, n := range names {
		for _, command := range r.commands(n) {
			if r.done[n+" "+command] {
				continue
			}
			switch _, here, err := r.run(command, bridge); {
			case !here:
				r.t.Logf("%s: not here: %s", n, command)
			case err != nil:
				r.t.Errorf("%s: %v", n, err)
			default:
				ran++
			}
		}
	}
	return ran
}
