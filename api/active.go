package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/events"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Live is the picture that events give of this moment; *subscriber.Subscriber is behind it.
type Live interface {
	// States lists the bridges that are followed here and whose picture is complete, and the calls that are going on on the wanted ones; all says that there
	// are no other bridges.
	States(wanted func(LiveBridge) bool) (calls []LiveCall, bridges []LiveBridge, all bool)
	// View is one of those calls with its participants, and the bridges that host them, in the same order, empty where not known; false where it is over.
	View(LiveCall) (call events.CallView, hosts []string, there bool)
	// Mentions reports whether one of those calls has a text in its name, or in a name or an address of a participant, in any case.
	Mentions(c LiveCall, text string) bool
}

// LiveBridge names a bridge.
type LiveBridge struct{ Cluster, Bridge string }

// LiveCall is a call on a bridge.
type LiveCall struct {
	LiveBridge
	Call events.Call
}

// callItem is a call in a list. What only lists of an instant tell is left out of others.
type callItem struct {
	storage.Call
	Live         *callLive     `json:"live,omitempty"`
	Participants []participant `json:"participants,omitempty"`
}

// callLive is what events tell of a call that is going on; null is not known.
type callLive struct {
	Participants         *int64 `json:"participants" description:"Connected in the whole meeting, recorder and streamer included, as the bridge counts; need not agree with the list"`
	DistributedInstances *int64 `json:"distributed_instances" description:"Other bridges with an instance"`
	Recording            *bool  `json:"recording"`
	Streaming            *bool  `json:"streaming"`
	Locked               *bool  `json:"locked"`
	RecordsLate          bool   `json:"records_late,omitempty" description:"The store is busy: what only call detail records tell is missing here, or as it was up to a minute ago"`
	Roster               string `json:"roster" description:"How the participants are known: events, rest, or none where they are not"`
}

// participant is who is, or was, in a call.
type participant struct {
	storage.Presence
	*participantLive
}

// participantLive is what only the live picture tells.
type participantLive struct {
	State         string `json:"state"`
	Layout        string `json:"layout"`
	AudioMuted    *bool  `json:"audio_muted"`
	VideoMuted    *bool  `json:"video_muted"`
	Presenter     *bool  `json:"presenter"`
	ActiveSpeaker *bool  `json:"active_speaker"`
}

