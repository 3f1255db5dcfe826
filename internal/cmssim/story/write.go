package story

import "fmt"

// write draws one meeting that begins at begin.
func (s *Story) write(r Chooser, begin int64) *Meeting {
	m := &Meeting{Correlator: r.GUID()}
	home := s.cluster.Bridges[r.IntN(len(s.cluster.Bridges))]
	if r.Chance(0.8) {
		home = s.leastLoaded(begin)
	}
	switch r.Weighted(24, 6, 52, 6, 5, 6, 1) {
	case 0:
		return s.conference(r, m, home, begin, false)
	case 1:
		return s.conference(r, m, home, begin, true)
	case 2:
		s.pointToPoint(r, m, home, begin)
	case 3:
		s.gateway(r, m, home, begin)
	case 4:
		s.adHoc(r, m, home, begin)
	case 5:
		s.lostCaller(r, m, home, begin)
	default:
		s.scanner(r, m, home, begin)
	}
	return m
}

// conference draws a meeting in a space, or nil if no space is free.
func (s *Story) conference(r Chooser, m *Meeting, home *Bridge, begin int64, audio bool) *Meeting {
	space := s.freeSpace(r, begin)
	if space == nil {
		return nil
	}
	minutes := []int64{10, 15, 25, 30, 45, 55, 60, 90}[r.Weighted(10, 18, 20, 22, 12, 10, 6, 2)]
	end := begin + minutes*60 + r.Between(-120, 240)
	size := 2 + int(r.Exp(3*s.crowd))
	if r.Chance(0.005) {
		size = int(r.Between(20, 45))
	}
	m.Kind, m.CallType, m.Name, m.Space = Conference, "coSpace", space.Name, space

	bridges := []*Bridge{home}
	if n := len(s.cluster.Bridges); n > 1 && size > 2 && r.Chance(0.35) {
		other := r.IntN(n - 1)
		bridges = append(bridges, s.cluster.Bridges[(home.Index+1+other)%n])
		if n > 2 && size > 4 && r.Chance(0.3) {
			bridges = append(bridges, s.cluster.Bridges[(home.Index+1+(other+1)%(n-1))%n])
		}
	}
	hostEnds := r.Chance(0.15)
	lobby := !audio && r.Chance(0.2)
	becomesVideo := audio && r.Chance(0.15)

	for i := range size {
		bridge := home
		if i > 0 && len(bridges) > 1 && r.Chance(0.5) {
			bridge = bridges[r.IntN(len(bridges))]
		}
		start := begin
		if i > 0 {
			start += r.Exp(75)
			if r.Chance(0.12) {
				start += r.Between(0, minutes*30)
			}
		}
		leave := end - r.Exp(30)
		if i > 0 && r.Chance(0.15) {
			leave = start + r.Between(30, max(60, end-start))
		}
		if hostEnds && leave > end-60 {
			leave = end
		}
		leave = max(leave, start+25)
		var l *Leg
		switch {
		case audio && (!becomesVideo || i == 0):
			l = s.phone(r, m, bridge, start)
		case lobby && i == 0: // the host waits for nobody, and is seen: such a meeting is never audio only
			l = s.party(r, m, bridge, WebUser, start)
			l.Quality = HD
		default:
			l = s.attendee(r, m, bridge, start)
		}
		if i == 0 {
			l.User = space.Owner
			if l.Kind == WebUser && space.Owner != nil {
				l.RemoteParty, l.DisplayName = space.Owner.JID, space.Owner.Name
			}
		}
		if l.Kind == SIP && r.Chance(0.3) || l.Kind == Phone && r.Chance(0.6) {
			l.Answer = l.Start + r.Between(1, 3)
			l.Enter = l.Answer + r.Between(6, 25)
			l.LocalAddress = "join@" + s.cluster.Domain
		}
		l.Activate = l.Enter
		if lobby && i > 0 && r.Chance(0.4) {
			l.Activate = l.Enter + r.Between(3, 90)
		}
		leave = max(leave, l.Activate+5)
		s.finish(r, l, leave)
		if hostEnds && leave == end {
			l.Reason, l.RemoteTeardown, l.QuietExit = "callEnded", false, false
		}
		m.Legs = append(m.Legs, l)

		switch life := l.End - l.Enter; {
		case i > 0 && life > 300 && r.Chance(0.05):
			m.Legs = append(m.Legs, s.rejoin(r, l))
		case i > 0 && life > 300 && l.Kind == SIP && len(bridges) > 1 && r.Chance(0.08):
			m.Legs = append(m.Legs, s.move(r, l, bridges))
		}
	}
	last := m.Legs[0].End
	for _, l := range m.Legs {
		last = max(last, l.End)
	}
	if last > m.Legs[0].End {
		m.Legs[0].End = last // the first to come stays: the meeting never has a gap
	}
	s.busy[space] = last

	if !audio && r.Chance(0.12) {
		m.Legs = append(m.Legs, s.capture(r, m, home, Recorder, begin, last))
	}
	if !audio && r.Chance(0.03) {
		m.Legs = append(m.Legs, s.capture(r, m, home, Streamer, begin, last))
	}
	return m
}

