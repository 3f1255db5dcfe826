package poller

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

// town is a bridge with very many spaces, each owned by a user of its own, reached without a network so that hours pass in no time.
type town struct {
	mu sync.Mutex
	// asked are the times of the requests for owners, polled those of the status.
	asked, polled    []time.Time
	spaces, users    int
	most             int
	inFlight         atomic.Int64
	changed, deleted map[int]bool
	conns            chan net.Conn
}

func (w *town) Accept() (net.Conn, error) {
	c, ok := <-w.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (w *town) Close() error   { return nil }
func (w *town) Addr() net.Addr { return &net.TCPAddr{} }

func (w *town) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	w.conns <- theirs
	return ours, nil
}

// numbered makes an id of a kind and a number, and numberOf takes it apart.
func numbered(kind byte, n int) uuid.UUID {
	id := uuid.UUID{0: kind, 6: 0x40, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	return id
}

func numberOf(path string) int {
	id := uuid.MustParse(path[strings.LastIndexByte(path, '/')+1:])
	return int(binary.BigEndian.Uint32(id[12:]))
}

func (w *town) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	now := w.inFlight.Add(1)
	defer w.inFlight.Add(-1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most = max(w.most, int(now))
	path := strings.TrimPrefix(r.URL.Path, apiRoot)
	say := func(format string, args ...any) { fmt.Fprintf(rw, format, args...) }
	switch {
	case path == "/system/status":
		w.polled = append(w.polled, time.Now())
		say(`<status><softwareVersion>3.8.1</softwareVersion><uptimeSeconds>1</uptimeSeconds></status>`)
	case path == "/system/profiles":
		say(`<profiles><userProfile>%s</userProfile></profiles>`, numbered('p', 1))
	case path == "/userProfiles":
		say(`<userProfiles total="1"><userProfile id="%s"></userProfile></userProfiles>`, numbered('p', 1))
	case strings.HasPrefix(path, "/userProfiles/"):
		say(`<userProfile id="%s"><hasLicense>true</hasLicense></userProfile>`, numbered('p', 1))
	case path == "/tenants":
		say(`<tenants total="0"></tenants>`)
	case strings.HasPrefix(path, "/coSpaces/"):
		n := numberOf(path)
		w.asked, w.spaces = append(w.asked, time.Now()), w.spaces+1
		if w.deleted[n] {
			rw.WriteHeader(http.StatusNotFound)
			say(`<failureDetails><coSpaceDoesNotExist /></failureDetails>`)
			return
		}
		say(`<coSpace id="%s"><name>Space %d</name><ownerId>%s</ownerId></coSpace>`, numbered('s', n), n, numbered('u', n))
	case strings.HasPrefix(path, "/users/"):
		n := numberOf(path)
		w.asked, w.users = append(w.asked, time.Now()), w.users+1
		name := fmt.Sprintf("User %d", n)
		if w.changed[n] {
			name += " the new"
		}
		say(`<user id="%s"><userJid>u%d@example.org</userJid><name>%s</name></user>`, numbered('u', n), n, name)
	default:
		rw.WriteHeader(http.StatusNotFound)
		say(`<failureDetails><unrecognizedObject /></failureDetails>`)
	}
}

// lookups returns how many spaces and users were asked for.
func (w *town) lookups() (spaces, users int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spaces, w.users
}

// busiest returns the most requests for owners within any second.
func (w *town) busiest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	most, from := 0, 0
	for i, at := range w.asked {
		for at.Sub(w.asked[from]) >= time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// latest returns by how much the longest pause between two polls exceeded the interval.
func (w *town) latest(interval time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var late time.Duration
	for i := 2; i < len(w.polled); i++ {
		late = max(late, w.polled[i].Sub(w.polled[i-1])-interval)
	}
	return late
}

// TestOwnersOfTwentyThousandSpaces: the owners of 20,000 spaces are looked up at the pace of the configuration, one request at a time, while the bridge is polled as ever;
// nobody is asked twice within a day; after a day only what changed becomes a row.
func TestOwnersOfTwentyThousandSpaces(t *testing.T) {
	if testing.Short() {
		t.Skip("eighty thousand requests")
	}
	const spaces = 20_000
	synctest.Test(t, func(t *testing.T) {
		w := &town{conns: make(chan net.Conn), changed: make(map[int]bool), deleted: make(map[int]bool)}
		server := &http.Server{Handler: w}
		go func() { _ = server.Serve(w) }()
		inv := collector.Inventory{Clusters: []collector.Cluster{{
			Name: "emea", PollInterval: time.Minute, Bridges: []collector.Bridge{{Name: "cb1", URL: "http://cb1.example.org", Username: "u", Password: "p"}},
		}}}
		out := &shelf{rows: make(map[string][]any)}
		cfg := DefaultConfig()
		p, err := New(cfg, Deps{Live: collector.NewLive(inv, nil), Publisher: out, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		run, err := p.newRun(inv.Clusters[0])
		if err != nil {
			t.Fatal(err)
		}
		worker := run.workers[0]
		worker.client.http.Transport.(*http.Transport).DialContext = w.dial
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); worker.run(ctx) }()
		want := func() {
			for n := range spaces {
				run.owners.want(numbered('s', n), time.Now())
			}
		}
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		began := time.Now()
		want()
		for out.count(storage.TableOwners) < spaces && time.Since(began) < 6*time.Hour {
			pass(time.Minute)
		}
		took := time.Since(began)
		asked, users := w.lookups()
		if asked != spaces || users != spaces || out.count(storage.TableOwners) != spaces {
			t.Fatalf("asked for %d spaces and %d users, %d rows, want %d each", asked, users, out.count(storage.TableOwners), spaces)
		}
		for _, o := range rowsOf[storage.Owner](out, storage.TableOwners)[:100] {
			if o.HasLicense == nil || *o.HasLicense != 1 || o.LicenseFrom != "system" || o.OwnerID == uuid.Nil {
				t.Fatalf("%+v, want an owner with the license of the system's profile", o)
			}
		}
		bound := int(time.Second / cfg.Pace)
		if most := w.busiest(); most > bound {
			t.Errorf("%d requests for owners within a second, want at most %d", most, bound)
		}
		if late := w.latest(time.Minute); late > time.Second {
			t.Errorf("a poll was %s late", late)
		}
		t.Logf("%d spaces in %s of the bridge's time: %.1f requests a second, %d in the busiest second; polls at most %s late", spaces, took.Round(time.Second),
			float64(asked+users)/took.Seconds(), w.busiest(), w.latest(time.Minute))

		// Asked again the same day: nothing.
		want()
		pass(time.Hour)
		if again, _ := w.lookups(); again != spaces {
			t.Errorf("asked %d times more on the same day, want never", again-spaces)
		}
		// A day later: all are asked, the ten that changed become rows.
		pass(24 * time.Hour)
		w.mu.Lock()
		for n := range 7 {
			w.changed[n*1000] = true
		}
		for n := range 3 {
			w.deleted[n*1000+500] = true
		}
		w.mu.Unlock()
		want()
		began = time.Now()
		for asked < 2*spaces && time.Since(began) < 6*time.Hour {
			pass(time.Minute)
			asked, _ = w.lookups()
		}
		if rows := out.count(storage.TableOwners) - spaces; asked != 2*spaces || rows != 10 {
			t.Errorf("a day later %d spaces asked and %d rows, want %d and 10", asked-spaces, rows, spaces)
		}
		cancel()
		<-done
		worker.client.Close()
		close(w.conns)
		_ = server.Close()
		if w.most != 1 {
			t.Errorf("%d requests at once, want 1", w.most)
		}
	})
}
