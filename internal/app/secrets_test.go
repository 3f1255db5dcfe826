package app

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/engine"
)

// writing is a buffer that a process writes to while the test reads.
type writing struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *writing) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *writing) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

var sentSecret = regexp.MustCompile(`<(passcode|secret|streamUrl|password)>([^<]+)</`)

// secretsOf reads, as an attacker's client would, every secret that a simulated bridge shows to who has its password: by kind.
func secretsOf(t *testing.T, b *cmssim.Bridge) map[string]map[string]bool {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the simulator's own certificate
	defer client.CloseIdleConnections()
	get := func(path string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.URL()+"/api/v1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth(b.Username, b.Password)
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close() //nolint:errcheck // read to its end
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, answer.Status, err)
		}
		return string(text)
	}
	found := map[string]map[string]bool{}
	id := regexp.MustCompile(` id="([^"]+)"`)
	for _, collection := range []string{"/coSpaces", "/turnServers"} {
		for offset := 0; ; {
			page := id.FindAllStringSubmatch(get(fmt.Sprintf("%s?offset=%d&limit=20", collection, offset)), -1)
			for _, m := range page {
				for _, s := range sentSecret.FindAllStringSubmatch(get(collection+"/"+m[1]), -1) {
					if found[s[1]] == nil {
						found[s[1]] = map[string]bool{}
					}
					text := s[2]
					if u, err := url.Parse(text); err == nil && u.Host != "" { // the stream key is the end of the path
						text = u.Path[strings.LastIndexByte(u.Path, '/')+1:]
					}
					found[s[1]][text] = true
				}
			}
			if offset += len(page); len(page) == 0 || offset >= 3000 {
				break
			}
		}
	}
	return found
}

// TestSecretsOfTheWholeProgram: what the simulated bridges send and what the configuration holds of passwords, passcodes, secrets, stream keys and receiver tokens appears in
// no log line, no table, no metric and no answer of the API.
func TestSecretsOfTheWholeProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole processes")
	}
	const foreignToken = "token-of-another-receiver-f00dfeed"
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 5, Release: "2.9", Password: "pass-of-the-simulator", Speed: 60, RetryInterval: 100 * time.Millisecond, StopAfter: 8 * time.Minute})
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer other.Close()
	if err := d.sim.Bridges()[0].AddReceiver(other.URL + "/cdr/" + foreignToken); err != nil {
		t.Fatal(err)
	}
	log := &writing{}
	d.log = log
	d.serve()
	d.sim.StartStory()
	conn := d.drain(2 * time.Minute)
	for _, table := range []string{"owners", "device_samples", "settings", "syslog", "bridge_samples", "call_samples"} {
		waitFor(t, 2*time.Minute, func() error {
			var n uint64
			err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&n)
			if err == nil && n == 0 {
				err = fmt.Errorf("no rows of %s", table)
			}
			return err
		})
	}
	secrets := secretsOf(t, d.sim.Bridges()[0])
	for kind, least := range map[string]int{"passcode": 10, "secret": 50, "streamUrl": 5, "password": 1} {
		if len(secrets[kind]) < least {
			t.Fatalf("the simulator shows only %d of %s", len(secrets[kind]), kind)
		}
	}
	plain := []string{foreignToken, "pass-of-the-simulator"}
	for _, b := range d.sim.Bridges() {
		plain = append(plain, b.Token())
	}
	for _, kind := range []string{"secret", "streamUrl", "password"} {
		plain = slices.AppendSeq(plain, maps.Keys(secrets[kind]))
	}

	places := map[string]string{"log": log.String()}
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(places, apiAnswers(t, "http://"+c.HTTP.Listen))
	endpoint, err := engine.ReadEndpoint(filepath.Join(d.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	var names bytes.Buffer
	if err := sqlOverHTTP(t.Context(), endpoint.Options(databaseName), "SELECT name FROM system.tables WHERE database = currentDatabase() FORMAT TSV", &names); err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(names.String()) {
		var rows bytes.Buffer
		if err := sqlOverHTTP(t.Context(), endpoint.Options(databaseName), "SELECT * FROM `"+name+"` FORMAT TSV", &rows); err != nil {
			t.Logf("%s is not read: %.200s", name, err)
			continue
		}
		places["table "+name] = rows.String()
	}
	// What must be there is, so what must not would be seen.
	for _, place := range []string{"log", "GET /metrics", "GET /api/v1/calls", "GET /api/v1/completeness", "table bridge_samples", "table cdr_bodies"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(places)), func(name string) bool {
			return strings.HasPrefix(name, place) && strings.Contains(places[name], d.sim.Bridges()[0].Name)
		}) {
			t.Errorf("%s does not even name the bridge", place)
		}
	}
	bytesRead := 0
	for name, text := range places {
		bytesRead += len(text)
		for _, secret := range plain {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s holds %q: …%s…", name, secret, text[max(0, at-60):min(len(text), at+len(secret)+20)])
			}
		}
		// A passcode has six digits, which a counter may have by chance; all of them it has not.
		digits := map[string]bool{}
		for number := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < '0' || r > '9' }) {
			if len(number) == 6 {
				digits[number] = true
			}
		}
		shown := 0
		for passcode := range secrets["passcode"] {
			if digits[passcode] {
				shown++
			}
		}
		if shown > len(secrets["passcode"])/5+1 {
			t.Errorf("%s holds %d of %d passcodes", name, shown, len(secrets["passcode"]))
		}
	}
	t.Logf("%d secrets and %d passcodes looked for in %d places, %d kB", len(plain), len(secrets["passcode"]), len(places), bytesRead/1000)
	if len(places) < 40 || len(places["log"]) == 0 {
		t.Errorf("%d places, %d bytes of log: not everything was looked at", len(places), len(places["log"]))
	}
}

