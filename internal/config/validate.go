package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
)

// validator judges values; each complaint is tied to a key and through it to a line.
type validator struct {
	problems *problems
	warnings *problems
	lines    positions
}

func (v *validator) fail(key, format string, args ...any) {
	v.problems.add(v.lines.line(key), key, format, args...)
}

func (v *validator) warn(key, format string, args ...any) {
	v.warnings.add(v.lines.line(key), key, format, args...)
}

func (c *Config) validate(v *validator) {
	if c.DataDir == "" {
		v.fail("data_dir", "must name a folder")
	}
	c.validateListeners(v)
	v.webURL("http.public_url", c.HTTP.PublicURL)
	c.validateServers(v)

	r := c.Retention
	for _, kept := range []struct {
		key  string
		time Duration
	}{{"raw", r.Raw}, {"facts", r.Facts}, {"samples", r.Samples}, {"syslog", r.Syslog}, {"events", r.Events}, {"quarantine", r.Quarantine}} {
		v.between("retention."+kept.key, kept.time, day, 36500*day)
	}
	v.between("facts.orphan_timeout", c.Facts.OrphanTimeout, Duration(time.Minute), 365*day)
	v.between("faults.clock_skew", c.Faults.ClockSkew, Duration(2*time.Second), day)
	v.between("faults.license_ahead", c.Faults.LicenseAhead, 0, 90*day)
	v.between("faults.certificate_ahead", c.Faults.CertificateAhead, 0, 3650*day)
	v.between("faults.syslog_quiet", c.Faults.SyslogQuiet, Duration(time.Minute), 7*day)
	if c.Events.Ceiling < 1 || c.Events.Ceiling > 100000 {
		v.fail("events.ceiling", "must be between 1 and 100000, not %d", c.Events.Ceiling)
	}
	c.validatePools(v)
	c.validateClusters(v)
	c.Warnings = v.warnings.list
}

func (c *Config) validateListeners(v *validator) {
	if c.HTTP.Listen == "" {
		v.fail("http.listen", "must be an address such as 127.0.0.1:8800")
	}
	type listener struct{ key, host, port string }
	var used []listener
	for _, l := range []struct{ key, address string }{
		{"http.listen", c.HTTP.Listen}, {"cdr.listen", c.CDR.Listen}, {"syslog.listen", c.Syslog.Listen}, {"clickhouse.listen", c.ClickHouse.Listen},
	} {
		if l.address == "" || l.key == "clickhouse.listen" && !c.ClickHouse.URL.IsZero() {
			continue
		}
		host, port, err := net.SplitHostPort(l.address)
		if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
			v.fail(l.key, "%q is not an address; write host:port, for example 127.0.0.1:8800 or :8800", l.address)
			continue
		}
		for _, other := range used {
			if port == other.port && port != "0" && (host == other.host || isWildcard(host) || isWildcard(other.host)) {
				v.fail(l.key, "port %s is already taken by %s", port, other.key)
			}
		}
		used = append(used, listener{l.key, host, port})
	}
	v.webURL("cdr.public_url", c.CDR.PublicURL)
	v.pair("cdr.tls", "cert_file", c.CDR.TLS.CertFile, "key_file", c.CDR.TLS.KeyFile)
	if c.CDR.MaxBody < 1<<20 {
		v.fail("cdr.max_body", "must be at least 1MiB: a bridge sends many records in one body")
	}
	if c.CDR.Listen != "" && strings.HasPrefix(c.CDR.PublicURL, "https:") && c.CDR.TLS.CertFile == "" {
		v.warn("cdr.public_url", "says https, but cdr.tls has no certificate; right only behind a TLS proxy")
	}
}

