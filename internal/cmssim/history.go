package cmssim

import (
	"context"
	"fmt"
)

// History tells the history of cfg (Backfill before the live part) without any network: it calls body for each CDR POST body in the
// order of its bridge, then returns the number of records. Start must be set. The body is only valid during the call.
// It is the history that the senders of a running simulation with the same Config deliver.
func History(ctx context.Context, cfg Config, body func(b *Bridge, xml []byte) error) (records int64, err error) {
	if cfg.Start.IsZero() || cfg.Backfill == 0 {
		return 0, fmt.Errorf("cmssim: history needs Start and Backfill")
	}
	s, err := New(cfg)
	if err != nil {
		return 0, err
	}
	s.StartStory()
	for _, c := range s.clusters {
		open := make([][]queued, len(c.bridges))
		next := make([]int64, len(c.bridges))
		var buffer []byte
		flush := func(i int) {
			if len(open[i]) == 0 || err != nil {
				return
			}
			buffer = openBody(buffer[:0], open[i][0].session, c.bridges[i].feed.callBridge)
			for j := range open[i] {
				next[i]++
				buffer = open[i][j].append(buffer, next[i], 0)
			}
			records += int64(len(open[i]))
			open[i] = open[i][:0]
			err = body(c.bridges[i], closeBody(buffer))
		}
		done := c.recount(func(b *bridgeState, r record) {
			open[b.Index] = append(open[b.Index], queued{record: r, session: b.session})
			if len(open[b.Index]) >= s.cfg.MaxBatch {
				flush(b.Index)
			}
		}, func() bool { return err == nil && ctx.Err() == nil })
		for i := range open {
			flush(i)
		}
		switch {
		case err != nil:
			return records, fmt.Errorf("cmssim: history of %s: %w", c.Name, err)
		case !done:
			return records, fmt.Errorf("cmssim: history of %s: %w", c.Name, context.Cause(ctx))
		}
	}
	return records, nil
}