func (s *Story) freeSpace(r Chooser, at int64) *Space {
	n := len(s.cluster.Spaces)
	first := r.IntN(n)
	for i := range min(n, 16) {
		space := s.cluster.Spaces[(first+i)%n]
		if end, busy := s.busy[space]; !busy || end+30 < at {
			return space
		}
	}
	return nil
}

// pointToPoint draws a direct call of two, answered or not.
func (s *Story) pointToPoint(r Chooser, m *Meeting, home *Bridge, begin int64) {
	m.Kind, m.CallType = PointToPoint, "forwarding"
	kinds := [][2]LegKind{{WebUser, SIP}, {SIP, WebUser}, {WebUser, WebUser}, {SIP, SIP}}[r.Weighted(30, 15, 30, 25)]
	audio := r.Chance(0.15)
	other := home
	if n := len(s.cluster.Bridges); n > 1 && r.Chance(0.08) {
		other = s.cluster.Bridges[(home.Index+1+r.IntN(n-1))%n]
	}
	caller, callee := s.party(r, m, home, kinds[0], begin), s.party(r, m, other, kinds[1], begin+1)
	m.Name = callee.DisplayName
	callee.Outgoing = true
	callee.LocalAddress = ""
	if audio {
		caller.Quality, callee.Quality = AudioOnly, AudioOnly
	}
	s.pair(r, m, caller, callee, 15+r.Exp(110))
}

// gateway draws a Lync user and a room or web app user connected by the bridge.
func (s *Story) gateway(r Chooser, m *Meeting, home *Bridge, begin int64) {
	m.Kind, m.CallType = Gateway, "forwarding"
	caller := s.party(r, m, home, []LegKind{SIP, WebUser}[r.Weighted(70, 30)], begin)
	callee := s.party(r, m, home, Lync, begin+1)
	m.Name = callee.DisplayName
	callee.Outgoing = true
	s.pair(r, m, caller, callee, 30+r.Exp(300))
	if callee.Enter == Never {
		return
	}
	if life := callee.End - callee.Enter; life > 60 && r.Chance(0.3) {
		share := s.party(r, m, home, LyncSharing, callee.Enter+r.Between(10, life/2))
		share.Group, share.RemoteParty, share.DisplayName = callee.Group, callee.RemoteParty, callee.DisplayName
		share.Enter = share.Start
		share.Early, share.Activate = true, share.Start
		s.finish(r, share, min(callee.End, share.Start+r.Between(10, life)))
		m.Legs = append(m.Legs, share)
	}
	if life := callee.End - callee.Enter; life > 180 && r.Chance(0.05) {
		m.Legs = append(m.Legs, s.capture(r, m, home, Recorder, callee.Enter, callee.End))
	}
}

