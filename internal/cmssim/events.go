package cmssim

import "net/http"

// EventFaults are the faults of the events interface.
type EventFaults struct {
	RefuseToken int // status to refuse a token with; 0: none is refused
}

type eventStats struct{}

type tokenBook struct{}

func (b *Bridge) newToken() answer { return failure(http.StatusNotFound, el("unrecognizedObject")) }

func (b *Bridge) handleEvents(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotFound)
}

// DropEvents drops every events connection without a close frame.
func (b *Bridge) DropEvents() {}
