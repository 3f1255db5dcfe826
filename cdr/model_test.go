package cdr

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// This file is the facts once more, slow and obvious, from the reference page and the words of docs/design.md: it works on what bridges told, asks every
// question of the whole set of records, and shares no code with decoder, ledger or facts. A row is a map from column to text.

const none = "-"

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return none
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case *time.Time:
		if v == nil {
			return none
		}
		return show(*v)
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Pointer && r.IsNil():
		return none
	case r.Kind() == reflect.Pointer:
		return show(r.Elem().Interface())
	case r.Kind() == reflect.Slice:
		var parts []string
		for i := range r.Len() {
			parts = append(parts, show(r.Index(i).Interface()))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case r.Kind() == reflect.Struct:
		var parts []string
		for i := range r.NumField() {
			parts = append(parts, show(r.Field(i).Interface()))
		}
		return strings.Join(parts, "/")
	}
	return fmt.Sprint(v)
}

// model answers questions about a set of told records.
type model struct {
	all      []told
	settings Settings
	asOf     time.Time
}

func newModel(records []told, settings Settings, asOf time.Time) *model {
	m := &model{settings: settings, asOf: asOf}
	seen := map[string]bool{}
	for _, r := range records {
		if key := fmt.Sprint(r.session, r.index); !seen[key] {
			seen[key] = true
			m.all = append(m.all, r)
		}
	}
	slices.SortFunc(m.all, func(a, b told) int {
		return cmp.Or(strings.Compare(a.session.String(), b.session.String()), cmp.Compare(a.index, b.index))
	})
	return m
}

// about are the records of an object, in the order in which the bridge made them.
func (m *model) about(session uuid.UUID, element string, id uuid.UUID) []told {
	var list []told
	for _, r := range m.all {
		if r.session == session && r.element == element && r.id == id {
			list = append(list, r)
		}
	}
	return list
}

// lastText is the last value that records carry for one of the names of a field.
func lastText(records []told, names ...string) string {
	value := ""
	for _, r := range records {
		for _, name := range names {
			if r.fields[name] != "" {
				value = r.fields[name]
			}
		}
	}
	return value
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

func orZero(text string) string {
	if text == "" {
		return uuid.Nil.String()
	}
	return text
}

func firstTime(records []told, which func(told) bool) *time.Time {
	var first *time.Time
	for _, r := range records {
		if which(r) && (first == nil || r.at.Before(*first)) {
			first = &r.at
		}
	}
	return first
}

func lastTime(records []told) (last time.Time) {
	for _, r := range records {
		if r.at.After(last) {
			last = r.at
		}
	}
	return last
}

func ofKind(kind string) func(told) bool { return func(r told) bool { return r.kind == kind } }
func any1(told) bool                     { return true }

// endRecord is the last record of a kind, nil without one.
func endRecord(records []told, kind string) *told {
	var end *told
	for _, r := range records {
		if r.kind == kind {
			end = &r
		}
	}
	return end
}

func (m *model) ofSession(session uuid.UUID) []told {
	var list []told
	for _, r := range m.all {
		if r.session == session {
			list = append(list, r)
		}
	}
	return list
}

func (m *model) sessions() []uuid.UUID {
	var list []uuid.UUID
	for _, r := range m.all {
		if !slices.Contains(list, r.session) {
			list = append(list, r.session)
		}
	}
	return list
}

// whose is the lowest GUID and the lowest token that brought records of a session.
func (m *model) whose(session uuid.UUID) (guid uuid.UUID, cluster, source string) {
	for _, r := range m.ofSession(session) {
		if r.bridge != uuid.Nil && (guid == uuid.Nil || r.bridge.String() < guid.String()) {
			guid = r.bridge
		}
		if source == "" || r.cluster < cluster || r.cluster == cluster && r.source < source {
			cluster, source = r.cluster, r.source
		}
	}
	return guid, cluster, source
}

// sameBridge: two sessions are of one bridge if their GUIDs say so; where one has none, as outside a cluster, if one token brought them.
func (m *model) sameBridge(a, b uuid.UUID) bool {
	guid, cluster, source := m.whose(a)
	guidB, clusterB, sourceB := m.whose(b)
	if guid != uuid.Nil && guidB != uuid.Nil {
		return guid == guidB
	}
	return cluster == clusterB && source == sourceB
}

// superseded: a session of the same bridge began later.
func (m *model) superseded(session uuid.UUID) bool {
	began := *firstTime(m.ofSession(session), any1)
	for _, other := range m.sessions() {
		if other == session || !m.sameBridge(other, session) {
			continue
		}
		if at := *firstTime(m.ofSession(other), any1); at.After(began) || at.Equal(began) && other.String() > session.String() {
			return true
		}
	}
	return false
}

// place puts the columns that say on which bridge it was.
func (m *model) place(row map[string]string, session uuid.UUID) {
	guid, cluster, bridge := m.whose(session)
	if b, known := m.settings.Bridges[guid]; known {
		cluster, bridge = b.Cluster, b.Name
	}
	row["session"], row["cms_cluster"], row["call_bridge"], row["call_bridge_id"] = session.String(), cluster, bridge, guid.String()
}

// close puts the columns of the end: by its own record, else by what it hung on, else by the bridge's restart, else by silence.
func (m *model) close(row map[string]string, session uuid.UUID, start time.Time, own *told, byOther *told, how string, heard time.Time) (end *time.Time) {
	at := func(t time.Time) *time.Time {
		if t.Before(start) {
			t = start
		}
		return &t
	}
	row["end_inferred"] = "true"
	switch {
	case own != nil:
		end, row["end_how"], row["end_inferred"] = &own.at, "record", "false"
	case byOther != nil:
		end, row["end_how"] = at(byOther.at), how
	case m.superseded(session):
		end, row["end_how"] = at(lastTime(m.ofSession(session))), "new_session"
	case m.settings.OrphanTimeout > 0 && m.asOf.Sub(heard) > m.settings.OrphanTimeout:
		end, row["end_how"] = at(heard), "orphan_timeout"
	default:
		row["end_how"], row["end_inferred"] = "", "false"
	}
	row["start"], row["end"] = show(start), show(end)
	return end
}

func elapsed(start time.Time, end *time.Time) string {
	if end == nil {
		return none
	}
	if n := int64(end.Sub(start).Seconds() + 0.5); n > 0 {
		return strconv.FormatInt(n, 10)
	}
	return "0"
}

func beforeEnd(end *told, seconds string) time.Time {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		panic(err)
	}
	return end.at.Add(-time.Duration(n) * time.Second)
}

