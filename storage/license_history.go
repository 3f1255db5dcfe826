package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/licensing"
)

// LicenseLevels gives the use of shared licenses at every instant (Unix milliseconds) of a period at which an interval begins or ends, in order of time.
func (q *Queries) LicenseLevels(ctx context.Context, p LicensePeriod, point func(at, sixths int64)) error {
	sweep := licensing.NewSweep(p.From, p.To, func(at int64, use licensing.Use, _ int64) { point(at, use.SMPSixths) })
	return q.licensePass(ctx, p, p.From, nil, sweep)
}

// LicenseCandidate is an owner without a PMP license.
type LicenseCandidate struct {
	ID       uuid.UUID `ch:"owner_id" json:"owner_id"`
	Name     string    `ch:"owner_name" json:"owner"`
	SMPHours float64   `ch:"smp_hours" json:"smp_hours"`
}

// LicenseCandidates are the owners known to have no PMP license whose meetings took most shared licenses.
func (q *Queries) LicenseCandidates(ctx context.Context, p LicensePeriod, limit int) ([]LicenseCandidate, error) {
	c, err := q.licenseIntervals(ctx, p)
	if err != nil {
		return nil, err
	}
	c.add("owner_id != toUUID('00000000-0000-0000-0000-000000000000') AND licensed = false AND smp_sixths > 0")
	rows, err := selectRows[LicenseCandidate](c.within(ctx), q, fmt.Sprintf(`SELECT owner_id, any(name_of_owner) AS owner_name, sum(smp_sixths * milliseconds) / 21600000 AS smp_hours
FROM (SELECT owner_id, owner_name AS name_of_owner, smp_sixths, dateDiff('millisecond', greatest(from, {from:DateTime64(3, 'UTC')}), least(until, {to:DateTime64(3, 'UTC')})) AS milliseconds
	FROM license_intervals_data FINAL %s)
GROUP BY owner_id ORDER BY smp_hours DESC, owner_id LIMIT %d`, c.where(), limit))
	if err != nil {
		return nil, fmt.Errorf("query owners without a license: %w", err)
	}
	return rows, nil
}

// LicenseHistory are the intervals with shared licenses of some owners in a period.
func (q *Queries) LicenseHistory(ctx context.Context, p LicensePeriod, owners []uuid.UUID) ([]licensing.HistoryInterval, error) {
	c, err := q.licenseIntervals(ctx, p)
	if err != nil {
		return nil, err
	}
	c.add("owner_id IN {owners:Array(UUID)} AND licensed = false AND smp_sixths > 0", "owners", uuidArray(owners))
	rows, err := q.conn.Query(c.within(ctx), "SELECT call_correlator, cms_cluster, owner_id, owner_name, from, until, toInt64(smp_sixths) FROM license_intervals_data FINAL "+c.where())
	if err != nil {
		return nil, fmt.Errorf("query meetings of owners without a license: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err below tells
	var list []licensing.HistoryInterval
	for rows.Next() {
		var i licensing.HistoryInterval
		if err := rows.Scan(&i.Meeting, &i.Cluster, &i.Owner, &i.OwnerName, &i.From, &i.To, &i.Sixths); err != nil {
			return nil, fmt.Errorf("read meetings of owners without a license: %w", err)
		}
		list = append(list, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read meetings of owners without a license: %w", err)
	}
	return list, nil
}

// KnownOwner is an owner of a space with the names by which people know them.
type KnownOwner struct {
	ID       uuid.UUID  `ch:"owner_id" json:"owner_id"`
	Name     string     `ch:"owner_name" json:"owner"`
	JID      string     `ch:"owner_jid" json:"owner_jid"`
	Email    string     `ch:"owner_email" json:"owner_email"`
	Licensed *uint8     `ch:"has_license" json:"-"`
	LastUsed *time.Time `ch:"last_used" json:"last_used"`
}

// KnownOwners are the owners of spaces of some clusters, with when a meeting last used their PMP license; nil: never, as far back as intervals go.
func (q *Queries) KnownOwners(ctx context.Context, clusters []string) ([]KnownOwner, error) {
	c := newConditions()
	c.add("cms_cluster IN {clusters:Array(String)}", "clusters", stringArray(clusters))
	rows, err := selectRows[KnownOwner](c.within(ctx), q, `SELECT o.owner_id AS owner_id, o.name AS owner_name, o.jid AS owner_jid, o.email AS owner_email, o.licensed AS has_license, u.last AS last_used FROM (
	SELECT cms_cluster, owner_id, argMax(owner_name, valid_from) AS name, argMax(owner_jid, valid_from) AS jid, argMax(owner_email, valid_from) AS email, tupleElement(argMax(tuple(has_license), valid_from), 1) AS licensed
	FROM owners `+c.where()+` AND owner_id != toUUID('00000000-0000-0000-0000-000000000000') AND NOT deleted GROUP BY cms_cluster, owner_id) AS o
LEFT JOIN (SELECT cms_cluster, owner_id, toNullable(max(least(until, now64(3)))) AS last FROM license_intervals_data FINAL `+c.where()+` AND license = 'pmp' GROUP BY cms_cluster, owner_id) AS u USING (cms_cluster, owner_id)
ORDER BY owner_name, owner_id
SETTINGS join_use_nulls = 1`)
	if err != nil {
		return nil, fmt.Errorf("query owners: %w", err)
	}
	return rows, nil
}
