package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/collector/capacity"
	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/config"
	"github.com/bridgewatch/bridgewatch/storage"
)

// ScopeOf is the clusters that are named, or all, and the time zone of their days: the day_boundary of their license pool, UTC where they have several.
func ScopeOf(c config.Config, names []string) (storage.Scope, error) {
	known, err := pools(c)
	if err != nil {
		return storage.Scope{}, err
	}
	s := storage.Scope{Zone: time.UTC, Now: time.Now()}
	var all []string
	zones := map[string]*time.Location{}
	for _, cluster := range c.Clusters {
		all = append(all, cluster.Name)
		if len(names) > 0 && !slices.Contains(names, cluster.Name) {
			continue
		}
		s.Clusters = append(s.Clusters, cluster.Name)
		for _, p := range known {
			if slices.Contains(p.Clusters, cluster.Name) {
				zones[p.Zone.String()] = p.Zone
			}
		}
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return s, fmt.Errorf("no cluster %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	if len(all) == 0 {
		return s, fmt.Errorf("the configuration names no cluster")
	}
	if len(zones) == 1 {
		for _, zone := range zones {
			s.Zone = zone
		}
	}
	return s, nil
}

// UsageReport makes the report of meetings.
func UsageReport(ctx context.Context, c config.Config, s storage.Scope, log *slog.Logger) (made report.Usage, err error) {
	err = withQueries(ctx, c, log, func(ctx context.Context, q *storage.Queries) error {
		made, err = report.MakeUsage(ctx, q, s)
		return err
	})
	return made, err
}

// QualityReport makes the report of media quality.
func QualityReport(ctx context.Context, c config.Config, s storage.Scope, log *slog.Logger) (made report.Quality, err error) {
	err = withQueries(ctx, c, log, func(ctx context.Context, q *storage.Queries) error {
		made, err = report.MakeQuality(ctx, q, s)
		return err
	})
	return made, err
}

// CapacityReport makes the report of load against limits.
func CapacityReport(ctx context.Context, c config.Config, s storage.Scope, log *slog.Logger) (made report.Capacity, err error) {
	equipment, err := equipment(c)
	if err != nil {
		return made, err
	}
	err = withQueries(ctx, c, log, func(ctx context.Context, q *storage.Queries) error {
		made, err = report.MakeCapacity(ctx, q, s, equipment)
		return err
	})
	return made, err
}

// equipment is the bridges and the slots of recorders and streamers of a configuration. Where the size of one device is not known, the slots of its cluster are not.
func equipment(c config.Config) (report.Equipment, error) {
	inv, err := inventory(c)
	if err != nil {
		return report.Equipment{}, err
	}
	e := report.Equipment{Slots: map[string]report.Slots{}}
	for _, cluster := range inv.Clusters {
		for _, b := range cluster.Bridges {
			e.Bridges = append(e.Bridges, storage.BridgeOf{Cluster: cluster.Name, Bridge: b.Name})
		}
		e.Slots[cluster.Name] = report.Slots{Recordings: slots(cluster.Recorders), Streams: slots(cluster.Streamers)}
	}
	return e, nil
}

// slots of some devices together; nil where there is none, or one's size is not known.
func slots[T interface {
	Slots() (capacity.Slots, error)
}](devices []T) *int64 {
	var sum int64
	for _, d := range devices {
		s, err := d.Slots()
		if err != nil {
			return nil
		}
		sum += s.Count
	}
	if len(devices) == 0 {
		return nil
	}
	return &sum
}
