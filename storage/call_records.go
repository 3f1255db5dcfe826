package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// CallRecord is one call detail record about a call, or about a leg, recording or stream that was in it.
type CallRecord struct {
	CorrelatorIndex int64     `json:"correlator_index"`
	Type            string    `json:"type"`
	Time            time.Time `json:"time"`
	Received        time.Time `json:"received"`
	ObjectID        uuid.UUID `json:"object_id"`
	// UnknownFields are what the decoder has no place for, by their path below the record: a newer release, or a field in a shape that is not known.
	UnknownFields map[string]string `json:"unknown_fields"`
}

// CallRecords lists the records of a call of a session in the order in which the bridge made them, from the one after an index on.
func (q *Queries) CallRecords(ctx context.Context, session, call uuid.UUID, after int64, limit int) ([]CallRecord, error) {
	c := newConditions()
	c.add("session = {session:UUID} AND correlator_index > {after:Int64}", "session", session.String(), "after", strconv.FormatInt(after, 10))
	c.add("(call_id = {call:UUID} OR object_id IN (SELECT object_id FROM cdr_records_data WHERE session = {session:UUID} AND call_id = {call:UUID}))", "call", call.String())
	rows, err := selectRows[Record](c.within(ctx), q, fmt.Sprintf("SELECT * FROM cdr_records_data FINAL %s ORDER BY correlator_index LIMIT %d", c.where(), limit))
	if err != nil {
		return nil, fmt.Errorf("query records of call %s: %w", call, err)
	}
	list := make([]CallRecord, len(rows))
	for i, r := range rows {
		record, err := r.sourced()
		if err != nil {
			return nil, err
		}
		list[i] = CallRecord{r.CorrelatorIndex, r.Type, r.Time, r.Received, r.ObjectID, record.Unknown}
		if list[i].UnknownFields == nil {
			list[i].UnknownFields = map[string]string{}
		}
	}
	return list, nil
}