// isWildcard reports whether a listener with this host takes the port on all addresses.
func isWildcard(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

func (c *Config) validateServers(v *validator) {
	v.serverURL("nats.url", c.NATS.URL, "nats", "tls", "ws", "wss")
	v.pair("nats.tls", "cert_file", c.NATS.TLS.CertFile, "key_file", c.NATS.TLS.KeyFile)
	v.pair("nats", "username", c.NATS.Username, "password_file", c.NATS.PasswordFile)
	if n := given(c.NATS.CredentialsFile, c.NATS.TokenFile, c.NATS.Username); n > 1 {
		v.fail("nats", "give one of credentials_file, token_file and username")
	} else if n > 0 && c.NATS.URL.IsZero() {
		v.fail("nats.url", "is needed with credentials_file, token_file or username")
	}
	if !slices.Contains([]int{1, 3, 5}, c.NATS.Replicas) {
		v.fail("nats.replicas", "must be 1, 3 or 5, not %d", c.NATS.Replicas)
	} else if c.NATS.Replicas > 1 && c.NATS.URL.IsZero() {
		v.fail("nats.replicas", "%d copies need a NATS cluster; set nats.url", c.NATS.Replicas)
	}
	if c.NATS.DiskBudget < 64e6 {
		v.fail("nats.disk_budget", "must be at least 64MB")
	}

	v.serverURL("clickhouse.url", c.ClickHouse.URL, "clickhouse", "http", "https")
	v.pair("clickhouse.tls", "cert_file", c.ClickHouse.TLS.CertFile, "key_file", c.ClickHouse.TLS.KeyFile)
	if c.ClickHouse.URL.IsZero() {
		if c.ClickHouse.Cluster != "" {
			v.fail("clickhouse.cluster", "needs clickhouse.url: the embedded engine is one server")
		}
		if c.ClickHouse.PasswordFile != "" {
			v.fail("clickhouse.password_file", "needs clickhouse.url")
		}
		return
	}
	if c.ClickHouse.Cluster != "" && !identifier.MatchString(c.ClickHouse.Cluster) {
		v.fail("clickhouse.cluster", "%q is not a name; letters, digits, _ and - are allowed", c.ClickHouse.Cluster)
	}
	servers, err := c.ClickHouse.URL.servers()
	if err != nil {
		return
	}
	for _, server := range servers {
		if _, inURL := server.User.Password(); inURL && c.ClickHouse.PasswordFile != "" {
			v.fail("clickhouse.password_file", "clickhouse.url holds a password already; give one of them")
		}
	}
}

var (
	identifier  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	platform    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	vmPlatform  = regexp.MustCompile(`^vm-([1-9][0-9]{0,2})$`)
	tokenShape  = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,200}$`)
	environment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (c *Config) validatePools(v *validator) {
	names := unique{v: v}
	for i, pool := range c.LicensePools {
		key := fmt.Sprintf("license_pools[%d]", i)
		names.check(key+".name", pool.Name)
		last := Date{}
		for j, e := range pool.Entitlements {
			at := fmt.Sprintf("%s.entitlements[%d]", key, j)
			if e.From.IsZero() {
				v.fail(at+".from", "must be the first day, for example 2026-01-01")
			} else if !last.Before(e.From) {
				v.fail(at+".from", "%s must come after %s, the entry before it", e.From, last)
			} else {
				last = e.From
			}
			if e.PMP == nil && e.SMP == nil && e.Recording == nil {
				v.fail(at, "names no license; give pmp, smp or recording")
			}
			v.notNegative(at+".pmp", e.PMP)
			v.notNegative(at+".smp", e.SMP)
			v.notNegative(at+".recording", e.Recording)
		}
		pool.validateGroups(v, key)
		readings := key + ".readings"
		v.oneOf(readings+".sip_point_to_point", pool.Readings.SIPPointToPoint, "sixth", "full")
		v.oneOf(readings+".recorded_audio_only", pool.Readings.RecordedAudioOnly, "sixth", "full")
		v.oneOf(readings+".video", pool.Readings.Video, "while_connected", "whole_life")
		v.oneOf(readings+".unknown_video", pool.Readings.UnknownVideo, "video", "audio")
		v.oneOf(readings+".lync_conference", pool.Readings.LyncConference, "full", "sixth")
		v.oneOf(readings+".pmp_grant", pool.Readings.PMPGrant, "at_start", "any_time")
		v.oneOf(readings+".pmp_counts", pool.Readings.PMPCounts, "owner", "call")
		v.oneOf(readings+".recording_counts", pool.Readings.RecordingCounts, "meeting", "capture")
		v.oneOf(readings+".pmp_compares", pool.Readings.PMPCompares, "assigned", "in_use")
		if n := pool.Readings.PMPCalls; n < 1 || n > 100 {
			v.fail(readings+".pmp_calls", "must be between 1 and 100, not %d", n)
		}
		if n := pool.Readings.AllowedOverageDays; n < 0 || n > 90 {
			v.fail(readings+".allowed_overage_days", "must be between 0 and 90, not %d", n)
		}
	}
}

func (p *LicensePool) validateGroups(v *validator, pool string) {
	names := unique{v: v}
	for i, group := range p.OwnerGroups {
		key := fmt.Sprintf("%s.owner_groups[%d]", pool, i)
		names.check(key+".name", group.Name)
		if len(group.Owners)+len(group.Tenants) == 0 {
			v.fail(key, "names nobody; give owners or tenants")
		}
		for j, pattern := range group.Owners {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				v.fail(fmt.Sprintf("%s.owners[%d]", key, j), "must be an address, in which * stands for any text, not %q", pattern)
			}
		}
		for j, tenant := range group.Tenants {
			if _, err := uuid.Parse(tenant); err != nil {
				v.fail(fmt.Sprintf("%s.tenants[%d]", key, j), "must be the id of a tenant, not %q", tenant)
			}
		}
	}
}

func (c *Config) validateClusters(v *validator) {
	clusters, bridges, urls, devices := unique{v: v}, unique{v: v}, unique{v: v}, unique{v: v}
	var tokens []tokenAt
	for i := range c.Clusters {
		cluster, key := &c.Clusters[i], fmt.Sprintf("clusters[%d]", i)
		clusters.check(key+".name", cluster.Name)
		if cluster.LicensePool == "" {
			v.fail(key+".license_pool", "must name one of license_pools")
		} else if _, known := c.Pool(cluster.LicensePool); !known {
			v.fail(key+".license_pool", "no entry of license_pools is named %q", cluster.LicensePool)
		}
		v.between(key+".poll_interval", cluster.PollInterval, Duration(100*time.Millisecond), Duration(10*time.Minute))
		if cluster.PollInterval < Duration(5*time.Second) {
			v.warn(key+".poll_interval", "%s is a burden for a Call Bridge; 30s is usual", cluster.PollInterval)
		}
		if len(cluster.Bridges) == 0 {
			v.fail(key+".bridges", "must list at least one Call Bridge")
		}
		if len(cluster.Bridges) > 24 {
			v.warn(key+".bridges", "has %d Call Bridges; Cisco supports 24 in a cluster", len(cluster.Bridges))
		}
		for j := range cluster.Bridges {
			at := fmt.Sprintf("%s.bridges[%d]", key, j)
			bridge := &cluster.Bridges[j]
			bridges.check(at+".name", bridge.Name)
			bridge.validate(v, at)
			if bridge.URL != "" {
				urls.check(at+".url", strings.TrimSuffix(bridge.URL, "/"))
			}
			if !bridge.CDRToken.IsZero() {
				tokens = append(tokens, tokenAt{at + ".cdr_token", bridge.CDRToken})
			}
		}
		for j, r := range cluster.Recorders {
			at := fmt.Sprintf("%s.recorders[%d]", key, j)
			devices.check(at+".name", r.Name)
			v.machine(at, r.VCPUs, r.Memory, r.Resolution, r.Limit)
		}
		for j, s := range cluster.Streamers {
			at := fmt.Sprintf("%s.streamers[%d]", key, j)
			devices.check(at+".name", s.Name)
			v.machine(at, s.VCPUs, s.Memory, s.Resolution, s.Limit)
		}
		for j, e := range cluster.Edges {
			at := fmt.Sprintf("%s.edges[%d]", key, j)
			devices.check(at+".name", e.Name)
			if sizes := capacity.EdgeSizes(); !slices.Contains(sizes, e.Size) {
				v.fail(at+".size", "%q is not a size; write %s", e.Size, strings.Join(sizes, ", "))
			} else if _, err := (capacity.Edge{Name: e.Name, Size: e.Size, Nodes: e.Nodes}).Calls(); err != nil || e.Nodes < 0 {
				v.fail(at+".nodes", "%d is not a number of nodes; write 1 to 6", e.Nodes)
			} else if via := (capacity.Edge{Size: e.Size}).Via(); e.Nodes > 0 && via != capacity.ViaExpressway {
				v.fail(at+".nodes", "only Expressways have nodes; list each Meeting Server edge")
			}
		}
		for j, endpoint := range cluster.Certificates {
			host, port, err := net.SplitHostPort(endpoint)
			if number, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || number == 0 || host == "" {
				v.fail(fmt.Sprintf("%s.certificates[%d]", key, j), "%q is not host:port, for example join.example.org:443", endpoint)
			}
		}
		for j, address := range cluster.Schedulers {
			at := fmt.Sprintf("%s.schedulers[%d]", key, j)
			if address == "" {
				v.fail(at, "must be a URL, for example https://cb1.example.org:8443/status")
			}
			v.webURL(at, address)
		}
	}
	v.distinctTokens(tokens)
}

func (b *Bridge) validate(v *validator, key string) {
	switch parsed, err := url.Parse(b.URL); {
	case b.URL == "":
		v.fail(key+".url", "must be the address of the Web Admin interface, for example https://cb1.example.org:445")
	case err == nil && parsed.User != nil:
		v.fail(key+".url", "must not hold a user or password; use username and password_file")
	case err != nil || parsed.Hostname() == "" || (parsed.Scheme != "https" && parsed.Scheme != "http") || !validPort(parsed) ||
		strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "" || parsed.Fragment != "":
		v.fail(key+".url", "must be https://host:port without a path, for example https://cb1.example.org:445")
	case parsed.Scheme == "http":
		v.warn(key+".url", "is plain http: the password goes over the network in clear")
	}
	if b.Username == "" {
		v.fail(key+".username", "must name an MMP user with the api role")
	} else if strings.Contains(b.Username, ":") {
		v.fail(key+".username", "must not contain a colon")
	}
	switch passwords := given(b.PasswordFile, b.PasswordEnv) + count(!b.Password.IsZero()); {
	case passwords == 0:
		v.fail(key, "has no password; give password_file or password_env")
	case passwords > 1:
		v.fail(key, "has more than one password; give one of password, password_file and password_env")
	}
	if b.PasswordEnv != "" && !environment.MatchString(b.PasswordEnv) {
		v.fail(key+".password_env", "must be the name of an environment variable")
	}
	if !b.CDRToken.IsZero() && b.CDRTokenFile != "" {
		v.fail(key+".cdr_token_file", "cdr_token is given too; give one of them")
	}
	v.token(key+".cdr_token", b.CDRToken)
	if b.CDRToken.IsZero() && b.CDRTokenFile == "" {
		v.warn(key, "has no cdr_token: no CDRs are taken from it")
	}
	if b.TLS.Fingerprint != "" {
		sum, err := hex.DecodeString(strings.ReplaceAll(b.TLS.Fingerprint, ":", ""))
		if err != nil || len(sum) != 32 {
			v.fail(key+".tls.fingerprint", "must be the SHA-256 of the certificate: 64 hex digits, with or without colons")
		}
	}
	if b.TLS.InsecureSkipVerify && b.TLS.Fingerprint == "" {
		v.warn(key+".tls.insecure_skip_verify", "any certificate is accepted; give ca_file or fingerprint")
	}
	if b.Platform != "" && (!platform.MatchString(b.Platform) || (strings.HasPrefix(b.Platform, "vm") && !vmPlatform.MatchString(b.Platform))) {
		v.fail(key+".platform", "%q is not a platform; write for example cms2000-m5v2, or vm-16 for 16 vCPUs", b.Platform)
	}
	if b.LoadLimit < 0 {
		v.fail(key+".load_limit", "must not be negative")
	}
}

// tokenAt is a CDR token and the key it comes from.
type tokenAt struct {
	key   string
	token Secret
}

// distinctTokens complains where two bridges share a token: their records could not be told apart.
func (v *validator) distinctTokens(tokens []tokenAt) {
	for i, a := range tokens {
		for _, b := range tokens[:i] {
			if a.token.Equal(b.token) {
				v.fail(a.key, "is the same as %s in line %d; every bridge needs its own", b.key, v.lines.line(b.key))
				break
			}
		}
	}
}

func (v *validator) token(key string, t Secret) {
	if t.IsZero() {
		return
	}
	if !tokenShape.MatchString(t.Reveal()) {
		v.fail(key, "may hold letters, digits and . _ ~ - only, at most 200")
	} else if len(t.Reveal()) < 8 {
		v.fail(key, "is too short to be a secret; 8 characters are the least, 16 or more are better")
	} else if len(t.Reveal()) < 16 {
		v.warn(key, "is short; whoever guesses it can send records. Use 16 characters or more")
	}
}

// machine judges the size of a recorder or a streamer.
func (v *validator) machine(key string, vcpus int, memory Size, resolution string, limit int) {
	if vcpus < 1 || vcpus > 1024 {
		v.fail(key+".vcpus", "must be between 1 and 1024, not %d", vcpus)
	}
	if memory < 1<<28 {
		v.fail(key+".memory", "must be a size such as 8GB")
	}
	v.oneOf(key+".resolution", resolution, "720p", "1080p", "audio")
	if limit < 0 {
		v.fail(key+".limit", "must not be negative")
	}
}

func (v *validator) notNegative(key string, n *int) {
	if n != nil && *n < 0 {
		v.fail(key, "must not be negative")
	}
}

func (v *validator) between(key string, d, low, high Duration) {
	if d < low || d > high {
		v.fail(key, "must be between %s and %s, not %s", low, high, d)
	}
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		v.fail(key, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
}

// pair complains where only one of two keys is given.
func (v *validator) pair(key, first, firstValue, second, secondValue string) {
	switch {
	case firstValue != "" && secondValue == "":
		v.fail(join(key, second), "is needed with %s", first)
	case firstValue == "" && secondValue != "":
		v.fail(join(key, first), "is needed with %s", second)
	}
}

// webURL judges an optional address that people or bridges open. Its complaint does not quote the address, which may hold a password.
func (v *validator) webURL(key, text string) {
	if text == "" {
		return
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || (parsed.Scheme != "https" && parsed.Scheme != "http") || !validPort(parsed) ||
		parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		v.fail(key, "must be http(s)://host:port, without a user and a query")
	}
}

// serverURL judges an optional list of servers.
func (v *validator) serverURL(key string, u URL, schemes ...string) {
	if u.IsZero() {
		return
	}
	servers, err := u.servers()
	if err != nil {
		v.fail(key, "must be %s://host:port", schemes[0])
		return
	}
	for _, server := range servers {
		if !slices.Contains(schemes, server.Scheme) || !validPort(server) {
			v.fail(key, "must be host:port after one of %s://", strings.Join(schemes, "://, "))
			return
		}
	}
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// unique judges names that must be given, be printable and differ from each other.
type unique struct {
	v    *validator
	keys map[string]string
}

func (u *unique) check(key, name string) {
	switch {
	case name == "":
		u.v.fail(key, "must not be empty")
		return
	case utf8.RuneCountInString(name) > 200 || !utf8.ValidString(name) || strings.TrimSpace(name) != name ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		u.v.fail(key, "must be at most 200 printable characters without spaces around them")
	}
	if first, taken := u.keys[name]; taken {
		u.v.fail(key, "%q is already used in line %d", name, u.v.lines.line(first))
		return
	}
	if u.keys == nil {
		u.keys = map[string]string{}
	}
	u.keys[name] = key
}

// given counts the texts that are not empty.
func given(texts ...string) int {
	n := 0
	for _, text := range texts {
		n += count(text != "")
	}
	return n
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
