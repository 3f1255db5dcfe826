package report

import (
	"crypto/rand"
	"fmt"

	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/storage"
)

// pseudonyms puts numbers in the place of names, the same number for the same name throughout one report. Ids are replaced as well, by others that are made anew for each
// report, so that two reports cannot be joined.
type pseudonyms struct {
	names map[string]string
	count map[string]int
	space uuid.UUID
}

func newPseudonyms() *pseudonyms {
	p := &pseudonyms{names: map[string]string{}, count: map[string]int{}}
	rand.Read(p.space[:]) //nolint:errcheck // never fails
	return p
}

// name is the stand-in for the name of a kind of thing; none stays none.
func (p *pseudonyms) name(kind, name string) string {
	if name == "" {
		return ""
	}
	key := kind + "\x00" + name
	if _, known := p.names[key]; !known {
		p.count[kind]++
		p.names[key] = fmt.Sprintf("%s %d", kind, p.count[kind])
	}
	return p.names[key]
}

func (p *pseudonyms) id(id *uuid.UUID) *uuid.UUID {
	if id == nil {
		return nil
	}
	other := uuid.NewSHA1(p.space, id[:])
	return &other
}

// Pseudonymize puts numbers in the place of the names of people and meetings.
func (r *License) Pseudonymize() {
	p := newPseudonyms()
	owners := make([]storage.OwnerUse, len(r.Owners))
	for i, o := range r.Owners {
		o.Owner, o.OwnerID, o.Tenant = p.name("Owner", o.Owner), p.id(o.OwnerID), p.id(o.Tenant)
		owners[i] = o
	}
	r.Owners = owners
	for i := range r.Peaks {
		r.Peaks[i].pseudonymize(p)
	}
}

func (e *Explanation) pseudonymize(p *pseudonyms) {
	for k := range e.Meetings {
		m := &e.Meetings[k]
		m.Name, m.Owner, m.OwnerID = p.name("Meeting", m.Name), p.name("Owner", m.Owner), p.id(m.OwnerID)
		m.CallCorrelator = *p.id(&m.CallCorrelator)
	}
}

// Pseudonymize puts numbers in the place of the names of people, spaces and meetings.
func (r *Usage) Pseudonymize() {
	p := newPseudonyms()
	text := func(id string) string {
		if id == "" {
			return ""
		}
		return uuid.NewSHA1(p.space, []byte(id)).String()
	}
	for i := range r.Spaces {
		s := &r.Spaces[i]
		s.ID, s.Name, s.OwnerName = text(s.ID), p.name("Space", s.Name), p.name("Owner", s.OwnerName)
	}
	for i := range r.Hosts {
		h := &r.Hosts[i]
		name := p.name("Owner", h.Name)
		h.ID, h.Name, h.OwnerName = name, name, name
	}
	for i := range r.NoShows {
		n := &r.NoShows[i]
		n.Name, n.Host, n.CallCorrelator = p.name("Space", n.Name), p.name("Owner", n.Host), *p.id(&n.CallCorrelator)
		if n.SpaceID != nil {
			n.SpaceID = new(uuid.NewSHA1(p.space, []byte(n.SpaceID.String()))) // as in Spaces
		}
	}
}

// Pseudonymize puts numbers in the place of the names of people and meetings. Networks stay: they are of sites.
func (r *Quality) Pseudonymize() {
	p := newPseudonyms()
	for i := range r.Meetings {
		m := &r.Meetings[i]
		m.Name, m.Host, m.CallCorrelator = p.name("Meeting", m.Name), p.name("Owner", m.Host), *p.id(&m.CallCorrelator)
	}
}
