package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotEmpty: a stream that is to be restored holds messages of its own.
var ErrNotEmpty = errors.New("the stream is not empty")

const (
	snapshotChunk = 128 << 10
	// snapshotSilence is how long the broker may send or answer nothing before a snapshot or a restore is given up.
	snapshotSilence = 30 * time.Second
)

// SnapshotState is what a stream held when its snapshot was taken. With it, Restore makes the same stream elsewhere.
type SnapshotState struct {
	Messages uint64 `json:"messages"`
	// Least is how many of them lay there still when the snapshot was ready. The broker reads messages one by one after it has said how many there are; one
	// that is acknowledged meanwhile, as its content is stored, may be in the snapshot or not. Backups of v0.1.0 do not tell it: 0.
	Least  uint64          `json:"messages_least"`
	Bytes  uint64          `json:"bytes"`
	First  uint64          `json:"first_sequence"`
	Last   uint64          `json:"last_sequence"`
	Config json.RawMessage `json:"config"` // the broker's own words
	State  json.RawMessage `json:"state"`
}

// Snapshot writes a stream's messages, in the broker's own compressed format, to w. The broker checks the checksum of each message meanwhile. Nothing is taken
// from the stream, and its readers are not disturbed; the durable consumer is not part of it, as a work queue holds only what nobody has stored yet.
func (b *Bus) Snapshot(ctx context.Context, stream Stream, w io.Writer) (SnapshotState, error) {
	_, nc, err := b.conn()
	if err != nil {
		return SnapshotState{}, err
	}
	state, err := snapshot(ctx, nc, stream, w)
	if err != nil {
		return SnapshotState{}, fmt.Errorf("bus: snapshot of stream %s: %w", stream, err)
	}
	return state, nil
}

func snapshot(ctx context.Context, nc *nats.Conn, stream Stream, w io.Writer) (SnapshotState, error) {
	chunks, err := nc.SubscribeSync(nats.NewInbox())
	if err != nil {
		return SnapshotState{}, err
	}
	defer chunks.Unsubscribe() //nolint:errcheck // the connection may be gone, and the subscription with it
	request := server.JSApiStreamSnapshotRequest{DeliverSubject: chunks.Subject, NoConsumers: true, ChunkSize: snapshotChunk, CheckMsgs: true}
	var answer server.JSApiStreamSnapshotResponse
	if err := ask(ctx, nc, fmt.Sprintf(server.JSApiStreamSnapshotT, stream), request, &answer); err != nil {
		return SnapshotState{}, err
	}
	if answer.Error != nil {
		return SnapshotState{}, answer.Error
	}
	if answer.State == nil || answer.Config == nil {
		return SnapshotState{}, errors.New("the broker's answer tells neither state nor configuration")
	}
	for {
		chunk, err := next(ctx, chunks)
		if err != nil {
			return SnapshotState{}, err
		}
		if len(chunk.Data) == 0 { // the end, with the reason where it is not a good one
			if status := chunk.Header.Get("Status"); status != "" && status != "204" {
				return SnapshotState{}, fmt.Errorf("broken off by the broker: %s %s", status, chunk.Header.Get("Description"))
			}
			break
		}
		if _, err := w.Write(chunk.Data); err != nil {
			return SnapshotState{}, err
		}
		if chunk.Reply != "" { // asks for the next one
			if err := nc.Publish(chunk.Reply, nil); err != nil {
				return SnapshotState{}, err
			}
		}
	}
	least, err := stillThere(ctx, nc, stream, *answer.State)
	if err != nil {
		return SnapshotState{}, err
	}
	out := SnapshotState{Messages: answer.State.Msgs, Least: least, Bytes: answer.State.Bytes, First: answer.State.FirstSeq, Last: answer.State.LastSeq}
	if out.Config, err = json.Marshal(answer.Config); err != nil {
		return SnapshotState{}, err
	}
	if out.State, err = json.Marshal(answer.State); err != nil {
		return SnapshotState{}, err
	}
	return out, nil
}

// stillThere counts those messages of an earlier state that the stream holds now. What was published since is behind them; where some of that is gone
// already, the count is too low, never too high.
func stillThere(ctx context.Context, nc *nats.Conn, stream Stream, then server.StreamState) (uint64, error) {
	var info server.JSApiStreamInfoResponse
	if err := ask(ctx, nc, fmt.Sprintf(server.JSApiStreamInfoT, stream), struct{}{}, &info); err != nil {
		return 0, err
	}
	if info.Error != nil {
		return 0, info.Error
	}
	if info.StreamInfo == nil {
		return 0, errors.New("the broker does not tell the stream's state")
	}
	now := info.State
	return now.Msgs - min(now.Msgs, now.LastSeq-then.LastSeq), nil
}

