package subscriber

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bridgewatch/bridgewatch/events"
)

// socket is one open connection. A reader acknowledges every message as soon as its envelope is understood, before anybody looks at it, and hands it on; one
// writer sends everything: acknowledgements, requests, answers to pings. Neither waits for whoever looks at the frames, so a slow one delays no
// acknowledgement; where too much is waiting the connection is given up.
type socket struct {
	ws  *websocket.Conn
	cfg Config

	out chan outgoing

	mu      sync.Mutex
	waiting []received
	bytes   int // of the frames waiting
	err     error
	arrived chan struct{} // has room for one sign that something waits or the connection is over
	closed  chan struct{} // closed with the connection
	once    sync.Once
	both    sync.WaitGroup
}

type outgoing struct {
	kind int
	data []byte
}

// received is a frame with the time it came.
type received struct {
	frame events.Frame
	at    time.Time
}

// outQueue is how many acknowledgements may wait for the writer.
const outQueue = 4096

// newSocket takes over an open connection and starts its reader and writer; close ends them.
func newSocket(ws *websocket.Conn, cfg Config, clock func() time.Time) *socket {
	s := &socket{ws: ws, cfg: cfg, out: make(chan outgoing, outQueue), arrived: make(chan struct{}, 1), closed: make(chan struct{})}
	ws.SetReadLimit(cfg.MaxFrame)
	ws.SetPingHandler(func(data string) error { return s.send(websocket.PongMessage, []byte(data)) })
	s.both.Go(func() { s.fail(s.read(clock)) })
	s.both.Go(func() { s.fail(s.write()) })
	return s
}

// send puts a message into the writer's queue. It never waits.
func (s *socket) send(kind int, data []byte) error {
	select {
	case s.out <- outgoing{kind, data}:
		return nil
	default:
		return &failure{reasonOverrun, "the bridge does not take what we send", nil}
	}
}

func (s *socket) read(clock func() time.Time) error {
	for {
		kind, data, err := s.ws.ReadMessage()
		switch {
		case errors.Is(err, websocket.ErrReadLimit):
			return &failure{reasonProtocol, "a message is too large", nil}
		case err != nil:
			return lost(err)
		case kind != websocket.TextMessage:
			return &failure{reasonProtocol, "a binary message", nil}
		}
		frame, err := events.ParseFrame(data)
		if err != nil {
			return &failure{reasonProtocol, "message", err}
		}
		if ack := frame.Ack(); ack != nil {
			if err := s.send(websocket.TextMessage, ack); err != nil {
				return err
			}
		}
		if !s.keep(received{frame, clock()}) {
			return &failure{reasonOverrun, "more messages than can be looked at", nil}
		}
	}
}

// keep puts a frame where take finds it.
func (s *socket) keep(r received) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes += r.frame.Size(); s.bytes > s.cfg.MaxQueue {
		return false
	}
	s.waiting = append(s.waiting, r)
	s.sign()
	return true
}

func (s *socket) sign() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// take returns what waits, in order, and why the connection is over if it is. It does not wait; arrived says when there is something.
func (s *socket) take() ([]received, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.waiting
	s.waiting, s.bytes = nil, 0
	return waiting, s.err
}

func (s *socket) write() error {
	for {
		select {
		case <-s.closed:
			return nil
		case m := <-s.out:
			if err := s.ws.SetWriteDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
				return lost(err)
			}
			if err := s.ws.WriteMessage(m.kind, m.data); err != nil {
				return lost(err)
			}
		}
	}
}

// fail ends the connection, for the first reason given.
func (s *socket) fail(err error) {
	s.mu.Lock()
	if s.err == nil && err != nil {
		s.err = err
	}
	s.sign()
	s.mu.Unlock()
	s.shut()
}

func (s *socket) shut() {
	s.once.Do(func() {
		close(s.closed)
		_ = s.ws.NetConn().Close() // nothing can be done about an error
	})
}

// close ends the connection, with a close frame where it is in order, and waits until both of its goroutines are gone.
func (s *socket) close(politely bool) {
	if politely {
		farewell := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = s.ws.WriteControl(websocket.CloseMessage, farewell, time.Now().Add(100*time.Millisecond)) // if it does not get through, the bridge notices anyway
	}
	s.shut()
	s.both.Wait()
}

// lost sorts how a connection ended.
func lost(err error) error {
	if c, ok := errors.AsType[*websocket.CloseError](err); ok {
		return &failure{reasonClosed, "the bridge closed the connection", c}
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
		return &failure{reasonClosed, "closed", nil}
	}
	return &failure{reasonUnreachable, "the connection broke", err}
}
