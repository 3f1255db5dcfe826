package grafana

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

const (
	correlator = "11111111-1111-4111-8111-111111111111"
	otherOne   = "22222222-2222-4222-8222-222222222222"
)

// seedMeetings stores two meetings: one over two bridges with three people, of whom one is still there, and one of somebody else.
func seedMeetings(t *testing.T, conn driver.Conn, start time.Time) {
	t.Helper()
	at := func(seconds int) string {
		return start.Add(time.Duration(seconds) * time.Second).Format("'2006-01-02 15:04:05'")
	}
	for _, sql := range []string{
		`INSERT INTO calls_data (id, call_correlator, cms_cluster, call_bridge, session, name, owner_name, start, end, version) VALUES
			('aaaaaaaa-0000-4000-8000-000000000001', '` + correlator + `', 'emea', 'cb1', generateUUIDv4(), 'R&D <Alpha>', 'Grace O''Neill', ` + at(0) + `, NULL, 1),
			('aaaaaaaa-0000-4000-8000-000000000002', '` + correlator + `', 'emea', 'cb2', generateUUIDv4(), 'R&D <Alpha>', 'Grace O''Neill', ` + at(5) + `, ` + at(300) + `, 1),
			('aaaaaaaa-0000-4000-8000-000000000003', '` + otherOne + `', 'emea', 'cb1', generateUUIDv4(), 'Aula', '', ` + at(9) + `, ` + at(20) + `, 1)`,
		`INSERT INTO call_legs_data (id, call_id, cms_cluster, call_bridge, session, display_name, remote_party, counts_as_person, start, joined, activated, end, duration_seconds, end_reason, version) VALUES
			(generateUUIDv4(), 'aaaaaaaa-0000-4000-8000-000000000001', 'emea', 'cb1', generateUUIDv4(), 'Kaja', 'kaja@example.org', true, ` + at(0) + `, ` + at(10) + `, ` + at(20) + `, ` + at(100) + `, 100, 'callEnded', 1),
			(generateUUIDv4(), 'aaaaaaaa-0000-4000-8000-000000000001', 'emea', 'cb1', generateUUIDv4(), 'Zoë', 'zoe@example.org', true, ` + at(30) + `, ` + at(30) + `, ` + at(30) + `, NULL, NULL, '', 1),
			(generateUUIDv4(), 'aaaaaaaa-0000-4000-8000-000000000002', 'emea', 'cb2', generateUUIDv4(), '', 'ro\\om@example.org', true, ` + at(40) + `, NULL, NULL, ` + at(50) + `, 10, 'reject', 1),
			(generateUUIDv4(), 'aaaaaaaa-0000-4000-8000-000000000003', 'emea', 'cb1', generateUUIDv4(), 'Nadia', 'nadia@example.org', true, ` + at(9) + `, ` + at(9) + `, ` + at(9) + `, ` + at(20) + `, 11, 'callEnded', 1)`,
	} {
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMeetingPanels: the search finds names, owners, people and addresses whatever characters they hold, and the timeline tells the states of each person.
func TestMeetingPanels(t *testing.T) {
	conn := storagetest.Store(t)
	start := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	seedMeetings(t, conn, start)
	texts := map[string]string{}
	for _, d := range built(t) {
		for where, text := range sqlTexts(t, d) {
			texts[where] = text
		}
	}
	ask := func(panel, search, meeting string) []string {
		t.Helper()
		e := expansion{start.Add(-time.Hour), start.Add(time.Hour), map[string][]string{"cms_cluster": {"emea"}, "search": {search}, "meeting": {meeting}}}
		rows, err := conn.Query(t.Context(), "SELECT toString(tuple(*)) FROM ("+strings.ReplaceAll(e.sql(texts[panel]), "bridgewatch.", "")+")")
		if err != nil {
			t.Fatalf("%s: %v", panel, err)
		}
		defer rows.Close()
		var lines []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", panel, err)
		}
		return lines
	}
	for search, want := range map[string]string{
		"": otherOne + " " + correlator, "r&d <ALPHA>": correlator, "o'neill": correlator, "zoë": correlator, `ro\om`: correlator, "nadia@": otherOne,
		`\`: correlator, "'": correlator, "%": "", `') OR 1=1 --`: "",
	} {
		var got []string
		for _, line := range ask("meetings / meeting", search, "") {
			got = append(got, line[2:2+len(correlator)])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("search for %s finds %v, want %s", search, got, want)
		}
		if n := len(ask("meetings / Meetings A", search, "")); n != len(got) {
			t.Errorf("search for %s lists %d meetings, want %d", search, n, len(got))
		}
	}

	state := map[string]string{}
	for _, line := range ask("meetings / Timeline A", "", correlator) {
		var clock, who, value string
		if _, err := fmt.Sscanf(strings.NewReplacer("('", "", "','", " ", "',", " ", ")", "").Replace(line[len("('2026-10-05 "):]), "%s %s %s", &clock, &who, &value); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		state[who] += " " + value
	}
	// At 0, 20, 30, 40, 50 and 100 s: waiting 1, in the meeting 2.
	for who, want := range map[string]string{"Kaja": " 1 2 2 2 2 NULL", "Zoë": " NULL NULL 2 2 2 2", `ro\\om`: " NULL NULL NULL 1 NULL NULL"} {
		if state[who] != want {
			t.Errorf("timeline of %s:%s, want%s (all: %v)", who, state[who], want, state)
		}
	}
	if len(state) != 3 {
		t.Errorf("the timeline shows %v", state)
	}
	if got := ask("meetings / What happened A", "", correlator); len(got) != 8 || !strings.Contains(got[0], "call begins") || !strings.Contains(got[7], "call ends") {
		t.Errorf("what happened: %v", got)
	}
	if got := ask("meetings / Call legs A", "", "no id at all"); len(got) != 0 {
		t.Errorf("legs of no meeting: %v", got)
	}
}
