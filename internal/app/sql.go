package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/engine"
)

// withStore gives use the store of a configuration: the external server, the engine of a running instance, or, where none runs, an engine
// started for as long as use takes.
func withStore(ctx context.Context, o Options, use func(context.Context, *clickhouse.Options) error) error {
	return withStoreOf(ctx, o, func(ctx context.Context, options *clickhouse.Options, _ bool) error { return use(ctx, options) })
}

// withStoreOf is withStore; alone tells that the engine was started for this, so that nobody else writes.
func withStoreOf(ctx context.Context, o Options, use func(ctx context.Context, options *clickhouse.Options, alone bool) error) error {
	c := o.Config
	if !c.ClickHouse.URL.IsZero() {
		options, err := externalStore(c.ClickHouse)
		if err != nil {
			return err
		}
		return use(ctx, options, false)
	}
	if endpoint, err := engine.ReadEndpoint(c.DataDir); err == nil {
		options := endpoint.Options(databaseName)
		if reachable(ctx, options) {
			return use(ctx, options, false)
		}
	} else if !errors.Is(err, engine.ErrNotRunning) {
		return err
	}
	cfg := engineConfig(c, o.EngineCommand)
	cfg.Listen = ""
	e, err := engine.New(cfg, engine.Deps{Logger: o.Log})
	if err != nil {
		return err
	}
	engineCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(engineCtx) }()
	defer stop()
	select {
	case <-e.Ready():
	case err := <-ended:
		return err
	case <-ctx.Done():
		stop()
		return errors.Join(ctx.Err(), <-ended)
	}
	err = use(ctx, e.Options(databaseName), true)
	stop()
	return errors.Join(err, <-ended)
}

// neverRun is an error where the embedded engine has never stored anything in data_dir, so that no command makes an empty store only to find nothing in it.
func neverRun(c config.Config) error {
	if !c.ClickHouse.URL.IsZero() {
		return nil
	}
	_, err := os.Stat(filepath.Join(c.DataDir, "clickhouse"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing was ever stored in %s; is data_dir right? `bridgewatch serve` begins the store", c.DataDir)
	}
	return err
}

// reachable tells whether an engine answers; the file of one that was killed may name a dead address.
func reachable(ctx context.Context, options *clickhouse.Options) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+options.Addr[0]+"/ping", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close() //nolint:errcheck // only the status was wanted
	return answer.StatusCode == http.StatusOK
}

// SQL runs one query on the configured store and writes its answer, tab-separated unless the query names a FORMAT.
func SQL(ctx context.Context, c config.Config, query string, out io.Writer, log *slog.Logger) error {
	if err := neverRun(c); err != nil {
		return err
	}
	return withStore(ctx, Options{Config: c, Log: log}, func(ctx context.Context, options *clickhouse.Options) error {
		if options.Protocol == clickhouse.HTTP {
			return sqlOverHTTP(ctx, options, query, out)
		}
		return sqlOverNative(ctx, options, query, out)
	})
}

func sqlOverHTTP(ctx context.Context, options *clickhouse.Options, query string, out io.Writer) error {
	scheme := "http"
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if options.TLS != nil {
		scheme, transport.TLSClientConfig = "https", options.TLS
	}
	address := url.URL{Scheme: scheme, Host: options.Addr[0], Path: "/", RawQuery: url.Values{"database": {options.Auth.Database}}.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), strings.NewReader(query))
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	request.SetBasicAuth(options.Auth.Username, options.Auth.Password)
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end below
	if answer.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
		return errors.Join(errors.New(strings.TrimSpace(string(text))), err)
	}
	if _, err := io.Copy(out, answer.Body); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// sqlOverNative prints rows itself, as the native protocol has no formats. Those of a FORMAT in the query the server writes, row by row.
func sqlOverNative(ctx context.Context, options *clickhouse.Options, query string, out io.Writer) error {
	query, format, err := byRows(query)
	if err != nil {
		return err
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return fmt.Errorf("open ClickHouse: %w", err)
	}
	defer conn.Close() //nolint:errcheck // only read from
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	if strings.HasSuffix(format, withNames) {
		if _, err := fmt.Fprintln(out, strings.Join(rows.Columns(), "\t")); err != nil {
			return err
		}
		format = ""
	}
	if format == "" {
		return printRows(rows, out)
	}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return rows.Err()
}

var (
	// formatClause is the last of a query but for its settings.
	formatClause = regexp.MustCompile(`(?is)\s+format\s+([a-z0-9]+)(\s+settings\s[^']*)?[\s;]*$`)
	// rowFormats consist of nothing but their rows.
	rowFormats = []string{"TSVWithNames", "TabSeparatedWithNames", "JSONEachRow", "JSONLines", "NDJSON", "JSONStringsEachRow", "JSONCompactEachRow", "JSONCompactStringsEachRow", "CSV", "TSV", "TabSeparated", "TSVRaw", "TabSeparatedRaw", "TSKV"}
)

// withNames ends the name of a format that begins with a line of the columns' names, which printRows's rows can have before them.
const withNames = "WithNames"

// byRows takes the FORMAT out of a query for the native protocol and has the server write each row in it, but for those withNames; format is empty where there
// was none.
func byRows(query string) (rewritten, format string, err error) {
	at := formatClause.FindStringSubmatchIndex(query)
	if at == nil {
		return query, "", nil
	}
	format = query[at[2]:at[3]]
	known := slices.IndexFunc(rowFormats, func(known string) bool { return strings.EqualFold(known, format) })
	if known < 0 {
		return "", "", fmt.Errorf("FORMAT %s needs ClickHouse's HTTP interface: give clickhouse.url as http://… or https://…, or ask for one of %s", format, strings.Join(rowFormats, ", "))
	}
	format = rowFormats[known]
	settings := ""
	if at[4] >= 0 {
		settings = query[at[4]:at[5]]
	}
	if strings.HasSuffix(format, withNames) {
		return query[:at[0]] + "\n" + settings, format, nil
	}
	return "SELECT formatRow('" + format + "', *) FROM (" + query[:at[0]] + "\n)" + settings, format, nil
}

func printRows(rows driver.Rows, out io.Writer) error {
	types := rows.ColumnTypes()
	for rows.Next() {
		values := make([]any, len(types))
		for i, t := range types {
			values[i] = newValue(t)
		}
		if err := rows.Scan(values...); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
		line := make([]string, len(values))
		for i, v := range values {
			line[i] = text(v, types[i].DatabaseTypeName())
		}
		if _, err := fmt.Fprintln(out, strings.Join(line, "\t")); err != nil {
			return err
		}
	}
	return rows.Err()
}