// naming are the objects of an element whose records name the call.
func (m *model) naming(session, call uuid.UUID, element string) []uuid.UUID {
	var list []uuid.UUID
	for _, r := range m.ofSession(session) {
		if r.element == element && r.fields["call"] == call.String() && !slices.Contains(list, r.id) {
			list = append(list, r.id)
		}
	}
	return list
}

func (m *model) call(session, id uuid.UUID) map[string]string {
	own := m.about(session, "call", id)
	legs, recordings, streams := m.naming(session, id, "callLeg"), m.naming(session, id, "recording"), m.naming(session, id, "streaming")
	if len(own)+len(legs)+len(recordings)+len(streams) == 0 {
		return nil
	}
	row := map[string]string{"id": id.String(), "recorded": show(len(recordings) > 0), "streamed": show(len(streams) > 0),
		"call_correlator": orZero(lastText(own, "callCorrelator")), "name": lastText(own, "name"), "call_type": lastText(own, "callType"),
		"space_id": orZero(lastText(own, "coSpace")), "owner_name": lastText(own, "ownerName"), "tenant_id": orZero(lastText(own, "tenant")),
		"cdr_tag": lastText(own, "cdrTag"), "legs_completed": orNone(lastText(own, "callLegsCompleted")), "legs_max_active": orNone(lastText(own, "callLegsMaxActive")),
		"endpoint_recorded": lastText(own, "endpointRecorded")}
	m.place(row, session)
	first, heard := firstTime(own, any1), lastTime(own)
	for element, ids := range map[string][]uuid.UUID{"callLeg": legs, "recording": recordings, "streaming": streams} {
		for _, member := range ids {
			records := m.about(session, element, member)
			if at := firstTime(records, func(r told) bool { return r.fields["call"] == id.String() }); first == nil || at.Before(*first) {
				first = at
			}
			if last := lastTime(records); last.After(heard) {
				heard = last
			}
			for _, r := range records {
				if element == "callLeg" && r.fields["recording"] == "true" {
					row["recorded"] = "true"
				}
				if element == "callLeg" && r.fields["streaming"] == "true" {
					row["streamed"] = "true"
				}
			}
		}
	}
	end, duration := endRecord(own, "callEnd"), lastText(own, "durationSeconds")
	start := firstTime(own, ofKind("callStart"))
	row["start_inferred"] = show(start == nil)
	if start == nil {
		start = first
		if end != nil && duration != "" {
			if at := beforeEnd(end, duration); at.Before(*start) {
				start = &at
			}
		}
	}
	ended := m.close(row, session, *start, end, nil, "", heard)
	row["duration_seconds"] = orNone(duration)
	if duration == "" || ended == nil {
		row["duration_seconds"] = elapsed(*start, ended)
	}
	return row
}

