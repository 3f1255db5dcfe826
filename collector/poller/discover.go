package poller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
)

// Found is one Call Bridge as discovery and checks see it.
type Found struct {
	// Name is the bridge's uniqueName, else its name in the cluster's database.
	Name string
	// ID in /callBridges; empty for a lone bridge that does not list itself.
	ID string
	// URL that was asked.
	URL string
	// Group is the name of its Call Bridge Group; empty for none.
	Group string
	// Reachable: an answer came, whatever it said. Authorized: the credentials were accepted.
	Reachable, Authorized bool
	// Proven: the bridge at URL says of itself that it is Name, so that the address is right.
	Proven bool
	// Problem says in one line what is wrong, for a person; empty if nothing is.
	Problem string
	Version string
	HostID  string
	// ClusterID is empty before 3.0.
	ClusterID string
	ClockSkew time.Duration
	// LoadLimit is the configured one in load units; nil where none is set.
	LoadLimit *int64
	// EventsPossible: the release has the events WebSocket (2.4 and later).
	EventsPossible bool
	// Receivers are the CDR receivers, without the paths of their addresses; nil where they could not be read.
	Receivers *collector.ReceiverState
}

// Discovery is what one bridge told about its whole cluster.
type Discovery struct {
	// ClusterID is empty before 3.0 and where no bridge answered.
	ClusterID string
	// Clustered: the database names several bridges.
	Clustered bool
	Bridges   []Found
}

// Check asks one bridge what `check` reports. It never fails as a whole: what is wrong stands in Problem.
// The address of our own receiver may be empty; else Receivers.Ours says whether the bridge has it.
func Check(ctx context.Context, b collector.Bridge, timeout time.Duration, receiver collector.Secret, now func() time.Time) Found {
	f := Found{Name: b.Name, URL: b.URL}
	c, err := NewClient(b, timeout)
	if err != nil {
		f.Problem = err.Error()
		return f
	}
	defer c.Close()
	c.inspect(ctx, &f, receiver, now)
	return f
}

func (c *Client) inspect(ctx context.Context, f *Found, receiver collector.Secret, now func() time.Time) {
	var s collector.Status
	began := now()
	err := c.status(ctx, &s)
	took := now().Sub(began)
	if err != nil {
		e, _ := errors.AsType[*Error](err)
		f.Reachable = e != nil && (e.Status != 0 || e.Reason == ReasonTLS)
		f.Problem = advice(err)
		return
	}
	f.Reachable, f.Authorized = true, true
	f.Version, f.HostID, f.ClusterID = deref(s.SoftwareVersion), deref(s.HostID), deref(s.ClusterID)
	if s.CDRTime != nil {
		f.ClockSkew = s.CDRTime.Add(time.Second / 2).Sub(began.Add(took / 2))
	}
	f.EventsPossible = atLeast(f.Version, 2, 4)
	var cfg collector.ClusterConfig
	if err := c.one(ctx, "/system/configuration/cluster", &cfg); err != nil {
		f.Problem = advice(err)
	}
	f.LoadLimit = cfg.LoadLimit
	if name := deref(cfg.UniqueName); name != "" {
		f.Proven = f.Name == "" || f.Name == name
		f.Name = name
	}
	state, err := c.receivers(ctx)
	if err != nil {
		f.Problem = advice(err)
		return
	}
	if receiver != "" {
		ours := has(state, receiver)
		state.Ours = &ours
	}
	f.Receivers = &state
}

// advice says what went wrong and what to do about it.
func advice(err error) string {
	hint := map[string]string{
		ReasonAuth:      "user name or password refused: is it a local MMP user with the role api, whose first password has been changed?",
		ReasonConnect:   "no connection: is this the address and port of Web Admin (webadmin listen)?",
		ReasonTimeout:   "no answer in time: is this the address and port of Web Admin, and does a firewall let us through?",
		ReasonTLS:       "the server's certificate is not trusted: give ca_file, server_name or fingerprint",
		ReasonBusy:      "the bridge is busy or its database is not ready: try again",
		ReasonBadAnswer: "what answers is not the API of a Call Bridge",
		ReasonNotFound:  "what answers has no API of a Call Bridge (an Edge server has none)",
		ReasonAbsent:    "what answers has no such node",
		ReasonStatus:    "not what a Call Bridge answers: is this the address and port of Web Admin, and http or https as it listens?",
	}[ReasonOf(err)]
	if hint == "" {
		return err.Error()
	}
	return hint + " (" + err.Error() + ")"
}

// atLeast compares the first two numbers in a version, which is free text.
func atLeast(version string, wantMajor, wantMinor int) bool {
	var ma, mi int
	if n, _ := fmt.Sscanf(version[max(strings.IndexAny(version, "0123456789"), 0):], "%d.%d", &ma, &mi); n == 0 {
		return false
	}
	return ma > wantMajor || ma == wantMajor && mi >= wantMinor
}

