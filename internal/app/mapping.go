package app

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/capacity"
	"github.com/bridgewatch/bridgewatch/collector/poller"
	"github.com/bridgewatch/bridgewatch/events/subscriber"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/engine"
	"github.com/bridgewatch/bridgewatch/storage/writer"
)

// This file maps the configuration onto the components' own settings, so that no component knows the file.

func busConfig(c config.Config) bus.Config {
	out := bus.DefaultConfig()
	out.DataDir = c.DataDir
	out.URL = c.NATS.URL.Reveal()
	out.CredsFile = c.NATS.CredentialsFile
	out.TokenFile = c.NATS.TokenFile
	out.User = c.NATS.Username
	out.PasswordFile = c.NATS.PasswordFile
	out.TLS = bus.TLS{CAFile: c.NATS.TLS.CAFile, CertFile: c.NATS.TLS.CertFile, KeyFile: c.NATS.TLS.KeyFile,
		ServerName: c.NATS.TLS.ServerName, Insecure: c.NATS.TLS.InsecureSkipVerify}
	if c.NATS.Replicas > 0 {
		out.Replicas = c.NATS.Replicas
	}
	if n := c.NATS.DiskBudget.Bytes(); n > 0 {
		out.Budgets.CDR = n
	}
	return out
}

func engineConfig(c config.Config, command []string) engine.Config {
	out := engine.DefaultConfig()
	out.DataDir = c.DataDir
	out.Listen = c.ClickHouse.Listen
	out.Command = command
	out.Readers.Database = databaseName
	return out
}

func receiverConfig(c config.Config) receiver.Config {
	out := receiver.DefaultConfig()
	out.Listen = c.CDR.Listen
	out.CertFile, out.KeyFile = c.CDR.TLS.CertFile, c.CDR.TLS.KeyFile
	out.SpoolDir = filepath.Join(c.DataDir, "spool") // the system's temporary folder may be memory
	if n := c.CDR.MaxBody.Bytes(); n > 0 {
		out.MaxBody = n
		out.MaxSpool = max(out.MaxSpool, 4*n)
	}
	for _, cluster := range c.Clusters {
		for _, bridge := range cluster.Bridges {
			if bridge.CDRToken.IsZero() {
				continue // no records are taken from it
			}
			out.Sources = append(out.Sources, receiver.Source{
				Name: bridge.Name, Cluster: cluster.Name, Token: bridge.CDRToken.Reveal(), Allowed: bridge.AllowedSources,
			})
		}
	}
	return out
}

func writerConfig(c config.Config) writer.Config {
	out := writer.DefaultConfig()
	if d := c.Facts.OrphanTimeout.Std(); d > 0 {
		out.Facts.OrphanTimeout = d
	}
	return out
}

func pollerConfig(c config.Config) poller.Config {
	out := poller.DefaultConfig()
	out.ClockSkew, out.DatabaseBehind, out.LicenseAhead = c.Faults.ClockSkew.Std(), c.Faults.DatabaseBehind.Bytes(), c.Faults.LicenseAhead.Std()
	if c.CDR.PublicURL == "" {
		return out
	}
	out.Receivers = map[string]map[string]collector.Secret{}
	for _, cluster := range c.Clusters {
		out.Receivers[cluster.Name] = map[string]collector.Secret{}
		for _, bridge := range cluster.Bridges {
			if !bridge.CDRToken.IsZero() {
				out.Receivers[cluster.Name][bridge.Name] = collector.Secret(strings.TrimSuffix(c.CDR.PublicURL, "/") + "/cdr/" + bridge.CDRToken.Reveal())
			}
		}
	}
	return out
}

func subscriberConfig(c config.Config) subscriber.Config {
	out := subscriber.DefaultConfig()
	out.Protocol.Ceiling = c.Events.Ceiling
	return out
}

func inventory(c config.Config) (collector.Inventory, error) {
	var out collector.Inventory
	for _, cluster := range c.Clusters {
		pool := cluster.LicensePool
		if pool == "" && len(c.LicensePools) == 1 {
			pool = c.LicensePools[0].Name
		}
		if pool == "" {
			pool = "main"
		}
		to := collector.Cluster{Name: cluster.Name, LicensePool: pool, PollInterval: cluster.PollInterval.Std(),
			Certificates: cluster.Certificates, Schedulers: cluster.Schedulers}
		for _, b := range cluster.Bridges {
			to.Bridges = append(to.Bridges, collector.Bridge{
				Name: b.Name, URL: b.URL, Username: b.Username, Password: collector.Secret(b.Password.Reveal()),
				TLS:      collector.TLS{CAFile: b.TLS.CAFile, ServerName: b.TLS.ServerName, Fingerprint: b.TLS.Fingerprint, InsecureSkipVerify: b.TLS.InsecureSkipVerify},
				Platform: b.Platform, LoadLimit: int64(b.LoadLimit), SyslogSources: b.AllowedSources,
			})
		}
		for _, r := range cluster.Recorders {
			to.Recorders = append(to.Recorders, capacity.Recorder{Name: r.Name, VCPUs: r.VCPUs, Memory: r.Memory.Bytes(),
				Resolution: capacity.Resolution(r.Resolution), Limit: r.Limit, Disk: r.Disk.Bytes()})
		}
		for _, s := range cluster.Streamers {
			to.Streamers = append(to.Streamers, capacity.Streamer{Name: s.Name, VCPUs: s.VCPUs, Memory: s.Memory.Bytes(),
				Resolution: capacity.Resolution(s.Resolution), Limit: s.Limit})
		}
		for _, e := range cluster.Edges {
			to.Edges = append(to.Edges, capacity.Edge{Name: e.Name, Size: e.Size, Nodes: e.Nodes})
		}
		out.Clusters = append(out.Clusters, to)
	}
	if err := out.Validate(); err != nil {
		return out, fmt.Errorf("clusters: %w", err)
	}
	return out, nil
}
