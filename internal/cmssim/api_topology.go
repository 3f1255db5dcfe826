package cmssim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

func (q *request) cluster() *story.Cluster { return q.st.cluster.cluster }

func (q *request) callBridges() answer {
	bridges := q.cluster().Bridges
	if q.b.cluster.sim.cfg.Unclustered {
		bridges = nil
	}
	return q.page("callBridges", len(bridges), func(i int) element { return el("callBridge", txt("name", bridges[i].Name)).id(bridges[i].ID) })
}

func (q *request) callBridge() answer {
	for _, b := range q.b.cluster.bridges {
		if b.state.ID == q.ids[0] && !q.b.cluster.sim.cfg.Unclustered {
			group := ""
			if q.rel >= 201 {
				group = b.state.Group.ID.String()
			}
			return ok(callBridgeDoc(b.GUID, b.Name, b.url, group))
		}
	}
	return missing("callBridge")
}

// callBridgeDoc is /callBridges/<id>. The address is where the simulated peer really listens.
func callBridgeDoc(id, name, address, group string) element {
	e := el("callBridge", txt("name", name), txt("address", address), txt("sipDomain", "")).attr("id", id)
	if group != "" {
		e = e.with(txt("callBridgeGroup", group))
	}
	return e
}

func (q *request) callBridgeGroups() answer {
	groups := q.cluster().Groups
	return q.page("callBridgeGroups", len(groups), func(i int) element { return el("callBridgeGroup", txt("name", groups[i].Name)).id(groups[i].ID) })
}

func (q *request) callBridgeGroup() answer {
	for _, g := range q.cluster().Groups {
		if g.ID != q.ids[0] {
			continue
		}
		e := el("callBridgeGroup", txt("name", g.Name), truth("loadBalancingEnabled", true), truth("loadBalanceLyncCalls", false)).id(g.ID)
		if q.rel >= 202 {
			e = e.with(truth("loadBalanceOutgoingCalls", true))
		}
		if q.rel >= 203 {
			e = e.with(truth("loadBalanceUserCalls", true))
		}
		if q.rel >= 204 {
			e = e.with(truth("loadBalanceIndirectCalls", false))
		}
		return ok(e)
	}
	return missing("callBridgeGroup")
}

func findDevice(devices []*story.Device, id story.GUID) *story.Device {
	for _, d := range devices {
		if d.ID == id {
			return d
		}
	}
	return nil
}

func (q *request) deviceList(plural, singular string, devices []*story.Device, address func(*story.Device) element) answer {
	return q.page(plural, len(devices), func(i int) element { return el(singular, address(devices[i])).id(devices[i].ID) })
}

func turnAddress(d *story.Device) element { return txt("serverAddress", d.URL) }

func (q *request) turnServers() answer {
	return q.deviceList("turnServers", "turnServer", q.cluster().TURNServers, turnAddress)
}

func (q *request) turnServer() answer {
	d := findDevice(q.cluster().TURNServers, q.ids[0])
	if d == nil {
		return missing("turnServer")
	}
	return ok(el("turnServer", txt("serverAddress", d.URL), txt("clientAddress", d.URL), txt("username", "turnuser"), txt("password", "turn-"+d.ID.String()[:8]),
		txt("type", "cms"), txt("numRegistrations", "0"), txt("tcpPortNumberOverride", ""), ref("callBridgeGroup", d.Group.ID)).id(d.ID))
}

func (q *request) turnServerStatus() answer {
	d := findDevice(q.cluster().TURNServers, q.ids[0])
	if d == nil {
		return missing("turnServer")
	}
	address := fmt.Sprintf("%d.%d.%d.%d", d.Bytes[0], d.Bytes[1], d.Bytes[2], d.Bytes[3])
	if q.faults.TURNUnreachable && d.Group == q.st.Group {
		return ok(turnStatusDoc(d.ID.String(), turnHost{address: address, port: 3478}))
	}
	allocations := 0
	for _, l := range q.st.legs {
		if l.Kind.App() && l.call != nil && int(l.ID[0])%len(q.cluster().TURNServers) == int(d.Bytes[3])%len(q.cluster().TURNServers) {
			allocations++
		}
	}
	r := story.NewChooser(q.b.cluster.sim.cfg.Seed, partMedia, uint64(d.Bytes[3]), uint64(q.now/30))
	return ok(turnStatusDoc(d.ID.String(), turnHost{address: address, port: 3478, reachable: true, roundTripMs: int(r.Between(3, 12)), mapped: "198.51.100.4", mappedPort: 50000 + q.st.Index, allocations: allocations}))
}

