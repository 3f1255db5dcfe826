package poller

import (
	"context"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/faults"
	"github.com/bridgewatch/bridgewatch/storage"
)

// cluster is what the workers of one cluster share. What belongs to the shared database is asked of one bridge: the first, in the order of the
// configuration, whose last poll succeeded.
type cluster struct {
	poller  *Poller
	inv     collector.Cluster
	workers []*worker
	owners  *owners
	// faults of the cluster as a whole.
	faults *faults.Book

	// busy is held by the worker that does the cluster's work; due, stuck, config and usage are touched only by its holder.
	busy   chan struct{}
	due    map[string]time.Time
	stuck  stuck
	config settings
	usage  *usage

	mu    sync.Mutex
	up    map[string]bool
	hosts map[uuid.UUID]string
}

func newCluster(p *Poller, inv collector.Cluster) *cluster {
	c := &cluster{
		poller: p, inv: inv, busy: make(chan struct{}, 1), due: make(map[string]time.Time), stuck: make(stuck), config: make(settings),
		up: make(map[string]bool), hosts: make(map[uuid.UUID]string), owners: newOwners(),
	}
	c.faults = p.book(inv.Name, "", collector.SourcePoller, p.deps.Logger.With("cms_cluster", inv.Name))
	c.usage = newUsage(c)
	return c
}

// recallWait is how long the first poll waits for a store that cannot be read yet. Afterwards license history is read again from the servers, which is tolerable, and open
// alarms are recalled when they can be.
const recallWait = 10 * time.Second

// recall loads what was known before this process began, and returns what is to run beside the polls where that could not be read yet.
func (c *cluster) recall(ctx context.Context) (later func()) {
	memory, log := c.poller.deps.Memory, c.poller.deps.Logger
	later = faults.Recall(ctx, memory, c.inv.Name, recallWait, log, func(open []storage.Alarm) {
		c.faults.Recall(open)
		for _, w := range c.workers {
			w.alarms.Recall(open)
			w.faults.Recall(open)
		}
	})
	if memory == nil || later != nil {
		return later
	}
	known, err := memory.UsageKnown(ctx, c.inv.Name)
	if err != nil {
		log.Warn("stored license history not recalled", "cms_cluster", c.inv.Name, "error", err)
	}
	c.usage.recall(known)
	return nil
}

// report notes whether a bridge answers.
func (c *cluster) report(w *worker, up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[w.bridge.Name] = up
}

func (c *cluster) leads(w *worker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.inv.Bridges {
		if c.up[b.Name] {
			return b.Name == w.bridge.Name
		}
	}
	return false
}

// hostSeen notes which bridge a host id belongs to.
func (c *cluster) hostSeen(host uuid.UUID, bridge string) {
	if host == uuid.Nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[host] = bridge
}

func (c *cluster) hostName(host uuid.UUID) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hosts[host]
}

// work does what is due for the cluster, then background steps until shortly before the worker's next poll.
func (c *cluster) work(ctx context.Context, w *worker, until time.Time) {
	if !c.leads(w) {
		return
	}
	select {
	case c.busy <- struct{}{}:
		defer func() { <-c.busy }()
	default:
		return
	}
	c.workDue(ctx, w)
	margin := min(2*time.Second, c.inv.Interval()/5)
	for time.Until(until) > margin && ctx.Err() == nil && !w.spent {
		if !c.owners.step(ctx, c, w) && !c.usage.backfill(ctx, w) {
			return
		}
		if !sleep(ctx, min(c.poller.cfg.Pace, max(time.Until(until)-margin, 0))) {
			return
		}
	}
}

// workDue does what is due for the cluster. c.busy must be held.
func (c *cluster) workDue(ctx context.Context, w *worker) {
	now := c.poller.deps.Clock()
	type step struct {
		object string
		do     func(context.Context, *worker)
	}
	for _, step := range last([]step{
		{"callBridges", c.pollGroups},
		{"clusterLicensing", c.pollFeatures},
		{"profiles", c.pollProfiles},
		{"MPLicenseUsage", c.usage.poll},
	}, func(s step) string { return s.object }, c.stuck) {
		if ctx.Err() != nil || w.spent {
			return
		}
		if !now.Add(c.inv.Interval() / 2).Before(c.due[step.object]) {
			c.due[step.object] = now.Add(c.poller.every[step.object])
			step.do(ctx, w)
			if !c.stuck.asked(step.object, w) {
				delete(c.due, step.object)
				return
			}
		}
	}
}

