package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// LicenseSnapshots are what the servers of clusters counted in a period (MPLicenseUsage).
func (q *Queries) LicenseSnapshots(ctx context.Context, clusters []string, p Period) ([]licensing.Snapshot, error) {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(clusters))
	c.add("time >= {from:DateTime64(3, 'UTC')} AND time < {to:DateTime64(3, 'UTC')}", "from", timeText(p.From), "to", timeText(p.To))
	rows, err := selectRows[struct {
		Time     time.Time `ch:"time"`
		Cluster  string    `ch:"cms_cluster"`
		Host     uuid.UUID `ch:"host_id"`
		PMP      int64     `ch:"pmp_thousandths"`
		Assigned *int64    `ch:"pmp_assigned"`
		Audio    int64     `ch:"smp_audio_thousandths"`
		PtP      int64     `ch:"smp_ptp_thousandths"`
		Full     int64     `ch:"smp_full_thousandths"`
		Rec      int64     `ch:"rec_thousandths"`
		Str      int64     `ch:"str_thousandths"`
	}](c.within(ctx), q, `SELECT time, cms_cluster, host_id, pmp_thousandths, pmp_assigned, smp_audio_thousandths, smp_ptp_thousandths,
	smp_full_thousandths, rec_thousandths, str_thousandths FROM license_samples `+c.where())
	if err != nil {
		return nil, fmt.Errorf("query license snapshots: %w", err)
	}
	snapshots := make([]licensing.Snapshot, len(rows))
	for i, r := range rows {
		snapshots[i] = licensing.Snapshot{Time: r.Time, Cluster: r.Cluster, Host: r.Host.String(), PMP: r.PMP, PMPAssigned: r.Assigned,
			SMPAudio: r.Audio, SMPPointToPoint: r.PtP, SMPFull: r.Full, Recording: r.Rec, Streaming: r.Str}
	}
	return snapshots, nil
}

// stringArray is a list as an Array(String) parameter.
func stringArray(list []string) string {
	text := []byte{'['}
	for i, s := range list {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, '\'')
		for _, b := range []byte(s) {
			if b == '\'' || b == '\\' {
				text = append(text, '\\')
			}
			text = append(text, b)
		}
		text = append(text, '\'')
	}
	return string(append(text, ']'))
}