// Discover walks from one bridge to its whole cluster. Each member is asked at the address that the database has for it, with the same credentials and trust; the
// start bridge at the address it was given. An address that leads to another bridge than its name says, or that does not answer, is reported with its Problem and not left out.
// It fails only where the start bridge cannot be read.
func Discover(ctx context.Context, start collector.Bridge, timeout time.Duration, now func() time.Time) (Discovery, error) {
	c, err := NewClient(start, timeout)
	if err != nil {
		return Discovery{}, err
	}
	defer c.Close()
	first := Found{URL: start.URL}
	c.inspect(ctx, &first, "", now)
	if !first.Authorized {
		return Discovery{}, fmt.Errorf("%s: %s", c.base, first.Problem)
	}
	members, err := c.callBridges(ctx)
	if err != nil {
		return Discovery{}, fmt.Errorf("%s: list of Call Bridges: %w", c.base, err)
	}
	groups := make(map[string]string)
	if list, err := collect[collector.CallBridgeGroup](ctx, c, "/callBridgeGroups", "callBridgeGroup", nil); err == nil {
		for _, g := range list {
			groups[deref(g.ID)] = deref(g.Name)
		}
	}
	d := Discovery{ClusterID: first.ClusterID, Clustered: len(members) > 1}
	seen := false
	for _, m := range members {
		f := Found{Name: deref(m.Name), ID: deref(m.ID), URL: deref(m.Address), Group: deref(m.CallBridgeGroup)}
		if name := groups[f.Group]; name != "" {
			f.Group = name
		}
		if f.Name == first.Name && !seen {
			seen = true
			first.ID, first.Group = f.ID, f.Group
			d.Bridges = append(d.Bridges, first)
			continue
		}
		d.Bridges = append(d.Bridges, member(ctx, f, start, d.ClusterID, timeout, now))
	}
	if !seen {
		d.Bridges = slices.Insert(d.Bridges, 0, first)
	}
	return d, nil
}

// member asks one bridge that the database named.
func member(ctx context.Context, f Found, start collector.Bridge, clusterID string, timeout time.Duration, now func() time.Time) Found {
	if f.URL == "" {
		f.Problem = "the cluster's database has no address for it"
		return f
	}
	listed := f.Name
	b := start
	// The name expected of the start bridge is not that of another. A pin stays: better a member that needs its own than one that is not checked.
	b.Name, b.URL, b.TLS.ServerName = f.Name, f.URL, ""
	u, err := b.BaseURL()
	if err != nil {
		f.Problem = err.Error()
		return f
	}
	// The address comes from the bridge: never send it the password in the clear because that said so.
	if u.Scheme != "https" {
		if s, err := start.BaseURL(); err != nil || s.Scheme != "http" {
			f.Problem = "its address in the cluster's database is not https"
			return f
		}
	}
	b.URL = u.String()
	checked := Check(ctx, b, timeout, "", now)
	checked.ID, checked.Group = f.ID, f.Group
	if checked.Authorized {
		checked.Proven = checked.Name == listed
		switch {
		case clusterID != "" && checked.ClusterID != clusterID:
			checked.Proven = false
			checked.Problem = "what answers at this address belongs to another cluster"
		case !checked.Proven:
			checked.Problem = fmt.Sprintf("the database names it %q, but what answers calls itself %q", listed, checked.Name)
		}
		checked.Name = listed
	}
	return checked
}

// ErrReceiversFull is in the chain of RegisterReceiver's error when the bridge's table is full; the message names what is there.
var ErrReceiversFull = errors.New("the table of CDR receivers is full")

// RegisterReceiver adds our receiver to a bridge unless it is there, and reports whether it was added. It never removes or changes another's.
// It is the only call that changes anything on a bridge; run it on explicit command alone.
func RegisterReceiver(ctx context.Context, b collector.Bridge, receiver collector.Secret, timeout time.Duration) (added bool, err error) {
	c, err := NewClient(b, timeout)
	if err != nil {
		return false, err
	}
	defer c.Close()
	state, err := c.receivers(ctx)
	if err != nil {
		return false, err
	}
	if has(state, receiver) {
		return false, nil
	}
	full := func() error {
		var there []string
		for _, r := range state.Receivers {
			there = append(there, deref(r.URI))
		}
		return fmt.Errorf("bridge %q: %w: it holds %q", b.Name, ErrReceiversFull, there)
	}
	if state.Maximum != nil && int64(len(state.Receivers)) >= *state.Maximum {
		return false, full()
	}
	// Answers say uri; the guide and the vendor's collection write url, a portal writes uri (cms-api.md §5.9). The documented name goes first.
	for _, field := range []string{"url", "uri"} {
		_, err = c.do(ctx, http.MethodPost, "/system/cdrReceivers", nil, url.Values{field: {receiver.Reveal()}})
		if e, ok := errors.AsType[*Error](err); ok && slices.Contains(e.Failures, "tooManyCdrReceivers") {
			return false, full()
		}
		if err != nil && ReasonOf(err) != ReasonRefused && ReasonOf(err) != ReasonStatus {
			return false, err
		}
		after, listErr := c.receivers(ctx)
		if listErr != nil {
			return false, listErr
		}
		if has(after, receiver) {
			return true, nil
		}
		// Taken, but under no address of ours: trying again would add a second.
		if len(after.Receivers) > len(state.Receivers) {
			return false, fmt.Errorf("bridge %q: it took the receiver but shows another address for it", b.Name)
		}
	}
	if err == nil {
		err = errors.New("it answered 200 and did not add the receiver")
	}
	return false, fmt.Errorf("bridge %q: %w", b.Name, err)
}
