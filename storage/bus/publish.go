package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxGroup bounds the bodies of one message. A group holds what arrived while the previous one was being synced: up to one body a connected bridge.
const maxGroup = 512

// maxPart is the size in bytes of the parts into which a large body is cut where the broker would take more. A part is held twice while it is sent, by us and
// by the writer, so small parts keep memory bounded; a sync for each megabyte costs little.
const maxPart = 1 << 20

// largestPart is how many bytes of a body one message takes at most.
func largestPart(nc *nats.Conn) int64 { return min(maxPart, nc.MaxPayload()-maxHeader-64) }

// pending is a body that waits for the next synced write.
type pending struct {
	wire    []byte // version byte and the encoded body
	subject string
	done    chan error // capacity 1: the answer never blocks on a caller that went away
}

// PublishBody stores a body and returns after the broker's acknowledgement of a synced write. Concurrent callers share one write: it is the write to disk
// that costs, not the bytes. Data above the payload is cut into parts (see Body). The error is ErrFull, ErrUnavailable or the context's.
// After the context's error the body may or may not be stored.
func (b *Bus) PublishBody(ctx context.Context, body Body) error {
	_, nc, err := b.conn()
	if err != nil {
		return b.failed(CDR, err)
	}
	if int64(len(body.Data)) > largestPart(nc) {
		return b.PublishBodyFrom(ctx, body, bytes.NewReader(body.Data), int64(len(body.Data)))
	}
	body.Part, body.Parts = 1, 1
	if err := b.hasRoom(); err != nil {
		return b.failed(CDR, err)
	}
	wire := make([]byte, 1, 512+len(body.Data))
	wire[0] = wireVersion
	if wire, err = appendBody(wire, &body); err != nil {
		return b.failed(CDR, err)
	}
	p := &pending{wire: wire, subject: bodySubject(body.Source), done: make(chan error, 1)}
	select {
	case b.queue <- p:
	case <-b.stopped:
		return b.failed(CDR, fmt.Errorf("%w: stopped", ErrUnavailable))
	case <-ctx.Done():
		return b.failed(CDR, context.Cause(ctx))
	}
	select {
	case err = <-p.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-b.stopped:
		select {
		case err = <-p.done:
		default:
			err = fmt.Errorf("%w: stopped", ErrUnavailable)
		}
	}
	return b.failed(CDR, err)
}

// groupBodies is the only sender of grouped bodies. While one message is on its way to the disk the next group gathers in the queue, so a lone body waits
// for nobody and a crowd pays for one sync. It returns when ctx has ended and nobody waits any more.
func (b *Bus) groupBodies(ctx context.Context, js jetstream.JetStream, nc *nats.Conn) {
	var group []*pending
	var carried *pending // did not fit into the last group
	for {
		group = group[:0]
		switch {
		case carried != nil:
			group = append(group, carried)
			carried = nil
		default:
			select {
			case p := <-b.queue:
				group = append(group, p)
			case <-ctx.Done():
				select {
				case p := <-b.queue:
					group = append(group, p)
				default:
					return
				}
			}
		}
		size := len(group[0].wire)
	gather:
		for limit := int(largestPart(nc)); len(group) < maxGroup; {
			select {
			case p := <-b.queue:
				if size += len(p.wire); size > limit {
					carried = p
					break gather
				}
				group = append(group, p)
			default:
				break gather
			}
		}
		b.publishGroup(js, group)
		clear(group)
	}
}

// publishGroup sends the bodies in one message and tells each caller what became of it.
func (b *Bus) publishGroup(js jetstream.JetStream, group []*pending) {
	msg := &nats.Msg{Subject: group[0].subject, Data: group[0].wire}
	if len(group) > 1 {
		size := 1
		for _, p := range group {
			size += len(p.wire) - 1
			if p.subject != msg.Subject {
				msg.Subject = "cms.cdr." + mixed
			}
		}
		msg.Data = append(make([]byte, 0, size), wireVersion)
		for _, p := range group {
			msg.Data = append(msg.Data, p.wire[1:]...)
		}
	}
	_, err := b.send(context.Background(), js, CDR, msg, len(group))
	for _, p := range group {
		p.done <- err
	}
}

