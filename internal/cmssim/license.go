package cmssim

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// licenseKind is what a meeting takes (capacities-and-licensing.md, section 4).
type licenseKind uint8

const (
	personal licenseKind = iota
	sharedAudio
	sharedPointToPoint
	sharedFull
)

// license says what the meeting takes now.
func (m *meetingState) license() licenseKind {
	direct := m.Kind == story.PointToPoint || m.Kind == story.Gateway || m.Kind == story.AdHoc && m.peoplePresent() <= 2
	switch {
	case m.personal:
		return personal
	case direct && m.captures > 0:
		return sharedFull
	case m.video == 0:
		return sharedAudio
	case direct:
		return sharedPointToPoint
	}
	return sharedFull
}

// peoplePresent is how many people are in the meeting now. A call outside a space is point to point as long as there are at most two participants; with a recorder or a
// streamer as the third it takes a full license either way.
func (m *meetingState) peoplePresent() int {
	n := 0
	for _, p := range m.people {
		if p.present() {
			n++
		}
	}
	return n
}

// LicenseUse counts distinct meetings of a cluster by the license they take at one instant.
type LicenseUse struct {
	Personal           int // meetings under a personal license
	PersonalLicenses   int // distinct owners of those
	SharedAudio        int // audio only: a sixth each
	SharedPointToPoint int // point to point or gateway: a sixth each
	SharedFull         int
	Recordings         int // meetings being recorded
	Streams            int // meetings being streamed
}

// SharedSixths is the use of shared licenses in sixths.
func (u LicenseUse) SharedSixths() int {
	return 6*u.SharedFull + u.SharedAudio + u.SharedPointToPoint
}

func (s *clusterState) licenseUse() LicenseUse {
	u := LicenseUse{PersonalLicenses: len(s.owners)}
	for _, m := range s.meetings {
		switch m.license() {
		case personal:
			u.Personal++
		case sharedAudio:
			u.SharedAudio++
		case sharedPointToPoint:
			u.SharedPointToPoint++
		case sharedFull:
			u.SharedFull++
		}
		recorded, streamed := false, false
		for _, c := range m.calls {
			recorded = recorded || c.recordings > 0
			streamed = streamed || c.streams > 0
		}
		if recorded {
			u.Recordings++
		}
		if streamed {
			u.Streams++
		}
	}
	return u
}

// snapshotSeconds is the cadence of MPLicenseUsage.
const snapshotSeconds = 300

// usage is one MPLicenseUsage entry. Normalized counts are in hundredths, already rounded as on the wire.
type usage struct {
	at                          int64
	pmp, smpAud, smpPtP, smpAll int32
	assigned                    int32
	rec, str                    int32
}

// snapshot takes the bridge's share of the license use now.
func (b *bridgeState) snapshot() usage {
	u := usage{at: b.cluster.now, assigned: int32(b.cluster.assigned)}
	var weights [4]float64
	for _, c := range b.calls {
		m := c.meeting
		share := 1 / float64(len(m.calls))
		kind := m.license()
		if kind == personal {
			share /= float64(b.cluster.owners[m.Space.Owner]) // an owner's two calls use one license
		}
		weights[kind] += share
		if c.recordings > 0 {
			u.rec++
		}
		if c.streams > 0 {
			u.str++
		}
	}
	hundredths := func(k licenseKind) int32 { return int32(weights[k]*100 + 0.5) }
	u.pmp, u.smpAud, u.smpPtP, u.smpAll = hundredths(personal), hundredths(sharedAudio), hundredths(sharedPointToPoint), hundredths(sharedFull)
	return u
}

// usageStore keeps the snapshots of all hosts of a cluster, which any of its bridges can serve. History and the live
// part append to lists of their own, since they are written at the same time.
type usageStore struct {
	mu      sync.Mutex
	history [][]usage // by bridge, oldest first
	live    [][]usage
	// telling: history is still being told. No host is known until it is there, as a real server's past does not fill up while one looks.
	telling atomic.Bool
}

func newUsageStore(bridges int) *usageStore {
	return &usageStore{history: make([][]usage, bridges), live: make([][]usage, bridges)}
}

func (u *usageStore) add(history bool, bridge int, entry usage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if history {
		u.history[bridge] = append(u.history[bridge], entry)
	} else {
		u.live[bridge] = append(u.live[bridge], entry)
	}
}

// between returns the entries of one bridge from the instant from to the instant to, both included, newest first.
func (u *usageStore) between(bridge int, from, to int64) []usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	var found []usage
	for _, list := range [][]usage{u.history[bridge], u.live[bridge]} {
		for _, e := range list {
			if from <= e.at && e.at <= to {
				found = append(found, e)
			}
		}
	}
	slices.Reverse(found)
	return found
}
