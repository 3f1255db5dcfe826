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

// Pseudonymize puts numbers in the place of the names of people and meetings.
func (e *Explanation) Pseudonymize() { e.pseudonymize(newPseudonyms()) }

func (e *Explanation) pseudonymize(p *pseudonyms) {
	for k := range e.Meetings {
		m := &e.Meetings[k]
		m.Name, m.Owner, m.OwnerID = p.name("Meeting", m.Name), p.name("Owner", m.Owner), p.id(m.OwnerID)
		m.CallCorrelator = *p.id(&m.CallCorrelator)
	}
}
