// Package migrations brings a ClickHouse database to the schema this version of Bridgewatch expects.
// The numbered SQL files beside this one only ever move forward.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

// Up applies every migration that db has not seen, in the order of their numbers, and returns the names of those applied.
// The database that db is connected to must exist. Running it again does nothing.
func Up(ctx context.Context, db *sql.DB) ([]string, error) { return up(ctx, db, files) }

// UpCluster does the same on a cluster of servers, by the statements that Render makes. The versions applied are kept in a table that all of its servers share.
func UpCluster(ctx context.Context, db *sql.DB, cluster Cluster) ([]string, error) {
	if !plainName.MatchString(cluster.Database) || !plainName.MatchString(strings.ReplaceAll(cluster.Name, "-", "_")) {
		return nil, fmt.Errorf("database %q on cluster %q: the names may have letters, digits and _ only, a cluster's also -", cluster.Database, cluster.Name)
	}
	if _, err := db.ExecContext(ctx, cluster.VersionTable()); err != nil {
		return nil, fmt.Errorf("make the table of versions on cluster %s: %w", cluster.Name, err)
	}
	return up(ctx, db, rendered{files, cluster})
}

var plainName = regexp.MustCompile(`^\w+$`)

// VersionTable is the statement that makes goose's own table as goose would, but replicated on all servers whatever their shard.
func (c Cluster) VersionTable() string {
	return "CREATE TABLE IF NOT EXISTS " + c.name(goose.DefaultTablename) + " ON CLUSTER '" + c.Name + `'
(
    version_id Int64,
    is_applied UInt8,
    date       Date DEFAULT now(),
    tstamp     DateTime DEFAULT now()
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}', '{shard}-{replica}')
ORDER BY version_id`
}

// Files are the migrations as they are for one server.
func Files() fs.FS { return files }

func up(ctx context.Context, db *sql.DB, from fs.FS) ([]string, error) {
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, from,
		goose.WithAllowOutofOrder(true), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read the embedded migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate the database: %w", err)
	}
	applied := make([]string, 0, len(results))
	for _, r := range results {
		applied = append(applied, r.Source.Path)
	}
	return applied, nil
}
