package storage_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/storage/migrations"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

var update = flag.Bool("update", false, "rewrite golden files")

var cluster = migrations.Cluster{Name: "bridgewatch", Database: "bridgewatch"}

// clusterStatements are the migrations for a cluster, in order.
func clusterStatements(t *testing.T) string {
	t.Helper()
	names, err := fs.Glob(migrations.Files(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	all := cluster.VersionTable() + ";\n"
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		rendered, err := cluster.Render(string(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all += "\n-- " + name + "\n" + rendered
	}
	return all
}

// TestClusterGolden: the statements for a cluster are those in testdata/cluster.golden.sql (make generate, or go test ./storage -run TestClusterGolden -update).
func TestClusterGolden(t *testing.T) {
	got := clusterStatements(t)
	path := filepath.Join("testdata", "cluster.golden.sql")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the statements for a cluster changed (-golden +now); run make generate and look at the difference:\n%s", diff)
	}
}

// TestClusterParsed: ClickHouse's own parser takes each statement for a cluster.
func TestClusterParsed(t *testing.T) {
	conn := storagetest.Open(t, storagetest.Engine(t))
	parsed := 0
	for _, s := range migrations.Statements(clusterStatements(t)) {
		rows, err := conn.Query(t.Context(), "EXPLAIN AST "+s)
		if err != nil {
			t.Errorf("%.80s…: %v", s, err)
			continue
		}
		lines := 0
		for rows.Next() {
			lines++
		}
		rows.Close()
		if lines < 3 || rows.Err() != nil {
			t.Errorf("%.80s…: %d lines of a syntax tree, %v", s, lines, rows.Err())
		}
		parsed++
	}
	if parsed < 60 {
		t.Errorf("only %d statements were parsed", parsed)
	}
}

// TestClusterRefusesWhatItDoesNotKnow: a migration with a statement that has no form for a cluster fails instead of being run on one server only.
func TestClusterRefusesWhatItDoesNotKnow(t *testing.T) {
	for statement, want := range map[string]string{
		"RENAME TABLE calls_data TO old_data;\n":                                                     "no form for a cluster",
		"CREATE TABLE IF NOT EXISTS x_data\n(\n    a Int64\n)\nENGINE = MergeTree\nPRIMARY KEY a;\n": "no line ORDER BY",
		"ALTER TABLE calls_data UPDATE name = '' WHERE 1;\n":                                         "no form for a cluster",
	} {
		if out, err := cluster.Render(statement); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Render(%q) = %q, %v; want an error with %q", statement, out, err, want)
		}
	}
	out, err := cluster.Render("-- a comment\nALTER TABLE calls_data ADD COLUMN IF NOT EXISTS x Int64 COMMENT 'a; b';\n")
	if err != nil || strings.Count(out, "ON CLUSTER") != 2 || !strings.Contains(out, "bridgewatch.calls_data_local ON CLUSTER") {
		t.Errorf("a new column: %v\n%s", err, out)
	}
}
