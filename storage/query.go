package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// Queries is the catalogue of what is asked of the store. Every value that comes from outside travels as a query parameter, never inside the SQL.
type Queries struct {
	conn driver.Conn
	// lotRows is how many license intervals are added up at once, about.
	lotRows uint64
}

// NewQueries asks conn, whose database must have the tables of the migrations.
func NewQueries(conn driver.Conn) *Queries { return &Queries{conn, lotRows} }

// columnsOf lists the columns of a read model, a struct with `ch` tags. A column with the tag `none:"zero"` holds the zero UUID or the empty
// string for "none" in storage and is read as NULL.
func columnsOf[T any]() string {
	var list []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		name := field.Tag.Get("ch")
		switch {
		case name == "" || name == "-":
		case field.Tag.Get("none") == "zero":
			list = append(list, fmt.Sprintf("nullIf(%[1]s, defaultValueOfArgumentType(%[1]s)) AS %[1]s", name))
		default:
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}

// conditions collects the WHERE clause of a query and the parameters in it.
type conditions struct {
	clauses []string
	params  clickhouse.Parameters
}

func newConditions() *conditions { return &conditions{params: clickhouse.Parameters{}} }

// add appends a clause whose parameters, written {name:Type}, have the given values: name, value, name, value … A text goes through textParam.
func (c *conditions) add(clause string, nameValue ...string) {
	c.clauses = append(c.clauses, clause)
	for i := 0; i < len(nameValue); i += 2 {
		c.params[nameValue[i]] = nameValue[i+1]
	}
}

func (c *conditions) where() string {
	if len(c.clauses) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(c.clauses, " AND ")
}

// having is the clauses as a condition on groups.
func (c *conditions) having() string {
	if len(c.clauses) == 0 {
		return ""
	}
	return "HAVING " + strings.Join(c.clauses, " AND ")
}

// within attaches the parameters to ctx.
func (c *conditions) within(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithParameters(c.params), clickhouse.WithSettings(settings))
}

// settings of the catalogue's queries. Versions of a row never lie in different partitions, as these follow from the sort key's hour.
var settings = clickhouse.Settings{"do_not_merge_across_partitions_select_final": 1}

// timeText is a time as a DateTime64(3, 'UTC') parameter.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// textParam is a text as a String parameter, whose values are read as tab-separated text is: with escapes.
func textParam(s string) string { return textEscapes.Replace(s) }

var textEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

// Cursor is a position in a list ordered by start and id, newest first. What is added later neither repeats nor shifts what follows a cursor.
type Cursor struct {
	Start time.Time `json:"s"`
	ID    uuid.UUID `json:"i"`
}

// Compare orders positions as the store does: by start, then by the second half of the id, then by the first.
func (c Cursor) Compare(other Cursor) int {
	return cmp.Or(c.Start.Compare(other.Start), bytes.Compare(c.ID[8:], other.ID[8:]), bytes.Compare(c.ID[:8], other.ID[:8]))
}

// ErrCursor is returned for a cursor that this version did not write.
var ErrCursor = errors.New("not a cursor of this list; take the one in \"next\" unchanged")

// String is the cursor as callers see it.
func (c Cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil { // two plain fields; cannot happen
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseCursor reads what String wrote; an empty text is the start of the list.
func ParseCursor(text string) (*Cursor, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, ErrCursor
	}
	var c Cursor
	if err := json.Unmarshal(raw, &c); err != nil || c.Start.IsZero() {
		return nil, ErrCursor
	}
	return &c, nil
}

// selectRows runs a query and scans all rows into read models.
func selectRows[T any](ctx context.Context, q *Queries, sql string) ([]T, error) {
	rows := []T{} // a list without rows is [] in JSON, not null
	if err := q.conn.Select(ctx, &rows, sql); err != nil {
		return nil, err
	}
	return rows, nil
}
