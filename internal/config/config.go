// Package config reads Bridgewatch's one YAML file: defaults, strict decoding, validation that names the key and the
// line of the file for every mistake, and secrets that cannot be printed by accident.
//
// The package imports nothing of ours. Components have their own Config; internal/app maps this one onto them.
package config

import (
	"net/netip"
	"slices"
	"time"
)

// Config is the whole file. The comments on the fields are the reference: docs/configuration.md is generated from them.
type Config struct {
	// Folder of everything Bridgewatch keeps: the bus's files, the embedded engine's tables, lock files. A relative path starts at the configuration file's folder, here and in every other key that holds a path.
	DataDir string `yaml:"data_dir"`
	// Listener for people and Prometheus.
	HTTP HTTP `yaml:"http"`
	// Listener for the Call Bridges' CDRs, and nothing else.
	CDR CDR `yaml:"cdr"`
	// Listener for the Call Bridges' syslog.
	Syslog Syslog `yaml:"syslog"`
	// Subscriptions to the Call Bridges' events.
	Events Events `yaml:"events"`
	// The message bus.
	NATS NATS `yaml:"nats"`
	// The store.
	ClickHouse ClickHouse `yaml:"clickhouse"`
	// How long each kind of data is kept; more than 18250d (50 years) is for ever.
	Retention Retention `yaml:"retention"`
	// How records become facts.
	Facts Facts `yaml:"facts"`
	// From when on something is a fault, that is, an alarm of our own.
	Faults Faults `yaml:"faults"`
	// License entitlements, shared by the clusters that name the pool. Without any, one pool `main` without entitlements is assumed.
	LicensePools []LicensePool `yaml:"license_pools"`
	// The Call Bridge clusters to watch. A lone Call Bridge is a cluster of one.
	Clusters []Cluster `yaml:"clusters"`

	// Warnings are settings that work but that an operator should know about; `check` prints them. Not a key of the file.
	Warnings []Problem `yaml:"-"`

	file  string    // name of the file, for errors
	lines positions // where each key stands in the file
}

// HTTP is the listener for people and Prometheus.
type HTTP struct {
	// Address, host:port. Port 0 takes any free one.
	Listen string `yaml:"listen"`
	// A Prometheus exporter-toolkit web configuration file: TLS and basic auth. Empty: plain HTTP without passwords.
	WebConfig string `yaml:"web_config"`
	// How others reach this listener, for links in alerts and dashboards. Empty: derived from `listen`.
	PublicURL string `yaml:"public_url"`
}

// CDR is the listener for the Call Bridges' call detail records.
type CDR struct {
	// Address, host:port. Empty: this instance receives no CDRs.
	Listen string `yaml:"listen"`
	// How the Call Bridges reach this listener; `adopt --register` and `check` use it. Empty: registration is left to the operator.
	PublicURL string `yaml:"public_url"`
	// Certificate of the listener. Without one it speaks plain HTTP.
	TLS ServerTLS `yaml:"tls"`
	// Largest body that is taken; a bridge that was cut off for long sends big ones.
	MaxBody Size `yaml:"max_body"`
}

// ServerTLS is the certificate of a listener: both files or none.
type ServerTLS struct {
	// PEM file with the certificate and its chain.
	CertFile string `yaml:"cert_file"`
	// PEM file with the private key.
	KeyFile string `yaml:"key_file"`
}

// Syslog is the TCP listener for the Call Bridges' syslog.
type Syslog struct {
	// Address, host:port, for example ":6514". CMS sends syslog over TCP only. Empty: off.
	Listen string `yaml:"listen"`
	// Networks that may send, besides the Call Bridges' own `allowed_sources`. Both empty: everyone.
	AllowedSources []netip.Prefix `yaml:"allowed_sources"`
}

// Events are the subscriptions to the Call Bridges' events WebSocket.
type Events struct {
	// Whether to subscribe at all.
	Enabled bool `yaml:"enabled"`
	// Most subscriptions on one connection; what is above is read over REST. Cisco documents no figure; 100 is inferred from clients.
	Ceiling int `yaml:"ceiling"`
}

// NATS is the message bus.
type NATS struct {
	// Servers, comma-separated: nats://host:4222, tls://host:4222. Empty: an embedded server with JetStream under `data_dir`.
	URL URL `yaml:"url"`
	// Credentials file (.creds) for decentralized authentication.
	CredentialsFile string `yaml:"credentials_file"`
	// File that holds a token.
	TokenFile string `yaml:"token_file"`
	// User name, with `password_file`.
	Username string `yaml:"username"`
	// File that holds the password of `username`.
	PasswordFile string `yaml:"password_file"`
	// TLS towards the servers.
	TLS ClientTLS `yaml:"tls"`
	// Copies of each stream: 1, 3 or 5. More than one needs a NATS cluster.
	Replicas int `yaml:"replicas"`
	// Most disk that received and not yet stored records may take. When it is full the receiver answers 503 and the bridges keep their records.
	DiskBudget Size `yaml:"disk_budget"`

	password, token Secret
}

