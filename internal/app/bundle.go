package app

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.yaml.in/yaml/v3"

	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/engine"
)

// BundleOptions say what a support bundle is made from.
type BundleOptions struct {
	Options
	About string // what this program is, for the bundle's first file
	// WithoutCheck leaves out the questions to bridges and servers.
	WithoutCheck bool
	Progress     func(string)
}

// bundleLimit bounds one file of a bundle.
const bundleLimit = 16 << 20

// bundlePatience is how long a server may take to answer for a bundle.
const bundlePatience = 5 * time.Second

// storeQuestions are asked for a bundle: figures about the store, never what meetings and people are in it.
var storeQuestions = []struct{ file, query string }{
	{"tables.tsv", "SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts, min(min_time), max(max_time) FROM system.parts " +
		"WHERE active AND database = currentDatabase() GROUP BY table ORDER BY table FORMAT TSVWithNames"},
	{"schema.tsv", "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name FORMAT TSVWithNames"},
	{"migrations.tsv", "SELECT version_id, is_applied, tstamp FROM goose_db_version ORDER BY version_id, tstamp FORMAT TSVWithNames"},
	{"sessions.tsv", "SELECT * FROM cdr_sessions ORDER BY last_time DESC LIMIT 1000 FORMAT TSVWithNames"},
	{"quarantine.tsv", "SELECT source, toStartOfDay(received) AS day, count() AS bodies, sum(size) AS bytes FROM cdr_quarantine GROUP BY ALL ORDER BY ALL FORMAT TSVWithNames"},
	{"errors.tsv", "SELECT name, code, value, last_error_time FROM system.errors ORDER BY value DESC FORMAT TSVWithNames"},
	{"merges.tsv", "SELECT table, elapsed, progress, num_parts, total_size_bytes_compressed FROM system.merges FORMAT TSVWithNames"},
	{"disks.tsv", "SELECT name, free_space, total_space FROM system.disks FORMAT TSVWithNames"},
}

// SupportBundle writes an archive with what a person who helps needs to see: versions, configuration, health, metrics, and figures of bus and store. It holds no
// secrets, and of meetings and people nothing. What cannot be had is noted in its place, as a bundle is wanted when something does not work.
func SupportBundle(ctx context.Context, o BundleOptions, out io.Writer) error {
	b := &bundle{options: o, secrets: o.secretTexts()}
	b.add("about.txt", b.about)
	b.add("config.yml", func(_ context.Context, w io.Writer) error { return yaml.NewEncoder(w).Encode(withoutPeople(o.Config)) })
	b.add("warnings.txt", func(_ context.Context, w io.Writer) error {
		for _, warning := range o.Config.Warnings {
			fmt.Fprintln(w, warning.Error())
		}
		return nil
	})
	for file, path := range map[string]string{"metrics.txt": "/metrics", "ready.json": "/-/ready", "healthy.txt": "/-/healthy"} {
		b.add("instance/"+file, func(ctx context.Context, w io.Writer) error { return o.fetch(ctx, path, w) })
	}
	b.add("streams.json", b.streams)
	b.addStore()
	if !o.WithoutCheck {
		b.add("check.txt", func(ctx context.Context, w io.Writer) error {
			return Check(ctx, o.Config, w, slog.New(slog.DiscardHandler))
		})
	}
	return b.write(ctx, out)
}

// withoutPeople is a configuration that names no owners.
func withoutPeople(c config.Config) config.Config {
	c.LicensePools = slices.Clone(c.LicensePools)
	for i := range c.LicensePools {
		pool := &c.LicensePools[i]
		pool.OwnerGroups = slices.Clone(pool.OwnerGroups)
		for j := range pool.OwnerGroups {
			group := &pool.OwnerGroups[j]
			group.Owners = slices.Repeat([]string{"<owner>"}, len(group.Owners))
		}
	}
	return c
}

type bundle struct {
	options BundleOptions
	secrets []string
	parts   []bundlePart
}

type bundlePart struct {
	name string
	make func(context.Context, io.Writer) error
}

func (b *bundle) add(name string, make func(context.Context, io.Writer) error) {
	b.parts = append(b.parts, bundlePart{name, make})
}

