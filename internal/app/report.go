package app

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/licensing/keeper"
	"github.com/bridgewatch/bridgewatch/storage"
)

// PoolOf is the pool of that name, or the only one where name is empty.
func PoolOf(c config.Config, name string) (report.Pool, error) {
	list, err := pools(c)
	if err != nil {
		return report.Pool{}, err
	}
	return report.PoolNamed(list, name)
}

// withQueries gives use the query catalogue of a configuration's store. Where no instance runs, license use is brought up to date first.
func withQueries(ctx context.Context, c config.Config, log *slog.Logger, use func(context.Context, *storage.Queries) error) error {
	return withStoreOf(ctx, Options{Config: c, Log: log}, func(ctx context.Context, options *clickhouse.Options, alone bool) error {
		var conn driver.Conn
		var err error
		if alone {
			conn, err = prepareStore(ctx, options, c.ClickHouse.Cluster, c.Retention, log)
		} else {
			conn, err = clickhouse.Open(options)
		}
		if err != nil {
			return fmt.Errorf("open ClickHouse: %w", err)
		}
		defer conn.Close() //nolint:errcheck // nothing is pending on it
		if alone {
			list, err := pools(c)
			if err != nil {
				return err
			}
			if err := keeper.New(keeperConfig(list), keeper.Deps{Store: conn, Log: log, Now: time.Now}).Round(ctx); err != nil {
				return err
			}
		}
		return use(ctx, storage.NewQueries(conn))
	})
}

// LicenseReport makes the true-up report of a pool over [from, to), with its highest days explained.
func LicenseReport(ctx context.Context, c config.Config, pool report.Pool, from, to time.Time, log *slog.Logger) (made report.License, err error) {
	err = withQueries(ctx, c, log, func(ctx context.Context, q *storage.Queries) error {
		if made, err = report.MakeLicense(ctx, q, pool, from, to, time.Now()); err != nil {
			return err
		}
		return made.ExplainPeaks(ctx, q, pool, explainedDays)
	})
	return made, err
}

// explainedDays are the days of a report whose peaks are explained.
const explainedDays = 5

// ExplainLicense says what makes up a pool's license use at an instant; with a day instead, at that day's peak of shared licenses.
func ExplainLicense(ctx context.Context, c config.Config, pool report.Pool, at time.Time, day licensing.Day, log *slog.Logger) (made report.Explanation, err error) {
	err = withQueries(ctx, c, log, func(ctx context.Context, q *storage.Queries) error {
		if day != "" {
			if at, err = report.PeakOf(ctx, q, pool, day); err != nil {
				return err
			}
		}
		made, err = report.Explain(ctx, q, pool, at)
		return err
	})
	return made, err
}

// WhatIf answers what license use would have been under another assignment or entitlement.
func WhatIf(ctx context.Context, c config.Config, pool report.Pool, ask report.WhatIfQuestion, log *slog.Logger) (made report.WhatIf, err error) {
	err = withQueries(ctx, c, log, func(ctx context.Context, q *storage.Queries) error {
		made, err = report.MakeWhatIf(ctx, q, pool, ask)
		return err
	})
	return made, err
}

// SealLicense writes a pool's report of [from, to) with its inputs to a file, sealed by a key.
func SealLicense(ctx context.Context, c config.Config, pool report.Pool, from, to time.Time, key ed25519.PrivateKey, path string, log *slog.Logger) error {
	return withQueries(ctx, c, log, func(ctx context.Context, q *storage.Queries) error {
		_, err := report.MakePack(ctx, q, pool, from, to, time.Now(), explainedDays, key, path)
		return err
	})
}
