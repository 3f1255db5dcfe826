package config

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxSecret bounds a file that holds a secret.
const maxSecret = 64 << 10

// NeedClusters is an error when the file lists no cluster. A file without one is valid: an instance that only stores or
// answers queries needs none.
func (c *Config) NeedClusters() error {
	if len(c.Clusters) > 0 {
		return nil
	}
	return Problem{c.file, c.lines.line("clusters"), "clusters", "no Call Bridge to watch; `bridgewatch adopt URL` writes the entry from a running bridge"}
}

// ReadBridgeSecrets reads the files and variables that hold the bridges' passwords and tokens, and puts them into Password and
// CDRToken. Tokens must differ between bridges.
func (c *Config) ReadBridgeSecrets() error {
	v := c.newValidator()
	var tokens []tokenAt
	for i := range c.Clusters {
		for j := range c.Clusters[i].Bridges {
			b, key := &c.Clusters[i].Bridges[j], fmt.Sprintf("clusters[%d].bridges[%d]", i, j)
			if b.PasswordFile != "" {
				b.Password = v.secretFile(key+".password_file", b.PasswordFile)
			}
			if b.PasswordEnv != "" {
				if b.Password = NewSecret(os.Getenv(b.PasswordEnv)); b.Password.IsZero() {
					v.fail(key+".password_env", "the environment variable %s is empty or not set", b.PasswordEnv)
				}
			}
			at := key + ".cdr_token"
			if b.CDRTokenFile != "" {
				at = key + ".cdr_token_file"
				b.CDRToken = v.secretFile(at, b.CDRTokenFile)
				v.token(at, b.CDRToken)
			}
			if !b.CDRToken.IsZero() {
				tokens = append(tokens, tokenAt{at, b.CDRToken})
			}
		}
	}
	v.distinctTokens(tokens)
	return v.problems.err()
}

// ReadServerSecrets reads the files that hold the secrets for NATS and ClickHouse: see NATS.Secrets and ClickHouse.Secret.
func (c *Config) ReadServerSecrets() error {
	v := c.newValidator()
	for _, s := range []struct {
		key, path string
		into      *Secret
	}{
		{"nats.password_file", c.NATS.PasswordFile, &c.NATS.password},
		{"nats.token_file", c.NATS.TokenFile, &c.NATS.token},
		{"clickhouse.password_file", c.ClickHouse.PasswordFile, &c.ClickHouse.password},
	} {
		if s.path != "" {
			*s.into = v.secretFile(s.key, s.path)
		}
	}
	return v.problems.err()
}

// Secrets are the password of Username and the token, after ReadServerSecrets.
func (n NATS) Secrets() (password, token Secret) { return n.password, n.token }

// Secret is the password of the file, after ReadServerSecrets; empty where the URL holds it.
func (c ClickHouse) Secret() Secret { return c.password }

func (c *Config) newValidator() *validator {
	return &validator{problems: &problems{file: c.file}, warnings: &problems{file: c.file}, lines: c.lines}
}

// secretFile reads a secret without the newline that editors add.
func (v *validator) secretFile(key, path string) Secret {
	file, err := os.Open(path)
	if err != nil {
		v.fail(key, "%v", err)
		return Secret{}
	}
	defer file.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		v.fail(key, "%v", err)
	case len(data) > maxSecret:
		v.fail(key, "%s is larger than %s; is this the right file?", path, Size(maxSecret))
	case text == "":
		v.fail(key, "%s is empty", path)
	default:
		return NewSecret(text)
	}
	return Secret{}
}

// SecretTexts are all secrets that are known, passwords within addresses included, for whoever removes them from a text that is given away.
func (c *Config) SecretTexts() []string {
	secrets := []Secret{c.NATS.password, c.NATS.token, c.ClickHouse.password}
	for _, cluster := range c.Clusters {
		for _, b := range cluster.Bridges {
			secrets = append(secrets, b.Password, b.CDRToken)
		}
	}
	var texts []string
	for _, s := range secrets {
		texts = append(texts, s.Reveal())
	}
	for _, address := range []URL{c.NATS.URL, c.ClickHouse.URL} {
		for part := range strings.SplitSeq(address.Reveal(), ",") {
			rest, query, _ := strings.Cut(part, "?")
			if _, after, found := strings.Cut(rest, "://"); found {
				rest = after
			}
			if at := strings.LastIndexByte(rest, '@'); at >= 0 {
				user, password, both := strings.Cut(rest[:at], ":")
				if !both { // a token in the place of the user
					password = user
				}
				texts = append(texts, password)
			}
			for pair := range strings.SplitSeq(query, "&") {
				if _, value, found := strings.Cut(pair, "="); found && strings.Contains(pair, "password") {
					texts = append(texts, value)
				}
			}
		}
	}
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}