// pollGroups learns the Call Bridges and their groups.
func (c *cluster) pollGroups(ctx context.Context, w *worker) {
	at := c.poller.deps.Clock().UTC()
	groups := make(map[string]string)
	if !w.absent["callBridgeGroups"] {
		var list []collector.CallBridgeGroup
		ok := w.ask(ctx, "callBridgeGroups", func() (err error) {
			list, err = collect[collector.CallBridgeGroup](ctx, w.client, "/callBridgeGroups", "callBridgeGroup", nil)
			return err
		})
		if !ok && !w.absent["callBridgeGroups"] {
			return
		}
		for _, g := range list {
			if g.ID == nil {
				continue
			}
			id := g.ID
			if !w.askOne(ctx, "callBridgeGroup", "/callBridgeGroups/"+url.PathEscape(*id), &g) {
				return
			}
			g.ID = id
			groups[*id] = *id
			if g.Name != nil {
				groups[*id] = *g.Name
			}
			c.config.publish(ctx, w, "", "callBridgeGroup", *id, &g)
		}
	}
	var bridges []collector.CallBridge
	if !w.ask(ctx, "callBridges", func() (err error) { bridges, err = w.client.callBridges(ctx); return err }) {
		return
	}
	membership, guids := make(map[string]string), make(map[string]string)
	for _, b := range bridges {
		c.config.publish(ctx, w, "", "callBridge", deref(b.ID), &b)
		if b.Name == nil {
			continue
		}
		membership[*b.Name] = ""
		if b.ID != nil {
			guids[*b.Name] = *b.ID
		}
		if b.CallBridgeGroup != nil {
			membership[*b.Name] = *b.CallBridgeGroup
			if name, known := groups[*b.CallBridgeGroup]; known {
				membership[*b.Name] = name
			}
		}
	}
	c.poller.deps.Live.UpdateCluster(c.inv.Name, func(s *collector.ClusterState) {
		s.Groups, s.GUIDs = sampled(w, "callBridges", at, membership), guids
	})
}

// callBridges lists the members of the cluster in detail.
func (c *Client) callBridges(ctx context.Context) ([]collector.CallBridge, error) {
	list, err := collect[collector.CallBridge](ctx, c, "/callBridges", "callBridge", nil)
	if err != nil {
		return nil, err
	}
	for i, b := range list {
		if b.ID == nil {
			continue
		}
		var detail collector.CallBridge
		err := c.one(ctx, "/callBridges/"+url.PathEscape(*b.ID), &detail)
		switch {
		case err == nil:
			detail.ID = b.ID
			if detail.Name == nil {
				detail.Name = b.Name
			}
			list[i] = detail
		case ReasonOf(err) != ReasonNotFound:
			return nil, err
		}
	}
	return list, nil
}

// pollFeatures reads the cluster's license state.
func (c *cluster) pollFeatures(ctx context.Context, w *worker) {
	var features []collector.Feature
	if !w.ask(ctx, "clusterLicensing", func() (err error) {
		features, err = w.client.features(ctx, "/clusterLicensing")
		return err
	}) {
		return
	}
	at := c.poller.deps.Clock().UTC()
	c.poller.deps.Live.UpdateCluster(c.inv.Name, func(s *collector.ClusterState) { s.Features = sampled(w, "clusterLicensing", at, features) })
	judgeFeatures(ctx, c.faults, at, features, clusterLicenseFaults(), c.poller.cfg.LicenseAhead)
	w.publishFeatures(ctx, at, "", features)
}

