package poller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

// TestOddTextCostsItselfAlone: a name in another encoding, or with what XML forbids, must not cost the list that it stands in.
func TestOddTextCostsItselfAlone(t *testing.T) {
	for name, want := range map[string]string{
		"caf\xe9":              "caf\uFFFD",
		"bell \x07":            "bell \uFFFD",
		"bell &#7; &#x1F;":     "bell \uFFFD \uFFFD",
		"half &#xD83D; a pair": "half \uFFFD a pair",
		"&#65;&#x42;&amp;#7;":  "AB&#7;",
		"\u2603 \uFFFE":        "\u2603 \uFFFD",
	} {
		root, err := parse([]byte(`<?xml version="1.0"?><calls total="2"><call id="a"><name>` + name + `</name></call><call id="b"><name>fine</name></call></calls>`))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		var got []string
		for _, e := range root.all("call") {
			var c collector.Call
			decode(e, &c)
			got = append(got, deref(c.Name))
		}
		if len(got) != 2 || got[0] != want || got[1] != "fine" {
			t.Errorf("%q became %q, want %q beside the fine one", name, got, want)
		}
	}
}

// TestNumbersThatAreNone: JSON, in which rows travel, has no word for them, so one of them would cost all rows beside it.
func TestNumbersThatAreNone(t *testing.T) {
	for _, text := range []string{"NaN", "Inf", "-Infinity", "1e999", "0x1p-2", "1_0"} {
		var leg collector.CallLeg
		decode(mustParse(t, `<callLeg id="1"><status><rxAudio><packetLossPercentage>`+text+`</packetLossPercentage><jitter>7</jitter></rxAudio></status></callLeg>`), &leg)
		if leg.RxAudio == nil || leg.RxAudio.PacketLossPercentage != nil || deref(leg.RxAudio.Jitter) != 7 {
			t.Errorf("%s: %+v, want a loss that is missing beside a jitter of 7", text, leg.RxAudio)
		}
		if _, err := json.Marshal(leg); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestTextInPiecesIsGatheredOnce: text that comments cut into pieces costs what it is long, not its square.
func TestTextInPiecesIsGatheredOnce(t *testing.T) {
	body := []byte("<a>" + strings.Repeat("x<!---->", 32<<10) + "</a>")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	root, err := parse(body)
	runtime.ReadMemStats(&after)
	if err != nil || len(root.text) != 32<<10 {
		t.Fatalf("%d bytes of text, %v", len(root.text), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("%d MB allocated for %d KB", used>>20, len(body)>>10)
	}
}

// TestAlarmsOfAnyAge: one alarm whose age is out of this world must not take the time of another, nor have begun in the future.
func TestAlarmsOfAnyAge(t *testing.T) {
	now := time.Date(2031, 4, 2, 9, 17, 0, 0, time.UTC)
	for seconds, want := range map[int64]time.Time{
		0: now, 75: now.Add(-75 * time.Second), -10: now, math.MinInt64: now, 9_300_000_000: time.Unix(0, 0).UTC(), math.MaxInt64: time.Unix(0, 0).UTC(),
	} {
		if got := raised(now, seconds); !got.Equal(want) {
			t.Errorf("an alarm of %d s was raised at %s, want %s", seconds, got, want)
		}
	}
}

// TestAlarmsTellNoSecrets: children of an alarm that nobody knows are kept as text, but not the token in an address, nor what is called one.
func TestAlarmsTellNoSecrets(t *testing.T) {
	var a collector.Alarm
	decode(mustParse(t, `<alarm id="1"><type>cdrConnectionFailure</type><uri>https://me:S3CR3T@rx.example.org:8801/cdr/S3CR3T</uri>
		<cdrReceiverToken>S3CR3T</cdrReceiverToken><turnPassword>S3CR3T</turnPassword><streamKey>S3CR3T</streamKey><url>%zz://S3CR3T/</url>
		<text>cannot reach https://rx.example.org/cdr/S3CR3T</text><webBridge>c2w://wb1.example.org:9999</webBridge><count>3</count></alarm>`), &a)
	got := details(a.Others)
	if strings.Contains(got, "S3CR3T") {
		t.Errorf("a secret is told: %s", got)
	}
	for _, want := range []string{"uri=https://rx.example.org:8801", "webBridge=c2w://wb1.example.org:9999", "count=3"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
}

// lone returns the worker of one bridge that is answered by a handler, and what it publishes.
func lone(t *testing.T, h http.HandlerFunc) (*worker, *collector.Live, *shelf) {
	t.Helper()
	client := fake(t, h)
	live := collector.NewLive(collector.Inventory{Clusters: []collector.Cluster{{Name: "emea", Bridges: []collector.Bridge{client.bridge}}}}, nil)
	out := &shelf{rows: make(map[string][]any)}
	p, err := New(DefaultConfig(), Deps{Live: live, Publisher: out})
	if err != nil {
		t.Fatal(err)
	}
	run, err := p.newRun(live.Inventory().Clusters[0])
	if err != nil {
		t.Fatal(err)
	}
	w := run.workers[0]
	w.client = client
	return w, live, out
}

// TestCallThatEndsBetweenListAndDetail: on a busy bridge there is nearly always one, and it must not cost the figures of the others.
func TestCallThatEndsBetweenListAndDetail(t *testing.T) {
	w, live, _ := lone(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/calls":
			fmt.Fprint(rw, `<calls total="2"><call id="a"><callCorrelator>x</callCorrelator></call><call id="b"><callCorrelator>y</callCorrelator></call></calls>`)
		case "/api/v1/calls/a":
			fmt.Fprint(rw, `<call id="a"><callType>coSpace</callType><numParticipantsLocal>3</numParticipantsLocal></call>`)
		default:
			rw.WriteHeader(http.StatusNotFound)
			fmt.Fprint(rw, `<failureDetails><callDoesNotExist /></failureDetails>`)
		}
	})
	row := storage.BridgeSample{Time: time.Now()}
	w.pollCalls(t.Context(), &row)
	if row.ParticipantsLocal == nil || *row.ParticipantsLocal != 3 || row.Conferences == nil || *row.Conferences != 1 {
		t.Errorf("%v participants in %v calls, want 3 in 1", deref(row.ParticipantsLocal), deref(row.Conferences))
	}
	if calls := live.Snapshot().Bridges[0].Calls.Value; calls.ByType["coSpace"] != 1 || calls.Total != 1 || len(calls.Correlators) != 1 {
		t.Errorf("live: %+v, want the one call", calls)
	}
}

// TestRowsThatAreToldApart: what the store takes for the same row it keeps once, so several main videos of a leg and several users without an id must not look the same.
func TestRowsThatAreToldApart(t *testing.T) {
	w, _, out := lone(t, func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(rw, `<activePersonalLicenses total="3"><user><callsActive>1</callsActive></user><user><callsActive>2</callsActive></user><user id="43df0000-0000-4000-8000-000000000001"><callsActive>1</callsActive></user></activePersonalLicenses>`)
	})
	row := storage.BridgeSample{Time: time.Now()}
	w.pollPersonal(t.Context(), &row)
	users := make(map[uuid.UUID]int64)
	for _, l := range rowsOf[storage.PersonalLicenseSample](out, storage.TablePersonalLicenseSamples) {
		users[l.UserID] += deref(l.CallsActive)
	}
	if len(users) != 3 {
		t.Errorf("licenses of %v, want three apart", users)
	}

	var leg collector.CallLeg
	decode(mustParse(t, `<callLeg id="1"><status><rxVideo role="main"><width>1</width></rxVideo><rxVideo role="main"><width>2</width></rxVideo><rxVideo role="presentation"/>
		<rxVideo><width>3</width></rxVideo><txVideo role="main"/></status></callLeg>`), &leg)
	streams := make(map[string]int64)
	rows := legRows(w, row.Time, leg, leg)
	for _, r := range rows {
		streams[r.Stream] = deref(r.Width)
	}
	want := map[string]int64{"rx_video": 1, "rx_video_2": 2, "rx_video_3": 3, "rx_presentation": 0, "tx_video": 0}
	if !maps.Equal(streams, want) || len(rows) != len(want) {
		t.Errorf("%d rows of streams %v, want %v", len(rows), streams, want)
	}
}

// TestListWithoutEnd: a server that always has another page must not fill our memory.
func TestListWithoutEnd(t *testing.T) {
	c := fake(t, func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, `<calls total="1000000000">`)
		for i := range 10_000 {
			fmt.Fprintf(rw, `<call id="%s-%d"/>`, r.URL.Query().Get("offset"), i)
		}
		fmt.Fprint(rw, `</calls>`)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	items := 0
	_, err := c.list(ctx, "/calls", "call", nil, func(*element) bool { items++; return true })
	if ReasonOf(err) != ReasonTooLarge || items > 300_000 {
		t.Errorf("%d items, then %v; want it given up as too large", items, err)
	}
}

// TestVersionsAreFreeText: a release that is not understood would be taken for one before 3.0, whose license file is judged.
func TestVersionsAreFreeText(t *testing.T) {
	for _, c := range []struct {
		version      string
		major, minor int
		want         bool
	}{
		{"3.8.1", 3, 0, true}, {"3.8.1", 3, 8, true}, {"3.8.1", 3, 9, false}, {"2.0(RC)", 2, 0, true}, {"2.0(RC)", 2, 4, false}, {"2.10.1", 2, 9, true},
		{"Meeting Server 3.8", 3, 0, true}, {"v3.0-beta", 3, 0, true}, {"3", 3, 0, true}, {"3", 3, 1, false}, {" 3.1", 3, 0, true},
		{"", 2, 0, false}, {"unknown", 2, 0, false}, {"99999999999999999999.1", 3, 0, false},
	} {
		if got := atLeast(c.version, c.major, c.minor); got != c.want {
			t.Errorf("%q is at least %d.%d: %t, want %t", c.version, c.major, c.minor, got, c.want)
		}
	}
}

// TestNodeThatNeverAnswersStarvesNoOther: a bridge that is not asked further in a round once a node was busy or refused must still be asked for everything else in time.
func TestNodeThatNeverAnswersStarvesNoOther(t *testing.T) {
	for _, bad := range [][]string{{"/system/load"}, {"/callLegs", "/system/database"}, {"/callBridgeGroups"}, {"/callBridges", "/system/profiles"}} {
		asked := make(map[string]int)
		var mu sync.Mutex
		w, _, _ := lone(t, func(rw http.ResponseWriter, r *http.Request) {
			path := strings.TrimPrefix(r.URL.Path, "/api/v1")
			mu.Lock()
			asked[path]++
			mu.Unlock()
			switch {
			case slices.Contains(bad, path):
				rw.WriteHeader(http.StatusForbidden)
			case path == "/system/status":
				fmt.Fprint(rw, `<status><softwareVersion>2.9.1</softwareVersion><uptimeSeconds>5</uptimeSeconds></status>`)
			default:
				fmt.Fprintf(rw, `<%s total="0"/>`, path[strings.LastIndexByte(path, '/')+1:])
			}
		})
		for range 4 {
			w.poll(t.Context(), time.Minute)
			w.cluster.workDue(t.Context(), w)
		}
		for _, path := range []string{
			"/system/load", "/system/multipartyLicensing", "/system/alarms", "/callLegs", "/calls", "/system/database", "/turnServers", "/webBridges", "/recorders", "/streamers",
			"/system/licensing", "/system/cdrReceivers", "/callBridges", "/clusterLicensing", "/system/profiles", "/system/MPLicenseUsage/knownHosts",
		} {
			if asked[path] == 0 && !(path == "/callBridges" && bad[0] == "/callBridgeGroups") {
				t.Errorf("while %s refuse, %s is never asked", bad, path)
			}
		}
	}
}

// TestCheckOfWhatIsNoBridge: something that answers is not a Call Bridge because it speaks XML, and a person is told what to look at.
func TestCheckOfWhatIsNoBridge(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"another document": {func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(rw, `<?xml version="1.0"?><feed><title>x</title></feed>`)
		}, "not the API of a Call Bridge"},
		"a redirect": {func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "https://login.example.org/", http.StatusFound)
		}, "Web Admin"},
		"another protocol": {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadRequest) }, "Web Admin"},
	} {
		client := fake(t, c.answer)
		if f := Check(t.Context(), client.bridge, 5*time.Second, "", time.Now); f.Authorized || !f.Reachable || !strings.Contains(f.Problem, c.want) {
			t.Errorf("%s: %+v, want it reached, not authorized, and told of %q", name, f, c.want)
		}
	}
}
