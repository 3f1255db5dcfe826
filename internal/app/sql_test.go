package app

import (
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
