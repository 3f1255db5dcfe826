// Package migrations brings a ClickHouse database to the schema this version of Bridgewatch expects.
// The numbered SQL files beside this one only ever move forward.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	"github.com/pressly/goose/v3"
)

//go:embed *.sql
var files embed.FS

// Up applies every migration that db has not seen, in the order of their numbers, and returns the names of those applied.
// The database that db is connected to must exist. Running it again does nothing.
func Up(ctx context.Context, db *sql.DB) ([]string, error) {
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, files,
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