type turnHost struct {
	address                 string
	port                    int
	reachable               bool
	roundTripMs             int
	mapped                  string
	mappedPort, allocations int
}

// turnStatusDoc is /turnServers/<id>/status (cms-api.md, 6.3); its root is inferred.
func turnStatusDoc(id string, hosts ...turnHost) element {
	e := el("turnServer").attr("id", id)
	for _, h := range hosts {
		he := el("host", txt("address", h.address), num("portNumber", h.port), truth("reachable", h.reachable))
		if h.reachable {
			he = he.with(num("roundTripTimeMs", h.roundTripMs), txt("mappedAddress", h.mapped), num("mappedPortNumber", h.mappedPort), num("numAllocations", h.allocations))
		}
		e = e.with(he)
	}
	return e
}

func (q *request) webBridgeURL(d *story.Device) element {
	if q.rel >= 300 {
		return txt("url", "c2w://"+d.URL+":9999")
	}
	return txt("url", "https://"+d.URL)
}

func (q *request) webBridges() answer {
	return q.deviceList("webBridges", "webBridge", q.cluster().WebBridges, q.webBridgeURL)
}

func (q *request) webBridge() answer {
	d := findDevice(q.cluster().WebBridges, q.ids[0])
	if d == nil {
		return missing("webBridge")
	}
	return ok(el("webBridge", q.webBridgeURL(d), ref("callBridgeGroup", d.Group.ID)).id(d.ID))
}

func (q *request) webBridgeStatus() answer {
	d := findDevice(q.cluster().WebBridges, q.ids[0])
	if d == nil {
		return missing("webBridge")
	}
	status := "success"
	switch {
	case d.Group != q.st.Group:
		status = "unused"
	case q.faults.WebBridgeFailure:
		status = "connectionFailure"
	}
	return ok(el("webBridge", txt("status", status)).id(d.ID))
}

func deviceURL(d *story.Device) element { return txt("url", "https://"+d.URL+":8443") }

func (q *request) recorders() answer {
	return q.deviceList("recorders", "recorder", q.cluster().Recorders, deviceURL)
}

func (q *request) streamers() answer {
	return q.deviceList("streamers", "streamer", q.cluster().Streamers, deviceURL)
}

func (q *request) recorder() answer { return q.mediaDevice("recorder", q.cluster().Recorders) }

func (q *request) streamer() answer { return q.mediaDevice("streamer", q.cluster().Streamers) }

func (q *request) mediaDevice(singular string, devices []*story.Device) answer {
	d := findDevice(devices, q.ids[0])
	if d == nil {
		return missing(singular)
	}
	return ok(el(singular, deviceURL(d), ref("callBridgeGroup", d.Group.ID)).id(d.ID))
}

func (q *request) recorderStatus() answer {
	return q.mediaDeviceStatus("recorder", "activeRecordings", q.cluster().Recorders, func(c *callState) int { return c.recordings })
}

func (q *request) streamerStatus() answer {
	return q.mediaDeviceStatus("streamer", "activeStreams", q.cluster().Streamers, func(c *callState) int { return c.streams })
}

// mediaDeviceStatus counts what the device does for all bridges of its group: the figure is the device's own.
func (q *request) mediaDeviceStatus(singular, count string, devices []*story.Device, of func(*callState) int) answer {
	d := findDevice(devices, q.ids[0])
	if d == nil {
		return missing(singular)
	}
	status, active := "success", 0
	switch {
	case d.Group != q.st.Group:
		status = "unused"
	case q.faults.DeviceStatus != "":
		status = q.faults.DeviceStatus
	}
	for _, b := range q.st.cluster.bridges {
		if b.Group != d.Group {
			continue
		}
		for _, c := range b.calls {
			active += of(c)
		}
	}
	return ok(el(singular, txt("status", status), num(count, active)).id(d.ID))
}