// write makes the parts, one after the other, and packs them.
func (b *bundle) write(ctx context.Context, out io.Writer) error {
	zipped := gzip.NewWriter(out)
	archive := tar.NewWriter(zipped)
	slices.SortStableFunc(b.parts, func(x, y bundlePart) int { return strings.Compare(x.name, y.name) })
	for _, part := range b.parts {
		if b.options.Progress != nil {
			b.options.Progress(part.name)
		}
		text := &limited{left: bundleLimit}
		if err := part.make(ctx, text); err != nil {
			fmt.Fprintf(text, "\n[not to be had: %s]\n", reason(err))
		}
		if text.left == 0 {
			text.WriteString("\n[cut here]\n")
		}
		data := b.withoutSecrets(text.Bytes())
		header := &tar.Header{Name: "bridgewatch-support/" + part.name, Mode: 0o600, Size: int64(len(data)), ModTime: time.Now(), Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(archive.Close(), zipped.Close())
}

// limited keeps the beginning of what is written to it.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.Buffer.Write(p[:n])
	return len(p), nil
}

// withoutSecrets is the second lock on the door: nothing that is written above shows a secret, and if it did, this would take it out.
func (b *bundle) withoutSecrets(text []byte) []byte {
	for _, s := range b.secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			text = bytes.ReplaceAll(text, []byte(form), []byte("<secret>"))
		}
	}
	return text
}

// secretTexts are the configuration's secrets and those that our own servers made for this run, the longest first, as one may lie within another.
func (o BundleOptions) secretTexts() []string {
	secrets := o.Config.SecretTexts()
	for file, key := range map[string]string{"bus.json": "token", engine.EndpointFile: "password"} {
		var fields map[string]any
		if text, err := os.ReadFile(filepath.Join(o.Config.DataDir, file)); err == nil && json.Unmarshal(text, &fields) == nil {
			if s, ok := fields[key].(string); ok && s != "" {
				secrets = append(secrets, s)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(secrets)
}

func (b *bundle) about(_ context.Context, w io.Writer) error {
	fmt.Fprintf(w, "%s\nmade        %s\nsystem      %s/%s, %d processors\n", strings.TrimSpace(b.options.About), time.Now().UTC().Format(time.RFC3339),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, path := range []string{"/etc/os-release", "/proc/meminfo", "/proc/loadavg"} { // Linux has them
		if text, err := os.ReadFile(path); err == nil {
			fmt.Fprintf(w, "\n== %s\n%s", path, text)
		}
	}
	return nil
}

// fetch asks the instance that listens on http.listen.
func (o BundleOptions) fetch(ctx context.Context, path string, w io.Writer) error {
	address, err := net.ResolveTCPAddr("tcp", o.Config.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, bundlePatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+toOurselves(address)+path, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // read as far as it goes
	if answer.StatusCode != http.StatusOK {
		fmt.Fprintln(w, answer.Status)
	}
	_, err = io.Copy(w, answer.Body)
	return err
}

func (b *bundle) streams(ctx context.Context, w io.Writer) error {
	cfg := busConfig(b.options.Config)
	cfg.Join = true
	ctx, cancel := context.WithTimeout(ctx, bundlePatience)
	defer cancel()
	one := bus.New(cfg, bus.Deps{Log: slog.New(slog.DiscardHandler)})
	return beside(ctx, one.Run, one.Ready(), func(ctx context.Context) error {
		stats, err := one.Stats(ctx)
		if err != nil {
			return err
		}
		state, how := one.CheckSync(ctx)
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"streams": stats, "synced_writes": fmt.Sprintf("%s (%s)", state, how)})
	})
}

// addStore asks the store all its questions at once, as it may have to be started for them.
func (b *bundle) addStore() {
	answers, failure := map[string]*limited{}, error(nil)
	asked := false
	for _, question := range storeQuestions {
		b.add("store/"+question.file, func(ctx context.Context, w io.Writer) error {
			if !asked {
				asked, failure = true, b.askStore(ctx, answers)
			}
			if text := answers[question.file]; text != nil {
				_, err := w.Write(text.Bytes())
				return err
			}
			return failure
		})
	}
}

func (b *bundle) askStore(ctx context.Context, answers map[string]*limited) error {
	return withStore(ctx, b.options.Options, func(ctx context.Context, o *clickhouse.Options) error {
		for _, question := range storeQuestions {
			text := &limited{left: bundleLimit}
			ask := sqlOverHTTP
			if o.Protocol != clickhouse.HTTP {
				ask = sqlOverNative
			}
			if err := ask(ctx, o, question.query, text); err != nil {
				fmt.Fprintf(text, "[not to be had: %s]\n", reason(err))
			}
			answers[question.file] = text
		}
		return nil
	})
}
