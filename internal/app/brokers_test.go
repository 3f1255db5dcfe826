package app

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/internal/cmssim"
)

// TestBrokersLost: three NATS servers keep three copies. One is killed: posts go on being acknowledged. Two are killed: posts get 503. All return: posts are
// acknowledged, and every record that ever was is stored, once.
func TestBrokersLost(t *testing.T) {
	externalRounds(t)
	e := newExternal(t, cmssim.Config{Bridges: 1, Seed: 12, StopAfter: time.Second, Username: "bridgewatch", MoreUsers: []string{"one"}}, 3)
	one := e.instance("one", 3)
	url := "http://" + one.cdr + "/cdr/" + e.sim.Bridges()[0].Token()
	session := uuid.New()
	accepted := 0 // a bridge sends the next record once it got 200 for the one before
	client := &http.Client{Timeout: 30 * time.Second}
	post := func() (int, error) {
		answer, err := client.Post(url, "text/xml", bytes.NewReader(legBody(session, 0, accepted)))
		if err != nil {
			return 0, err
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			accepted++
		}
		return answer.StatusCode, nil
	}
	// answers posts until one is answered with the status, then asks for nothing but that for a while; how many there were, and how long the first took.
	answers := func(when string, status int) {
		t.Helper()
		began := time.Now()
		waitFor(t, time.Minute, func() error {
			if got, err := post(); err != nil || got != status {
				return fmt.Errorf("%s: %d, %v; want %d", when, got, err, status)
			}
			return nil
		})
		after, same := time.Since(began), 0
		for until := time.Now().Add(5 * time.Second); time.Now().Before(until); same++ {
			if got, err := post(); err != nil || got != status {
				t.Errorf("%s: the post after %d was answered %d, %v; want %d", when, same, got, err, status)
				break
			}
		}
		t.Logf("%s: %d after %s, then %d times without exception", when, status, after.Round(10*time.Millisecond), same)
	}
	answers("three servers", http.StatusOK)
	e.nodes[0].kill()
	answers("two servers", http.StatusOK)
	e.nodes[1].kill()
	answers("one server", http.StatusServiceUnavailable)
	e.nodes[0].start()
	answers("two servers again", http.StatusOK)
	e.nodes[1].start()
	e.nodes[2].kill() // the one that was there all the time: what the others have must be whole
	answers("without the third", http.StatusOK)
	e.nodes[2].start()
	answers("three servers again", http.StatusOK)
	conn := e.connection()
	waitFor(t, 2*time.Minute, func() error {
		var rows, identities, missing int64
		err := conn.QueryRow(t.Context(), fmt.Sprintf("SELECT toInt64(count()), toInt64(uniqExact(correlator_index)), (SELECT sum(missing) FROM cdr_sessions WHERE session = '%[1]s') FROM cdr_records WHERE session = '%[1]s'", session)).
			Scan(&rows, &identities, &missing)
		if err != nil || rows != int64(accepted) || identities != rows || missing != 0 {
			return fmt.Errorf("%d rows, %d records, %d missing; %d were acknowledged: %v", rows, identities, missing, accepted, err)
		}
		return nil
	})
	t.Logf("%d records acknowledged, all stored once", accepted)
}