func (q *request) callProfiles() answer {
	return q.page("callProfiles", 1, func(int) element { return el("callProfile").id(q.cluster().CallProfile) })
}

func (q *request) callProfile() answer {
	c := q.cluster()
	if c.CallProfile != q.ids[0] {
		return missing("callProfile")
	}
	e := el("callProfile", txt("participantLimit", "")).id(c.CallProfile)
	if q.rel >= 201 {
		e = e.with(txt("recordingMode", "manual"), txt("streamingMode", "manual"))
	}
	if q.rel >= 209 {
		e = e.with(txt("sipRecorderUri", deviceURI(c.Recorders[0], false)))
	}
	if q.rel >= 300 {
		e = e.with(txt("sipStreamerUri", deviceURI(c.Streamers[0], true)))
	}
	return ok(e)
}

func (q *request) systemProfiles() answer {
	return ok(el("profiles", ref("callProfile", q.cluster().CallProfile)))
}

func (q *request) database() answer {
	if q.b.cluster.sim.cfg.Unclustered || len(q.cluster().Bridges) < 2 {
		return ok(el("database").attr("clustered", "disabled"))
	}
	d := databaseDoc{nodes: make([]databaseNode, min(3, len(q.cluster().Bridges)))}
	for i := range d.nodes {
		d.nodes[i] = databaseNode{host: "10.0.0." + strconv.Itoa(i+1), up: true, master: i == 0}
	}
	last := &d.nodes[len(d.nodes)-1]
	last.behind = q.faults.DatabaseBehind
	if q.faults.DatabaseNodeDown {
		last.up, last.behind = false, -1
		d.err = "node " + last.host + " is not reachable"
	}
	return ok(d.element())
}

// databaseDoc is /system/database of a cluster (cms-api.md, 5.10).
type databaseDoc struct {
	err   string
	nodes []databaseNode
}

type databaseNode struct {
	host       string
	up, master bool
	behind     int64 // bytes; -1: unknown
}

func (d databaseDoc) element() element {
	e := el("database").attr("clustered", "enabled")
	if d.err != "" {
		e = e.with(txt("error", d.err))
	}
	c := el("cluster", num("totalNodes", len(d.nodes)), txt("nodeInUse", d.nodes[0].host))
	for _, n := range d.nodes {
		c = c.with(el("node", txt("hostname", n.host), truth("up", n.up), num("syncBehind", n.behind), truth("master", n.master)))
	}
	return e.with(c)
}

func (q *request) coSpaces() answer {
	var found []*story.Space
	for _, s := range q.cluster().Spaces {
		if q.tenantIs(s.Tenant) && q.named(s.Name, s.URI) {
			found = append(found, s)
		}
	}
	return q.page("coSpaces", len(found), func(i int) element {
		s := found[i]
		e := el("coSpace", txt("name", s.Name), truth("autoGenerated", s.AutoGenerated), txt("uri", s.URI), txt("callId", s.CallID)).id(s.ID)
		return withTenant(e, s.Tenant)
	})
}

func withTenant(e element, t *story.Tenant) element {
	if t == nil {
		return e
	}
	return e.with(ref("tenant", t.ID))
}

func (q *request) coSpace() answer {
	for _, s := range q.cluster().Spaces {
		if s.ID != q.ids[0] {
			continue
		}
		d := spaceDoc{id: s.ID.String(), name: s.Name, autoGenerated: s.AutoGenerated, uri: s.URI, callID: s.CallID, tag: s.Tag, passcode: s.Passcode, streamURL: s.StreamURL, secret: "s" + s.ID.String()[:12]}
		if s.Owner != nil {
			d.ownerID, d.ownerJID = s.Owner.ID.String(), s.Owner.JID
		}
		if q.rel < 201 {
			d.streamURL = ""
		}
		return ok(withTenant(d.element(), s.Tenant))
	}
	return missing("coSpace")
}

