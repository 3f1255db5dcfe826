package app

import (
	"time"

	"github.com/bridgewatch/bridgewatch/cdr"
	"github.com/bridgewatch/bridgewatch/internal/observer"
)

// storedFacts is told by the writer what it stored, for the live state and for the witnesses.
type storedFacts struct {
	*observer.Observer
	open *openFacts
	now  func() time.Time
}

// Forget drops what an earlier turn of the writer learnt.
func (s *storedFacts) Forget() {
	s.open.forget()
	s.Observer.Forget()
}

// RecordStored implements writer.Observer.
func (s *storedFacts) RecordStored(r cdr.SourcedRecord, isNew, replayed bool) {
	if now := s.now(); isNew && !replayed {
		s.open.arrived(bridgeKey{r.Cluster, r.Source}, now, now.Sub(r.Time))
	}
	s.Observer.RecordStored(r, isNew, replayed)
}

// FactsStored implements writer.Observer.
func (s *storedFacts) FactsStored(f cdr.Facts) {
	s.open.stored(f)
	s.Observer.FactsStored(f)
}