// PublishBodyFrom stores a body of size bytes read from r, in as many parts as it takes, holding one part in memory. It returns after the
// acknowledgement of the last. Where a part cannot be stored the parts before it are withdrawn.
func (b *Bus) PublishBodyFrom(ctx context.Context, body Body, r io.Reader, size int64) error {
	js, nc, err := b.conn()
	if err != nil {
		return b.failed(CDR, err)
	}
	room := largestPart(nc)
	if room <= 0 {
		return b.failed(CDR, fmt.Errorf("%w: the broker's max payload of %d bytes holds no body", ErrUnavailable, nc.MaxPayload()))
	}
	body.Parts = int(max(1, (size+room-1)/room))
	subject := bodySubject(body.Source)
	data := make([]byte, min(size, room))
	var stored []uint64
	for body.Part = 1; body.Part <= body.Parts; body.Part++ {
		body.Data = data[:min(room, size-room*int64(body.Part-1))]
		if _, err = io.ReadFull(r, body.Data); err != nil {
			err = fmt.Errorf("bus: part %d of %d of a body: %w", body.Part, body.Parts, err)
			break
		}
		if err = b.hasRoom(); err != nil {
			break
		}
		var wire []byte
		if wire, err = appendBody([]byte{wireVersion}, &body); err != nil {
			break
		}
		bodies := 0
		if body.Part == body.Parts {
			bodies = 1
		}
		var seq uint64
		if seq, err = b.send(ctx, js, CDR, &nats.Msg{Subject: subject, Data: wire}, bodies); err != nil {
			break
		}
		stored = append(stored, seq)
	}
	if err != nil {
		b.withdraw(js, stored)
	}
	return b.failed(CDR, err)
}

// withdraw deletes parts whose body will never be whole. What it cannot delete the writer recognizes: the last part is missing.
func (b *Bus) withdraw(js jetstream.JetStream, seqs []uint64) {
	if len(seqs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.AckTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, string(CDR))
	for _, seq := range seqs {
		if err == nil {
			err = stream.DeleteMsg(ctx, seq)
		}
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			err = nil
		}
	}
	if err != nil {
		b.log.Warn("parts of a broken body stay in the stream", "parts", len(seqs), "error", err)
	}
}

// tableHeader names the table of a row message.
const tableHeader = "Bridgewatch-Table"

// PublishRows stores rows, a slice of one of storage's row structs, for the table they go to; subject is made with Subject. It returns after a synced
// acknowledgement; no rows are no message. Rows that exceed the payload are sent in several messages, so after an error a part may be stored.
func (b *Bus) PublishRows(ctx context.Context, subject, table string, rows any) error {
	v := reflect.ValueOf(rows)
	if v.Kind() != reflect.Slice {
		return fmt.Errorf("bus: rows for %s are a %T; want a slice", table, rows)
	}
	stream, err := streamOf(subject)
	if err != nil {
		return err
	}
	js, nc, err := b.conn()
	if err != nil {
		return b.failed(stream, err)
	}
	return b.failed(stream, b.publishRows(ctx, js, nc.MaxPayload()-1024, stream, subject, table, v))
}

