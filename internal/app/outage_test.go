package app

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestEngineOutage halts the engine's process while records arrive, 300 a second, then lets it go on: nothing is refused, nothing is lost, and the
// backlog is soon written. BRIDGEWATCH_OUTAGE sets for how long (make outage: ten minutes).
func TestEngineOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole processes")
	}
	outage := 5 * time.Second
	if text := os.Getenv("BRIDGEWATCH_OUTAGE"); text != "" {
		var err error
		if outage, err = time.ParseDuration(text); err != nil {
			t.Fatalf("BRIDGEWATCH_OUTAGE: %v", err)
		}
	}
	d := newDeployment(t, cmssim.Config{Bridges: 1, Seed: 4, StopAfter: time.Second})
	d.serve()
	c, err := config.Load(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ReadBridgeSecrets(); err != nil {
		t.Fatal(err)
	}
	url := "http://" + c.CDR.Listen + "/cdr/" + c.Clusters[0].Bridges[0].CDRToken.Reveal()
	waitFor(t, time.Minute, func() error {
		answer, err := http.Get(url)
		if err == nil {
			answer.Body.Close()
		}
		return err
	})
	ctx, stop := context.WithCancel(t.Context())
	var accepted, refused atomic.Int64
	var senders sync.WaitGroup
	for sender := range 3 { // a body of a record each ten milliseconds, as from three bridges' sessions
		session := uuid.New()
		senders.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for index := 0; ; {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				body := legBody(session, sender, index)
				answer, err := http.Post(url, "text/xml", bytes.NewReader(body))
				if err != nil {
					refused.Add(1)
					continue
				}
				answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					refused.Add(1)
					continue
				}
				accepted.Add(1)
				index++
			}
		})
	}
	time.Sleep(2 * time.Second)
	child := engineProcess(t, d.cmd.Process.Pid)
	if err := syscall.Kill(child, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(outage)
	during := accepted.Load()
	if err := syscall.Kill(child, syscall.SIGCONT); err != nil && err != syscall.ESRCH { // the supervisor may have given it up meanwhile
		t.Fatal(err)
	}
	back := time.Now()
	stored := func() (n uint64) {
		endpoint, err := engine.ReadEndpoint(c.DataDir)
		if err != nil {
			return 0
		}
		conn := storagetest.Open(t, endpoint.Options(databaseName))
		defer conn.Close()
		if conn.QueryRow(t.Context(), "SELECT uniqExact(session, correlator_index) FROM cdr_records WHERE object_id != toUUID('00000000-0000-0000-0000-000000000000')").Scan(&n) != nil {
			return 0
		}
		return n
	}
	told := back
	waitFor(t, 5*time.Minute, func() error {
		n := stored()
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			t.Logf("%s after the halt: %d of %d", time.Since(back).Round(time.Second), n, during)
		}
		if int64(n) < during {
			return fmt.Errorf("%d of the %d records of the outage are stored", n, during)
		}
		return nil
	})
	caughtUp := time.Since(back)
	stop()
	senders.Wait()
	waitFor(t, time.Minute, func() error {
		if n := stored(); int64(n) < accepted.Load() {
			return fmt.Errorf("%d of %d records are stored", n, accepted.Load())
		}
		return nil
	})
	t.Logf("engine halted for %s: %d records accepted (%.0f/s), %d posts refused; the backlog of %d was stored %s after", outage, accepted.Load(),
		float64(during)/(outage+2*time.Second).Seconds(), refused.Load(), during, caughtUp.Round(100*time.Millisecond))
	if refused.Load() > 0 {
		t.Errorf("%d posts were refused", refused.Load())
	}
	if caughtUp > time.Minute {
		t.Errorf("the backlog took %s", caughtUp)
	}
	if n := stored(); int64(n) != accepted.Load() {
		t.Errorf("%d records are stored, %d were accepted", n, accepted.Load())
	}
}

// legBody is one record of a leg's three.
func legBody(session uuid.UUID, sender, index int) []byte {
	leg := uuid.NewSHA1(session, []byte(strconv.Itoa(index/3)))
	now := time.Now().UTC().Format(time.RFC3339)
	inner := []string{
		fmt.Sprintf(`<callLeg id="%s"><remoteParty>p%d@example.org</remoteParty><type>sip</type><direction>incoming</direction></callLeg>`, leg, index),
		fmt.Sprintf(`<callLeg id="%s"><state>connected</state><call>%s</call><deactivated>false</deactivated></callLeg>`, leg, uuid.NewSHA1(session, fmt.Appendf(nil, "call %d", index/30))),
		fmt.Sprintf(`<callLeg id="%s"><reason>callEnded</reason><remoteTeardown>false</remoteTeardown><durationSeconds>0</durationSeconds></callLeg>`, leg),
	}[index%3]
	kind := []string{"callLegStart", "callLegUpdate", "callLegEnd"}[index%3]
	return fmt.Appendf(nil, `<?xml version="1.0"?><records session="%s"><record type="%s" time="%s" recordIndex="%d" correlatorIndex="%d">%s</record></records>`,
		session, kind, now, index+1, index, inner)
}

// engineProcess waits for the child of a serve process that holds the engine.
func engineProcess(t *testing.T, parent int) (pid int) {
	t.Helper()
	waitFor(t, time.Minute, func() error {
		all, err := os.ReadDir("/proc")
		if err != nil {
			return err
		}
		for _, entry := range all {
			stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
			if err != nil {
				continue // no process, or gone
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			if fields := strings.Fields(rest); len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(parent) {
				pid, err = strconv.Atoi(entry.Name())
				return err
			}
		}
		return fmt.Errorf("no child of process %d", parent)
	})
	return pid
}

// waitFor repeats check until it is content.
func waitFor(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