// pair joins caller and callee: most calls are answered, the rest ring out, are busy or declined.
func (s *Story) pair(r Chooser, m *Meeting, caller, callee *Leg, talk int64) {
	m.Legs = append(m.Legs, caller, callee)
	caller.Activate = caller.Enter
	callee.Early = callee.Bridge == caller.Bridge && caller.Enter <= callee.Start
	ring := r.Between(2, 18)
	if r.Chance(0.82) {
		callee.Enter = callee.Start + ring
		callee.Activate = callee.Enter
		end := callee.Enter + talk
		s.finish(r, caller, end)
		s.finish(r, callee, end)
		// One hangs up; the bridge then drops the other.
		first, second := caller, callee
		if r.Chance(0.5) {
			first, second = callee, caller
		}
		first.Reason, first.RemoteTeardown = "remoteTeardown", true
		second.Reason, second.RemoteTeardown, second.QuietExit = "callEnded", false, false
		return
	}
	callee.Enter, callee.Activate = Never, Never
	switch r.Weighted(5, 3, 2) {
	case 0:
		callee.End, callee.Reason = callee.Start+30, "ringingTimeout"
	case 1:
		callee.End, callee.Reason, callee.RemoteTeardown = callee.Start+1, "remoteBusy", true
	default:
		callee.End, callee.Reason, callee.RemoteTeardown = callee.Start+ring, "remoteRejected", true
	}
	s.finish(r, caller, max(callee.End, caller.Enter)+1)
	caller.Reason, caller.RemoteTeardown, caller.QuietExit = "localTeardown", false, false
}

// adHoc draws a multi-party call that a call control escalated.
func (s *Story) adHoc(r Chooser, m *Meeting, home *Bridge, begin int64) {
	m.Kind, m.CallType = AdHoc, "adHoc"
	m.Name = fmt.Sprintf("Conference %d", r.Between(1000, 9999))
	end := begin + 120 + r.Exp(600)
	audio := r.Chance(0.4)
	for i := range 3 + int(r.Exp(1)) {
		start := begin
		if i > 0 {
			start += r.Between(0, 40)
		}
		kind := SIP
		if audio || r.Chance(0.3) {
			kind = Phone
		}
		l := s.party(r, m, home, kind, start)
		l.LocalAddress = fmt.Sprintf("adhoc%s@%s", m.Name[len(m.Name)-4:], s.cluster.Domain)
		l.Activate = l.Enter
		s.finish(r, l, max(end-r.Exp(20), l.Enter+10))
		m.Legs = append(m.Legs, l)
	}
	last := int64(0)
	for i, l := range m.Legs {
		if i == 0 || l.End > last {
			last = l.End
		}
	}
	m.Legs[0].End = last
}

// lostCaller draws a leg that never gets past the IVR, or not that far.
func (s *Story) lostCaller(r Chooser, m *Meeting, home *Bridge, begin int64) {
	m.Kind = Stray
	l := s.party(r, m, home, []LegKind{SIP, Phone}[r.IntN(2)], begin)
	l.LocalAddress = "join@" + s.cluster.Domain
	l.Enter, l.Activate = Never, Never
	l.Answer = begin + r.Between(1, 3)
	reason := []string{"ivrTimeout", "ivrUnknownCall", "incorrectPasscode", "remoteTeardown", "dnsFailure", "encryptionRequired", "participantLimitReached"}[r.Weighted(25, 25, 15, 25, 3, 4, 3)]
	wait := r.Between(8, 40)
	switch reason {
	case "ivrTimeout":
		wait = 60
	case "dnsFailure", "encryptionRequired":
		l.Answer, wait = Never, 2
	}
	l.End, l.Reason, l.RemoteTeardown = begin+wait, reason, reason == "remoteTeardown"
	l.PresentFrom = Never
	m.Legs = []*Leg{l}
}

// scanner draws a burst of SIP probes.
func (s *Story) scanner(r Chooser, m *Meeting, home *Bridge, begin int64) {
	m.Kind = Stray
	from := fmt.Sprintf("198.51.100.%d", r.Between(1, 254))
	start := begin
	for range r.Between(5, 40) {
		l := s.party(r, m, home, Phone, start)
		l.RemoteParty = fmt.Sprintf("%d@%s", r.Between(100, 9999), from)
		l.DisplayName = ""
		l.LocalAddress = fmt.Sprintf("00%d@%s", r.Between(4400000000, 4499999999), home.SIPHost)
		l.SIPCallID = fmt.Sprintf("%d@%s", r.Uint32(), from)
		l.Enter, l.Activate, l.PresentFrom = Never, Never, Never
		l.End, l.Reason = start+r.Between(0, 1), "unknownDestination"
		m.Legs = append(m.Legs, l)
		start += r.Between(0, 2)
	}
}

