package storage

// WithLots asks with lots of license intervals of so many rows.
func (q *Queries) WithLots(rows uint64) *Queries { return &Queries{q.conn, rows} }
