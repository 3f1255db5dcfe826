package storage

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr"
)

// The tables that the CDR writer fills.
var (
	Bodies         = Table{"cdr_bodies_data", Body{}}
	Records        = Table{"cdr_records_data", Record{}}
	Quarantine     = Table{"cdr_quarantine_data", Quarantined{}}
	Heartbeats     = Table{"heartbeats_data", Heartbeat{}}
	CallFacts      = Table{"calls_data", cdr.Call{}}
	LegFacts       = Table{"call_legs_data", cdr.Leg{}}
	RecordingFacts = Table{"recordings_data", cdr.Recording{}}
	StreamFacts    = Table{"streams_data", cdr.Stream{}}
	SessionFacts   = Table{"cdr_sessions_data", cdr.Session{}}
)

// Body is one POST body, or a part of one, as stored.
type Body struct {
	ID          uuid.UUID `ch:"body_id"`
	Part        uint32    `ch:"part"`
	Parts       uint32    `ch:"parts"`
	Received    time.Time `ch:"received"`
	Source      string    `ch:"source"`
	Cluster     string    `ch:"cms_cluster"`
	Remote      string    `ch:"remote_address"`
	ContentType string    `ch:"content_type"`
	Body        string    `ch:"body"`
}

// Quarantined is a body, or a part of one, that was not wholly understood.
type Quarantined struct {
	ID          uuid.UUID `ch:"body_id"`
	Part        uint32    `ch:"part"`
	Parts       uint32    `ch:"parts"`
	Received    time.Time `ch:"received"`
	Source      string    `ch:"source"`
	Cluster     string    `ch:"cms_cluster"`
	Remote      string    `ch:"remote_address"`
	Reason      string    `ch:"reason"`
	Position    int64     `ch:"position"`
	RecordsKept uint32    `ch:"records_kept"`
	Body        string    `ch:"body"`
}

// Heartbeat is a body that Bridgewatch sent to itself.
type Heartbeat struct {
	Sent   time.Time `ch:"sent"`
	Stored time.Time `ch:"stored"`
}

// Record is one call detail record as stored.
type Record struct {
	Session         uuid.UUID `ch:"session"`
	CorrelatorIndex int64     `ch:"correlator_index"`
	RecordIndex     int64     `ch:"record_index"`
	MissingBefore   int64     `ch:"missing_before"`
	Type            string    `ch:"type"`
	Time            time.Time `ch:"time"`
	Received        time.Time `ch:"received"`
	Source          string    `ch:"source"`
	Cluster         string    `ch:"cms_cluster"`
	BridgeID        uuid.UUID `ch:"call_bridge_id"`
	ObjectID        uuid.UUID `ch:"object_id"`
	CallID          uuid.UUID `ch:"call_id"`
	LegID           uuid.UUID `ch:"call_leg_id"`
	BodyID          uuid.UUID `ch:"body_id"`
	XML             string    `ch:"xml"`
}

// RecordRow is the stored row of a record; xml is the record element with its secrets masked.
func RecordRow(r cdr.SourcedRecord, xml string) *Record {
	return &Record{
		Session: r.Session, CorrelatorIndex: r.CorrelatorIndex, RecordIndex: r.RecordIndex, MissingBefore: r.Missing, Type: string(r.Type),
		Time: r.Time, Received: r.Received, Source: r.Source, Cluster: r.Cluster, BridgeID: r.CallBridge, ObjectID: r.ID, CallID: r.CallID(), LegID: r.FeederID(),
		BodyID: r.BodyID, XML: xml,
	}
}

// sourced decodes a stored record again; the XML is the truth, the columns are for searching.
func (r Record) sourced() (cdr.SourcedRecord, error) {
	record, err := cdr.Decode(cdr.Raw{Header: cdr.Header{
		Session: r.Session, CallBridge: r.BridgeID, Type: cdr.Type(r.Type), Time: r.Time, RecordIndex: r.RecordIndex,
		CorrelatorIndex: r.CorrelatorIndex, Missing: r.MissingBefore,
	}, XML: []byte(r.XML)})
	if err != nil {
		return cdr.SourcedRecord{}, fmt.Errorf("decode stored record %s/%d: %w", r.Session, r.CorrelatorIndex, err)
	}
	return cdr.SourcedRecord{Record: record, Source: r.Source, Cluster: r.Cluster, Received: r.Received, BodyID: r.BodyID}, nil
}

