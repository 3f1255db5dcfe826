package storage

import (
	"time"

	"github.com/google/uuid"
)

// Names of the physical tables that the events subscribers fill.
const (
	TableEvents       = "events_data"
	TableParticipants = "participants_data"
)

// eventTables are the tables filled by the events subscribers.
func eventTables() []Table {
	return []Table{{TableEvents, Event{}}, {TableParticipants, ParticipantStay{}}}
}

// Event is one change that a bridge told of over its events interface, or one of the connection to it. Meanings stand in the column comments of the migration.
type Event struct {
	Time           time.Time `ch:"time" json:"time"`
	Sequence       uint64    `ch:"sequence" json:"sequence"`
	CMSCluster     string    `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge     string    `ch:"call_bridge" json:"call_bridge"`
	Kind           string    `ch:"kind" json:"kind"`
	CallID         uuid.UUID `ch:"call_id" json:"call_id"`
	CallCorrelator uuid.UUID `ch:"call_correlator" json:"call_correlator"`
	ParticipantID  uuid.UUID `ch:"participant_id" json:"participant_id"`
	Name           string    `ch:"name" json:"name"`
	Element        string    `ch:"element" json:"element"`
	From           string    `ch:"from" json:"from"`
	To             string    `ch:"to" json:"to"`
	Reason         string    `ch:"reason" json:"reason"`
	AtSnapshot     uint8     `ch:"at_snapshot" json:"at_snapshot"`
}

// ParticipantStay is one stay of a participant in a call, as one bridge's roster told of it. Rosters list the whole meeting, so a stay in a distributed meeting
// has a row for each of its bridges; HostBridge says which of them is the participant's own.
type ParticipantStay struct {
	CMSCluster     string     `ch:"cms_cluster" json:"cms_cluster"`
	CallBridge     string     `ch:"call_bridge" json:"call_bridge"`
	CallID         uuid.UUID  `ch:"call_id" json:"call_id"`
	CallCorrelator uuid.UUID  `ch:"call_correlator" json:"call_correlator"`
	ParticipantID  uuid.UUID  `ch:"participant_id" json:"participant_id"`
	CallName       string     `ch:"call_name" json:"call_name"`
	Name           string     `ch:"name" json:"name"`
	URI            string     `ch:"uri" json:"uri"`
	Direction      string     `ch:"direction" json:"direction"`
	Client         string     `ch:"client" json:"client"`
	Capture        string     `ch:"capture" json:"capture"`
	HostBridge     string     `ch:"host_bridge" json:"host_bridge"`
	Joined         time.Time  `ch:"joined" json:"joined"`
	AtSnapshot     uint8      `ch:"at_snapshot" json:"at_snapshot"`
	Left           *time.Time `ch:"left" json:"left"`
	Seen           time.Time  `ch:"seen" json:"seen"`
	Reason         string     `ch:"reason" json:"reason"`
	Version        uint64     `ch:"version" json:"version"`
}
