package verify_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"go.yaml.in/yaml/v3"

	"github.com/bridgewatch/bridgewatch/internal/config"
)

// root is the repository.
func root(t *testing.T, path ...string) string {
	t.Helper()
	here, err := filepath.Abs(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return here
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(root(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// project loads docker-compose.yml as `docker compose config` does: against the specification's JSON schema, then for consistency.
func project(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: root(t), ConfigFiles: []types.ConfigFile{{Filename: root(t, "docker-compose.yml")}},
		Environment: types.Mapping{}}, loader.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCompose: the file fits the schema, everything that is mounted exists, and each service has what a service here must have.
func TestCompose(t *testing.T) {
	p := project(t, "demo")
	names := slices.Sorted(maps.Keys(p.Services))
	if want := []string{"alertmanager", "bridgewatch", "clickhouse", "grafana", "init", "nats", "prometheus", "simulator"}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
	if _, there := project(t).Services["simulator"]; there {
		t.Error("the simulator runs without --profile demo")
	}
	pinned := regexp.MustCompile(`:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-alpine)?$`)
	for name, s := range p.Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %s is not pinned by version", name, s.Image)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s mounts %s: read-only %t, %v", name, v.Source, v.ReadOnly, err)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" && port.Target != 8801 { // only the CDR listener is for other machines
				t.Errorf("%s is open to other machines on port %s", name, port.Published)
			}
		}
		for key, value := range s.Environment {
			if value != nil && strings.Contains(strings.ToLower(key), "password") && !strings.HasSuffix(key, "__FILE") {
				t.Errorf("%s: %s stands in the file", name, key)
			}
		}
		if name == "init" {
			continue
		}
		if s.Restart != "unless-stopped" || !slices.Contains(s.CapDrop, "ALL") || s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 {
			t.Errorf("%s lacks a restart policy, dropped capabilities or limits", name)
		}
		if s.HealthCheck == nil && name != "simulator" {
			t.Errorf("%s has no health check", name)
		}
	}
	if s := p.Services["bridgewatch"]; !s.ReadOnly || s.Build.Target != "slim" {
		t.Errorf("bridgewatch: read-only %t, target %s", s.ReadOnly, s.Build.Target)
	}
}

