package storage

// eventTables are the tables filled by the events subscribers.
func eventTables() []Table { return nil }
