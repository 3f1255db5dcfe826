package poller

import (
	"context"
	"net/url"
	"sync"

	"github.com/bridgewatch/bridgewatch/events"
)

// Lanes make all clients of a bridge in this process share its one request in flight. The zero value is ready for use.
type Lanes struct {
	mu    sync.Mutex
	turns map[string]chan struct{}
}

// Join puts a client into the lane of its bridge, before its first request.
func (l *Lanes) Join(c *Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turns == nil {
		l.turns = make(map[string]chan struct{})
	}
	turn := l.turns[c.base.Host]
	if turn == nil {
		turn = c.turn
		l.turns[c.base.Host] = turn
	}
	c.turn = turn
}

// Alone runs do while no other request to the bridge is under way. Its error is that of do, or the context's.
func (c *Client) Alone(ctx context.Context, do func() error) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
		return do()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ListCalls lists the calls of the bridge, all of them or none.
func (c *Client) ListCalls(ctx context.Context) ([]events.ListedCall, error) {
	type call struct {
		ID             *string `cms:"@id"`
		Name           *string `cms:"name"`
		CallCorrelator *string `cms:"callCorrelator"`
	}
	listed, err := collect[call](ctx, c, "/calls", "call", nil)
	if err != nil {
		return nil, err
	}
	out := make([]events.ListedCall, 0, len(listed))
	for _, l := range listed {
		if l.ID != nil {
			out = append(out, events.ListedCall{ID: *l.ID, Correlator: deref(l.CallCorrelator), Name: deref(l.Name)})
		}
	}
	return out, nil
}

// ListParticipants lists the participants of one call, or by call those of all calls of the bridge where call is empty: all of them or none. A call that is
// over is not in the answer. Those of a distributed call are listed by each of its bridges, with their host where it is another (cms-api.md §7.3).
func (c *Client) ListParticipants(ctx context.Context, call string) (map[string][]events.ListedParticipant, error) {
	type participant struct {
		ID         *string `cms:"@id"`
		Name       *string `cms:"name"`
		URI        *string `cms:"uri"`
		Call       *string `cms:"call"`
		CallBridge *string `cms:"callBridge"`
		State      *string `cms:"status>state"`
	}
	path := "/participants"
	if call != "" {
		path = "/calls/" + url.PathEscape(call) + "/participants"
	}
	listed, err := collect[participant](ctx, c, path, "participant", nil)
	if call != "" && ReasonOf(err) == ReasonNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make(map[string][]events.ListedParticipant)
	if call != "" {
		out[call] = nil
	}
	for _, l := range listed {
		of := call
		if of == "" {
			of = deref(l.Call)
		}
		if l.ID != nil && of != "" {
			out[of] = append(out[of], events.ListedParticipant{ID: *l.ID, Name: deref(l.Name), URI: deref(l.URI), State: deref(l.State), Host: deref(l.CallBridge)})
		}
	}
	return out, nil
}
