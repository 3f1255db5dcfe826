package app

import (
	"context"
	"errors"
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
	replace *strings.Replacer
}

func newRunbooks(d *deployment, prometheus, http string) *runbooks {
	d.t.Helper()
	bin := d.t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/bridgewatch").CombinedOutput(); err != nil {
		d.t.Fatalf("build bridgewatch: %v\n%s", err, out)
	}
	r := &runbooks{t: d.t, bridges: map[string]string{}, replace: strings.NewReplacer("127.0.0.1:9090", prometheus, "127.0.0.1:8800", http),
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

// follow runs the commands of an alert's runbook and returns how many worked. A program that this machine lacks (systemctl in a container) is left out.
func (r *runbooks) follow(n notice) (ran int) {
	r.t.Helper()
	text, err := alerts.Runbook(n.alert)
	if err != nil {
		r.t.Error(err)
		return 0
	}
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		for command := range strings.Lines(block[1]) {
			command = strings.TrimSpace(command)
			if _, err := exec.LookPath(strings.Fields(command)[0]); err != nil && !strings.HasPrefix(command, "bridgewatch") {
				r.t.Logf("%s: not here: %s", n.alert, command)
				continue
			}
			concrete := r.replace.Replace(command)
			if address := r.bridges[n.bridge]; address != "" {
				concrete = strings.NewReplacer("cb1.example.org:445", address, "'cb1'", "'"+n.bridge+"'").Replace(concrete)
			}
			ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
			shell := exec.CommandContext(ctx, "bash", "-c", concrete)
			shell.Env, shell.Dir, shell.WaitDelay = r.env, "../..", time.Second
			out, err := shell.CombinedOutput()
			timedOut := errors.Is(ctx.Err(), context.DeadlineExceeded)
			cancel()
			switch failed := err != nil || timedOut; {
			case failed && !slices.Contains(answersByFailing[n.alert], command):
				r.t.Errorf("%s: %s: %v\n%s", n.alert, concrete, err, out)
				continue
			case !failed && strings.Contains(command, "/api/v1/query") && !strings.Contains(string(out), `"status":"success"`):
				r.t.Errorf("%s: %s:\n%s", n.alert, concrete, out)
				continue
			case !failed && strings.Contains(command, "/api/v1/query") && !strings.Contains(string(out), `"metric"`):
				r.t.Errorf("%s: %s finds nothing while its fault is there", n.alert, concrete)
				continue
			case !failed && strings.HasPrefix(command, "bridgewatch sql") && len(strings.TrimSpace(string(out))) == 0:
				r.t.Errorf("%s: %s finds nothing while its fault is there", n.alert, concrete)
				continue
			}
			ran++
		}
	}
	return ran
}