func (b *Bus) publishRows(ctx context.Context, js jetstream.JetStream, limit int64, stream Stream, subject, table string, rows reflect.Value) error {
	n := rows.Len()
	if n == 0 {
		return nil
	}
	data, err := json.Marshal(rows.Interface())
	if err != nil {
		return fmt.Errorf("bus: rows for %s: %w", table, err)
	}
	if int64(len(data)) > limit {
		if n == 1 {
			return fmt.Errorf("bus: a row for %s takes %d bytes; at most %d fit", table, len(data), limit)
		}
		if err := b.publishRows(ctx, js, limit, stream, subject, table, rows.Slice(0, n/2)); err != nil {
			return err
		}
		return b.publishRows(ctx, js, limit, stream, subject, table, rows.Slice(n/2, n))
	}
	_, err = b.send(ctx, js, stream, &nats.Msg{Subject: subject, Header: nats.Header{tableHeader: {table}}, Data: data}, n)
	return err
}

// Rows reads a row message: the table it names and a JSON array of rows.
func Rows(msg jetstream.Msg) (table string, rows json.RawMessage, err error) {
	table = msg.Headers().Get(tableHeader)
	if table == "" {
		return "", nil, fmt.Errorf("bus: message on %s names no table", msg.Subject())
	}
	if !json.Valid(msg.Data()) {
		return table, nil, fmt.Errorf("bus: rows for %s are not JSON", table)
	}
	return table, msg.Data(), nil
}

// PublishDead keeps a message that cannot be stored for a person to look at, with the reason, under cms.dead.<kind>.
func (b *Bus) PublishDead(ctx context.Context, kind, reason string, msg jetstream.Msg) error {
	js, _, err := b.conn()
	if err != nil {
		return b.failed(Dead, err)
	}
	dead := &nats.Msg{Subject: Subject("dead", kind), Header: nats.Header{}, Data: msg.Data()}
	dead.Header.Set("Bridgewatch-Reason", headerText(reason))
	dead.Header.Set("Bridgewatch-Subject", msg.Subject())
	if table := msg.Headers().Get(tableHeader); table != "" {
		dead.Header.Set(tableHeader, table)
	}
	_, err = b.send(ctx, js, Dead, dead, 1)
	return b.failed(Dead, err)
}

// headerText makes a text fit for one header line.
func headerText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 500)]
}

// send publishes one message that carries n bodies or rows, and waits for the acknowledgement.
func (b *Bus) send(ctx context.Context, js jetstream.JetStream, stream Stream, msg *nats.Msg, n int) (seq uint64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.AckTimeout, fmt.Errorf("%w: no acknowledgement within %v", ErrUnavailable, b.cfg.AckTimeout))
	defer cancel()
	start := time.Now()
	ack, err := js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0), jetstream.WithExpectStream(string(stream)))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return 0, brokerError(err)
	}
	b.metrics.stored(stream, n, len(msg.Data), time.Since(start))
	return ack.Sequence, nil
}

// failed counts an error of a publish and gives it back.
func (b *Bus) failed(stream Stream, err error) error {
	if err != nil {
		b.metrics.failed(stream, err)
	}
	return err
}

// brokerError sorts the broker's answers into ErrFull and ErrUnavailable; an error of the caller's context stays.
func brokerError(err error) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrUnavailable):
		return err
	case errors.As(err, &api) && isFull(api):
		return fmt.Errorf("%w: %w", ErrFull, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

// isFull tells the refusals that end when room is made. The server has one code for "the store failed" and tells which way in words.
func isFull(api *jetstream.APIError) bool {
	const (
		insufficientResources = 10023
		storageExceeded       = 10047
		storeFailed           = 10077
	)
	switch api.ErrorCode {
	case insufficientResources, storageExceeded:
		return true
	case storeFailed:
		return strings.Contains(api.Description, "maximum") || strings.Contains(api.Description, "no space")
	}
	return false
}

// streamOf tells which stream takes a subject of rows.
func streamOf(subject string) (Stream, error) {
	for prefix, s := range map[string]Stream{"cms.events.": Events, "cms.status.": Status, "cms.syslog.": Syslog} {
		if strings.HasPrefix(subject, prefix) {
			return s, nil
		}
	}
	return "", fmt.Errorf("bus: no stream takes rows on subject %q", subject)
}
