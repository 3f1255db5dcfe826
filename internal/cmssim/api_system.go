package cmssim

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// statusDoc is /system/status (cms-api.md, 5.1).
type statusDoc struct {
	hostID, softwareVersion               string
	uptime                                int64
	cdrTime                               string
	clusterEnabled                        bool
	clusterID                             string
	correlator                            int64
	active, maxActive, completed          int
	audioOut, audioIn, videoOut, videoIn  int64
	withHost, withCluster, withCorrelator bool
}

func (d statusDoc) element() element {
	e := el("status")
	if d.withHost {
		e = e.with(txt("hostId", d.hostID))
	}
	e = e.with(txt("softwareVersion", d.softwareVersion), num("uptimeSeconds", d.uptime), txt("cdrTime", d.cdrTime),
		truth("activated", true), truth("clusterEnabled", d.clusterEnabled))
	if d.withCluster {
		e = e.with(txt("clusterId", d.clusterID))
	}
	if d.withCorrelator {
		e = e.with(num("cdrCorrelatorIndex", d.correlator))
	}
	return e.with(num("callLegsActive", d.active), num("callLegsMaxActive", d.maxActive), num("callLegsCompleted", d.completed),
		num("audioBitRateOutgoing", d.audioOut), num("audioBitRateIncoming", d.audioIn),
		num("videoBitRateOutgoing", d.videoOut), num("videoBitRateIncoming", d.videoIn))
}

func (q *request) status() answer {
	st := q.st
	d := statusDoc{
		hostID: st.HostID.String(), softwareVersion: q.rel.softwareVersion(), uptime: q.now - st.booted,
		cdrTime: q.time(q.now).UTC().Format(time.RFC3339), clusterEnabled: !q.b.cluster.sim.cfg.Unclustered, clusterID: st.cluster.cluster.ID.String(),
		correlator: st.correlator, active: len(st.legs), maxActive: st.legsMax, completed: st.legsCompleted,
		withHost: q.rel >= 206, withCluster: q.rel >= 300, withCorrelator: q.rel >= 202,
	}
	for _, l := range st.legs {
		if !l.connected() {
			continue
		}
		d.audioIn += 62000
		d.audioOut += 64000
		d.videoIn += videoRate(l.Quality)
		d.videoOut += videoRate(l.Quality) * 11 / 10
	}
	return ok(d.element())
}

// videoRate is the bit rate of one main video stream in bit/s.
func videoRate(q story.Quality) int64 { return [...]int64{0, 600000, 1700000, 3600000}[q] }

func (q *request) load() answer {
	return ok(el("load", num("mediaProcessingLoad", q.st.load())))
}

func (q *request) clusterConfiguration() answer {
	return ok(clusterDoc(q.st.Name, strconv.Itoa(q.b.loadLimit())))
}

func clusterDoc(name, loadLimit string) element {
	return el("cluster", txt("uniqueName", name), txt("peerLinkBitRate", "4000000"), txt("maxPeerVideoStreams", ""),
		txt("participantLimit", ""), txt("loadLimit", loadLimit),
		txt("newConferenceLoadLimitBasisPoints", "5000"), txt("existingConferenceLoadLimitBasisPoints", "8000"))
}

// loadLimit is that of a Meeting Server 1000 M6, set to the 160 calls it is sold for, or of a 2000 where the volume of the story asks for it.
func (b *Bridge) loadLimit() int {
	if b.large() {
		return 875000
	}
	return 160000
}

// large reports whether the machine is a Meeting Server 2000.
func (b *Bridge) large() bool { return b.cluster.sim.cfg.Volume > 1.5 }

// multipartyDoc is /system/multipartyLicensing (5.5). Weights are in thousandths.
type multipartyDoc struct {
	timestamp                                 string
	personalLimit, sharedLimit, capacityLimit int
	withLimits                                bool
	users, personalLicenses, participants     int
	calls                                     int
	weighted                                  int64
	without                                   int
	weightedWithout                           int64
	capacityUnits, capacityUnitsWithout       int64
}

func (d multipartyDoc) element() element {
	e := el("multipartyLicensing", txt("timestamp", d.timestamp))
	if d.withLimits {
		e = e.with(num("personalLicenseLimit", d.personalLimit), num("sharedLicenseLimit", d.sharedLimit), num("capacityUnitLimit", d.capacityLimit))
	}
	return e.with(num("users", d.users), num("personalLicenses", d.personalLicenses), num("participantsActive", d.participants),
		num("callsActive", d.calls), decimals("weightedCallsActive", d.weighted, 3),
		num("callsWithoutPersonalLicense", d.without), decimals("weightedCallsWithoutPersonalLicense", d.weightedWithout, 3),
		decimals("capacityUnitUsage", d.capacityUnits, 3), decimals("capacityUnitUsageWithoutPersonalLicense", d.capacityUnitsWithout, 3))
}

func decimals(name string, v int64, digits int) element {
	return txt(name, string(fixed(nil, v, digits)))
}

func (q *request) multipartyLicensing() answer {
	st := q.st
	c := st.cluster.cluster
	d := multipartyDoc{
		timestamp: q.time(q.now).UTC().Format(time.RFC3339), withLimits: q.rel < 300 || q.rel == 300, users: len(c.Users), personalLicenses: st.cluster.assigned,
		calls: len(st.calls),
	}
	if q.rel < 300 {
		d.personalLimit, d.sharedLimit = 2*st.cluster.assigned, 20*len(c.Bridges)
	}
	var weighted, without float64
	for _, call := range st.calls {
		share := 1 / float64(len(call.meeting.calls))
		weighted += share
		units := int64(0)
		for _, p := range call.meeting.people {
			if !p.present() || p.bridge != st {
				continue
			}
			d.participants++
			units += []int64{25, 500, 1000, 2000}[p.leg.Quality]
		}
		d.capacityUnits += units
		if !call.meeting.personal {
			d.without++
			without += share
			d.capacityUnitsWithout += units
		}
	}
	d.weighted, d.weightedWithout = thousandths(weighted), thousandths(without)
	return ok(d.element())
}