// callsAt answers who was in which call on which bridge at an instant, from what was stored.
func callsAt(ctx context.Context, store Store, f storage.CallFilter) ([]callItem, *storage.Cursor, error) {
	calls, next, err := store.CallsAt(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	items, err := withPresences(ctx, store, f.At, calls)
	return items, next, err
}

func withPresences(ctx context.Context, store Store, at time.Time, calls []storage.Call) ([]callItem, error) {
	people, err := store.PresencesAt(ctx, at, calls)
	if err != nil {
		return nil, err
	}
	items := make([]callItem, len(calls))
	for i, c := range calls {
		items[i].Call = c
		for _, p := range people[c.ID] {
			items[i].Participants = append(items[i].Participants, participant{Presence: p})
		}
	}
	return items, nil
}

// legsBefore is how long a call may have gone on before we learnt of it.
const legsBefore = 30 * 24 * time.Hour

// activeCalls lists the calls that are going on, those newest to us first: for bridges whose events are followed here as they tell, for others as the records do.
func (s *Server) activeCalls(ctx context.Context, store Store, f storage.CallFilter) ([]callItem, *storage.Cursor, error) {
	var found []LiveCall
	var everywhere bool
	if live := s.deps.Live; live != nil {
		states, bridges, all := live.States(func(b LiveBridge) bool {
			return (f.Cluster == "" || b.Cluster == f.Cluster) && (f.Bridge == "" || b.Bridge == f.Bridge)
		})
		everywhere = all
		for _, b := range bridges {
			f.Except = append(f.Except, [2]string{b.Cluster, b.Bridge})
		}
		for _, c := range states {
			if after(f.After, position(c)) && (f.Text == "" || live.Mentions(c, f.Text)) {
				found = append(found, c)
			}
		}
	}
	var recorded []storage.Call
	var next *storage.Cursor
	if !everywhere {
		var err error
		if recorded, next, err = store.Calls(ctx, f); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(found, func(a, b LiveCall) int { return position(b).Compare(position(a)) })
	onPage, patience := found, time.Duration(0) // only records tell whose space a call is in
	if f.Space == uuid.Nil {
		onPage, patience = found[:min(len(found), f.Limit)], recordsPatience
	}
	known, late, err := s.records.of(ctx, store, onPage, patience)
	if err != nil {
		return nil, nil, err
	}
	if f.Space != uuid.Nil {
		found = slices.DeleteFunc(found, func(c LiveCall) bool {
			space := known[cdr.ParseID(c.Call.ID)].SpaceID
			return space == nil || *space != f.Space
		})
	}
	items, err := withPresences(ctx, store, time.Now().UTC(), recorded)
	if err != nil {
		return nil, nil, err
	}
	type placed struct {
		storage.Cursor
		item callItem
		live *LiveCall
	}
	all := make([]placed, 0, len(items)+len(found))
	for _, item := range items {
		all = append(all, placed{Cursor: storage.Cursor{Start: item.Start, ID: item.ID}, item: item})
	}
	for i := range found {
		all = append(all, placed{Cursor: position(found[i]), live: &found[i]})
	}
	slices.SortFunc(all, func(a, b placed) int { return b.Compare(a.Cursor) })
	if len(all) > f.Limit {
		all = all[:f.Limit]
		next = &all[f.Limit-1].Cursor
	}
	out := make([]callItem, 0, len(all))
	for _, p := range all {
		if p.live == nil {
			out = append(out, p.item)
		} else if view, hosts, there := s.deps.Live.View(*p.live); there {
			out = append(out, liveItem(*p.live, &view, hosts, known, late))
		}
	}
	return out, next, nil
}

func position(c LiveCall) storage.Cursor {
	return storage.Cursor{Start: c.Call.Since.Truncate(time.Millisecond), ID: cdr.ParseID(c.Call.ID)}
}

func after(cursor *storage.Cursor, c storage.Cursor) bool {
	return cursor == nil || c.Compare(*cursor) < 0
}

func liveItem(c LiveCall, view *events.CallView, hosts []string, known map[uuid.UUID]storage.Call, late map[uuid.UUID]bool) callItem {
	id := cdr.ParseID(c.Call.ID)
	call, recorded := known[id]
	if !recorded {
		call = storage.Call{ID: id, Cluster: c.Cluster, Bridge: c.Bridge, CallType: view.Type, Start: view.Since.UTC(), StartInferred: true}
		if view.Correlator != "" {
			correlator := cdr.ParseID(view.Correlator)
			call.CallCorrelator = &correlator
		}
	}
	call.Name = cmp.Or(view.Name, call.Name)
	call.End, call.EndHow, call.EndInferred, call.DurationSeconds = nil, "", false, nil // it goes on, whatever a record concluded
	item := callItem{Call: call, Live: &callLive{Participants: view.Participants, DistributedInstances: view.DistributedInstances,
		Recording: valueIs(view.Recording, "active"), Streaming: valueIs(view.Streaming, "active"), Locked: valueIs(view.LockState, "locked"), RecordsLate: late[id], Roster: string(view.Roster)}}
	item.Recorded = item.Recorded || view.Recording == "active"
	item.Streamed = item.Streamed || view.Streaming == "active"
	for i := range view.People {
		p := &view.People[i]
		if !p.Here() {
			continue // rings, or is on the way in
		}
		item.Participants = append(item.Participants, participant{
			storage.Presence{ID: cdr.ParseID(p.ID), Name: p.Name, URI: p.URI, Direction: p.Direction, Client: string(events.ClientOf(p)), Capture: string(events.CaptureOf(p)),
				HostBridge: hosts[i], Joined: p.Joined.UTC(), Seen: p.Seen.UTC(), Stale: p.Stale, Source: "events"},
			&participantLive{State: p.State, Layout: p.Layout, AudioMuted: p.AudioMuted, VideoMuted: p.VideoMuted, Presenter: p.Presenter, ActiveSpeaker: p.ActiveSpeaker},
		})
	}
	return item
}

// valueIs tells whether an element has a value; nil where it is not told.
func valueIs(element, value string) *bool {
	if element == "" {
		return nil
	}
	is := element == value
	return &is
}
