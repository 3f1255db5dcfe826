package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const bridge = `
clusters:
  - name: emea
    bridges:
      - name: cb1
        url: https://cb1.example.org:445
        username: bridgewatch
        password: sesame-sesame
        cdr_token: abcdefgh-0123456789
`

func TestEmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "http:\n", "data_dir:\nhttp: {listen: }\n"} {
		cfg, err := Parse([]byte(text), "/etc/bw.yml")
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		if cfg.DataDir != "/var/lib/bridgewatch" || cfg.HTTP.Listen != "127.0.0.1:8800" || cfg.Retention.Raw.Std() != 1095*24*time.Hour {
			t.Errorf("Parse(%q) = %+v, want the defaults", text, cfg)
		}
		if len(cfg.LicensePools) != 1 || cfg.LicensePools[0].Name != "main" {
			t.Errorf("Parse(%q) has the pools %+v, want the implied one", text, cfg.LicensePools)
		}
		if err := cfg.NeedClusters(); err == nil || !strings.Contains(err.Error(), "/etc/bw.yml:1: clusters: ") {
			t.Errorf("NeedClusters() = %v, want an error that names file and key", err)
		}
	}
}

func TestExample(t *testing.T) {
	cfg, err := Load("../../docs/bridgewatch.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	pool, ok := cfg.Pool("main")
	if !ok || pool.DayBoundary.String() != "Europe/Berlin" || *pool.Entitlements[1].SMP != 25 {
		t.Errorf("pool main = %+v", pool)
	}
	first := pool.Entitlements[0].From.In(pool.DayBoundary.Std())
	if want := "2025-12-31T23:00:00Z"; first.UTC().Format(time.RFC3339) != want {
		t.Errorf("the first entitlement begins at %s, want %s", first.UTC().Format(time.RFC3339), want)
	}
	c := cfg.Clusters[0]
	if got := c.Bridges[0].AllowedSources; !slices.Equal(got, []netip.Prefix{netip.MustParsePrefix("192.0.2.11/32"), netip.MustParsePrefix("2001:db8::/32")}) {
		t.Errorf("allowed_sources = %v", got)
	}
	if c.PollInterval.Std() != 30*time.Second || c.Recorders[0].Disk != 4e12 || c.Bridges[1].LoadLimit != 18000 {
		t.Errorf("cluster = %+v", c)
	}
	if len(cfg.Warnings) != 0 {
		t.Errorf("the example has warnings: %v", cfg.Warnings)
	}
	if missing := missingKeys(t, "../../docs/bridgewatch.example.yml"); len(missing) > 0 {
		t.Errorf("the example says it has every key; it lacks %v", missing)
	}
}

// missingKeys lists the keys of the reference page that a file does not have.
func missingKeys(t *testing.T, file string) (missing []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range referenceKeys(t) {
		if last := key[strings.LastIndexByte(key, '.')+1:]; !regexp.MustCompile(`\b`+last+`:`).Match(text) && key != "clusters[].bridges[].password" {
			missing = append(missing, key)
		}
	}
	return missing
}

// TestInvalid reads testdata/invalid: each file holds one mistake, and in a comment the line that Load answers.
func TestInvalid(t *testing.T) {
	files, _ := filepath.Glob("testdata/invalid/*.yml")
	if len(files) < 60 {
		t.Fatalf("testdata/invalid has %d files", len(files))
	}
	want := regexp.MustCompile(`(?m)^# want: (.*)$`)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(text, "bw.yml")
			var mistakes *Error
			if !errors.As(err, &mistakes) {
				t.Fatalf("Parse = %v, want an *Error", err)
			}
			if m := want.FindSubmatch(text); m == nil || string(m[1]) != err.Error() {
				t.Errorf("got  %s\nwant %s", err, append(m, nil, nil)[1])
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Error("the message quotes a secret")
			}
		})
	}
}