// ClickHouse is the store.
type ClickHouse struct {
	// clickhouse://user:pass@host:9000/bridgewatch, or http(s)://… for its HTTP interface. Several hosts are separated by commas. Empty: the embedded engine under `data_dir`.
	URL URL `yaml:"url"`
	// File that holds the password, instead of one in `url`.
	PasswordFile string `yaml:"password_file"`
	// Name of the ClickHouse cluster for replicated and distributed tables. Empty: one server.
	Cluster string `yaml:"cluster"`
	// Where the embedded engine answers ClickHouse's HTTP interface, read-only, for Grafana and analysts. Empty: nowhere. Not used with `url`.
	Listen string `yaml:"listen"`
	// TLS towards the servers of `url`.
	TLS ClientTLS `yaml:"tls"`

	password Secret
}

// ClientTLS says how a server's certificate is judged, and which certificate we show.
type ClientTLS struct {
	// PEM file of the authorities to trust. Empty: the system's.
	CAFile string `yaml:"ca_file"`
	// PEM file with our own certificate, where the server asks for one.
	CertFile string `yaml:"cert_file"`
	// PEM file with the private key of `cert_file`.
	KeyFile string `yaml:"key_file"`
	// Name expected in the server's certificate. Empty: the host of the URL.
	ServerName string `yaml:"server_name"`
	// Accept any certificate. For laboratories; prefer `ca_file`.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// Retention says how long each kind of data is kept.
type Retention struct {
	// Bodies and records as they were received. Facts can be recomputed for as long as these are kept.
	Raw Duration `yaml:"raw"`
	// Meetings, calls, call legs, recordings, streams, license intervals, alarms.
	Facts Duration `yaml:"facts"`
	// Samples of load, licenses and media from the polls.
	Samples Duration `yaml:"samples"`
	// Syslog lines.
	Syslog Duration `yaml:"syslog"`
	// Events and rosters as they were received.
	Events Duration `yaml:"events"`
	// Bodies that could not be decoded.
	Quarantine Duration `yaml:"quarantine"`
}

// Faults are the limits beyond which Bridgewatch raises alarms of its own. The alert rules have thresholds of theirs.
type Faults struct {
	// How far a bridge's clock may be off; at least 2s, as it is told in whole seconds.
	ClockSkew Duration `yaml:"clock_skew"`
	// How far a database node may be behind.
	DatabaseBehind Size `yaml:"database_behind"`
	// How far ahead the expiry of a licensed feature must be (3.0 and later). CMS keeps it 90 days ahead while all is well. 0: not watched.
	LicenseAhead Duration `yaml:"license_ahead"`
	// How long a certificate must still be valid.
	CertificateAhead Duration `yaml:"certificate_ahead"`
	// How long after its last syslog line a trouble that no line ends (ICE failures, web bridge links, database cluster) is over.
	SyslogQuiet Duration `yaml:"syslog_quiet"`
}

// Facts says how records become facts.
type Facts struct {
	// A call or leg without an end is taken to have ended when nothing was heard of it for this long; it is marked `end_inferred`.
	OrphanTimeout Duration `yaml:"orphan_timeout"`
}

// LicensePool is what one Smart Account (one Cisco Meeting Management) holds, shared by its clusters.
type LicensePool struct {
	// Name, as it stands in metrics and reports.
	Name string `yaml:"name"`
	// Time zone of a license day, for example UTC or Europe/Berlin.
	DayBoundary Location `yaml:"day_boundary"`
	// What was bought, each from a day on until the next entry.
	Entitlements []Entitlement `yaml:"entitlements"`
	// How the deployment guide's open readings are taken.
	Readings Readings `yaml:"readings"`
	// Groups of owners by which license reports and `/api/v1/licenses/usage` add up. An owner in several counts in the first; whoever is in none stands behind them.
	OwnerGroups []OwnerGroup `yaml:"owner_groups"`
}

// OwnerGroup is owners of spaces that are added up together. One of `owners` and `tenants` is enough.
type OwnerGroup struct {
	// Name, as it stands in reports.
	Name string `yaml:"name"`
	// Addresses (JIDs) of users, in any case: `*` stands for any text and `?` for any character, as in `*@sales.example.org`.
	Owners []string `yaml:"owners"`
	// Ids of tenants: all owners of their spaces.
	Tenants []string `yaml:"tenants"`
}

// Entitlement is what a pool holds from a day on. A license that is left out is unknown, not zero.
type Entitlement struct {
	// First day, in the pool's `day_boundary`.
	From Date `yaml:"from"`
	// Personal Multiparty Plus licenses.
	PMP *int `yaml:"pmp"`
	// Shared Multiparty Plus licenses.
	SMP *int `yaml:"smp"`
	// Recording licenses: concurrent recordings and streams together.
	Recording *int `yaml:"recording"`
}

// Readings are the points that the deployment guide leaves open. An explanation of a figure names the reading that decided it.
type Readings struct {
	// A point-to-point call between two SIP endpoints takes `sixth` or `full`.
	SIPPointToPoint string `yaml:"sip_point_to_point"`
	// An audio-only meeting that is recorded or streamed takes `sixth` or `full`.
	RecordedAudioOnly string `yaml:"recorded_audio_only"`
	// A meeting in which only some legs used video takes a full license `while_connected`, as long as such a leg is, or for its `whole_life`.
	Video string `yaml:"video"`
	// A leg that has not told whether it used video, as it has not ended, is taken for `video` or `audio`.
	UnknownVideo string `yaml:"unknown_video"`
	// A call into a Lync or Skype conference takes `full`, or `sixth` as a gateway call does.
	LyncConference string `yaml:"lync_conference"`
	// Whether a meeting takes its owner's PMP license is decided `at_start` and kept for its life, or `any_time`.
	PMPGrant string `yaml:"pmp_grant"`
	// Two active calls of one owner use one PMP license by `owner`, or one each by `call`.
	PMPCounts string `yaml:"pmp_counts"`
	// The recording license counts recorded and streamed meetings by `meeting`, or every recording and stream by `capture`.
	RecordingCounts string `yaml:"recording_counts"`
	// PMP compliance compares licenses `assigned` to users, as Cisco's own management is believed to, or `in_use`.
	PMPCompares string `yaml:"pmp_compares"`
	// Active calls of one owner that their PMP license covers; further ones take SMP.
	PMPCalls int `yaml:"pmp_calls"`
	// Days of overage in the window that are still compliant. The guide allows "less than 15" and enforces "more than 15".
	AllowedOverageDays int `yaml:"allowed_overage_days"`
}

// Cluster is a cluster of Call Bridges and the devices beside it.
type Cluster struct {
	// Name, as it stands in metrics and reports.
	Name string `yaml:"name"`
	// Name of an entry of `license_pools`. Empty: the only one.
	LicensePool string `yaml:"license_pool"`
	// Time between two polls of a bridge's status and load; slower objects follow in multiples.
	PollInterval Duration `yaml:"poll_interval"`
	// The Call Bridges.
	Bridges []Bridge `yaml:"bridges"`
	// Recorders; CMS 3.x reports nothing about them, so their size is given here.
	Recorders []Recorder `yaml:"recorders"`
	// Streamers.
	Streamers []Streamer `yaml:"streamers"`
	// Meeting Server edges and Expressways in front of the web app.
	Edges []Edge `yaml:"edges"`
	// TLS end points whose certificates are watched, host:port.
	Certificates []string `yaml:"certificates"`
	// Addresses of the Schedulers' status documents, for example https://cb1.example.org:8443/status.
	Schedulers []string `yaml:"schedulers"`
}

// Bridge is one Call Bridge.
type Bridge struct {
	// Name, as it stands in metrics and reports; unique in the file.
	Name string `yaml:"name"`
	// Address of its Web Admin interface with the port, for example https://cb1.example.org:445.
	URL string `yaml:"url"`
	// MMP user with the `api` role.
	Username string `yaml:"username"`
	// Its password. Give one of `password`, `password_file` and `password_env`.
	Password Secret `yaml:"password"`
	// File that holds the password; a trailing newline is ignored.
	PasswordFile string `yaml:"password_file"`
	// Environment variable that holds the password.
	PasswordEnv string `yaml:"password_env"`
	// TLS towards the bridge.
	TLS BridgeTLS `yaml:"tls"`
	// Secret last part of the URL this bridge sends its CDRs to; unique in the file. Neither this nor `cdr_token_file`: no CDRs are taken from this bridge.
	CDRToken Secret `yaml:"cdr_token"`
	// File that holds the token.
	CDRTokenFile string `yaml:"cdr_token_file"`
	// Networks its CDRs and syslog may come from. Empty: CDRs from anywhere, syslog from this machine only.
	AllowedSources []netip.Prefix `yaml:"allowed_sources"`
	// Platform in the capacity catalogue, for example cms2000-m5v2, or vm-16 for a virtual machine of 16 vCPUs. Empty: unknown.
	Platform string `yaml:"platform"`
	// Load limit in load units where the bridge has none configured. 0: from the catalogue.
	LoadLimit int `yaml:"load_limit"`
}

// BridgeTLS says how a bridge's certificate is judged. Web Admin certificates are often self-signed: give `ca_file` or `fingerprint`.
type BridgeTLS struct {
	// PEM file of the authorities to trust. Empty: the system's.
	CAFile string `yaml:"ca_file"`
	// Name expected in the certificate. Empty: the host of the URL.
	ServerName string `yaml:"server_name"`
	// SHA-256 of the certificate in hex, with or without colons; it alone decides when given.
	Fingerprint string `yaml:"fingerprint"`
	// Accept any certificate. For laboratories.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// Recorder is an internal SIP recorder on its own virtual machine.
type Recorder struct {
	// Name, as it stands in metrics.
	Name string `yaml:"name"`
	// Virtual CPUs.
	VCPUs int `yaml:"vcpus"`
	// Memory, for example 16GB.
	Memory Size `yaml:"memory"`
	// 720p, 1080p or audio.
	Resolution string `yaml:"resolution"`
	// The recorder's own `limit` setting. 0: none.
	Limit int `yaml:"limit"`
	// Disk for recordings, for example 4TB. 0: unknown.
	Disk Size `yaml:"disk"`
}

// Streamer is an internal SIP streamer on its own virtual machine.
type Streamer struct {
	// Name, as it stands in metrics.
	Name string `yaml:"name"`
	// Virtual CPUs.
	VCPUs int `yaml:"vcpus"`
	// Memory, for example 8GB.
	Memory Size `yaml:"memory"`
	// 720p, 1080p or audio.
	Resolution string `yaml:"resolution"`
	// The streamer's own `limit` setting. 0: none.
	Limit int `yaml:"limit"`
}

// Edge is a Meeting Server edge or a cluster of Expressway pairs.
type Edge struct {
	// Name, as it stands in metrics.
	Name string `yaml:"name"`
	// small or large for a Meeting Server edge; expressway-ce1200, expressway-large or expressway-medium for Expressways.
	Size string `yaml:"size"`
	// Nodes of an Expressway cluster, 1 to 6, of which four add capacity. 0: one.
	Nodes int `yaml:"nodes"`
}

const day = Duration(24 * time.Hour)

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		DataDir:    "/var/lib/bridgewatch",
		HTTP:       HTTP{Listen: "127.0.0.1:8800"},
		CDR:        CDR{Listen: ":8801", MaxBody: 256 << 20},
		Events:     Events{Enabled: true, Ceiling: 100},
		NATS:       NATS{Replicas: 1, DiskBudget: 10e9},
		ClickHouse: ClickHouse{Listen: "127.0.0.1:8802"},
		Retention: Retention{
			Raw: 1095 * day, Facts: 3650 * day, Samples: 400 * day,
			Syslog: 90 * day, Events: 30 * day, Quarantine: 365 * day,
		},
		Facts: Facts{OrphanTimeout: day},
		Faults: Faults{
			ClockSkew: Duration(5 * time.Second), DatabaseBehind: 1e6, LicenseAhead: 80 * day, CertificateAhead: 21 * day, SyslogQuiet: Duration(15 * time.Minute),
		},
	}
}

func (p *LicensePool) setDefaults() {
	p.DayBoundary = UTC
	p.Readings = Readings{
		SIPPointToPoint: "sixth", RecordedAudioOnly: "sixth", Video: "while_connected", UnknownVideo: "video", LyncConference: "full",
		PMPGrant: "at_start", PMPCounts: "owner", RecordingCounts: "meeting",
		PMPCompares: "assigned", PMPCalls: 2, AllowedOverageDays: 15,
	}
}

func (c *Cluster) setDefaults() { c.PollInterval = Duration(30 * time.Second) }

func (r *Recorder) setDefaults() { r.Resolution = "720p" }

func (s *Streamer) setDefaults() { s.Resolution = "720p" }

// Pool is the license pool of that name.
func (c *Config) Pool(name string) (LicensePool, bool) {
	for _, p := range c.LicensePools {
		if p.Name == name {
			return p, true
		}
	}
	return LicensePool{}, false
}

// HasBridge tells whether a Call Bridge of that name is configured; names are unique over all clusters.
func (c Config) HasBridge(name string) bool {
	return slices.ContainsFunc(c.Clusters, func(k Cluster) bool {
		return slices.ContainsFunc(k.Bridges, func(b Bridge) bool { return b.Name == name })
	})
}
