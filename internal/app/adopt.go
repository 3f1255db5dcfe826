package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// AdoptOptions say which cluster is adopted and how its configuration is to look.
type AdoptOptions struct {
	// Start is the Call Bridge that is asked first, with the credentials and trust that hold for all of its cluster.
	Start collector.Bridge
	// PasswordKey and PasswordValue are how the configuration finds the password: password_file and a path, or password_env and a name. A relative path, here
	// and of a CA file, starts at the working folder.
	PasswordKey, PasswordValue string
	// Cluster is the name that the cluster gets.
	Cluster string
	// PublicURL is how bridges reach the CDR listener.
	PublicURL string
	// Output is the file that is written, or, where it is there, whose tokens are used.
	Output string
}

// Adopted is a cluster as it was found, and the configuration for it.
type Adopted struct {
	Found []poller.Found
	// File is the configuration's text; Written says that Output was made with it.
	File    []byte
	Written bool
	// Tokens of the bridges by name.
	tokens map[string]string
}

const adoptTimeout = 15 * time.Second

// Adopt walks from one Call Bridge to its whole cluster and makes a configuration for all of it. An existing file is read and never changed.
func Adopt(ctx context.Context, o AdoptOptions) (Adopted, error) {
	found, err := poller.Discover(ctx, o.Start, adoptTimeout, time.Now)
	if err != nil {
		return Adopted{}, err
	}
	a := Adopted{Found: found.Bridges, tokens: map[string]string{}}
	for i := range a.Found {
		if a.Found[i].Name == "" {
			a.Found[i].Name = "cb1" // a lone bridge may have no name of its own
		}
	}
	text, err := os.ReadFile(o.Output)
	switch {
	case err == nil:
		return a, a.use(text, o.Output)
	case !errors.Is(err, os.ErrNotExist):
		return a, err
	}
	for _, f := range a.Found {
		token := make([]byte, 16)
		if _, err := rand.Read(token); err != nil {
			return a, err
		}
		a.tokens[f.Name] = hex.EncodeToString(token)
	}
	if err := o.movePaths(); err != nil {
		return a, err
	}
	if a.File, err = a.configuration(o); err != nil {
		return a, err
	}
	if _, err := config.Parse(a.File, o.Output); err != nil {
		return a, fmt.Errorf("a flag, or what the bridge says, does not go into a configuration: %w", err)
	}
	if err := os.WriteFile(o.Output, a.File, 0o600); err != nil { // it holds the tokens
		return a, err
	}
	a.Written = true
	return a, nil
}

// movePaths makes the paths that go into Output mean there what they mean here: they start at its folder, not at the working folder.
func (o *AdoptOptions) movePaths() error {
	paths := []*string{&o.Start.TLS.CAFile}
	if o.PasswordKey == "password_file" {
		paths = append(paths, &o.PasswordValue)
	}
	if filepath.Dir(o.Output) == "." {
		return nil
	}
	for _, path := range paths {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	return nil
}

// use takes the tokens of a configuration that is there.
func (a *Adopted) use(text []byte, path string) error {
	c, err := config.Parse(text, path)
	if err != nil {
		return err
	}
	a.File = text
	unread := c.ReadBridgeSecrets() // of tokens in files; passwords are not needed
	var lacking []string
	for _, f := range a.Found {
		for _, k := range c.Clusters {
			for _, b := range k.Bridges {
				if b.Name == f.Name || strings.TrimSuffix(b.URL, "/") == strings.TrimSuffix(f.URL, "/") {
					a.tokens[f.Name] = b.CDRToken.Reveal()
				}
			}
		}
		if a.tokens[f.Name] == "" {
			lacking = append(lacking, f.Name)
		}
	}
	if len(lacking) > 0 {
		err := fmt.Errorf("%s is there and lacks a bridge, or a cdr_token, for %s: add it, or give another file with -o", path, strings.Join(lacking, ", "))
		return errors.Join(err, unread)
	}
	return nil
}

// configuration is the YAML text. What was found wrong stands beside the bridge as a comment.
func (a *Adopted) configuration(o AdoptOptions) ([]byte, error) {
	bridges := &yaml.Node{Kind: yaml.SequenceNode}
	var leftOut []string
	named := map[string]bool{}
	for _, f := range a.Found {
		// What no configuration can hold is told of beside those that it can.
		if _, err := (collector.Bridge{URL: f.URL}).BaseURL(); err != nil || named[f.Name] {
			leftOut = append(leftOut, fmt.Sprintf("left out, to be mended: %s at %q: %s", f.Name, f.URL, firstText(f.Problem, "its address cannot be used, or its name is that of another")))
			continue
		}
		named[f.Name] = true
		one := mapping("name", f.Name, "url", f.URL, "username", o.Start.Username, o.PasswordKey, o.PasswordValue, "cdr_token", a.tokens[f.Name])
		tls := mapping()
		if o.Start.TLS.CAFile != "" {
			tls = mapping("ca_file", o.Start.TLS.CAFile)
		}
		if f.URL == o.Start.URL && o.Start.TLS.ServerName != "" {
			tls.Content = append(tls.Content, mapping("server_name", o.Start.TLS.ServerName).Content...)
		}
		if o.Start.TLS.Fingerprint != "" {
			tls.Content = append(tls.Content, mapping("fingerprint", o.Start.TLS.Fingerprint).Content...)
		}
		if o.Start.TLS.InsecureSkipVerify {
			tls.Content = append(tls.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "insecure_skip_verify"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "true"})
		}
		if len(tls.Content) > 0 {
			one.Content = append(one.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "tls"}, tls)
		}
		var notes []string
		if f.Group != "" {
			notes = append(notes, "group "+f.Group)
		}
		if f.Version != "" {
			notes = append(notes, "release "+f.Version)
		}
		if f.Problem != "" {
			notes = append(notes, "to be mended: "+f.Problem)
		}
		one.HeadComment = strings.Join(notes, "; ")
		bridges.Content = append(bridges.Content, one)
	}
	cluster := mapping("name", o.Cluster, "license_pool", "main")
	cluster.Content = append(cluster.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "bridges", HeadComment: strings.Join(leftOut, "\n")}, bridges)
	pool := mapping("name", "main", "day_boundary", "UTC")
	pool.HeadComment = "Say what you have bought under entitlements; see docs/configuration.md."
	root := mapping("data_dir", "/var/lib/bridgewatch")
	cdrPart := mapping("listen", ":8801")
	if o.PublicURL != "" {
		cdrPart = mapping("listen", ":8801", "public_url", o.PublicURL)
	}
	for _, part := range []struct {
		key  string
		node *yaml.Node
	}{{"cdr", cdrPart}, {"license_pools", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{pool}}}, {"clusters", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{cluster}}}} {
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: part.key}, part.node)
	}
	root.HeadComment = "Made by bridgewatch adopt. Everything else has a default: docs/configuration.md."
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(root), encoder.Close()); err != nil {
		return nil, err
	}
	return []byte(out.String()), nil
}

