package migrations

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// LocalSuffix ends the name of the table that holds the rows on each server of a cluster; the name without it is that of the table over all of them.
const LocalSuffix = "_local"

//go:generate go test .. -run TestClusterGolden -update

// Cluster is where migrations go that are for several ClickHouse servers.
type Cluster struct {
	Name     string // as the servers' configuration has it, under remote_servers
	Database string
}

// Render makes the statements of a migration those for a cluster of ClickHouse servers, on which the same names answer the same:
//
//   - every table becomes a replicated one, <name>_local, on each server, and <name> a Distributed one over all shards;
//   - a row's shard is chosen by its whole sort key, as rows that replace one another have the same and must meet;
//   - materialized views work within a shard; plain views read the Distributed tables.
//
// Every name has its database, as each server runs the statement by itself. A statement that Render does not know is an error, so that no later migration is
// run on a cluster by half.
func (c Cluster) Render(migration string) (string, error) {
	var out []string
	for _, s := range Statements(migration) {
		rendered, err := c.render(s)
		if err != nil {
			return "", err
		}
		out = append(out, rendered...)
	}
	return "-- +goose Up\n" + strings.Join(out, ";\n\n") + ";\n", nil
}

// Statements are what a migration holds, without comments. One ends with a semicolon at the end of a line, as for goose.
func Statements(migration string) []string {
	var lines []string
	for line := range strings.Lines(migration) {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	var out []string
	for s := range strings.SplitSeq(strings.Join(lines, "")+"\n", ";\n") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

var (
	tableStatement  = regexp.MustCompile(`(?s)^CREATE TABLE IF NOT EXISTS (\w+_data)\n\(\n(.*)\n\)\nENGINE = (\w*MergeTree)(\([^)]*\))?\n(.*)$`)
	orderBy         = regexp.MustCompile(`(?m)^ORDER BY (.+)$`)
	tableComment    = regexp.MustCompile(`(?m)^COMMENT '.*'$`)
	feedStatement   = regexp.MustCompile(`(?s)^CREATE MATERIALIZED VIEW IF NOT EXISTS (\w+) TO (\w+_data) AS\n(.*)$`)
	viewStatement   = regexp.MustCompile(`(?s)^CREATE VIEW IF NOT EXISTS (\w+) AS\s(.*)$`)
	columnStatement = regexp.MustCompile(`(?s)^ALTER TABLE (\w+_data)\s+((?:ADD|MODIFY|DROP|RENAME|COMMENT) COLUMN .*)$`)
	alterStatement  = regexp.MustCompile(`(?s)^ALTER TABLE (\w+_data)\s+((?:(?:ADD|DROP|MATERIALIZE) INDEX|MODIFY (?:TTL|SETTING)) .*)$`)
	readFrom        = regexp.MustCompile(`(ARRAY )?(FROM|JOIN) (\w+)`)
)

func (c Cluster) render(statement string) ([]string, error) {
	on := " ON CLUSTER '" + c.Name + "'"
	if m := tableStatement.FindStringSubmatch(statement); m != nil {
		name, columns, engine, arguments, rest := m[1], m[2], m[3], m[4], m[5]
		order := orderBy.FindStringSubmatch(rest)
		if order == nil {
			return nil, fmt.Errorf("table %s: no line ORDER BY, so its rows have no shard", name)
		}
		local := name + LocalSuffix
		return []string{
			"CREATE TABLE IF NOT EXISTS " + c.name(local) + on + "\n(\n" + columns + "\n)\nENGINE = Replicated" + engine + arguments + "\n" + rest,
			"CREATE TABLE IF NOT EXISTS " + c.name(name) + on + " AS " + c.name(local) +
				fmt.Sprintf("\nENGINE = Distributed('%s', '%s', '%s', cityHash64(%s))\n", c.Name, c.Database, local, order[1]) + tableComment.FindString(rest),
		}, nil
	}
	if m := feedStatement.FindStringSubmatch(statement); m != nil {
		return []string{"CREATE MATERIALIZED VIEW IF NOT EXISTS " + c.name(m[1]) + on + " TO " + c.name(m[2]+LocalSuffix) + " AS\n" + c.reading(m[3], LocalSuffix)}, nil
	}
	if m := viewStatement.FindStringSubmatch(statement); m != nil {
		return []string{"CREATE VIEW IF NOT EXISTS " + c.name(m[1]) + on + " AS\n" + c.reading(m[2], "")}, nil
	}
	if m := columnStatement.FindStringSubmatch(statement); m != nil {
		return []string{"ALTER TABLE " + c.name(m[1]+LocalSuffix) + on + "\n" + m[2], "ALTER TABLE " + c.name(m[1]) + on + "\n" + m[2]}, nil
	}
	if m := alterStatement.FindStringSubmatch(statement); m != nil {
		return []string{"ALTER TABLE " + c.name(m[1]+LocalSuffix) + on + "\n" + m[2]}, nil
	}
	first, _, _ := strings.Cut(statement, "\n")
	return nil, fmt.Errorf("no form for a cluster is known of the statement %q", first)
}

func (c Cluster) name(table string) string { return c.Database + "." + table }

// reading names the tables that a SELECT reads whole, with a suffix.
func (c Cluster) reading(query, suffix string) string {
	return readFrom.ReplaceAllStringFunc(query, func(found string) string {
		m := readFrom.FindStringSubmatch(found)
		if m[1] != "" { // ARRAY JOIN has a column
			return found
		}
		return m[2] + " " + c.name(m[3]) + suffix
	})
}

// rendered are the migrations for a cluster, as a file system.
type rendered struct {
	files   fs.FS
	cluster Cluster
}

// Open implements fs.FS.
func (r rendered) Open(name string) (fs.File, error) {
	f, err := r.files.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	defer f.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	out, err := r.cluster.Render(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return renderedFile{bytes.NewReader([]byte(out)), sized{info, int64(len(out))}}, nil
}

type renderedFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f renderedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (renderedFile) Close() error                 { return nil }

type sized struct {
	fs.FileInfo
	size int64
}

func (s sized) Size() int64 { return s.size }

// ClusterSettings are those that every connection of ours to a cluster has, so that what is written is stored before it is acknowledged, on a majority of a
// shard's replicas, and is there when it is read back, whichever replica answers; and so that a query within a query sees all shards.
func ClusterSettings() clickhouse.Settings {
	return clickhouse.Settings{
		"distributed_foreground_insert": 1,
		"distributed_product_mode":      "global",
		"insert_quorum":                 "auto",
		"insert_quorum_parallel":        0,
		"select_sequential_consistency": 1,
	}
}
