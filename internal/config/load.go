package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds what is read; a configuration of 24 bridges has a few kilobytes.
const maxFile = 4 << 20

// Load reads and validates the file. Mistakes come as *Error. It does not read the files that hold secrets: see ReadSecrets.
func Load(path string) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(data, path)
}

// Parse validates a configuration; name stands for the file in errors, and relative paths in it start at name's folder.
func Parse(data []byte, name string) (*Config, error) {
	found := &problems{file: name}
	if len(data) > maxFile {
		found.add(1, "", "is larger than %s; is this the right file?", Size(maxFile))
		return nil, found.err()
	}
	cfg := Default()
	cfg.file, cfg.lines = name, positions{}

	documents := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := documents.Decode(&document); {
	case errors.Is(err, io.EOF): // an empty file: all defaults
	case err != nil:
		found.add(syntaxError(err, data))
		return nil, found.err()
	default:
		d := decoder{problems: found, lines: cfg.lines}
		d.decode(document.Content[0], reflect.ValueOf(&cfg).Elem(), "")
		var second yaml.Node
		if err := documents.Decode(&second); !errors.Is(err, io.EOF) {
			if err != nil {
				found.add(syntaxError(err, data))
			} else {
				found.add(second.Line, "", "a second document begins here; a configuration is one")
			}
		}
	}
	if err := found.err(); err != nil {
		return nil, err // what was misread is not judged: that would complain about values nobody wrote
	}
	cfg.complete()
	cfg.validate(&validator{problems: found, lines: cfg.lines, warnings: &problems{file: name}})
	if err := found.err(); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// complete fills what follows from other keys: the implied license pool, and paths relative to the file's folder.
func (c *Config) complete() {
	if len(c.LicensePools) == 0 {
		pool := LicensePool{Name: "main"}
		pool.setDefaults()
		c.LicensePools = []LicensePool{pool}
	}
	for i := range c.Clusters {
		if c.Clusters[i].LicensePool == "" && len(c.LicensePools) == 1 {
			c.Clusters[i].LicensePool = c.LicensePools[0].Name
		}
	}
	folder := filepath.Dir(c.file)
	for _, path := range c.paths() {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
}

// paths are all keys that name a file or a folder.
func (c *Config) paths() []*string {
	paths := []*string{
		&c.DataDir, &c.HTTP.WebConfig, &c.CDR.TLS.CertFile, &c.CDR.TLS.KeyFile,
		&c.NATS.CredentialsFile, &c.NATS.TokenFile, &c.NATS.PasswordFile, &c.ClickHouse.PasswordFile,
	}
	for _, t := range []*ClientTLS{&c.NATS.TLS, &c.ClickHouse.TLS} {
		paths = append(paths, &t.CAFile, &t.CertFile, &t.KeyFile)
	}
	for i := range c.Clusters {
		for j := range c.Clusters[i].Bridges {
			b := &c.Clusters[i].Bridges[j]
			paths = append(paths, &b.PasswordFile, &b.CDRTokenFile, &b.TLS.CAFile)
		}
	}
	return paths
}

var (
	yamlLine   = regexp.MustCompile(`line (\d+): `)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced`)
)

// syntaxError turns the YAML library's message into a line and a text without what the file says there, which may be a secret.
func syntaxError(err error, data []byte) (line int, key, format string, arg any) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.Replace(text, m[0], "", 1)
	}
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
		line = 1 + bytes.Count(before, []byte("\n"))
		text = "a value that begins with * must stand in quotes"
	}
	return line, "", "not valid YAML: %s", text
}