func thousandths(v float64) int64 { return int64(math.Round(v * 1000)) }

func (q *request) activePersonalLicenses() answer {
	type use struct {
		user   *story.User
		calls  int
		weight float64
	}
	var uses []*use
	of := make(map[*story.User]*use)
	for _, call := range q.st.calls {
		if !call.meeting.personal {
			continue
		}
		owner := call.meeting.Space.Owner
		u := of[owner]
		if u == nil {
			u = &use{user: owner}
			of[owner] = u
			uses = append(uses, u)
		}
		u.calls++
		u.weight += 1 / float64(len(call.meeting.calls))
	}
	return q.page("activePersonalLicenses", len(uses), func(i int) element {
		u := uses[i]
		return el("user", num("callsActive", u.calls), decimals("weightedCallsActive", thousandths(u.weight), 3)).id(u.user.ID)
	})
}

func usageEntry(at time.Time, u usage, rel release) element {
	e := el("entry").attr("time", at.UTC().Format(time.RFC3339))
	add := func(name string, v int32, digits int) {
		switch {
		case v == 0: // zero-valued children are omitted
		case digits == 0:
			e = e.with(num(name, int(v)))
		default:
			e = e.with(decimals(name, int64(v), digits))
		}
	}
	add("pmp", u.pmp, 2)
	if rel >= 300 {
		add("pmpAssigned", u.assigned, 0)
	}
	add("smpAud", u.smpAud, 2)
	add("smpPtP", u.smpPtP, 2)
	add("smpFull", u.smpAll, 2)
	add("rec", u.rec, 0)
	add("str", u.str, 0)
	return e
}

func (q *request) licenseUsage() answer {
	host := q.st.Index
	if q.query.Has("hostId") {
		id, err := story.ParseGUID(q.query.Get("hostId"))
		if err != nil {
			return badParameter("hostId")
		}
		host = -1
		for _, b := range q.st.cluster.bridges {
			if b.HostID == id {
				host = b.Index
			}
		}
		if host < 0 {
			return q.page("MPLicenseUsage", 0, nil)
		}
	}
	clock := &q.b.cluster.sim.clock
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if s := q.query.Get("startTime"); s != "" {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return badParameter("startTime")
		}
		from = -clock.offsetOf(clock.start.Add(-t.Sub(clock.start))) // rounded up
	}
	if s := q.query.Get("endTime"); s != "" {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return badParameter("endTime")
		}
		to = clock.offsetOf(t)
	}
	entries := q.b.cluster.usage.between(host, from, to)
	return q.page("MPLicenseUsage", len(entries), func(i int) element {
		return usageEntry(clock.at(entries[i].at), entries[i], q.rel)
	})
}

func (q *request) knownHosts() answer {
	bridges := q.st.cluster.bridges
	if q.b.cluster.usage.telling.Load() {
		bridges = nil
	}
	return q.page("knownHosts", len(bridges), func(i int) element { return el("host").id(bridges[i].HostID) })
}

func (q *request) cdrReceivers() answer {
	ids, urls := q.b.feed.table()
	a := q.page("cdrReceivers", len(ids), func(i int) element { return el("cdrReceiver", txt("uri", urls[i])).id(ids[i]) })
	a.doc = a.doc.attr("maximum", strconv.Itoa(maxReceivers))
	return a
}

func (q *request) cdrReceiver() answer {
	ids, urls := q.b.feed.table()
	for i, id := range ids {
		if id == q.ids[0] {
			return ok(el("cdrReceiver", txt("uri", urls[i])).id(id))
		}
	}
	return missing("cdrReceiver")
}

// receiverURL reads the write parameter, which working clients call uri and the guide's prose url.
func (q *request) receiverURL() (string, bool) {
	raw := q.form.Get("uri")
	if raw == "" {
		raw = q.form.Get("url")
	}
	u, err := url.Parse(raw)
	return raw, err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (q *request) addCDRReceiver() answer {
	raw, valid := q.receiverURL()
	if !valid {
		return badParameter("uri")
	}
	id, full := q.b.feed.add(raw)
	if full {
		return failure(http.StatusBadRequest, el("tooManyCdrReceivers"))
	}
	return created("system/cdrReceivers", id)
}

func created(collection string, id story.GUID) answer {
	return answer{status: http.StatusOK, header: map[string]string{"Location": "/api/v1/" + collection + "/" + id.String()}}
}

func (q *request) changeCDRReceiver() answer {
	if len(q.form) == 0 {
		return q.emptyAnswer(q.cdrReceiver())
	}
	raw, valid := q.receiverURL()
	if !valid {
		return badParameter("uri")
	}
	if !q.b.feed.change(q.ids[0], raw) {
		return missing("cdrReceiver")
	}
	return answer{status: http.StatusOK}
}

// emptyAnswer drops the body of a success.
func (q *request) emptyAnswer(a answer) answer {
	if a.status == http.StatusOK {
		a.doc = element{}
	}
	return a
}

func (q *request) removeCDRReceiver() answer {
	if !q.b.feed.drop(q.ids[0]) {
		return missing("cdrReceiver")
	}
	return answer{status: http.StatusOK}
}