func (m *model) leg(session, id uuid.UUID) map[string]string {
	own := m.about(session, "callLeg", id)
	row := map[string]string{"id": id.String()}
	for column, name := range map[string]string{"remote_party": "remoteParty", "local_address": "localAddress", "type": "type", "sub_type": "subType",
		"lync_sub_type": "lyncSubType", "direction": "direction", "cdr_tag": "cdrTag", "owner_id": "ownerId", "sip_call_id": "sipCallId",
		"replaces_sip_call_id": "replacesSipCallId", "confirmation_status": "confirmationStatus", "remote_address": "remoteAddress"} {
		row[column] = lastText(own, name)
	}
	for column, name := range map[string]string{"moved_call_leg": "movedCallLeg", "moved_call_leg_call_bridge": "movedCallLegCallBridge"} {
		row[column] = orZero(lastText(own, name))
	}
	for column, name := range map[string]string{"guest": "guestConnection", "can_move": "canMove"} {
		row[column] = orNone(lastText(own, name))
	}
	if row["remote_address"] == row["remote_party"] {
		row["remote_address"] = ""
	}
	row["group_id"] = orZero(lastText(own, "groupId", "groupID"))
	if row["group_id"] == id.String() {
		row["group_id"] = uuid.Nil.String()
	}
	named := lastText(own, "displayName")
	for _, r := range own {
		if name := r.fields["displayName"]; name != "" && name != "Unknown Party" {
			row["display_name"] = name
		}
	}
	row["display_name"] += ""
	row["display_name_raw"] = ""
	if named != row["display_name"] {
		row["display_name_raw"] = named
	}
	var calls []string
	for _, flag := range []string{"ivr", "lobby", "recording", "streaming"} {
		row[flag] = "false"
	}
	for _, r := range own {
		if _, in := r.fields["ivr"]; in {
			row["ivr"] = "true"
		}
		if r.fields["deactivated"] == "true" {
			row["lobby"] = "true"
		}
		for _, flag := range []string{"recording", "streaming"} {
			if r.fields[flag] == "true" {
				row[flag] = "true"
			}
		}
		if call := r.fields["call"]; call != "" && !slices.Contains(calls, call) {
			calls = append(calls, call)
		}
	}
	row["call_id"], row["calls"] = orZero(lastText(own, "call")), "[]"
	if len(calls) > 1 {
		row["calls"] = show(calls)
	}
	row["connected"] = show(firstTime(own, func(r told) bool { return r.fields["state"] == "connected" }))
	row["joined"] = show(firstTime(own, func(r told) bool { return r.fields["call"] != "" && r.fields["call"] == row["call_id"] }))
	row["activated"] = show(firstTime(own, func(r told) bool {
		return r.kind == "callLegUpdate" && r.fields["state"] == "connected" && r.fields["call"] != "" && r.fields["deactivated"] == "false"
	}))
	end := endRecord(own, "callLegEnd")
	said := func(name string) string {
		if end == nil {
			return ""
		}
		return end.fields[name]
	}
	row["end_reason"], row["remote_teardown"] = said("reason"), orNone(said("remoteTeardown"))
	row["activated_seconds"], row["max_screens"] = orNone(said("activatedDuration")), orNone(said("maxScreens"))
	row["encrypted_media"], row["unencrypted_media"] = orNone(said("encryptedMedia")), orNone(said("unencryptedMedia"))
	for _, share := range []string{"mainVideoViewer", "mainVideoContributor", "presentationViewer", "presentationContributor", "multistreamVideo"} {
		row[snake(share)+"_percent"] = number(said("mediaUsagePercentages/" + share))
	}
	for _, medium := range []string{"rxAudio", "txAudio", "rxVideo", "txVideo"} {
		row[snake(medium)+"_codec"] = said(medium + "/codec")
	}
	for _, medium := range []string{"rxVideo", "txVideo"} {
		row[snake(medium)+"_width"], row[snake(medium)+"_height"] = orNone(said(medium+"/maxSizeWidth")), orNone(said(medium+"/maxSizeHeight"))
	}
	for _, medium := range []string{"rx_audio", "rx_video"} {
		for _, figure := range []string{"burst_seconds", "burst_density", "gap_seconds", "gap_density"} {
			row[medium+"_"+figure] = none // not drawn
		}
	}
	var alarms []string
	if text := said("alarm"); text != "" {
		for alarm := range strings.SplitSeq(text, ",") {
			kind, percent, _ := strings.Cut(alarm, "=")
			alarms = append(alarms, kind+"/"+number(percent))
		}
	}
	row["alarms"] = "[" + strings.Join(alarms, " ") + "]"
	duration := said("durationSeconds")
	start := firstTime(own, ofKind("callLegStart"))
	row["start_inferred"] = show(start == nil)
	if start == nil {
		start = firstTime(own, any1)
		if duration != "" {
			if at := beforeEnd(end, duration); at.Before(*start) {
				start = &at
			}
		}
	}
	var callEnd *told
	if last := lastText(own, "call"); last != "" {
		callEnd = endRecord(m.about(session, "call", uuid.MustParse(last)), "callEnd")
	}
	ended := m.close(row, session, *start, end, callEnd, "call_end", lastTime(own))
	if row["duration_seconds"] = duration; duration == "" {
		row["duration_seconds"] = elapsed(*start, ended)
	}
	seconds, _ := strconv.Atoi(row["duration_seconds"])
	scanner := row["end_how"] == "record" && len(calls) == 0 && row["ivr"] == "false" && row["type"] != "acano" && row["direction"] != "outgoing" &&
		slices.Contains([]string{"unknownDestination", "ringingTimeout", "error", "timeout", "localTeardown", "remoteTeardown", "ivrUnknownCall"}, row["end_reason"]) && seconds <= 10
	row["scanner"] = show(scanner)
	link := slices.Contains([]string{"distributionlink", "lyncdistribution"}, strings.ToLower(row["sub_type"]))
	sharing := row["lync_sub_type"] != "" && row["lync_sub_type"] != "audioVideo"
	row["counts_as_person"] = show(!scanner && !link && !sharing && row["recording"] == "false" && row["streaming"] == "false")
	m.place(row, session)
	return row
}

