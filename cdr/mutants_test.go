package cdr

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutant is a fault put into this package: a text of a file that occurs once, and what stands there instead.
type mutant struct {
	name, file, old, new string
}

var mutants = []mutant{
	{"drop a start that comes after other records", "ledger.go", "	l.take(r)\n	// What the store has", "	if !(starts(r.Type) && l.objects[Object{r.Session, KindLeg, r.ID}] != nil) {\n		l.take(r)\n	}\n	// What the store has"},
	{"take the order of the receiver for that of the bridge", "scan.go", `text, ok := t.attr("correlatorIndex")`, `text, ok := t.attr("recordIndex")`},
	{"keep the first display name", "facts.go", "			latest(&row.DisplayName, d.DisplayName)", "			if row.DisplayName == \"\" {\n				row.DisplayName = d.DisplayName\n			}"},
	{"take the order of arrival for the order of the bridge", "facts.go", "	slices.SortFunc(list, func(a, b SourcedRecord) int { return int(min(max(a.CorrelatorIndex-b.CorrelatorIndex, -1), 1)) })\n	return list", "	return list"},
	{"take a name that says nothing", "facts.go", "if d.DisplayName != unknownParty {", "if true {"},
	{"count scanners as people", "facts.go", "case row.Recording, row.Streaming, row.Scanner:", "case row.Recording, row.Streaming:"},
	{"count links between bridges as people, if spelt the other way", "facts.go", `strings.EqualFold(row.SubType, "lyncDistribution")`, `row.SubType == "lyncDistribution"`},
	{"count Lync sharing as people", "facts.go", `case row.LyncSubType != "" && row.LyncSubType != "audioVideo":`, `case row.LyncSubType == "none":`},
	{"leave legs open when their call ends", "facts.go", "		byCall := call.ended(CallEnd)", "		byCall := call.ended(CallLegEnd)"},
	{"let a lost end be before the start", "facts.go", "		if t.Before(start) {\n			t = start\n		}\n		return &t", "		return &t"},
	{"close what a restart cut off at the time of the restart's successor", "facts.go", "return notBefore(s.row.LastTime), EndNewSession", "return notBefore(s.row.FirstTime), EndNewSession"},
	{"never time out", "facts.go", "case l.settings.OrphanTimeout > 0 && l.asOf.Sub(heard) > l.settings.OrphanTimeout:", "case false:"},
	{"measure silence by the call's own records only", "facts.go", "		if last.After(heard) {\n			heard = last\n		}\n		if !counts {", "		if last.After(heard) && len(own) == 0 {\n			heard = last\n		}\n		if !counts {"},
	{"forget where a leg was before it moved", "facts.go", "			if !slices.Contains(calls, d.Call) {\n				calls = append(calls, d.Call)\n			}", "			calls = []uuid.UUID{d.Call}"},
	{"a leg whose start was missed begins with its first record", "facts.go", "start.Before(known) {\n		return start", "false {\n		return start"},
	{"end a recording with its call rather than with its leg", "facts.go", "	if by = l.objects[Object{o.Session, KindLeg, leg}].ended(CallLegEnd); by != nil {", "	if false {"},
	{"count duplicates as records", "session.go", "	return found\n}", "	return found && false\n}"},
	{"report more losses than there are", "session.go", "Reported: min(after.loMissing, count)", "Reported: after.loMissing"},
	{"forget the losses before the first record at a restart", "session.go", "row.FirstIndex, row.FirstIndexTime, row.FirstMissing\n	for", "row.FirstIndex, row.FirstIndexTime, int64(0)\n	for"},
	{"take the first session of a bridge for the last", "session.go", "bytes.Compare(s.row.ID[:], b.row.ID[:])) > 0", "bytes.Compare(s.row.ID[:], b.row.ID[:])) < 0"},
	{"take a bridge that left its cluster for another", "ledger.go", "superseded = s != ofGUID[b.guid] || !s.beganAfter(unnamed[b.token])", "superseded = s != ofGUID[b.guid]"},
	{"let the token that came first name the bridge", "ledger.go", "	if (r.Cluster < s.row.SourceCluster) || (r.Cluster == s.row.SourceCluster && r.Source < s.row.Source) {", "	if false {"},
	{"let the GUID that came first name the bridge", "ledger.go", "(s.row.BridgeID == uuid.Nil || bytes.Compare(r.CallBridge[:], s.row.BridgeID[:]) < 0)", "s.row.BridgeID == uuid.Nil"},
	{"rewrite a row without a higher version", "ledger.go", "		*version = old.version + 1", "		*version = old.version"},
	{"leave the old row when its start moves to another hour", "ledger.go", "	moved = old.is && (", "	moved = false && ("},
	{"forget what is still open", "ledger.go", "if l.dirty[o.Object] || o.handed.is && o.endHow == EndNone || asOf", "if l.dirty[o.Object] || asOf"},
	{"do not ask for what the store knows of a late record", "ledger.go", "			} else if !known {\n				needs[o] = true", "			} else if !known && false {\n				needs[o] = true"},
	{"after a crash take the session's row for all there is", "ledger.go", "if highest, some := l.highest[r.Session]; some && r.CorrelatorIndex <= highest {", "if false {"},
	{"leave stored rows with the bridge they had", "ledger.go", "		moved = append(moved, now)", "		_ = now"},
	{"mask a stream's address away", "field.go", `return u.Scheme + "://" + u.Host + "/" + masked`, "return masked"},
	{"read numbers as 32 bits", "field.go", "strconv.ParseInt(text, 10, 64)", "strconv.ParseInt(text, 10, 32)"},
}

// TestMutants puts each fault into a copy of a file, by an overlay, and wants the proofs to catch it (make mutants).
func TestMutants(t *testing.T) {
	out := os.Getenv("BRIDGEWATCH_MUTANTS")
	if out == "" {
		t.Skip("BRIDGEWATCH_MUTANTS is not set; make mutants sets it")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| fault | caught by | after cases |\n|---|---|---|\n")
	caught := regexp.MustCompile(`(?s)--- FAIL: (Test\w+).*?(?:failed after (\d+) tests|flaky test)`)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			path := filepath.Join(here, m.file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), m.old); n != 1 {
				t.Fatalf("%s has the text %d times, want once: %q", m.file, n, m.old)
			}
			dir := t.TempDir()
			changed := filepath.Join(dir, m.file)
			if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
			if err != nil {
				t.Fatal(err)
			}
			list := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(list, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-run", "^(TestModel|TestAnyOrderAnyRestart)$", "-count=1", "-rapid.nofailfile", "-rapid.shrinktime=1s", "-rapid.checks=3000", ".")
			said, err := cmd.CombinedOutput()
			found := caught.FindSubmatch(said)
			if err == nil || found == nil {
				t.Fatalf("not caught (%v):\n%.2000s", err, said)
			}
			after := string(found[2])
			if after == "" { // the fault lets the order of a map decide
				after = "differs from run to run"
			}
			fmt.Fprintf(&table, "| %s | `%s` | %s |\n", m.name, found[1], after)
		})
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, []byte(table.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