// attendee draws somebody who comes to a video conference.
func (s *Story) attendee(r Chooser, m *Meeting, b *Bridge, start int64) *Leg {
	return s.party(r, m, b, []LegKind{WebUser, WebGuest, SIP, Phone}[r.Weighted(48, 14, 30, 8)], start)
}

// phone draws somebody who comes without a camera: a telephone, mostly.
func (s *Story) phone(r Chooser, m *Meeting, b *Bridge, start int64) *Leg {
	l := s.party(r, m, b, []LegKind{Phone, WebUser}[r.Weighted(80, 20)], start)
	l.Quality = AudioOnly
	return l
}

// party draws a leg of a kind that starts at start. Its Enter is set as for a caller who goes straight in.
func (s *Story) party(r Chooser, m *Meeting, b *Bridge, kind LegKind, start int64) *Leg {
	l := &Leg{ID: r.GUID(), Kind: kind, Bridge: b, Meeting: m, Start: start, Answer: Never, PresentFrom: Never}
	if m.Space != nil {
		l.LocalAddress = m.Space.URI + "@" + s.cluster.Domain
	}
	switch kind {
	case WebUser:
		l.User = pick(r, s.cluster.Users)
		l.RemoteParty, l.DisplayName = l.User.JID, l.User.Name
		l.Quality = []Quality{SD, HD, FullHD, AudioOnly}[r.Weighted(38, 55, 2, 5)]
	case WebGuest:
		l.DisplayName = pick(r, firstNames) + " (guest)"
		l.RemoteParty = fmt.Sprintf("guest%d@%s", r.Between(100000000, 999999999), s.cluster.Domain)
		l.Quality = []Quality{SD, HD, AudioOnly}[r.Weighted(50, 40, 10)]
	case SIP:
		room := r.Between(1, 400)
		l.RemoteParty = fmt.Sprintf("room-%03d@sip.example.org", room)
		l.DisplayName = fmt.Sprintf("%s (%d)", pick(r, roomNames), room)
		l.Quality = []Quality{HD, FullHD, SD}[r.Weighted(65, 15, 20)]
		l.Screens = 1 + r.Weighted(85, 12, 3)
		if m.Kind == PointToPoint || m.Kind == Gateway {
			l.LocalAddress = pick(r, s.cluster.Users).JID
		}
	case Phone:
		number := r.Between(4930000000, 4939999999)
		l.RemoteParty = fmt.Sprintf("+%d@gw.example.org;user=phone", number)
		if r.Chance(0.5) {
			l.DisplayName = fmt.Sprintf("+%d", number)
		}
	case Lync, LyncSharing:
		l.DisplayName = pick(r, firstNames) + " " + pick(r, lastNames)
		l.RemoteParty = asciiLogin(l.DisplayName) + "@lync.example.com"
		l.Quality = HD
	}
	if kind.App() {
		l.Group, l.Early, l.Enter = l.ID, true, start
		l.LocalAddress = ""
	} else {
		l.Group = r.GUID()
		l.SIPCallID = sipCallID(r, b)
		l.Enter = start + r.Between(0, 3)
		l.Unencrypted = kind == Phone || r.Chance(0.1)
	}
	l.ViewerPermille, l.ContributePermille = int(r.Between(940, 1000)), int(r.Between(880, 1000))
	return l
}

func sipCallID(r Chooser, b *Bridge) string {
	return fmt.Sprintf("%016x@%s", r.Uint64(), b.SIPHost)
}