// spaceDoc is /coSpaces/<id> (cms-api.md, 8.1).
type spaceDoc struct {
	id, name, uri, callID, tag, passcode, secret, streamURL, ownerID, ownerJID string
	autoGenerated                                                              bool
}

func (d spaceDoc) element() element {
	e := el("coSpace", txt("name", d.name), truth("autoGenerated", d.autoGenerated), txt("uri", d.uri), txt("callId", d.callID)).attr("id", d.id)
	add := func(name, value string) {
		if value != "" {
			e = e.with(txt(name, value))
		}
	}
	add("passcode", d.passcode)
	add("secret", d.secret)
	e = e.with(truth("nonMemberAccess", true))
	add("cdrTag", d.tag)
	add("ownerId", d.ownerID)
	add("ownerJid", d.ownerJID)
	add("streamUrl", d.streamURL)
	return e
}

func (q *request) users() answer {
	var found []*story.User
	for _, u := range q.cluster().Users {
		if e := q.query.Get("emailFilter"); e != "" && !strings.EqualFold(e, u.Email) {
			continue
		}
		if q.tenantIs(u.Tenant) && q.named(u.Name, u.JID) {
			found = append(found, u)
		}
	}
	return q.page("users", len(found), func(i int) element {
		return withTenant(el("user", txt("userJid", found[i].JID)).id(found[i].ID), found[i].Tenant)
	})
}

func (q *request) user() answer {
	for _, u := range q.cluster().Users {
		if u.ID == q.ids[0] {
			profile := ""
			if u.Profile != nil {
				profile = u.Profile.ID.String()
			}
			return ok(withTenant(userDoc(u.ID.String(), u.JID, u.Name, u.Email, profile), u.Tenant))
		}
	}
	return missing("user")
}

// userDoc is /users/<id> (cms-api.md, 8.2).
func userDoc(id, jid, name, email, profile string) element {
	e := el("user", txt("userJid", jid), txt("name", name), txt("email", email)).attr("id", id)
	if profile != "" {
		e = e.with(txt("userProfile", profile))
	}
	return e
}

func (q *request) userProfiles() answer {
	all := q.cluster().UserProfiles
	return q.page("userProfiles", len(all), func(i int) element { return el("userProfile").id(all[i].ID) })
}

func (q *request) userProfile() answer {
	for _, p := range q.cluster().UserProfiles {
		if p.ID == q.ids[0] {
			return ok(el("userProfile", truth("hasLicense", p.HasLicense)).id(p.ID))
		}
	}
	return missing("userProfile")
}

func ldapSourceDoc(s *story.LDAPSource) element {
	e := el("ldapSource", ref("server", s.Server), ref("mapping", s.Mapping), txt("baseDn", s.BaseDN), txt("filter", s.Filter)).id(s.ID)
	e = withTenant(e, s.Tenant)
	if s.Profile != nil {
		e = e.with(ref("userProfile", s.Profile.ID))
	}
	return e
}

func (q *request) ldapSources() answer {
	all := q.cluster().LDAPSources
	return q.page("ldapSources", len(all), func(i int) element { return ldapSourceDoc(all[i]) })
}

func (q *request) ldapSource() answer {
	for _, s := range q.cluster().LDAPSources {
		if s.ID == q.ids[0] {
			return ok(ldapSourceDoc(s))
		}
	}
	return missing("ldapSource")
}

func (q *request) tenants() answer {
	all := q.cluster().Tenants
	return q.page("tenants", len(all), func(i int) element { return el("tenant", txt("name", all[i].Name)).id(all[i].ID) })
}

func (q *request) tenant() answer {
	for _, t := range q.cluster().Tenants {
		if t.ID == q.ids[0] {
			return ok(el("tenant", txt("name", t.Name), txt("participantLimit", "")).id(t.ID))
		}
	}
	return missing("tenant")
}
