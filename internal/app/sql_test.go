package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// TestFormatWithoutHTTP: over the native protocol, too, sql prints what the FORMAT of a query says, or says why not.
func TestFormatWithoutHTTP(t *testing.T) {
	conn, err := clickhouse.Open(storagetest.Engine(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const rows = `SELECT number AS n, 'a"b' AS t FROM numbers(2) ORDER BY n`
	for query, want := range map[string]string{
		rows + " FORMAT JSONEachRow":                              `{"n":0,"t":"a\"b"}` + "\n" + `{"n":1,"t":"a\"b"}` + "\n",
		rows + " -- all\n format csv settings max_threads = 1 ; ": `0,"a""b"` + "\n" + `1,"a""b"` + "\n",
	} {
		rewritten, format, err := byRows(query)
		if err != nil || format == "" {
			t.Fatalf("%s: %q, %v", query, format, err)
		}
		var got strings.Builder
		answer, err := conn.Query(t.Context(), rewritten)
		if err != nil {
			t.Fatalf("%s: %v", rewritten, err)
		}
		for answer.Next() {
			var text string
			if err := answer.Scan(&text); err != nil {
				t.Fatal(err)
			}
			got.WriteString(text)
		}
		if err := answer.Err(); err != nil || got.String() != want {
			t.Errorf("%s: %q, %v; want %q", query, got.String(), err, want)
		}
	}
	for _, query := range []string{"SELECT 1", "SELECT 'as FORMAT JSON'", "SELECT format('{}', 1)"} {
		if rewritten, format, err := byRows(query); err != nil || format != "" || rewritten != query {
			t.Errorf("%s: %q, %q, %v; want it as it is", query, rewritten, format, err)
		}
	}
	for _, question := range storeQuestions {
		rewritten, format, err := byRows(question.query)
		if err != nil || format != "TSVWithNames" {
			t.Errorf("%s: %q, %v", question.query, format, err)
		}
		if strings.Contains(rewritten, "FORMAT") {
			t.Errorf("%s: the format is left", rewritten)
		}
	}
	if _, _, err := byRows("SELECT 1 FORMAT Parquet"); err == nil || !strings.Contains(err.Error(), "Parquet") {
		t.Errorf("a format that is no rows: %v", err)
	}
}

// TestRowsAsTheServerWritesThem: what sql prints by itself, for the native protocol, is what the server would have written.
func TestRowsAsTheServerWritesThem(t *testing.T) {
	options := storagetest.Engine(t)
	if options.Protocol != clickhouse.HTTP {
		t.Skip("the server of the tests writes no rows over this protocol to compare with")
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, query := range []string{
		`SELECT NULL, CAST(NULL, 'Nullable(String)'), '\\N', 'a\tb\nc\\d\'e', toUInt64(18446744073709551615), -1.5, 1e6, toFloat32(0.1), true, CAST('x', 'LowCardinality(String)')`,
		`SELECT 0., -0.5, 123456789.25, 1e20, 1e21, 1.5e300, 1e-6, 1e-7, inf, -inf, nan, toFloat32(16777216), [1e6, 0.1]`,
		`SELECT toDate('2026-08-03'), toDateTime('2026-08-03 10:15:00', 'UTC'), toDateTime64('2026-08-03 10:15:00.018', 3, 'UTC'), toDateTime64('2026-08-03 10:15:00', 3, 'UTC'), toDateTime64('2026-08-03 10:15:00', 0, 'UTC'), CAST(toDate('2026-08-03'), 'Nullable(Date)')`,
		`SELECT ['cb1', 'it\'s', 'a\\b'], CAST([], 'Array(String)'), [1, 2], [toNullable('a'), NULL], [['a'], []], [toDateTime64('2026-08-03 10:15:00.5', 3, 'UTC')], [toUUID('0ab08610-9fc9-4da0-b50a-c8fc22006eae')]`,
		`SELECT toUUID('0ab08610-9fc9-4da0-b50a-c8fc22006eae'), toIPv4('192.0.2.1'), toIPv6('2001:db8::1'), CAST('a', 'Enum8(\'a\' = 1)')`,
	} {
		var want, got bytes.Buffer
		if err := sqlOverHTTP(t.Context(), options, query, &want); err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if err := printRows(rows, &got); err != nil {
			t.Errorf("%s: %v", query, err)
		} else if got.String() != want.String() {
			t.Errorf("%s:\n%swant\n%s", query, got.String(), want.String())
		}
		rows.Close()
	}
}