// PartsStored is how many parts of a body are stored, counting those before its last.
func PartsStored(ctx context.Context, conn driver.Conn, source string, received time.Time, id uuid.UUID) (int, error) {
	var n uint64
	err := conn.QueryRow(withBody(ctx, source, received, id), "SELECT uniqExact(part) FROM cdr_bodies_data WHERE "+thatBody).Scan(&n)
	return int(n), err
}

// PartBody is the text of one part of a body.
func PartBody(ctx context.Context, conn driver.Conn, source string, received time.Time, id uuid.UUID, part int) (string, error) {
	var text string
	err := conn.QueryRow(withBody(ctx, source, received, id),
		"SELECT any(body) FROM cdr_bodies_data WHERE "+thatBody+" AND part = "+strconv.Itoa(part)).Scan(&text)
	return text, err
}

// PartTail is the last bytes of one part of a body, empty where it is not stored.
func PartTail(ctx context.Context, conn driver.Conn, source string, received time.Time, id uuid.UUID, part, bytes int) (string, error) {
	var text string
	err := conn.QueryRow(withBody(ctx, source, received, id),
		fmt.Sprintf("SELECT any(substring(body, greatest(1, toInt64(length(body)) - %d))) FROM cdr_bodies_data WHERE %s AND part = %d", bytes, thatBody, part)).Scan(&text)
	return text, err
}

const thatBody = "source = {source:String} AND received = {received:DateTime64(3, 'UTC')} AND body_id = {body:UUID}"

func withBody(ctx context.Context, source string, received time.Time, id uuid.UUID) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{
		"source": textParam(source), "received": timeText(received), "body": id.String(),
	}))
}

// StoredSessions are all session rows, for a ledger that starts.
func StoredSessions(ctx context.Context, conn driver.Conn) ([]cdr.Session, error) {
	var rows []cdr.Session
	if err := conn.Select(ctx, &rows, "SELECT * FROM cdr_sessions_data FINAL"); err != nil {
		return nil, fmt.Errorf("query sessions: %w", err)
	}
	return rows, nil
}

// HighestIndices are the highest stored index of each session; after a crash it may be beyond what the session's row says.
func HighestIndices(ctx context.Context, conn driver.Conn) (map[uuid.UUID]int64, error) {
	var rows []struct {
		Session uuid.UUID `ch:"session"`
		Index   int64     `ch:"highest"`
	}
	if err := conn.Select(ctx, &rows, "SELECT session, max(correlator_index) AS highest FROM cdr_records_data GROUP BY session"); err != nil {
		return nil, fmt.Errorf("query highest indices: %w", err)
	}
	highest := make(map[uuid.UUID]int64, len(rows))
	for _, r := range rows {
		highest[r.Session] = r.Index
	}
	return highest, nil
}

// History is what the store has of an object: its records, and its rows as they stand.
type History struct {
	Records []cdr.SourcedRecord
	Facts   cdr.Facts
}

// LoadHistory reads what is stored about objects of one session and one kind (see [cdr.Ledger.Needs] for what belongs to each), all together.
func LoadHistory(ctx context.Context, conn driver.Conn, objects []cdr.Object) (History, error) {
	load := loader{conn: conn, session: objects[0].Session}
	ids := make([]uuid.UUID, len(objects))
	for i, o := range objects {
		ids[i] = o.ID
	}
	switch objects[0].Kind {
	case cdr.KindUnfinished:
		calls, others, err := load.unfinished(ctx)
		if err != nil {
			return History{}, err
		}
		return load.history(ctx, calls, others)
	case cdr.KindCall:
		return load.history(ctx, ids, nil)
	default:
		return load.history(ctx, nil, ids)
	}
}