// finish ends a leg, with what its media went through.
func (s *Story) finish(r Chooser, l *Leg, end int64) {
	l.End = end
	l.QuietExit = l.Kind.App() && r.Chance(0.66)
	switch r.Weighted(86, 6, 3, 2, 2, 1) {
	case 0:
		l.Reason, l.RemoteTeardown = "remoteTeardown", true
	case 1:
		l.Reason = "localTeardown"
		if l.Kind.App() {
			l.Reason = "clientInitiatedTeardown"
		}
	case 2:
		l.Reason = "apiInitiatedTeardown"
	case 3:
		l.Reason = "timeout"
	case 4:
		l.Reason = "callDeactivated"
	default:
		l.Reason, l.RemoteTeardown = "error", true
	}
	life := end - l.Activate
	if l.Activate == Never || life < 20 {
		return
	}
	if l.Quality != AudioOnly && r.Chance(0.18) {
		l.PresentFrom = l.Activate + r.Between(0, life/2)
		l.PresentTo = l.PresentFrom + r.Between(10, max(11, life/2))
		l.PresentTo = min(l.PresentTo, end)
	}
	if r.Chance(0.07) {
		for _, kind := range []string{"packetLoss", "excessiveJitter", "highRoundTripTime"} {
			if !r.Chance(0.5) {
				continue
			}
			from := l.Activate + r.Between(0, life-1)
			l.Alarms = append(l.Alarms, Alarm{kind, from, min(end, from+r.Exp(float64(life)/10))})
		}
	}
}

// rejoin cuts a leg off half-way and lets the same party come back on a new leg, which it returns.
func (s *Story) rejoin(r Chooser, l *Leg) *Leg {
	back := *l
	back.ID = r.GUID()
	if back.Kind.App() {
		back.Group = back.ID
	} else {
		back.Group = r.GUID()
		back.SIPCallID = sipCallID(r, l.Bridge)
	}
	cut := l.Activate + r.Between(60, l.End-l.Activate-60)
	back.Start = cut + r.Between(4, 40)
	back.Answer = Never
	back.Enter, back.Activate = back.Start, back.Start
	if !back.Kind.App() {
		back.Enter++
		back.Activate++
	}
	back.End = max(back.End, back.Activate+10)
	l.Alarms, back.Alarms = []Alarm{{"packetLoss", cut - 20, cut}}, nil
	l.PresentFrom, back.PresentFrom = Never, Never
	l.End, l.Reason, l.RemoteTeardown, l.QuietExit = cut, "timeout", false, false
	return &back
}

// move hands a leg over to another bridge of the meeting half-way, and returns the leg that goes on there.
func (s *Story) move(r Chooser, l *Leg, bridges []*Bridge) *Leg {
	moved := *l
	moved.ID = r.GUID()
	moved.Bridge = bridges[r.IntN(len(bridges))]
	if moved.Bridge == l.Bridge {
		moved.Bridge = bridges[(r.IntN(len(bridges)-1)+1+indexOf(bridges, l.Bridge))%len(bridges)]
	}
	moved.Group = r.GUID()
	moved.SIPCallID, moved.Replaces = sipCallID(r, moved.Bridge), l.SIPCallID
	moved.MovedFrom = l
	at := l.Activate + r.Between(60, l.End-l.Activate-60)
	moved.Start, moved.Answer, moved.Enter, moved.Activate = at, Never, at, at
	moved.Early = true
	l.Alarms, l.PresentFrom, moved.PresentFrom = nil, Never, Never
	moved.Alarms = nil
	l.End, l.Reason, l.RemoteTeardown = at, "callMoved", false
	return &moved
}

func indexOf(bridges []*Bridge, b *Bridge) int {
	for i := range bridges {
		if bridges[i] == b {
			return i
		}
	}
	return 0
}

// capture draws the leg to a recorder or streamer somewhere between from and to.
func (s *Story) capture(r Chooser, m *Meeting, home *Bridge, kind LegKind, from, to int64) *Leg {
	start := from + r.Between(15, max(16, (to-from)/4))
	end := to
	if r.Chance(0.5) {
		end = start + r.Between(30, max(31, to-start))
	}
	return &Leg{
		ID: r.GUID(), Group: r.GUID(), Recording: r.GUID(), Kind: kind, Bridge: home, Meeting: m,
		Outgoing: true, Early: true,
		Start: start, Answer: Never, Enter: start, Activate: start, End: min(end, to),
		Reason: "localTeardown", Quality: HD, PresentFrom: Never,
	}
}
