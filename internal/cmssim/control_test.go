package cmssim

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestControl(t *testing.T) {
	sim := running(t, Config{Seed: 2, Bridges: 2, Preroll: time.Minute})
	server := httptest.NewServer(sim.Control())
	defer server.Close()
	b := sim.Bridges()[1]
	ask := func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(resp.Body)
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	base := "/bridges/" + b.Name
	if code, text := ask("PUT", base+"/faults", `{"Busy":1,"License":"frozen","Events":{"Ceiling":5}}`); code != 200 || b.Faults().Busy != 1 || b.Faults().Events.Ceiling != 5 {
		t.Errorf("PUT faults: %d %s, now %+v", code, text, b.Faults())
	}
	for path, body := range map[string]string{base + "/faults": `{"Bizzy":1}`, base + "/faults?": `{"License":"maybe"}`, "/bridges/nobody/faults": `{}`} {
		if code, text := ask("PUT", path, body); code < 400 || text == "" {
			t.Errorf("PUT %s %s: %d", path, body, code)
		}
	}
	if code, text := ask("POST", base+"/alarm/turnServerUnavailable", ""); code != 200 || len(b.Faults().Alarms) != 1 {
		t.Errorf("raise: %d %s", code, text)
	}
	if code, _ := ask("DELETE", base+"/alarm/turnServerUnavailable", ""); code != 200 || len(b.Faults().Alarms) != 0 {
		t.Errorf("clear: %d", code)
	}
	if code, _ := ask("POST", base+"/alarm/noSuchThing", ""); code != 400 {
		t.Errorf("an unknown alarm: %d", code)
	}
	before := sim.Truth().Bridges[1].Session
	if code, _ := ask("POST", base+"/restart", ""); code != 200 || sim.Truth().Bridges[1].Session == before {
		t.Errorf("restart: %d", code)
	}
	if code, text := ask("GET", "/truth", ""); code != 200 || !strings.Contains(text, sim.Truth().Bridges[1].Session) {
		t.Errorf("truth: %d %s", code, text)
	}
	if code, _ := ask("POST", base+"/certificate?days=3", ""); code != 200 {
		t.Errorf("certificate: %d", code)
	}
	leaf, err := x509.ParseCertificate(b.cert.Load().Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(leaf.NotAfter); left > 73*time.Hour || left < 71*time.Hour {
		t.Errorf("the certificate ends in %v", left)
	}
}
