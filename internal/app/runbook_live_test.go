package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/alerts"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// runbooks runs the commands of runbooks in a deployment, as they stand but for names and addresses.
type runbooks struct {
	t       *testing.T
	bridges map[string]string // name → host:port
	env     []string
	dir     string // where commands run
	replace *strings.Replacer
	done    map[string]bool // commands that were run
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

// run runs one command with the names of a bridge put in. here is false where this machine lacks the program, such as systemctl in a container.
func (r *runbooks) run(command, bridge string) (out string, here bool, err error) {
	program := strings.Fields(command)[0]
	_, missing := exec.LookPath(program)
	_, noSystemd := os.Stat("/run/systemd/system")
	if program != "bridgewatch" && missing != nil || program == "systemctl" && noSystemd != nil {
		return "", false, nil
	}
	concrete := r.replace.Replace(command)
	if address := r.bridges[bridge]; address != "" {
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

// follow runs the commands of the runbook of an alert whose fault is there, and returns how many worked. A query has to find something.
func (r *runbooks) follow(n notice) (ran int) {
	r.t.Helper()
	for _, command := range r.commands(n.alert) {
		r.done[command] = true
		out, here, err := r.run(command, n.bridge)
		silent := strings.Contains(command, "/api/v1/query") && !strings.Contains(out, `"metric"`) ||
			strings.HasPrefix(command, "bridgewatch sql") && strings.TrimSpace(out) == ""
		switch {
		case !here:
			r.t.Logf("%s: not here: %s", n.alert, command)
		case err != nil && !slices.Contains(answersByFailing[n.alert], command):
			r.t.Errorf("%s: %v", n.alert, err)
		case err == nil && silent:
			r.t.Errorf("%s: %s finds nothing while its fault is there", n.alert, command)
		default:
			ran++
		}
	}
	return ran
}

// TestRunbookCommands runs every command of every runbook in a deployment without a fault (make prove-live).
func TestRunbookCommands(t *testing.T) {
	if os.Getenv("BRIDGEWATCH_PROVE_LIVE") == "" {
		t.Skip("a minute long; make prove-live")
	}
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 7})
	d.serve()
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, 2*time.Minute, func() error { return ready("http://" + c.HTTP.Listen + "/-/ready") })
	d.sim.StartStory()
	_, prometheus, _ := d.watch()
	t.Logf("%d commands work", newRunbooks(d, prometheus, c.HTTP.Listen).all(d.sim.Bridges()[0].Name))
}

// all runs every command of every runbook, with no fault there, and returns how many worked.
func (r *runbooks) all(bridge string) (ran int) {
	r.t.Helper()
	names, err := alerts.Runbooks()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, n := range names {
		for _, command := range r.commands(n) {
			if r.done[command] {
				continue
			}
			r.done[command] = true
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