// mapping is a YAML mapping of texts, key after value; a value that would be read as something else is quoted by the encoder.
func mapping(keyValue ...string) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(keyValue); i += 2 {
		var value yaml.Node
		value.SetString(keyValue[i+1])
		m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: keyValue[i]}, &value)
	}
	return m
}

// Registration is what registering would do, or did, on one bridge.
type Registration struct {
	Bridge, URL string
	// Receiver is the address to be added, its token left out.
	Receiver string
	// There are the addresses that the bridge has, without their paths.
	There []string
	// Already: ours is among them.
	Already bool
	secret  collector.Secret
	bridge  collector.Bridge
}

// Registrations lists what registering the CDR receiver would do. Bridges with a problem are an error: nothing is done by halves.
func (a *Adopted) Registrations(ctx context.Context, o AdoptOptions) ([]Registration, error) {
	if o.PublicURL == "" {
		return nil, errors.New("--register needs --public-url, the address at which bridges reach the CDR listener")
	}
	base := strings.TrimSuffix(o.PublicURL, "/")
	var list []Registration
	var errs []error
	for _, f := range a.Found {
		b := o.Start
		b.Name, b.URL = f.Name, f.URL
		if f.URL != o.Start.URL {
			b.TLS.ServerName = ""
		}
		secret := collector.Secret(base + "/cdr/" + a.tokens[f.Name])
		now := poller.Check(ctx, b, adoptTimeout, secret, time.Now)
		if now.Problem != "" || now.Receivers == nil || f.Problem != "" {
			errs = append(errs, fmt.Errorf("%s (%s): %s", f.Name, f.URL, firstText(now.Problem, f.Problem)))
			continue
		}
		r := Registration{Bridge: f.Name, URL: f.URL, Receiver: base + "/cdr/…", secret: secret, bridge: b, Already: now.Receivers.Ours != nil && *now.Receivers.Ours}
		for _, there := range now.Receivers.Receivers {
			if there.URI != nil {
				r.There = append(r.There, *there.URI)
			}
		}
		if maximum := now.Receivers.Maximum; !r.Already && maximum != nil && int64(len(r.There)) >= *maximum {
			errs = append(errs, fmt.Errorf("%s: %w: it holds %s", f.Name, poller.ErrReceiversFull, strings.Join(r.There, ", ")))
		}
		list = append(list, r)
	}
	return list, errors.Join(errs...)
}

// Register adds the receiver on the bridges that lack it. It goes on after a failure, and fails with all of them.
func Register(ctx context.Context, list []Registration, done func(r Registration)) error {
	var errs []error
	for _, r := range slices.Clone(list) {
		if r.Already {
			continue
		}
		if _, err := poller.RegisterReceiver(ctx, r.bridge, r.secret, adoptTimeout); err != nil {
			errs = append(errs, err)
			continue
		}
		done(r)
	}
	return errors.Join(errs...)
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return "its CDR receivers cannot be read"
}
