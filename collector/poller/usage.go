package poller

import (
	"context"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/storage"
)

// usage reads the license snapshots that servers keep (cms-api.md §5.7): the new ones of every known host, and in the background those of the past.
// Any one bridge serves the snapshots of all hosts, also of those that are down or retired.
type usage struct {
	cluster *cluster
	hosts   []string
	// newest is the time of the last snapshot stored, by host.
	newest map[string]time.Time
	// past holds the windows of the back-fill still to be read, by host.
	past map[string]*past
	// bins sum the last minutes, for the live figure.
	bins map[int64]map[string]collector.UsageTotals
	// recalled is what earlier runs stored.
	recalled map[uuid.UUID]storage.UsageRange
}

// past walks backward through history in windows of a day.
type past struct {
	// end of the window that is being read, and offset within it. The walk ends at start.
	end, start time.Time
	offset     int
}

const (
	usageBin      = 5 * time.Minute
	usageWindow   = 24 * time.Hour
	catchUpWindow = 6 * time.Hour
	// firstUsage is how far back the first live request looks; what lies before is back-filled.
	firstUsage = 20 * time.Minute
)

func newUsage(c *cluster) *usage {
	return &usage{
		cluster: c, newest: make(map[string]time.Time), past: make(map[string]*past), bins: make(map[int64]map[string]collector.UsageTotals),
	}
}

func (u *usage) recall(known map[uuid.UUID]storage.UsageRange) { u.recalled = known }

// poll reads the new snapshots of every known host.
func (u *usage) poll(ctx context.Context, w *worker) {
	var hosts []collector.KnownHost
	if !w.ask(ctx, "knownHosts", func() (err error) {
		hosts, err = collect[collector.KnownHost](ctx, w.client, "/system/MPLicenseUsage/knownHosts", "host", nil)
		return err
	}) {
		return
	}
	u.hosts = u.hosts[:0]
	for _, h := range hosts {
		if h.ID == nil {
			continue
		}
		u.hosts = append(u.hosts, *h.ID)
		u.begin(*h.ID)
		u.pollHost(ctx, w, *h.ID)
	}
	u.show(w)
}

// begin sets up the walk through a host's past when the host is first seen.
func (u *usage) begin(host string) {
	if _, known := u.past[host]; known {
		return
	}
	now := u.cluster.poller.deps.Clock().UTC()
	from := now.Add(-firstUsage)
	p := &past{end: from, start: now.Add(-u.cluster.poller.cfg.Backfill)}
	if stored, ok := u.recalled[parseID(&host)]; ok {
		// What lies between the last stored snapshot and now is read forward; what lies before the first, backward.
		from = stored.Last
		p.end = stored.First
		if from.After(now) {
			// The host's clock was ahead: where what it made by the right one ends is not known.
			from = now.Add(-usageWindow)
		}
	}
	u.newest[host] = from
	u.past[host] = p
}

func (u *usage) pollHost(ctx context.Context, w *worker, host string) {
	// Both bounds are inclusive; the entry at the bound is written again, which changes nothing.
	query := url.Values{"hostId": {host}, "startTime": {u.newest[host].Format(time.RFC3339)}}
	// After a long absence the gap is closed from its old end, a window a step, so that no request keeps the bridge's own poll waiting
	// and what is stored has no hole wherever this stops.
	var end time.Time
	if u.behind(host) {
		end = u.newest[host].Add(catchUpWindow)
		query.Set("endTime", end.Format(time.RFC3339))
	}
	var entries []collector.LicenseUsage
	if !w.ask(ctx, "MPLicenseUsage", func() (err error) {
		entries, err = collect[collector.LicenseUsage](ctx, w.client, "/system/MPLicenseUsage", "entry", query)
		return err
	}) {
		return
	}
	if !u.store(ctx, w, host, entries) {
		return
	}
	now := u.cluster.poller.deps.Clock()
	for _, e := range entries {
		// A clock that is ahead today may be right tomorrow: what is made then must not lie before what is asked for.
		if timed(e) && e.Time.After(u.newest[host]) && !e.Time.After(now) {
			u.newest[host] = *e.Time
		}
		u.bin(w, host, e)
	}
	if end.After(u.newest[host]) {
		u.newest[host] = end
	}
}

// behind reports whether a host's snapshots were not read for longer than a window.
func (u *usage) behind(host string) bool {
	return u.cluster.poller.deps.Clock().Sub(u.newest[host]) > catchUpWindow
}

// timed reports whether a snapshot has a time, and one that storage can hold.
func timed(e collector.LicenseUsage) bool {
	return e.Time != nil && storage.Holdable(*e.Time).Unix() == e.Time.Unix()
}

