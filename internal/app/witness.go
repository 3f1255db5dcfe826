package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/witness"
	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/internal/heartbeat"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

const (
	// compareEvery is how often the witnesses are compared, and compareFor how long a comparison stands.
	compareEvery = 10 * time.Second
	compareFor   = time.Minute
	// behindMost is how far the records may be behind before they are no account of now.
	behindMost = 2 * time.Minute
	// openWindow bounds what is looked through for what has not ended.
	openWindow = 30 * 24 * time.Hour
)

// runWitnesses compares what records, events and API say of every bridge until ctx ends.
func (a *App) runWitnesses(ctx context.Context) error {
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	bridges := map[bridgeKey]*witness.Bridge{}
	differed := map[bridgeKey]string{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		a.compare(ctx, bridges, differed)
	}
}

// compare compares once. What changes by it goes into the timeline.
func (a *App) compare(ctx context.Context, bridges map[bridgeKey]*witness.Bridge, differed map[bridgeKey]string) {
	now := time.Now().UTC()
	records := a.recordAccounts(now)
	followed, unsupported := a.eventAccounts(now)
	for _, b := range a.live.Snapshot().Bridges {
		key := bridgeKey{b.Cluster, b.Bridge}
		accounts := map[witness.Name]witness.Account{witness.Events: followed[key], witness.API: apiAccount(b)}
		if records != nil && a.hasReceiver(key) && !a.observer.open.catchingUp(key, now, b.ClockSkew.Value) {
			account := records[key]
			if !account.Known { // nothing is open
				account = witness.Account{Known: true, At: now.Add(-a.recordsBehind()), Recordings: map[string]bool{}, Legs: new(int64)}
			}
			accounts[witness.Records] = account
		}
		known := 0
		for _, account := range accounts {
			if account.Known {
				known++
			}
		}
		up, _ := b.Up()
		state := witness.State{Supported: a.has(Subscribe) && a.holdings.has(Subscribe, b.Cluster) && a.options.Config.Events.Enabled && !unsupported[key], Up: up && b.Held[collector.Polls]}
		if !b.ClockSkew.At.IsZero() {
			state.Skew = &b.ClockSkew.Value
		}
		if known < 2 && !state.Up {
			delete(bridges, key) // nobody to compare with; what was heard so far is of another time when somebody is
			continue
		}
		if bridges[key] == nil {
			bridges[key] = witness.New(witness.DefaultConfig())
		}
		report := bridges[key].Compare(now, accounts, state)
		a.live.SetWitness(b.Cluster, b.Bridge, report, compareFor)
		a.tellWitness(ctx, key, report, differed)
	}
}

// recordAccounts is what the records say; nil where the writer is not here or far behind.
func (a *App) recordAccounts(now time.Time) map[bridgeKey]witness.Account {
	behind := a.recordsBehind()
	if !a.holdings.has(Store, storeLease) || behind > behindMost || !a.observer.open.ready() {
		return nil
	}
	return a.observer.open.accounts(now.Add(-behind))
}

// recordsBehind is how far the writer is behind the bridges, by our own heartbeats.
func (a *App) recordsBehind() time.Duration {
	lag, measured := a.beats.Lag(heartbeat.StageStore)
	if a.receiver == nil || !measured {
		return 0
	}
	return lag
}

// hasReceiver tells whether records of a bridge are wanted.
func (a *App) hasReceiver(key bridgeKey) bool {
	for _, c := range a.options.Config.Clusters {
		for _, b := range c.Bridges {
			if c.Name == key.cluster && b.Name == key.bridge {
				return !b.CDRToken.IsZero()
			}
		}
	}
	return false
}

// eventAccounts is what the events say of the bridges that are followed here, and which of them have no events.
func (a *App) eventAccounts(now time.Time) (accounts map[bridgeKey]witness.Account, unsupported map[bridgeKey]bool) {
	accounts, unsupported = map[bridgeKey]witness.Account{}, map[bridgeKey]bool{}
	s := a.subscriber.Load()
	if s == nil {
		return accounts, unsupported
	}
	for _, c := range s.Connections() {
		unsupported[bridgeKey{c.Cluster, c.Bridge}] = c.Unsupported
	}
	for _, b := range s.Live(func(string, string) bool { return true }) {
		account := witness.Account{Known: true, At: now, Calls: map[string]time.Time{}, Recordings: map[string]bool{}}
		for _, c := range b.Calls {
			meeting := eventMeeting(c)
			account.Calls[meeting] = time.Time{}
			if !c.AtSnapshot {
				account.Calls[meeting] = c.Since
			}
			if c.Recording == "active" {
				account.Recordings[meeting] = true
			}
		}
		accounts[bridgeKey{b.Cluster, b.Bridge}] = account
	}
	return accounts, unsupported
}

func eventMeeting(c events.Call) string {
	if c.Correlator == "" {
		return cdr.ParseID(c.ID).String()
	}
	return cdr.ParseID(c.Correlator).String()
}

// apiAccount is what the last poll said.
func apiAccount(b collector.BridgeSnapshot) witness.Account {
	polled := b.PolledCalls
	if polled.At.IsZero() || !b.Held[collector.Polls] {
		return witness.Account{}
	}
	account := witness.Account{Known: true, At: polled.At, Calls: map[string]time.Time{}, Legs: b.Status.Value.CallLegsActive}
	for _, meeting := range polled.Value.Correlators {
		account.Calls[cdr.ParseID(meeting).String()] = time.Time{}
	}
	if polled.Value.RecordingMeetings != nil {
		account.Recordings = map[string]bool{}
		for _, meeting := range polled.Value.RecordingMeetings {
			account.Recordings[cdr.ParseID(meeting).String()] = true
		}
	}
	return account
}

// tellWitness puts into the timeline what is found and what is not found any more.
func (a *App) tellWitness(ctx context.Context, key bridgeKey, report witness.Report, differed map[bridgeKey]string) {
	var rows []storage.Event
	found := ""
	for i, f := range witness.Findings() {
		was := slices.Contains(strings.Fields(differed[key]), string(f))
		if report.Found[f] {
			found += string(f) + " "
		}
		if report.Found[f] == was {
			continue
		}
		row := storage.Event{Time: report.At, Sequence: uint64(i), CMSCluster: key.cluster, CallBridge: key.bridge, Kind: "witness_agrees", Element: string(f)}
		if report.Found[f] {
			row.Kind, row.To = "witness_differs", report.Why[f]
			a.log.Warn("the witnesses of a bridge differ", "cms_cluster", key.cluster, "call_bridge", key.bridge, "finding", f, "why", report.Why[f])
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return
	}
	if err := a.bus.PublishRows(ctx, bus.Subject("events", key.bridge, "witness"), storage.TableEvents, rows); err != nil {
		if ctx.Err() == nil {
			a.log.Warn("findings of witnesses not published", "error", err)
		}
		return // told with the next comparison
	}
	differed[key] = found
}