// number is a figure as the store's 32-bit float shows it.
func number(text string) string {
	if text == "" {
		return none
	}
	f, err := strconv.ParseFloat(text, 32)
	if err != nil {
		panic(err)
	}
	return fmt.Sprint(float32(f))
}

// snake writes aWord as a_word.
func snake(name string) string {
	var out strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			out.WriteByte('_')
			c += 'a' - 'A'
		}
		out.WriteRune(c)
	}
	return out.String()
}

// fed is the row of a recording or a stream.
func (m *model) fed(session, id uuid.UUID, element string) map[string]string {
	own := m.about(session, element, id)
	row := map[string]string{"id": id.String(), "call_id": orZero(lastText(own, "call")), "call_leg_id": orZero(lastText(own, "callLeg"))}
	if element == "recording" {
		row["path"], row["recorder_url"], row["recorder_uri"] = lastText(own, "path"), "", lastText(own, "recorderUri")
	} else {
		row["streamer_url"], row["streamer_uri"] = "", lastText(own, "streamerUri")
		switch lastText(own, "streamUrl") {
		case "":
			row["stream_url"] = ""
		case "no url":
			row["stream_url"] = "(masked)"
		default:
			row["stream_url"] = "rtmp://stream.example.net/(masked)"
		}
	}
	start := firstTime(own, ofKind(element+"Start"))
	row["start_inferred"] = show(start == nil)
	if start == nil {
		start = firstTime(own, any1)
	}
	by, how := (*told)(nil), ""
	if leg := lastText(own, "callLeg"); leg != "" {
		if by = endRecord(m.about(session, "callLeg", uuid.MustParse(leg)), "callLegEnd"); by != nil {
			how = "leg_end"
		}
	}
	if call := lastText(own, "call"); by == nil && call != "" {
		by, how = endRecord(m.about(session, "call", uuid.MustParse(call)), "callEnd"), "call_end"
	}
	end := m.close(row, session, *start, endRecord(own, element+"End"), by, how, lastTime(own))
	row["duration_seconds"] = elapsed(*start, end)
	m.place(row, session)
	return row
}

