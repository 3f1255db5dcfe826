package subscriber

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/events"
)

// session follows one bridge over many connections.
type session struct {
	sub     *Subscriber
	cluster string
	bridge  collector.Bridge
	dialer  *dialer
	rest    REST // nil without
	journal *journal
	log     *slog.Logger
	clock   func() time.Time

	// names are the configured names of the cluster's bridges by callBridge GUID, learnt anew each second.
	names atomic.Pointer[map[string]string]

	unsupported atomic.Bool // the last connection failed because the release has no events

	mu      sync.Mutex
	machine *events.Machine
}

func (s *Subscriber) newSession(cluster collector.Cluster, bridge collector.Bridge) (*session, error) {
	d, err := newDialer(bridge, s.cfg)
	if err != nil {
		return nil, err
	}
	session := &session{
		sub: s, cluster: cluster.Name, bridge: bridge, dialer: d, clock: func() time.Time { return s.deps.Clock().UTC() }, machine: events.New(s.cfg.Protocol),
		log: s.deps.Logger.With("cms_cluster", cluster.Name, "call_bridge", bridge.Name),
	}
	session.journal = newJournal(session)
	session.learnNames()
	if s.deps.REST != nil {
		if session.rest, err = s.deps.REST(bridge); err != nil {
			return nil, err
		}
	}
	return session, nil
}

// run follows the bridge until ctx ends.
func (s *session) run(ctx context.Context) {
	var beside sync.WaitGroup
	defer s.journal.finish()
	defer beside.Wait()
	beside.Go(func() { s.journal.run(ctx) })
	if s.rest != nil {
		defer s.rest.Close()
		beside.Go(func() { s.reconcile(ctx) })
	}
	beside.Go(func() { s.show(ctx) })
	s.connections(ctx)
}

// connections opens one connection after the other.
func (s *session) connections(ctx context.Context) {
	cfg := s.sub.cfg
	pause := cfg.BackoffMin
	last := ""
	for ctx.Err() == nil {
		settled, err := s.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		reason := reasonOf(err)
		s.unsupported.Store(reason == reasonUnsupported)
		s.sub.metrics.failures.WithLabelValues(s.cluster, s.bridge.Name, reason).Inc()
		if settled {
			pause = cfg.BackoffMin
		}
		wait := pause/2 + rand.N(pause)
		pause = min(pause+pause/2, cfg.BackoffMax)
		if reason == reasonUnsupported {
			wait = cfg.Unsupported + rand.N(cfg.Unsupported/10+1)
		}
		if reason != last || settled { // once, and not with every try
			level := slog.LevelWarn
			if reason == reasonBusy { // it asks to be tried again
				level = slog.LevelInfo
			}
			s.log.Log(ctx, level, "no events", "reason", reason, "error", err, "next_try", wait.Round(time.Millisecond))
			s.tellFailure(reason, err)
		}
		last = reason
		if !sleep(ctx, wait) {
			return
		}
	}
}

// tellFailure puts into the timeline that the bridge gives us no events. That a connection was lost, the machine has told.
func (s *session) tellFailure(reason string, err error) {
	kind := events.Refused
	switch reason {
	case reasonUnsupported:
		kind = events.Unsupported
	case reasonAuth, reasonToken, reasonUpgrade, reasonBusy, reasonUnreachable, reasonTLS:
	default:
		return
	}
	s.journal.add([]events.Change{{At: s.clock(), Kind: kind, Reason: reason + ": " + err.Error()}})
}

// connection opens a connection and follows it to its end. It reports whether everything was settled on it.
func (s *session) connection(ctx context.Context) (settled bool, err error) {
	var token string
	ask := func() (err error) {
		token, err = s.dialer.token(ctx)
		return err
	}
	if s.rest != nil {
		err = s.rest.Alone(ctx, ask)
	} else {
		err = ask()
	}
	if err != nil {
		return false, err
	}
	ws, err := s.dialer.dial(ctx, token)
	if err != nil {
		return false, err
	}
	socket := newSocket(ws, s.sub.cfg, s.clock)
	err = s.follow(ctx, socket, &settled)
	socket.close(ctx.Err() != nil)
	s.update(func(m *events.Machine) { m.Lost(s.clock(), reasonOf(err)) })
	return settled, err
}

// follow feeds the machine with what comes and sends what it asks for, until the connection ends.
func (s *session) follow(ctx context.Context, socket *socket, settled *bool) error {
	s.log.Debug("events connected")
	s.unsupported.Store(false)
	s.update(func(m *events.Machine) { m.Open(s.clock()) })
	due := time.NewTimer(0)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-socket.arrived:
		case <-due.C:
		}
		waiting, over := socket.take()
		var request []byte
		var next time.Duration
		err := s.with(func(m *events.Machine) error {
			for _, r := range waiting {
				if err := m.Receive(r.at, r.frame); err != nil {
					return err
				}
			}
			now := s.clock()
			if err := m.Tick(now); err != nil {
				return err
			}
			request = m.TakeRequest(now)
			next = m.Due().Sub(now)
			if m.Phase() == events.Live && !*settled {
				*settled = true
				s.log.Info("events settled")
			}
			return nil
		})
		switch {
		case over != nil:
			return over
		case err != nil:
			return refused(err)
		}
		if request != nil {
			if err := socket.send(websocket.TextMessage, request); err != nil {
				return err
			}
		}
		due.Reset(max(next, time.Millisecond))
	}
}

// refused sorts an error of the machine.
func refused(err error) error {
	if errors.Is(err, events.ErrNoAck) || errors.Is(err, events.ErrRefused) {
		return &failure{reasonUnanswered, "subscription", err}
	}
	return &failure{reasonProtocol, "message", err}
}

// with does something with the machine under the lock, and passes on what changed by it.
func (s *session) with(do func(*events.Machine) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := do(s.machine)
	s.journal.add(s.machine.TakeChanges())
	return err
}

// update is with for what cannot fail.
func (s *session) update(do func(*events.Machine)) {
	_ = s.with(func(m *events.Machine) error { do(m); return nil }) // never an error
}

// sleep waits and reports whether the whole time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
