package storage

// collectorTables are the tables filled by pollers, syslog and certificate probes.
func collectorTables() []Table { return nil }
