package storage

import "time"

// TableLicenseEntitlements is filled from the configuration.
const TableLicenseEntitlements = "license_entitlements_data"

// licensingTables are the tables of license pools.
func licensingTables() []Table {
	return []Table{{TableLicenseEntitlements, LicenseEntitlement{}}}
}

// LicenseEntitlement is what a pool holds from a day on, as the configuration says. All entries of a pool are told together, with one Written.
type LicenseEntitlement struct {
	LicensePool string `ch:"license_pool" json:"license_pool"`
	// ValidFrom is a date: midnight UTC.
	ValidFrom time.Time `ch:"valid_from" json:"valid_from"`
	// PMP, SMP and Recording are licenses; nil where not known.
	PMP       *int64 `ch:"pmp" json:"pmp"`
	SMP       *int64 `ch:"smp" json:"smp"`
	Recording *int64 `ch:"recording" json:"recording"`
	// DayBoundary is the time zone of license days.
	DayBoundary string `ch:"day_boundary" json:"day_boundary"`
	// ZoneOffset are the zone's offsets in seconds east of UTC, and ZoneFrom since when each holds.
	ZoneFrom   []time.Time `ch:"zone_from" json:"zone_from"`
	ZoneOffset []int32     `ch:"zone_offset" json:"zone_offset"`
	// PMPCompares is assigned or in_use.
	PMPCompares string    `ch:"pmp_compares" json:"pmp_compares"`
	CMSClusters []string  `ch:"cms_clusters" json:"cms_clusters"`
	Written     time.Time `ch:"written" json:"written"`
}

// ZoneOffsets are the offsets that a zone has from one instant to another, for LicenseEntitlement. What holds at the first instant comes first.
func ZoneOffsets(zone *time.Location, from, to time.Time) (since []time.Time, offsets []int32) {
	for at := from; ; {
		_, offset := at.In(zone).Zone()
		since, offsets = append(since, at.UTC()), append(offsets, int32(offset))
		_, end := at.In(zone).ZoneBounds()
		if end.IsZero() || end.After(to) {
			return since, offsets
		}
		at = end
	}
}
