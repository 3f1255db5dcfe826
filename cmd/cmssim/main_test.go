package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/config"
)

// TestWrittenConfigLoads runs the whole program on a configuration file of its own and loads that as Bridgewatch would.
func TestWrittenConfigLoads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sim.yaml")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, options{Clusters: 2, Bridges: 2, Volume: 1, Crowd: 1, Speed: 1, Release: "3.8", Backfill: "0", Preroll: time.Minute,
			Listen: "127.0.0.1:0", Control: "127.0.0.1:0", CDRListen: "127.0.0.1:9", Username: "bridgewatch", Password: "a \"secret\"", WriteConfig: path})
	}()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no configuration after 30 s")
		}
	}
	var c *config.Config
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err = config.Load(path); err == nil { // it may be half written at first
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReadBridgeSecrets(); err != nil {
		t.Fatal(err)
	}
	if len(c.Clusters) != 2 || len(c.Clusters[1].Bridges) != 2 || c.Clusters[0].Bridges[0].URL == c.Clusters[1].Bridges[1].URL {
		t.Errorf("clusters: %+v", c.Clusters)
	}
}

func TestDays(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "90d": 90 * 24 * time.Hour, "1.5d": 36 * time.Hour, "36h": 36 * time.Hour} {
		if got, err := days(text); err != nil || got != want {
			t.Errorf("days(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "ten"} {
		if got, err := days(text); err == nil {
			t.Errorf("days(%q) = %v", text, got)
		}
	}
}

func TestControlStaysOnTheMachine(t *testing.T) {
	if l, err := listenLoopback(t.Context(), "0.0.0.0:0"); err == nil {
		_ = l.Close()
		t.Error("the control endpoint listens on every address")
	}
}