// apiAnswers gets everything that is served to people: the metrics, the pages, and every path of the API, with the ids that its lists name.
func apiAnswers(t *testing.T, base string) map[string]string {
	t.Helper()
	answers := map[string]string{}
	once := func(path string) (status int, text string) {
		answer, err := http.Get(base + path) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	get := func(path string) string {
		status, text := once(path)
		for began := time.Now(); status == http.StatusServiceUnavailable && time.Since(began) < time.Minute; status, text = once(path) { // what is not computed yet
			time.Sleep(time.Second)
		}
		answers["GET "+path] = text
		return text
	}
	get("/")
	get("/-/ready")
	get("/metrics")
	var document struct {
		Paths map[string]struct {
			Get struct{ Parameters []struct{ Name string } }
		}
	}
	if err := json.Unmarshal([]byte(get("/api/v1/openapi.json")), &document); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	period := url.Values{"from": {now.Add(-time.Hour * 6).Format(time.RFC3339)}, "to": {now.Add(time.Hour).Format(time.RFC3339)}, "at": {now.Format(time.RFC3339)}, "limit": {"200"}}
	ids := regexp.MustCompile(`"(?:id|call_correlator)":"([^"]+)"`)
	for path, node := range document.Paths {
		if strings.Contains(path, "{") {
			continue
		}
		asked := url.Values{}
		for _, p := range node.Get.Parameters {
			if v, known := period[p.Name]; known {
				asked[p.Name] = v
			}
		}
		text := get(path + "?" + asked.Encode())
		if strings.HasPrefix(text, `{"error"`) {
			t.Errorf("%s: %s", path, text)
		}
		for detail := range document.Paths {
			if parent, _, ok := strings.Cut(detail, "/{"); ok && parent == path {
				for i, m := range ids.FindAllStringSubmatch(text, -1) {
					if i < 20 {
						get(path + "/" + m[1])
					}
				}
			}
		}
	}
	return answers
}
