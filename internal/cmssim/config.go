package cmssim

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// TokenPattern in a receiver's URL stands for the token of the bridge.
const TokenPattern = "{token}"

// partToken seeds the CDR tokens.
const partToken uint64 = 104

// Token is the secret by which the written configuration tells this bridge's CDRs from others'. The seed decides it.
func (b *Bridge) Token() string {
	return strings.ReplaceAll(story.NewChooser(b.cluster.sim.cfg.Seed, partToken, uint64(b.number)).GUID().String(), "-", "")
}

// ConfigFiles says where a Bridgewatch configuration finds what it refers to.
type ConfigFiles struct {
	DataDir, CAFile, PasswordFile string
	CDRListen                     string
	SyslogListen                  string // empty: off
	HTTPListen                    string // empty: 127.0.0.1:8800
	ClickHouseListen              string // empty: Bridgewatch's default
	PollInterval                  string // empty: 30s
}

// BridgewatchConfig writes a Bridgewatch configuration (YAML) for the simulated deployment, once it is ready.
func (s *Sim) BridgewatchConfig(f ConfigFiles) []byte {
	var b bytes.Buffer
	q := strconv.Quote
	fmt.Fprintf(&b, "# Written by cmssim for its simulated deployment.\n")
	fmt.Fprintf(&b, "data_dir: %s\n", q(f.DataDir))
	fmt.Fprintf(&b, "http: {listen: %s}\n", q(cmp.Or(f.HTTPListen, "127.0.0.1:8800")))
	if f.ClickHouseListen != "" {
		fmt.Fprintf(&b, "clickhouse: {listen: %s}\n", q(f.ClickHouseListen))
	}
	fmt.Fprintf(&b, "cdr: {listen: %s, public_url: %s}\n", q(f.CDRListen), q("http://"+f.CDRListen))
	if f.SyslogListen != "" {
		fmt.Fprintf(&b, "syslog: {listen: %s}\n", q(f.SyslogListen))
	}
	fmt.Fprintf(&b, "license_pools:\n  - name: main\n    day_boundary: UTC\n    entitlements:\n")
	users, bridges := 0, 0
	for _, c := range s.clusters {
		users += c.state.assigned
		bridges += len(c.bridges)
	}
	fmt.Fprintf(&b, "      - {from: 2020-01-01, pmp: %d, smp: %d, recording: %d}\n", users+users/2, 19*bridges, 4*bridges)
	fmt.Fprintf(&b, "clusters:\n")
	platform := "cms1000-m6"
	if s.bridges[0].large() {
		platform = "cms2000-m5v2"
	}
	for _, c := range s.clusters {
		fmt.Fprintf(&b, "  - name: %s\n    license_pool: main\n    poll_interval: %s\n    bridges:\n", c.Name, cmp.Or(f.PollInterval, "30s"))
		for _, br := range c.bridges {
			fmt.Fprintf(&b, "      - name: %s\n        url: %s\n        username: %s\n        password_file: %s\n", br.Name, q(br.URL()), q(br.Username), q(f.PasswordFile))
			fmt.Fprintf(&b, "        tls: {ca_file: %s}\n        cdr_token: %s\n        platform: %s\n", q(f.CAFile), q(br.Token()), platform)
			if source := br.syslogSource(); source != nil {
				fmt.Fprintf(&b, "        allowed_sources: [127.0.0.1/32, %s/32]\n", source)
			}
		}
		c.writeDevices(&b)
	}
	return b.Bytes()
}

// writeDevices writes what stands beside the bridges of a cluster and does not tell its size, and the end points to be probed.
func (c *clusterSim) writeDevices(b *bytes.Buffer) {
	q := strconv.Quote
	list := func(key string, devices []*story.Device, size string) {
		fmt.Fprintf(b, "    %s:\n", key)
		for _, d := range devices {
			name, _, _ := strings.Cut(d.URL, ".")
			fmt.Fprintf(b, "      - {name: %s, %s}\n", q(name+"-"+c.Name), size)
		}
	}
	list("recorders", c.Recorders, "vcpus: 8, memory: 16GB, resolution: 720p, disk: 8TB")
	list("streamers", c.Streamers, "vcpus: 8, memory: 8GB, resolution: 720p, limit: 12")
	fmt.Fprintf(b, "    edges:\n      - {name: edge1-%s, size: large}\n    certificates:\n", c.Name)
	for _, br := range c.bridges {
		fmt.Fprintf(b, "      - %s\n", q(strings.TrimPrefix(br.URL(), "https://")))
	}
	fmt.Fprintf(b, "    schedulers: [%s]\n", q(c.bridges[0].URL()+schedulerPath))
}