// loader reads the history of objects of one session.
type loader struct {
	conn    driver.Conn
	session uuid.UUID
}

// history reads the records that name the calls or are about the other objects, the records of every leg found so and of the recordings and streams
// found so or fed by such a leg, and the stored rows of all of them.
func (l loader) history(ctx context.Context, calls, others []uuid.UUID) (History, error) {
	var h History
	wanted := slices.Clone(others)
	// First those that name the calls, then what is fed by the legs among all of them: a leg is whole only with its recordings and streams,
	// which may name a call that it was in before.
	for _, column := range []string{"call_id", "call_leg_id"} {
		ids := calls
		if column == "call_leg_id" {
			ids = slices.Clone(wanted)
		}
		for part := range slices.Chunk(ids, idsPerQuery) {
			named, err := l.named(ctx, column, part)
			if err != nil {
				return h, err
			}
			wanted = append(wanted, named...)
		}
	}
	wanted = append(wanted, calls...)
	var heard Period
	for part := range slices.Chunk(wanted, idsPerQuery) {
		var records []Record
		err := l.conn.Select(l.with(ctx, "ids", part), &records,
			"SELECT * FROM cdr_records_data FINAL WHERE session = {session:UUID} AND object_id IN {ids:Array(UUID)} ORDER BY correlator_index")
		if err != nil {
			return h, fmt.Errorf("query records of objects: %w", err)
		}
		for _, r := range records {
			record, err := r.sourced()
			if err != nil {
				return h, err
			}
			h.Records = append(h.Records, record)
			heard.include(record)
		}
	}
	if len(h.Records) == 0 {
		return h, nil // no row is made of no record
	}
	for part := range slices.Chunk(wanted, idsPerQuery) {
		if err := l.rows(ctx, part, heard, &h.Facts); err != nil {
			return h, err
		}
	}
	return h, nil
}

// named lists the objects whose records name one of the ids in a column.
func (l loader) named(ctx context.Context, column string, ids []uuid.UUID) ([]uuid.UUID, error) {
	var rows []struct {
		ID uuid.UUID `ch:"object_id"`
	}
	query := "SELECT DISTINCT object_id FROM cdr_records_data WHERE session = {session:UUID} AND " + column + " IN {ids:Array(UUID)}"
	if err := l.conn.Select(l.with(ctx, "ids", ids), &rows, query); err != nil {
		return nil, fmt.Errorf("query objects by %s: %w", column, err)
	}
	list := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		list[i] = r.ID
	}
	return list, nil
}

// idsPerQuery keeps a parameter below what a query may carry.
const idsPerQuery = 2000

// include widens a period to the times that a record can give its object's row for a start.
func (p *Period) include(r cdr.SourcedRecord) {
	first := r.Begins()
	if p.From.IsZero() || first.Before(p.From) {
		p.From = first
	}
	if r.Time.After(p.To) {
		p.To = r.Time
	}
}

// rows adds the stored rows of the objects to facts. Their starts lie within what their records say, which keeps the store from looking through years.
func (l loader) rows(ctx context.Context, ids []uuid.UUID, heard Period, facts *cdr.Facts) error {
	for _, one := range []struct {
		rows string
		read func(ctx context.Context, query string) error
	}{
		{CallFacts.Name + " FINAL", appendRows(l.conn, &facts.Calls)},
		{legRows, appendRows(l.conn, &facts.Legs)},
		{RecordingFacts.Name + " FINAL", appendRows(l.conn, &facts.Recordings)},
		{StreamFacts.Name + " FINAL", appendRows(l.conn, &facts.Streams)},
	} {
		query := "SELECT * FROM " + one.rows + " WHERE session = {session:UUID} AND id IN {ids:Array(UUID)}" +
			" AND start >= " + timeLiteral(heard.From) + " AND start <= " + timeLiteral(heard.To)
		if err := one.read(l.with(ctx, "ids", ids), query); err != nil {
			return fmt.Errorf("query %s: %w", one.rows, err)
		}
	}
	return nil
}