// TestDockerfile: it parses, base images are pinned, and the images that run Bridgewatch run it as nobody in particular.
func TestDockerfile(t *testing.T) {
	file, err := parser.Parse(bytes.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(file.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range stages {
		seen[s.Name] = true
		if s.BaseName != "scratch" && !regexp.MustCompile(`:.*[0-9]`).MatchString(s.BaseName) && s.BaseName != "debian:bookworm-slim" {
			t.Errorf("stage %s: base %s is not pinned", s.Name, s.BaseName)
		}
		user := ""
		for _, c := range s.Commands {
			if u, ok := c.(*instructions.UserCommand); ok {
				user = u.User
			}
			if c, ok := c.(*instructions.CopyCommand); ok && c.From != "" && !seen[c.From] {
				t.Errorf("stage %s copies from %s, which is none", s.Name, c.From)
			}
		}
		if s.Name != "build" && s.Name != "engine" && user != "65532:65532" {
			t.Errorf("stage %s runs as %q", s.Name, user)
		}
	}
	for _, target := range []string{"slim", "full", "simulator"} {
		if !seen[target] {
			t.Errorf("no stage %s", target)
		}
	}
}

// TestInit: the first start makes every secret that a configuration names, shows the passwords, and a second start neither changes nor shows them.
func TestInit(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"secrets", "users", "data"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func() string {
		cmd := exec.Command("sh", root(t, "packaging", "compose", "init.sh"))
		cmd.Env = append(os.Environ(), "SECRETS="+dir+"/secrets", "USERS="+dir+"/users", "DATA="+dir+"/data")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("init.sh: %v\n%s", err, out)
		}
		return string(out)
	}
	first := run()
	secret := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, "secrets", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	all := map[string]bool{}
	for _, name := range []string{"nats", "clickhouse", "grafana_admin", "grafana_clickhouse", "bridges", "cdr_token"} {
		if s := secret(name); len(s) < 24 || all[s] {
			t.Errorf("secret %s is short or used twice", name)
		}
		all[secret(name)] = true
	}
	if !strings.Contains(first, secret("grafana_admin")) {
		t.Error("the first start does not show Grafana's password")
	}
	again := run()
	if strings.Contains(again, secret("grafana_admin")) || !strings.Contains(first, secret("clickhouse")) {
		t.Error("the second start shows a password, or made new ones")
	}
	users, err := os.ReadFile(filepath.Join(dir, "users", "bridgewatch.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{users, read(t, "packaging", "compose", "clickhouse.xml")} {
		d := xml.NewDecoder(bytes.NewReader(text))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
		}
	}
	// Bridgewatch reads its configuration with these secrets in the place of the volume.
	text := strings.ReplaceAll(string(read(t, "packaging", "compose", "bridgewatch.yml")), "/run/bridgewatch", filepath.Join(dir, "secrets"))
	path := filepath.Join(dir, "bridgewatch.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err == nil {
		err = errors.Join(c.ReadBridgeSecrets(), c.ReadServerSecrets(), c.NeedClusters())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Clusters[0].Bridges[1].CDRToken.Reveal(), secret("cdr_token")+"-emea-cb2"; got != want { // as the simulator's --receiver has it
		t.Error("the token of emea-cb2 is not what the simulator posts to")
	}
}

// TestSampleConfiguration: what packaging/systemd installs is valid but for the files that it names.
func TestSampleConfiguration(t *testing.T) {
	if _, err := config.Load(root(t, "packaging", "systemd", "bridgewatch.yml")); err != nil {
		t.Error(err)
	}
}

var update = flag.Bool("update", false, "copy alerts/inhibition.yml into alertmanager.yml")

// TestInhibition: Alertmanager's rules of inhibition are those of alerts (go test -run TestInhibition -update copies them).
func TestInhibition(t *testing.T) {
	if *update {
		const key = "inhibit_rules:\n"
		head, _, _ := strings.Cut(string(read(t, "packaging", "compose", "alertmanager.yml")), key)
		_, rules, _ := strings.Cut(string(read(t, "alerts", "inhibition.yml")), key)
		if err := os.WriteFile(root(t, "packaging", "compose", "alertmanager.yml"), []byte(head+key+rules), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var shipped, meant struct {
		Rules []any `yaml:"inhibit_rules"`
	}
	if err := errors.Join(yaml.Unmarshal(read(t, "packaging", "compose", "alertmanager.yml"), &shipped), yaml.Unmarshal(read(t, "alerts", "inhibition.yml"), &meant)); err != nil {
		t.Fatal(err)
	}
	a, err := json.Marshal(shipped.Rules)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(meant.Rules)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) || len(meant.Rules) == 0 {
		t.Error("packaging/compose/alertmanager.yml and alerts/inhibition.yml differ; go test -run TestInhibition -update")
	}
}

// TestTools has the programs that the files are for read them, where they are installed (Debian: prometheus, prometheus-alertmanager, systemd).
func TestTools(t *testing.T) {
	unit := filepath.Join(t.TempDir(), "bridgewatch.service")
	text := strings.ReplaceAll(string(read(t, "packaging", "systemd", "bridgewatch.service")), "/usr/bin/bridgewatch", "/bin/true")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Prometheus finds its rules beside its configuration.
	prometheus := t.TempDir()
	if err := errors.Join(os.Symlink(root(t, "alerts", "rules"), filepath.Join(prometheus, "rules")),
		os.WriteFile(filepath.Join(prometheus, "prometheus.yml"), read(t, "packaging", "compose", "prometheus.yml"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"promtool", "check", "config", filepath.Join(prometheus, "prometheus.yml")},
		{"amtool", "check-config", root(t, "packaging", "compose", "alertmanager.yml")},
		{"systemd-analyze", "verify", unit},
	} {
		t.Run(command[0], func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skipf("%s is not installed", command[0])
			}
			out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
			if err != nil || strings.Contains(string(out), "Unknown key") {
				t.Errorf("%v\n%s", err, out)
			}
			if command[0] == "promtool" && !regexp.MustCompile(`[0-9]+ rules found`).Match(out) {
				t.Errorf("no rules were read:\n%s", out)
			}
		})
	}
}
