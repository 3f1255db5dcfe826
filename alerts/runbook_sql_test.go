package alerts

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// TestRunbookSQL runs every SQL query that a runbook tells a person to run.
func TestRunbookSQL(t *testing.T) {
	conn := storagetest.Store(t)
	command := regexp.MustCompile(`(?m)^bridgewatch sql "(.*)"$`)
	names, err := Runbooks()
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for _, n := range names {
		text, err := Runbook(n)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(text, "bridgewatch sql") != len(command.FindAllString(text, -1)) {
			t.Errorf("%s: a query does not stand on a line of its own in double quotes", n)
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			if ran[m[1]] {
				continue
			}
			ran[m[1]] = true
			if err := conn.Exec(t.Context(), m[1]); err != nil {
				t.Errorf("%s: %v\n%s", n, err, m[1])
			}
		}
	}
	if len(ran) < 20 {
		t.Errorf("only %d queries were found", len(ran))
	}
}