// store publishes entries; false means that the bus did not take them and they must be read again.
func (u *usage) store(ctx context.Context, w *worker, host string, entries []collector.LicenseUsage) bool {
	rows := make([]storage.LicenseSample, 0, len(entries))
	id := parseID(&host)
	for _, e := range entries {
		if !timed(e) {
			continue
		}
		rows = append(rows, storage.LicenseSample{
			Time: e.Time.UTC(), CMSCluster: u.cluster.inv.Name, HostID: id, CallBridge: u.cluster.hostName(id),
			PMP: int64(deref(e.PMP)), PMPAssigned: assigned(w, e), SMPAudio: int64(deref(e.SMPAudio)), SMPPtP: int64(deref(e.SMPPtP)),
			SMPFull: int64(deref(e.SMPFull)), Rec: int64(deref(e.Recording)), Str: int64(deref(e.Streaming)), Polled: u.cluster.poller.deps.Clock().UTC(),
		})
	}
	return len(rows) == 0 || u.cluster.poller.publish(ctx, w.log, w.bridge.Name, "MPLicenseUsage", storage.TableLicenseSamples, rows)
}

// assigned is zero when left out by a release that knows it, and unknown before 3.0.
func assigned(w *worker, e collector.LicenseUsage) *int64 {
	if e.PMPAssigned == nil && atLeast(w.version, 3, 0) {
		return new(int64)
	}
	return e.PMPAssigned
}

func (u *usage) bin(w *worker, host string, e collector.LicenseUsage) {
	if !timed(e) {
		return
	}
	key := e.Time.Unix() / int64(usageBin/time.Second)
	if u.bins[key] == nil {
		u.bins[key] = make(map[string]collector.UsageTotals)
	}
	t := collector.UsageTotals{
		PMP: deref(e.PMP), Recording: deref(e.Recording), Streaming: deref(e.Streaming),
		SMP6000:     6*int64(deref(e.SMPFull)) + int64(deref(e.SMPAudio)) + int64(deref(e.SMPPtP)),
		PMPAssigned: assigned(w, e),
	}
	// Two snapshots of one host in one bin: the larger counts (cms-api.md §5.7).
	if old, twice := u.bins[key][host]; twice && old.SMP6000 > t.SMP6000 {
		t = old
	}
	u.bins[key][host] = t
}

// show puts the newest bin that every recently active host has reported into the live state. Bins ahead of our clock count only while there are no others.
func (u *usage) show(w *worker) {
	var newest, ahead int64
	present := u.cluster.poller.deps.Clock().Unix()/int64(usageBin/time.Second) + 1
	for key := range u.bins {
		if key > present {
			ahead = max(ahead, key)
		} else {
			newest = max(newest, key)
		}
	}
	if newest == 0 {
		newest = ahead
	}
	const recent = 4
	active := make(map[string]bool)
	for key, hosts := range u.bins {
		if key <= newest-2*recent {
			delete(u.bins, key)
			continue
		}
		if key > newest-recent && key <= newest {
			for h := range hosts {
				active[h] = true
			}
		}
	}
	for key := newest; key > newest-recent && len(active) > 0; key-- {
		hosts := u.bins[key]
		if len(hosts) < len(active) {
			continue
		}
		total := collector.UsageTotals{Bin: time.Unix(key*int64(usageBin/time.Second), 0).UTC()}
		for _, t := range hosts {
			total.PMP += t.PMP
			total.Recording += t.Recording
			total.Streaming += t.Streaming
			total.SMP6000 += t.SMP6000
			// Assigned licenses are the cluster's on every host: the largest, never the sum.
			if t.PMPAssigned != nil && (total.PMPAssigned == nil || *t.PMPAssigned > *total.PMPAssigned) {
				total.PMPAssigned = t.PMPAssigned
			}
		}
		at := u.cluster.poller.deps.Clock().UTC()
		u.cluster.poller.deps.Live.UpdateCluster(u.cluster.inv.Name, func(s *collector.ClusterState) {
			s.Usage = sampled(w, "MPLicenseUsage", at, total)
		})
		return
	}
}

// backfill reads one window of a gap, else one page of the past, and reports whether there was something to do.
func (u *usage) backfill(ctx context.Context, w *worker) bool {
	if w.absent["MPLicenseUsage"] {
		return false
	}
	for _, host := range u.hosts {
		if before := u.newest[host]; u.behind(host) {
			u.pollHost(ctx, w, host)
			return u.newest[host].After(before)
		}
	}
	for _, host := range u.hosts {
		p := u.past[host]
		if p == nil || !p.end.After(p.start) {
			continue
		}
		begin := p.end.Add(-usageWindow)
		if begin.Before(p.start) {
			begin = p.start
		}
		query := url.Values{"hostId": {host}, "startTime": {begin.Format(time.RFC3339)}, "endTime": {p.end.Format(time.RFC3339)}}
		var answer page
		if !w.ask(ctx, "MPLicenseUsage", func() (err error) {
			answer, err = w.client.page(ctx, "/system/MPLicenseUsage", "entry", query, p.offset, pageLimit)
			return err
		}) {
			return false
		}
		entries := make([]collector.LicenseUsage, len(answer.items))
		for i, e := range answer.items {
			decode(e, &entries[i])
		}
		if !u.store(ctx, w, host, entries) {
			return false
		}
		p.offset += len(entries)
		if len(entries) == 0 || answer.total >= 0 && p.offset >= answer.total {
			p.end, p.offset = begin, 0
		}
		return true
	}
	return false
}