func (m *model) session(id uuid.UUID) map[string]string {
	own := m.ofSession(id)
	row := map[string]string{"first_index": show(own[0].index), "last_index": show(own[len(own)-1].index), "records": show(len(own)), "first_missing": show(own[0].missing), "first_index_time": show(own[0].at), "last_index_time": show(own[len(own)-1].at),
		"first_time": show(firstTime(own, any1)), "last_time": show(lastTime(own)), "superseded": show(m.superseded(id))}
	m.place(row, id)
	_, row["source_cluster"], row["source"] = m.whose(id)
	var gaps []string
	var missing, reported int64
	for i := 1; i < len(own); i++ {
		if lost := own[i].index - own[i-1].index - 1; lost > 0 {
			admitted := min(lost, own[i].missing)
			gaps = append(gaps, strings.Join([]string{show(own[i-1].index), show(lost), show(admitted), show(own[i-1].at), show(own[i].at)}, "/"))
			missing, reported = missing+lost, reported+admitted
		}
	}
	row["gaps"], row["missing"], row["reported_missing"] = "["+strings.Join(gaps, " ")+"]", show(missing), show(reported)
	return row
}

// facts are all rows, by kind and identity.
func (m *model) facts() map[string]map[string]string {
	rows := map[string]map[string]string{}
	put := func(kind string, session, id uuid.UUID, row map[string]string) {
		if row != nil {
			rows[kind+" "+session.String()+" "+id.String()] = row
		}
	}
	for _, r := range m.all {
		put("session", r.session, uuid.Nil, m.session(r.session))
		switch r.element {
		case "call":
			put("call", r.session, r.id, m.call(r.session, r.id))
		case "callLeg":
			put("leg", r.session, r.id, m.leg(r.session, r.id))
		default:
			put(r.element, r.session, r.id, m.fed(r.session, r.id, r.element))
		}
		if call := r.fields["call"]; call != "" {
			put("call", r.session, uuid.MustParse(call), m.call(r.session, uuid.MustParse(call)))
		}
	}
	return rows
}

// shown are rows of the ledger in the model's words; what tells how a row came about is left out.
func shown(f Facts) map[string]map[string]string {
	rows := map[string]map[string]string{}
	add := func(kind string, session, id uuid.UUID, v any) {
		row := map[string]string{}
		r := reflect.ValueOf(v)
		for i := range r.NumField() {
			if column := r.Type().Field(i).Tag.Get("ch"); !slices.Contains([]string{"version", "is_deleted", "duplicates"}, column) {
				row[column] = show(r.Field(i).Interface())
			}
		}
		rows[kind+" "+session.String()+" "+id.String()] = row
	}
	for _, v := range f.Calls {
		add("call", v.Session, v.ID, v)
	}
	for _, v := range f.Legs {
		add("leg", v.Session, v.ID, v)
	}
	for _, v := range f.Recordings {
		add("recording", v.Session, v.ID, v)
	}
	for _, v := range f.Streams {
		add("streaming", v.Session, v.ID, v)
	}
	for _, v := range f.Sessions {
		add("session", v.ID, uuid.Nil, v)
	}
	return rows
}

func differing(want, got map[string]map[string]string) []string {
	var list []string
	for key, row := range want {
		if got[key] == nil {
			list = append(list, key+" is not there")
			continue
		}
		for _, column := range slices.Sorted(maps.Keys(row)) {
			if got[key][column] != row[column] {
				list = append(list, fmt.Sprintf("%s: %s is %q, the model says %q", key, column, got[key][column], row[column]))
			}
		}
		for column := range got[key] {
			if _, known := row[column]; !known {
				list = append(list, key+": the model does not know "+column)
			}
		}
	}
	for key := range got {
		if want[key] == nil {
			list = append(list, key+" should not be there")
		}
	}
	slices.Sort(list)
	return list
}

func storySettings() Settings {
	s := DefaultSettings()
	s.Bridges = map[uuid.UUID]Bridge{testID("bridge", 1): {Name: "cb2", Cluster: "emea"}}
	return s
}

// TestModel holds the facts of generated meetings, read from the XML that bridges would send, against the model, in any order and cut into any bodies.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		records := drawTold(rt)
		if len(records) == 0 {
			return
		}
		settings := storySettings()
		asOf := storyStart.Add(time.Duration(rapid.IntRange(0, 60).Draw(rt, "hours later")) * time.Hour)
		order := rapid.Permutation(decoded(t, records)).Draw(rt, "order")
		order = append(order, order[:rapid.IntRange(0, len(order)).Draw(rt, "come twice")]...)
		if diff := differing(newModel(records, settings, asOf).facts(), shown(Build(order, settings, asOf))); len(diff) > 0 {
			rt.Fatalf("%s", strings.Join(diff, "\n"))
		}
	})
}