// Restore puts a snapshot in the place of a stream that holds nothing, with the sequences and times that its messages had. Limits and copies are
// afterwards those of this bus's configuration. The stream's readers must not run meanwhile.
func (b *Bus) Restore(ctx context.Context, stream Stream, state SnapshotState, r io.Reader) error {
	js, nc, err := b.conn()
	if err != nil {
		return err
	}
	if err := b.restore(ctx, js, nc, stream, state, r); err != nil {
		return fmt.Errorf("bus: restore of stream %s: %w", stream, err)
	}
	return nil
}

func (b *Bus) restore(ctx context.Context, js jetstream.JetStream, nc *nats.Conn, stream Stream, state SnapshotState, r io.Reader) error {
	switch s, err := js.Stream(ctx, string(stream)); {
	case errors.Is(err, jetstream.ErrStreamNotFound):
	case err != nil:
		return err
	case s.CachedInfo().State.Msgs > 0:
		return fmt.Errorf("%w: it holds %d messages", ErrNotEmpty, s.CachedInfo().State.Msgs)
	default:
		if err := js.DeleteStream(ctx, string(stream)); err != nil {
			return err
		}
	}
	var request server.JSApiStreamRestoreRequest
	if err := json.Unmarshal(state.Config, &request.Config); err != nil {
		return fmt.Errorf("read the stream's configuration: %w", err)
	}
	if err := json.Unmarshal(state.State, &request.State); err != nil {
		return fmt.Errorf("read the stream's state: %w", err)
	}
	if request.Config.Name != string(stream) {
		return fmt.Errorf("the snapshot is of stream %q", request.Config.Name)
	}
	request.Config.Replicas = b.cfg.Replicas
	if err := b.sendSnapshot(ctx, nc, request, r); err != nil {
		return err
	}
	for _, sc := range streamConfigs(b.cfg) { // its consumer, and today's limits
		if sc.Name == string(stream) {
			if err := b.patiently(ctx, func() error { return ensureStream(ctx, js, sc) }); err != nil {
				return err
			}
		}
	}
	s, err := js.Stream(ctx, string(stream))
	if err != nil {
		return err
	}
	// Older servers copy their files as they are, so messages may be in the snapshot that were published while it was taken.
	if got := s.CachedInfo().State; got.LastSeq < state.Last || got.Msgs < state.Least || got.Msgs > state.Messages+got.LastSeq-state.Last {
		return fmt.Errorf("%d messages up to sequence %d arrived, the snapshot has %d to %d up to %d", got.Msgs, got.LastSeq, state.Least, state.Messages, state.Last)
	}
	return nil
}

// sendSnapshot hands the snapshot over, a piece after the other, each when the one before was taken.
func (b *Bus) sendSnapshot(ctx context.Context, nc *nats.Conn, request server.JSApiStreamRestoreRequest, r io.Reader) error {
	var opened server.JSApiStreamRestoreResponse
	if err := ask(ctx, nc, fmt.Sprintf(server.JSApiStreamRestoreT, request.Config.Name), request, &opened); err != nil {
		return err
	}
	if opened.Error != nil {
		return opened.Error
	}
	buf := make([]byte, snapshotChunk)
	for {
		n, readErr := io.ReadFull(r, buf)
		if readErr != nil && readErr != io.EOF && readErr != io.ErrUnexpectedEOF {
			return readErr
		}
		if n > 0 {
			answer, err := exchange(ctx, nc, opened.DeliverSubject, buf[:n])
			if err != nil {
				return err
			}
			if len(bytes.TrimSpace(answer)) > 0 { // only a refusal has words
				return refusal(answer)
			}
		}
		if readErr == nil {
			continue
		}
		answer, err := exchange(ctx, nc, opened.DeliverSubject, nil)
		if err != nil {
			return err
		}
		return refusal(answer)
	}
}

// refusal reads the broker's last word on a restore; nil means it was taken.
func refusal(answer []byte) error {
	var end server.JSApiStreamCreateResponse
	if err := json.Unmarshal(answer, &end); err != nil {
		return fmt.Errorf("read the broker's answer: %w", err)
	}
	if end.Error != nil {
		return end.Error
	}
	return nil
}

func ask(ctx context.Context, nc *nats.Conn, subject string, what, into any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	answer, err := exchange(ctx, nc, subject, text)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

func exchange(ctx context.Context, nc *nats.Conn, subject string, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotSilence)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return nil, err
	}
	return answer.Data, nil
}

func next(ctx context.Context, s *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotSilence)
	defer cancel()
	return s.NextMsgWithContext(ctx)
}
