package cmssim

import (
	"testing"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// TestLoadFitsTheBridges follows the load of a working day: busy, with room for new conferences somewhere but for short peaks.
func TestLoadFitsTheBridges(t *testing.T) {
	for _, day := range []struct {
		bridges int
		seed    int64
	}{{1, 1}, {3, 1}, {6, 1}, {3, 7}} {
		bridges := day.bridges
		sim, err := New(Config{Seed: day.seed, Bridges: bridges})
		if err != nil {
			t.Fatal(err)
		}
		c := sim.clusters[0]
		c.state.emit = nil
		tale := story.New(c.Cluster, sim.cfg.story(), -7200, 0)
		var sum, n, over, full, most int
		half := sim.bridges[0].loadLimit() / 2
		for at := int64(0); at < 6*3600; at += 60 {
			for next, _ := tale.Peek(); next <= at; next, _ = tale.Peek() {
				step, _ := tale.Next()
				c.state.apply(step)
			}
			refusing := 0
			for _, b := range c.state.bridges {
				load := b.load()
				sum, n, most = sum+load, n+1, max(most, load)
				if load > 2*half*8/10 {
					over++
				}
				if load > half {
					refusing++
				}
			}
			if refusing == bridges {
				full++
			}
		}
		mean := sum / n
		t.Logf("%d bridges: mean load %d, most %d, %d of %d minutes above 80 %%, %d above 50 %% on all", bridges, mean, most, over, n, full)
		if mean < 25000 || mean > 72000 || over*20 > n || bridges > 1 && full > 10 {
			t.Errorf("%d bridges: mean load %d of %d, %d of %d minutes above 80 %%, %d above 50 %% on all", bridges, mean, 2*half, over, n, full)
		}
	}
}
