package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// TestAdopt makes the configuration of a simulated cluster from one of its bridges, registers the receiver, and does both again.
func TestAdopt(t *testing.T) {
	sim, err := cmssim.New(cmssim.Config{Bridges: 3, Seed: 8})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	<-sim.Ready()
	dir := t.TempDir()
	ca, password := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password")
	for path, text := range map[string][]byte{ca: sim.CAPEM(), password: []byte(sim.Bridges()[0].Password)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := AdoptOptions{Cluster: "emea", PublicURL: "http://127.0.0.1:9", Output: filepath.Join(dir, "bridgewatch.yml"), PasswordKey: "password_file", PasswordValue: password,
		Start: collector.Bridge{URL: sim.Bridges()[1].URL(), Username: sim.Bridges()[0].Username, Password: collector.Secret(sim.Bridges()[0].Password), TLS: collector.TLS{CAFile: ca}}}

	wrong := o
	wrong.Start.Password = "guess"
	if _, err := Adopt(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), "password refused") {
		t.Errorf("with a wrong password: %v", err)
	}
	if _, err := os.Stat(o.Output); err == nil {
		t.Fatal("a file was written without a cluster")
	}

	found, err := Adopt(t.Context(), o)
	if err != nil || !found.Written || len(found.Found) != 3 {
		t.Fatalf("Adopt: %d bridges, written %v: %v", len(found.Found), found.Written, err)
	}
	c, err := config.Load(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReadBridgeSecrets(); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]bool{}
	for i, b := range c.Clusters[0].Bridges {
		if b.Name != sim.Bridges()[i].Name || b.URL != sim.Bridges()[i].URL() || len(b.CDRToken.Reveal()) != 32 {
			t.Errorf("bridge %d: %s at %s", i, b.Name, b.URL)
		}
		tokens[b.CDRToken.Reveal()] = true
	}
	if len(tokens) != 3 {
		t.Errorf("%d different tokens for 3 bridges", len(tokens))
	}

	list, err := found.Registrations(t.Context(), o)
	if err != nil || len(list) != 3 || list[0].Already {
		t.Fatalf("Registrations: %+v, %v", list, err)
	}
	for _, r := range list {
		for token := range tokens {
			if strings.Contains(r.Receiver, token) {
				t.Errorf("%s shows the token", r.Receiver)
			}
		}
	}
	added := 0
	if err := Register(t.Context(), list, func(Registration) { added++ }); err != nil || added != 3 {
		t.Fatalf("%d receivers added: %v", added, err)
	}

	before, err := os.ReadFile(o.Output)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Adopt(t.Context(), o)
	if err != nil || again.Written {
		t.Fatalf("the second time: written %v, %v", again.Written, err)
	}
	if after, err := os.ReadFile(o.Output); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v)", err)
	}
	list, err = again.Registrations(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if !r.Already {
			t.Errorf("%s: the receiver that was added is not seen", r.Bridge)
		}
	}

	for _, n := range []string{"a", "b", "c", "d"} { // fills the table of the first bridge
		_ = sim.Bridges()[0].AddReceiver("http://127.0.0.1:9/" + n)
	}
	other := o
	other.Output = filepath.Join(dir, "other.yml")
	fresh, err := Adopt(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Registrations(t.Context(), other); err == nil || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), sim.Bridges()[0].Name) {
		t.Errorf("a full table: %v", err)
	}

	// Paths of the command line start at the working folder, those of a configuration at its own.
	t.Chdir(dir)
	elsewhere := o
	elsewhere.Output, elsewhere.PasswordValue, elsewhere.Start.TLS.CAFile = filepath.Join(t.TempDir(), "bridgewatch.yml"), "password", "ca.pem"
	if _, err := Adopt(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	c, err = config.Load(elsewhere.Output)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReadBridgeSecrets(); err != nil {
		t.Errorf("the password of a configuration in another folder: %v", err)
	}
	if _, err := os.Stat(c.Clusters[0].Bridges[0].TLS.CAFile); err != nil {
		t.Errorf("the authorities of a configuration in another folder: %v", err)
	}

	// A configuration may keep its tokens in files.
	text := string(before)
	for token := range tokens {
		if err := os.WriteFile(filepath.Join(dir, token[:8]), []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "cdr_token: "+token, "cdr_token_file: "+token[:8])
		text = strings.ReplaceAll(text, "cdr_token: \""+token+"\"", "cdr_token_file: \""+token[:8]+"\"")
	}
	if strings.Contains(text, "cdr_token:") {
		t.Fatalf("tokens are left in\n%s", text)
	}
	if err := os.WriteFile(o.Output, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err = Adopt(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if list, err = again.Registrations(t.Context(), o); err != nil || !list[0].Already {
		t.Errorf("with tokens in files: %+v, %v; want every receiver seen", list, err)
	}
}

// TestAdoptWhatCannotBeConfigured: a member without a usable address, or with the name of another, is told of and does not make the configuration of the others invalid.
func TestAdoptWhatCannotBeConfigured(t *testing.T) {
	a := Adopted{tokens: map[string]string{}, Found: []poller.Found{
		{Name: "cb1", URL: "https://cb1.example.org:445", Proven: true},
		{Name: "cb2", Problem: "the cluster's database has no address for it"},
		{Name: "cb3", URL: "cb3.example.org:445", Problem: "url: scheme"},
		{Name: "cb1", URL: "https://other.example.org:445", Group: "line\nbreak: true"},
		{Name: "cb4", URL: "https://cb4.example.org", Group: "line\nbreak: true"},
	}}
	for _, f := range a.Found {
		a.tokens[f.Name] = strings.Repeat("0", 31) + f.Name[2:]
	}
	text, err := a.configuration(AdoptOptions{Cluster: "emea", PasswordKey: "password_file", PasswordValue: "/etc/password", Start: collector.Bridge{Username: "u"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(text, "test.yml")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var names []string
	for _, b := range c.Clusters[0].Bridges {
		names = append(names, b.Name)
	}
	if strings.Join(names, " ") != "cb1 cb4" || !strings.Contains(string(text), "no address for it") || !strings.Contains(string(text), "cb3") || !strings.Contains(string(text), "other.example.org") {
		t.Errorf("bridges %v, want cb1 and cb4, the others named in comments:\n%s", names, text)
	}
}
