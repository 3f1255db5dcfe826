package storage

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage/migrations"
)

// KeptBody is a whole body without its bytes; Reason says why it lies in quarantine, if it does.
type KeptBody struct {
	Body
	Reason string
}

// EachBody gives every whole body that was received in a period to use, in the order of receipt. Data yields the body's bytes; it is valid during the
// call only, holds one part in memory, and need not be read to its end.
func EachBody(ctx context.Context, conn driver.Conn, period Period, use func(head KeptBody, data io.Reader) error) error {
	return eachBody(ctx, conn, Bodies.Name, "content_type, '' AS reason", period, use)
}

// EachQuarantined is EachBody for what lies in quarantine.
func EachQuarantined(ctx context.Context, conn driver.Conn, period Period, use func(head KeptBody, data io.Reader) error) error {
	return eachBody(ctx, conn, Quarantine.Name, "'' AS content_type, reason", period, use)
}

// eachBody walks the parts in a table. Bodies that lack a part were never answered with 200 and are left out.
func eachBody(ctx context.Context, conn driver.Conn, table, more string, period Period, use func(KeptBody, io.Reader) error) error {
	within, params := receivedWithin(period)
	rows, err := conn.Query(clickhouse.Context(ctx, clickhouse.WithParameters(params), clickhouse.WithSettings(clickhouse.Settings{"max_block_size": 64})),
		"SELECT body_id, part, parts, received, source, cms_cluster, remote_address, "+more+", body FROM "+table+" FINAL WHERE "+within+
			" AND (source, received, body_id) IN (SELECT source, received, body_id FROM "+table+" WHERE "+within+
			" GROUP BY source, received, body_id HAVING uniqExact(part) = max(parts)) ORDER BY received, source, body_id, part")
	if err != nil {
		return fmt.Errorf("query bodies: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	r := &partRows{rows: rows}
	for r.next() {
		head := r.row
		head.Body.Body = ""
		if err := use(head, &bodyReader{r: r}); err != nil {
			return err
		}
		for r.row.Part < r.row.Parts && r.next() { // what was not read
		}
	}
	if r.err != nil {
		return fmt.Errorf("read bodies: %w", r.err)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read bodies: %w", err)
	}
	return nil
}

// partRows is the answer's current row.
type partRows struct {
	rows driver.Rows
	row  KeptBody
	err  error
}

func (p *partRows) next() bool {
	if p.err != nil || !p.rows.Next() {
		return false
	}
	b := &p.row
	p.err = p.rows.Scan(&b.ID, &b.Part, &b.Parts, &b.Received, &b.Source, &b.Cluster, &b.Remote, &b.ContentType, &b.Reason, &b.Body.Body)
	return p.err == nil
}

// bodyReader reads the parts of the body that the rows stand at.
type bodyReader struct {
	r    *partRows
	rest string
	part uint32 // the last that was taken
}

func (o *bodyReader) Read(buffer []byte) (int, error) {
	for o.rest == "" {
		if o.part == o.r.row.Parts {
			return 0, io.EOF
		}
		if o.part > 0 && !o.r.next() {
			if o.r.err != nil {
				return 0, o.r.err
			}
			return 0, io.ErrUnexpectedEOF
		}
		o.part, o.rest = o.r.row.Part, o.r.row.Body.Body
	}
	n := copy(buffer, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// receivedWithin is the condition for a period of receipt; zero bounds do not bind.
func receivedWithin(p Period) (string, clickhouse.Parameters) {
	conditions := []string{"1"}
	params := clickhouse.Parameters{}
	if !p.From.IsZero() {
		conditions = append(conditions, "received >= {from:DateTime64(3, 'UTC')}")
		params["from"] = timeText(p.From)
	}
	if !p.To.IsZero() {
		conditions = append(conditions, "received < {to:DateTime64(3, 'UTC')}")
		params["to"] = timeText(p.To)
	}
	return strings.Join(conditions, " AND "), params
}

// CountBodies is how many bodies, and parts of bodies, were received in a period.
func CountBodies(ctx context.Context, conn driver.Conn, period Period) (n uint64, err error) {
	within, params := receivedWithin(period)
	err = conn.QueryRow(clickhouse.Context(ctx, clickhouse.WithParameters(params)), "SELECT uniqExact(source, received, body_id) FROM "+Bodies.Name+" WHERE "+within).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count bodies: %w", err)
	}
	return n, nil
}

// ReleaseQuarantined removes a body from quarantine; it still stands among the bodies.
func ReleaseQuarantined(ctx context.Context, conn driver.Conn, source string, received time.Time, id uuid.UUID) error {
	table, err := rowsOf(ctx, conn, Quarantine.Name)
	if err == nil {
		err = conn.Exec(withBody(ctx, source, received, id), "DELETE FROM "+table+" WHERE "+thatBody)
	}
	if err != nil {
		return fmt.Errorf("release body %s from quarantine: %w", id, err)
	}
	return nil
}

// rowsOf is where the rows of a table lie, for statements that a Distributed table refuses: the table itself, or on a cluster that of each server
// (migrations.Cluster).
func rowsOf(ctx context.Context, conn driver.Conn, table string) (string, error) {
	var cluster string
	err := conn.QueryRow(clickhouse.Context(ctx, clickhouse.WithParameters(clickhouse.Parameters{"table": table})),
		`SELECT any(extract(engine_full, '^Distributed\\(\'([^\']+)\'')) FROM system.tables WHERE database = currentDatabase() AND name = {table:String}`).Scan(&cluster)
	if err != nil || cluster == "" {
		return table, err
	}
	return table + migrations.LocalSuffix + " ON CLUSTER '" + cluster + "'", nil
}
