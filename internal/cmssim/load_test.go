package cmssim

import (
	"testing"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// TestLoadFitsTheBridges follows the load of a working day: busy, and below the limit but for short peaks.
func TestLoadFitsTheBridges(t *testing.T) {
	for _, bridges := range []int{1, 3, 6} {
		sim, err := New(Config{Seed: 1, Bridges: bridges})
		if err != nil {
			t.Fatal(err)
		}
		c := sim.clusters[0]
		c.state.emit = nil
		tale := story.New(c.Cluster, sim.cfg.story(), -7200, 0)
		var sum, n, over, most int
		for at := int64(0); at < 6*3600; at += 60 {
			for next, _ := tale.Peek(); next <= at; next, _ = tale.Peek() {
				step, _ := tale.Next()
				c.state.apply(step)
			}
			for _, b := range c.state.bridges {
				load := b.load()
				sum, n, most = sum+load, n+1, max(most, load)
				if load > 96000 {
					over++
				}
			}
		}
		mean := sum / n
		t.Logf("%d bridges: mean load %d, most %d, %d of %d minutes above 80 %%", bridges, mean, most, over, n)
		if mean < 25000 || mean > 72000 || over*20 > n {
			t.Errorf("%d bridges: mean load %d of 120000, %d of %d minutes above 80 %%", bridges, mean, over, n)
		}
	}
}