// timeLiteral is a time of ours in SQL.
func timeLiteral(t time.Time) string { return "toDateTime64('" + timeText(t) + "', 3, 'UTC')" }

// legRows is the view that has the columns of a leg's row as they were written (storage/migrations/0002_facts.sql).
const legRows = "call_legs_rows"

func appendRows[T any](conn driver.Conn, to *[]T) func(context.Context, string) error {
	return func(ctx context.Context, query string) error {
		var rows []T
		if err := conn.Select(ctx, &rows, query); err != nil {
			return err
		}
		*to = append(*to, rows...)
		return nil
	}
}

// unfinished lists the calls, and the legs, recordings and streams, whose end is not known from a record.
func (l loader) unfinished(ctx context.Context) (calls, others []uuid.UUID, err error) {
	for _, table := range []string{CallFacts.Name, LegFacts.Name, RecordingFacts.Name, StreamFacts.Name} {
		var rows []struct {
			ID uuid.UUID `ch:"id"`
		}
		query := "SELECT id FROM " + table + " FINAL WHERE session = {session:UUID} AND end_how IN ('', 'new_session', 'orphan_timeout')"
		if err := l.conn.Select(l.with(ctx, "", nil), &rows, query); err != nil {
			return nil, nil, fmt.Errorf("query unfinished rows of %s: %w", table, err)
		}
		for _, r := range rows {
			if table == CallFacts.Name {
				calls = append(calls, r.ID)
			} else {
				others = append(others, r.ID)
			}
		}
	}
	return calls, others, nil
}

func (l loader) with(ctx context.Context, name string, ids []uuid.UUID) context.Context {
	params := clickhouse.Parameters{"session": l.session.String()}
	if name != "" {
		params[name] = uuidArray(ids)
	}
	return clickhouse.Context(ctx, clickhouse.WithParameters(params))
}

// MoveSession makes all stored rows of a session say the bridge that it turns out to be, each with a version one higher. Done twice it changes nothing more.
func MoveSession(ctx context.Context, conn driver.Conn, p cdr.Place) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{
		"session": p.Session.String(), "bridge": textParam(p.Bridge), "cluster": textParam(p.Cluster), "guid": p.BridgeID.String(),
	}), clickhouse.WithSettings(clickhouse.Settings{"throw_on_max_partitions_per_insert_block": 0}))
	for _, table := range []struct {
		Table
		rows string
	}{{CallFacts, CallFacts.Name + " FINAL"}, {LegFacts, legRows}, {RecordingFacts, RecordingFacts.Name + " FINAL"}, {StreamFacts, StreamFacts.Name + " FINAL"}} {
		columns := make([]string, 0, len(table.Columns()))
		for _, c := range table.Columns() {
			switch c {
			case "call_bridge":
				c = "{bridge:String}"
			case "cms_cluster":
				c = "{cluster:String}"
			case "call_bridge_id":
				c = "{guid:UUID}"
			case "version":
				c = "version + 1"
			}
			columns = append(columns, c)
		}
		err := conn.Exec(ctx, table.Insert()+" SELECT "+strings.Join(columns, ", ")+" FROM "+table.rows+
			" WHERE session = {session:UUID} AND (call_bridge, cms_cluster, call_bridge_id) != ({bridge:String}, {cluster:String}, {guid:UUID})")
		if err != nil {
			return fmt.Errorf("move the rows of session %s in %s: %w", p.Session, table.Name, err)
		}
	}
	return nil
}

// NewestHeartbeat is when the newest heartbeat in the store was sent; zero for none.
func (q *Queries) NewestHeartbeat(ctx context.Context) (time.Time, error) {
	var sent time.Time
	if err := q.conn.QueryRow(ctx, "SELECT max(sent) FROM heartbeats_data").Scan(&sent); err != nil {
		return time.Time{}, fmt.Errorf("query heartbeats: %w", err)
	}
	return sent, nil
}