func TestAllMistakesInOrder(t *testing.T) {
	_, err := Parse([]byte("http: {listen: y}\nretention: {raw: 0s}\ncdr: {listen: x}\n"), "bw.yml")
	var mistakes *Error
	if !errors.As(err, &mistakes) {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range mistakes.Problems {
		lines = append(lines, p.Line)
	}
	if !slices.Equal(lines, []int{1, 2, 3}) || !strings.HasSuffix(err.Error(), "(and 2 more)") || strings.Contains(err.Error(), "\n") {
		t.Errorf("lines %v, message %q", lines, err)
	}
}

func TestWarnings(t *testing.T) {
	cfg, err := Parse([]byte(strings.NewReplacer("https:", "http:", "abcdefgh-0123456789", "shortish").Replace(bridge)), "bw.yml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range cfg.Warnings {
		got = append(got, w.Error())
	}
	want := []string{
		"bw.yml:6: clusters[0].bridges[0].url: is plain http: the password goes over the network in clear",
		"bw.yml:9: clusters[0].bridges[0].cdr_token: is short; whoever guesses it can send records. Use 16 characters or more",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	text := bridge + `nats: {url: "nats://u:sesame-nats@a:4222,sesame-only@b:4222"}
clickhouse: {url: "clickhouse://u:sesame-ch@h:9000/db?password=sesame-query"}
`
	cfg, err := Parse([]byte(text), "bw.yml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cfg.ClickHouse.PasswordFile = filepath.Join(folder, "ch")
	if err := os.WriteFile(cfg.ClickHouse.PasswordFile, []byte("sesame-file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cfg.ReadServerSecrets(); err != nil {
		t.Fatal(err)
	}
	if got := cfg.ClickHouse.Secret().Reveal(); got != "sesame-file" {
		t.Fatalf("password of the file = %q", got)
	}
	b := cfg.Clusters[0].Bridges[0]
	if b.Password.Reveal() != "sesame-sesame" || !strings.Contains(cfg.NATS.URL.Reveal(), "sesame-nats@a") {
		t.Fatal("Reveal does not return the secret")
	}

	var logged bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&logged, nil), slog.NewTextHandler(&logged, nil)} {
		slog.New(h).Info("x", "secret", b.Password, "url", cfg.NATS.URL, "config", cfg, "bridge", b, "value", *cfg)
	}
	printed := []string{logged.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
		for _, value := range []any{b.Password, &b.Password, cfg.NATS.URL, cfg, *cfg, b, cfg.ClickHouse, struct{ hidden Secret }{b.Password}, []Secret{b.Password}} {
			printed = append(printed, fmt.Sprintf(verb, value))
		}
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	printed = append(printed, string(asJSON), string(asYAML), fmt.Sprint(errors.New(b.Password.String())))
	hexed := fmt.Sprintf("%x", "sesame")
	for _, p := range printed {
		if strings.Contains(p, "sesame") || strings.Contains(strings.ToLower(p), hexed) {
			t.Errorf("a secret is printed: %s", p)
		}
	}
	if got, want := fmt.Sprint(cfg.NATS.URL), "nats://<secret>@a:4222,<secret>@b:4222"; got != want {
		t.Errorf("nats.url prints as %s, want %s", got, want)
	}
	if fmt.Sprint(b.Password) != "<secret>" || fmt.Sprint(Secret{}) != "" {
		t.Error("a given secret prints as <secret>, none as nothing")
	}
}

func TestReadBridgeSecrets(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := `clusters:
  - name: emea
    bridges:
      - {name: cb1, url: "https://cb1:445", username: u, password_file: pw, cdr_token_file: token1}
      - {name: cb2, url: "https://cb2:445", username: u, password_env: BW_TEST_PASSWORD, cdr_token_file: token2}
`
	write("pw", "p4ss\n")
	write("token1", "token-token-token-1\n")
	write("token2", "token-token-token-2\n")
	t.Setenv("BW_TEST_PASSWORD", "fromenv")
	write("bw.yml", text)
	cfg, err := Load(filepath.Join(folder, "bw.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.ReadBridgeSecrets(); err != nil {
		t.Fatal(err)
	}
	b := cfg.Clusters[0].Bridges
	if b[0].Password.Reveal() != "p4ss" || b[1].Password.Reveal() != "fromenv" || b[0].CDRToken.Reveal() != "token-token-token-1" {
		t.Errorf("secrets = %q %q %q", b[0].Password.Reveal(), b[1].Password.Reveal(), b[0].CDRToken.Reveal())
	}

	for _, wrong := range []struct{ file, content, want string }{
		{"token2", "token-token-token-1", ":5: clusters[0].bridges[1].cdr_token_file: is the same as clusters[0].bridges[0].cdr_token_file in line 4; every bridge needs its own"},
		{"token2", "a b", ":5: clusters[0].bridges[1].cdr_token_file: may hold letters, digits and . _ ~ - only, at most 200"},
		{"pw", "\n", "pw is empty"},
		{"pw", strings.Repeat("x", maxSecret+1), "pw is larger than 64KiB; is this the right file?"},
	} {
		write("token2", "token-token-token-2\n")
		write(wrong.file, wrong.content)
		if err := cfg.ReadBridgeSecrets(); err == nil || !strings.HasSuffix(err.Error(), wrong.want) {
			t.Errorf("with %s = %.20q: got %v, want …%s", wrong.file, wrong.content, err, wrong.want)
		}
	}
	write("pw", "p4ss")
	t.Setenv("BW_TEST_PASSWORD", "")
	if err := cfg.ReadBridgeSecrets(); err == nil || !strings.Contains(err.Error(), "BW_TEST_PASSWORD is empty or not set") {
		t.Errorf("with an empty variable: %v", err)
	}
	if err := os.Remove(filepath.Join(folder, "pw")); err != nil {
		t.Fatal(err)
	}
	if err := cfg.ReadBridgeSecrets(); err == nil || !strings.Contains(err.Error(), ":4: clusters[0].bridges[0].password_file: open ") {
		t.Errorf("without the file: %v", err)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "90d": 90 * 24 * time.Hour, "2w": 14 * 24 * time.Hour,
		"1d12h": 36 * time.Hour, "1w1d": 8 * 24 * time.Hour, "0s": 0, "0": 0,
	} {
		got, err := ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
		if again, err := ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q, which reads as %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "30", "d", "-1d", "-5s", "1.5d", "9999999999d", "200000d", "1d1w", "1dd", "1h1d", "x", "106751d24h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "16GB": 16e9, "4TB": 4e12, "1.5TB": 15e11, "512MiB": 512 << 20, "16 GiB": 16 << 30, "3kB": 3000,
	} {
		var got, again Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q = %d, %v; want %d", text, got, err, want)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q prints as %q, which reads as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "GB", "-1GB", "1e3MB", "infGB", "NaN", "99999999999TB", "9.3e6TB", "9300000.1TB", "16 potatoes"} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q = %d, want an error", text, got)
		}
	}
}

// FuzzParse: whatever the bytes are, Parse ends with a configuration or with mistakes that each name a line, in one line of text.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../../docs/bridgewatch.example.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte(bridge))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("clusters: &x\n - bridges: *x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Parse(text, "bw.yml")
		var mistakes *Error
		switch {
		case err == nil && cfg == nil, err != nil && cfg != nil:
			t.Fatalf("Parse = %v, %v", cfg, err)
		case err != nil && !errors.As(err, &mistakes):
			t.Fatalf("Parse = %T, want *Error", err)
		case err != nil && strings.ContainsAny(err.Error(), "\n\r"):
			t.Fatalf("more than one line: %q", err)
		case err != nil && mistakes.Problems[0].Line < 1:
			t.Fatalf("no line: %v", err)
		}
	})
}

// TestListenerThatIsNotUsed: the engine's own listener takes no port beside a ClickHouse of one's own.
func TestListenerThatIsNotUsed(t *testing.T) {
	if _, err := Parse([]byte("http: {listen: \"127.0.0.1:8802\"}\nclickhouse: {url: \"clickhouse://h:9000/db\"}\n"), "bw.yml"); err != nil {
		t.Error(err)
	}
}
