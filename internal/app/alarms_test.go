package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestAlarmsOutliveTheProgram: a fault that began before the program was killed and ended while it was away is one interval in the store: the one that was open is cleared.
func TestAlarmsOutliveTheProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole processes")
	}
	d := newDeployment(t, cmssim.Config{Bridges: 2, Seed: 5, Preroll: time.Minute})
	text, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`poll_interval: \S+`).ReplaceAll(text, []byte("poll_interval: 1s"))
	if err := os.WriteFile(d.path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	d.sim.StartStory()
	bridge := d.sim.Bridges()[1]
	type interval struct {
		id, reason string
		cleared    *time.Time
	}
	// latest returns the newest interval of the fault as the store has it.
	latest := func() (i interval, intervals uint64, err error) {
		endpoint, err := engine.ReadEndpoint(filepath.Join(d.dir, "data"))
		if err != nil {
			return i, 0, err
		}
		conn := storagetest.Open(t, endpoint.Options(databaseName))
		defer conn.Close() //nolint:errcheck // only read
		err = conn.QueryRow(t.Context(), fmt.Sprintf(`SELECT toString(argMax(alarm_id, raised)), argMax(source, raised), argMax(cleared, raised), count()
			FROM alarms WHERE type = 'clockSkew' AND call_bridge = '%s'`, bridge.Name)).Scan(&i.id, &i.reason, &i.cleared, &intervals)
		return i, intervals, err
	}
	d.serve()
	bridge.Fault(func(f *cmssim.Faults) { f.ClockSkew = time.Minute })
	var open interval
	waitFor(t, 2*time.Minute, func() error {
		i, n, err := latest()
		if err == nil && (n != 1 || i.cleared != nil || i.reason != "poller") {
			err = fmt.Errorf("%d intervals, the newest %+v", n, i)
		}
		open = i
		return err
	})
	d.kill()
	bridge.Fault(func(f *cmssim.Faults) { f.ClockSkew = 0 })
	d.serve()
	waitFor(t, 2*time.Minute, func() error {
		i, n, err := latest()
		switch {
		case err != nil:
			return err
		case n != 1 || i.id != open.id:
			t.Fatalf("%d intervals, the newest %+v, want the one that was open, %+v", n, i, open)
		case i.cleared == nil:
			return errors.New("the interval is still open")
		}
		return nil
	})
}
