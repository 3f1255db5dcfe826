package app

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// unpacked makes a support bundle and returns its files by name.
func unpacked(t *testing.T, o BackupOptions, check bool) map[string]string {
	t.Helper()
	var archive bytes.Buffer
	if err := SupportBundle(t.Context(), BundleOptions{Options: o.Options, About: "bridgewatch test", WithoutCheck: !check}, &archive); err != nil {
		t.Fatal(err)
	}
	zipped, err := gzip.NewReader(&archive)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(header.Name, "bridgewatch-support/")] = string(text)
	}
}

// without fails where a file holds one of the texts.
func without(t *testing.T, files map[string]string, texts ...string) {
	t.Helper()
	for name, content := range files {
		for _, text := range texts {
			if text != "" && strings.Contains(content, text) {
				at := strings.Index(content, text)
				t.Errorf("%s holds %q: …%s…", name, text, content[max(0, at-40):min(len(content), at+len(text)+20)])
			}
		}
	}
}

// TestSupportBundle: the bundle of a running instance has what it is for, and neither a secret nor a meeting nor a person is in it.
func TestSupportBundle(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole processes")
	}
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 5, Password: "pass-of-the-simulator", Speed: 60, RetryInterval: 100 * time.Millisecond, StopAfter: 5 * time.Minute})
	d.serve()
	d.sim.StartStory()
	conn := d.drain(2 * time.Minute)
	o := d.options(t, "")
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	o.Config.HTTP = c.HTTP
	files := unpacked(t, o, true)
	for name, want := range map[string]string{"config.yml": "poll_interval", "instance/metrics.txt": "cms_call_bridge_up", "instance/ready.json": "holds", "streams.json": `"CDR"`,
		"store/tables.tsv": "call_legs_data", "store/sessions.tsv": "cb1", "about.txt": "bridgewatch test", "check.txt": "release"} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s lacks %q:\n%.500s", name, want, files[name])
		}
	}
	secrets := o.Config.SecretTexts()
	for _, file := range []string{"engine.json", "bus.json"} {
		text, err := os.ReadFile(filepath.Join(d.dir, "data", file))
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(string(text), `"`) { // the random ones are 26 characters long
			if len(part) == 26 {
				secrets = append(secrets, part)
			}
		}
	}
	if len(secrets) < 6 { // two bridges' tokens and passwords, two of the servers
		t.Fatalf("only %d secrets are looked for", len(secrets))
	}
	without(t, files, secrets...)
	rows, err := conn.Query(t.Context(), "SELECT DISTINCT arrayJoin([display_name, remote_party]) AS text FROM call_legs WHERE length(text) > 5 UNION DISTINCT SELECT name FROM calls WHERE length(name) > 5")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var people []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		people = append(people, text)
	}
	if len(people) < 20 {
		t.Fatalf("only %d names are looked for", len(people))
	}
	without(t, files, people...)
}

// TestSupportBundleOfDeadServers: servers that cannot be reached are said to be so, without the passwords in their addresses.
func TestSupportBundleOfDeadServers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bridgewatch.yml")
	text := fmt.Sprintf(`
data_dir: %s
http: {listen: "127.0.0.1:1"}
nats: {url: "nats://bridgewatch:pass%%2Fof%%2Fnats@127.0.0.1:1"}
clickhouse: {url: "clickhouse://bridgewatch:passofclickhouse@127.0.0.1:1/bridgewatch"}
license_pools: [{name: main, owner_groups: [{name: sales, owners: [anna.owner@example.org]}]}]
clusters:
  - name: emea
    bridges: [{name: cb1, url: "https://127.0.0.1:1", username: u, password: passofbridge, cdr_token: tokenofbridge-0123456789}]
`, filepath.Join(dir, "data"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &deployment{t: t, dir: dir, path: path}
	files := unpacked(t, d.options(t, ""), false)
	for _, name := range []string{"streams.json", "store/tables.tsv", "instance/metrics.txt"} {
		if !strings.Contains(files[name], "not to be had") {
			t.Errorf("%s does not say that it could not be had:\n%s", name, files[name])
		}
	}
	if !strings.Contains(files["config.yml"], "<owner>") {
		t.Errorf("the configuration does not say how many owners a group has:\n%s", files["config.yml"])
	}
	without(t, files, "anna.owner", "pass%2Fof%2Fnats", "pass/of/nats", "passofclickhouse", "passofbridge", "tokenofbridge-0123456789")
}
