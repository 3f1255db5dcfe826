// Package observer feeds what the writer stored to the live state: the counters of records, and what is missing.
package observer

import (
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/capacity"
	"github.com/bridgewatch/bridgewatch/internal/heartbeat"
)

// liveWindow is how young a record must be to count as news; older ones are history that came late (interface page, Metrics).
const liveWindow = 10 * time.Minute

// Observer is told by the writer what it stored. Its methods may be called from any goroutine.
type Observer struct {
	live *collector.Live
	now  func() time.Time

	// Beats is told of heartbeats; nil where they are not measured. Set it before the first call.
	Beats *heartbeat.Monitor

	mu      sync.Mutex
	owners  SpaceOwners                    // nil where nobody is to be told
	missing map[[2]string]map[string]int64 // cluster and bridge → session → records missing
}

// SpaceOwners is told of spaces whose owner should be looked up.
type SpaceOwners interface {
	WantSpace(cluster string, space uuid.UUID)
}

// Follow lets a poller look up the owners of the spaces that calls name.
func (o *Observer) Follow(owners SpaceOwners) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owners = owners
}

// Forget drops what an earlier turn of the writer learnt.
func (o *Observer) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.missing)
}

// New returns an observer that feeds a live state; now says how old a record is.
func New(live *collector.Live, now func() time.Time) *Observer {
	return &Observer{live: live, now: now, missing: map[[2]string]map[string]int64{}}
}

// RecordStored counts a record, unless it is replayed or history.
func (o *Observer) RecordStored(r cdr.SourcedRecord, isNew, replayed bool) {
	if replayed || o.now().Sub(r.Time) > liveWindow {
		return
	}
	if !isNew {
		o.live.CountDuplicate(r.Cluster, r.Source)
		return
	}
	o.live.CountRecord(r.Cluster, r.Source, string(r.Type))
	o.live.SetLastRecord(r.Cluster, r.Source, r.Time)
	if r.Leg == nil {
		return
	}
	switch r.Type {
	case cdr.CallLegStart:
		if !isLink(r.Leg) {
			o.live.CountLegStart(r.Cluster, r.Source, clientOf(r.Leg), r.Time)
		}
		if isPhone(r.Leg.RemoteParty) {
			o.live.CountPhoneLeg(r.Cluster, r.Source, r.Leg.Direction)
		}
	case cdr.CallLegEnd:
		if whole := r.Leg.DurationSeconds; whole != nil && *whole > 0 {
			o.live.CountLegSeconds(r.Cluster, r.Source, *whole, float64(*whole)*degraded(r.Leg.Alarms))
		}
		o.live.CountLegEnd(r.Cluster, r.Source, r.Leg.Reason)
		for _, alarm := range r.Leg.Alarms {
			o.live.CountQualityAlarm(r.Cluster, r.Source, alarm.Type)
		}
		if q, any := qualityOf(r.Leg); any {
			o.live.CountLegQuality(r.Cluster, r.Source, q, r.Time)
		}
	}
}

// isLink tells links between bridges from calls (cms-cdr.md §3.2; the spelling of one differs).
func isLink(leg *cdr.LegDetail) bool {
	return strings.EqualFold(leg.SubType, "distributionLink") || strings.EqualFold(leg.SubType, "lyncDistribution")
}

// clientOf is the kind of client that a leg belongs to, one of collector.Clients.
func clientOf(leg *cdr.LegDetail) string {
	switch {
	case leg.Type == "acano":
		return "webapp"
	case leg.SubType == "lync":
		return "lync"
	case leg.Type == "sip":
		return "sip"
	}
	return collector.Other
}

// qualityOf is the best quality of either direction of a leg that ended; any is false for a leg that carried no media, which cost nothing.
func qualityOf(leg *cdr.LegDetail) (q capacity.Quality, any bool) {
	var height int64
	for _, video := range []cdr.Media{leg.RxVideo, leg.TxVideo} {
		if video.Height != nil {
			height = max(height, *video.Height)
		}
		any = any || video.Codec != "" || video.Height != nil
	}
	switch {
	case height >= 1080:
		return capacity.HD1080, true
	case height >= 720:
		return capacity.HD720, true
	case any:
		return capacity.SD, true
	}
	return capacity.Audio, leg.RxAudio.Codec != "" || leg.TxAudio.Codec != ""
}

// degraded is the share of a leg's life in which it carried a quality alarm, from 0 to 1. Alarms may overlap, so it is that of the longest;
// an alarm that does not say how long it held counts for the whole leg.
func degraded(alarms []cdr.Alarm) float64 {
	share := 0.0
	for _, a := range alarms {
		if a.DurationPercent == nil {
			return 1
		}
		share = max(share, float64(*a.DurationPercent)/100)
	}
	return min(share, 1)
}

// fewestDigits of a number that reaches the telephone network from outside a building.
const fewestDigits = 7

// isPhone reports whether a leg's far end is a telephone number: +4930123456@gateway;user=phone, tel:+49…, or digits alone.
func isPhone(party string) bool {
	_, rest, found := strings.Cut(party, ":")
	if scheme := party[:len(party)-len(rest)]; found && (scheme == "tel:" || scheme == "sip:" || scheme == "sips:") {
		party = rest
	}
	if end := strings.IndexAny(party, "@;"); end >= 0 {
		party = party[:end]
	}
	digits := 0
	for i, c := range party {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '+' && i == 0, c == '-', c == '(', c == ')', c == ' ':
		default:
			return false
		}
	}
	return digits >= fewestDigits
}

// FactsStored takes what is missing in the sessions, the indexes expected next, and the spaces that calls name.
func (o *Observer) FactsStored(f cdr.Facts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.owners != nil {
		for _, c := range f.Calls {
			if c.SpaceID != uuid.Nil {
				o.owners.WantSpace(c.Cluster, c.SpaceID)
			}
		}
	}
	for _, s := range f.Sessions {
		key := [2]string{s.Cluster, s.Bridge}
		if o.missing[key] == nil {
			o.missing[key] = map[string]int64{}
		}
		o.missing[key][s.ID.String()] = s.Missing
		var total int64
		for _, n := range o.missing[key] {
			total += n
		}
		o.live.SetMissing(s.Cluster, s.Bridge, total)
		if !s.Superseded {
			o.live.SetNextIndex(s.Cluster, s.Bridge, s.LastIndex+1)
		}
	}
}

// BodyQuarantined counts a body that was not wholly understood.
func (o *Observer) BodyQuarantined(cluster, source string, replayed bool) {
	if !replayed {
		o.live.CountMalformedBody(cluster, source)
	}
}

// HeartbeatStored notes a heartbeat that reached the store.
func (o *Observer) HeartbeatStored(sent time.Time) {
	if o.Beats != nil {
		o.Beats.Reached(heartbeat.StageStore, sent)
	}
}