// pollProfiles reads what decides who has a personal license, and the recorder and streamer addresses of 3.x.
func (c *cluster) pollProfiles(ctx context.Context, w *worker) {
	var system collector.Profiles
	if !w.ask(ctx, "profiles", func() error { return w.client.one(ctx, "/system/profiles", &system) }) {
		return
	}
	c.config.publish(ctx, w, "", "profiles", "", &system)
	grants := grants{system: system.UserProfile, tenants: make(map[string]*string), profiles: make(map[string]*bool)}
	complete := eachMember(ctx, w, "userProfiles", "userProfile", func(id string, p *collector.UserProfile) {
		has := p.HasLicense
		if has == nil {
			has = p.HasLicenceB
		}
		grants.profiles[id] = has
	})
	complete = eachMember(ctx, w, "tenants", "tenant", func(id string, t *collector.Tenant) {
		grants.tenants[id] = t.UserProfile
		c.config.publish(ctx, w, "", "tenant", id, t)
	}) && complete
	eachMember(ctx, w, "ldapSources", "ldapSource", func(id string, s *collector.LDAPSource) { c.config.publish(ctx, w, "", "ldapSource", id, s) })
	eachMember(ctx, w, "callProfiles", "callProfile", func(id string, p *collector.CallProfile) { c.config.publish(ctx, w, "", "callProfile", id, p) })
	if complete {
		c.owners.know(grants)
	} else {
		// Ownership waits for it: look again soon, not in an hour.
		c.due["profiles"] = c.poller.deps.Clock().Add(time.Minute)
	}
}

// eachMember lists a collection and reads the detail of each member. It reports whether all of it was read.
func eachMember[T any](ctx context.Context, w *worker, object, child string, visit func(id string, v *T)) bool {
	var ids []string
	if !w.ask(ctx, object, func() error {
		_, err := w.client.list(ctx, "/"+object, child, nil, func(e *element) bool {
			if id := e.attrs["id"]; id != "" {
				ids = append(ids, id)
			}
			return len(ids) < 10_000
		})
		return err
	}) {
		return false
	}
	complete := true
	for _, id := range ids {
		var v T
		if w.askOne(ctx, child, "/"+object+"/"+url.PathEscape(id), &v) {
			visit(id, &v)
		} else {
			complete = false
		}
	}
	return complete
}

// settings remembers the last published value of every field, so that only changes become rows.
type settings map[string]string

// maxSettings bounds what a cluster with very many objects can make us remember.
const maxSettings = 200_000

// publish sends the fields of an object whose column is settings.value and that changed.
func (s settings) publish(ctx context.Context, w *worker, bridge, object, id string, v any) {
	value := reflect.ValueOf(v).Elem()
	var rows []storage.Setting
	next := make(map[string]string)
	var empties collector.Empties
	if field := value.FieldByName("Empties"); field.IsValid() {
		empties = field.Interface().(collector.Empties)
	}
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if field.Tag.Get("column") != "settings.value" {
			continue
		}
		tag := field.Tag.Get("cms")
		name := tag[strings.LastIndexAny(tag, ">@")+1:]
		var sent *string
		switch p := value.Field(i).Interface().(type) {
		case *string:
			sent = p
		case *int64:
			if p != nil {
				text := strconv.FormatInt(*p, 10)
				sent = &text
			}
		case *bool:
			if p != nil {
				text := strconv.FormatBool(*p)
				sent = &text
			}
		}
		if sent == nil && empties[tag] {
			sent = new(string)
		}
		key := object + "\x00" + id + "\x00" + name
		now := "-"
		if sent != nil {
			now = "=" + *sent
		}
		before, known := s[key]
		if before == now || !known && (sent == nil || len(s) >= maxSettings) {
			continue
		}
		next[key] = now
		rows = append(rows, storage.Setting{
			CMSCluster: w.cluster.inv.Name, CallBridge: bridge, Object: object, ObjectID: id, Field: name,
			ValidFrom: w.poller.deps.Clock().UTC(), Value: sent,
		})
	}
	if len(rows) > 0 && w.poller.publish(ctx, w.log, w.bridge.Name, "settings", storage.TableSettings, rows) {
		for key, now := range next {
			s[key] = now
		}
	}
}
