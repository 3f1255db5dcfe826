package bus

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// Body is one POST body of a Call Bridge, or a part of it, with the circumstances of its receipt.
//
// A body above the bus's payload travels in parts. Parts of one body share ID and every other field but Part and Data, are published in order, and the last
// one only after all before it were stored. So a body is whole exactly when parts 1 to Parts are there; a set without its last part is a send that broke
// off, was answered with 503 and comes again as another body: it must never be decoded.
type Body struct {
	ID          uuid.UUID // made by the receiver, version 7
	Source      string    // name of the bridge whose token was used
	Cluster     string
	Received    time.Time // UTC, when the last byte of the body was read
	Remote      string    // address of the sender
	ContentType string
	Part, Parts int // 1-based; 1 of 1 unless the body exceeded the bus's payload
	Data        []byte
	Replayed    bool // import or replay: no live counters
}

// bodyHeader is Body on the wire. Unknown fields are ignored and absent ones zero, so that two versions can share the bus during an upgrade.
type bodyHeader struct {
	ID          uuid.UUID `json:"id"`
	Source      string    `json:"source"`
	Cluster     string    `json:"cluster,omitempty"`
	Received    time.Time `json:"received"`
	Remote      string    `json:"remote,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	Part        int       `json:"part,omitempty"` // both absent means 1 of 1
	Parts       int       `json:"parts,omitempty"`
	Replayed    bool      `json:"replayed,omitempty"`
}

// A message is a version byte and then bodies, each as: length of header (uvarint), header (JSON), length of data (uvarint), data.
// The data is not escaped in any way, so what a bridge sent is in the broker byte for byte.
const wireVersion = 1

// maxHeader bounds what the header of one body takes of a payload; the receiver bounds the texts in it.
const maxHeader = 8 << 10

func appendBody(dst []byte, b *Body) ([]byte, error) {
	h := bodyHeader{
		ID: b.ID, Source: b.Source, Cluster: b.Cluster, Received: b.Received.UTC(), Remote: b.Remote, ContentType: b.ContentType, Replayed: b.Replayed,
	}
	if b.Parts > 1 {
		h.Part, h.Parts = b.Part, b.Parts
	}
	header, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("bus: header of body %s: %w", b.ID, err)
	}
	if len(header) > maxHeader {
		return nil, fmt.Errorf("bus: header of body %s takes %d bytes; at most %d fit", b.ID, len(header), maxHeader)
	}
	dst = binary.AppendUvarint(dst, uint64(len(header)))
	dst = append(dst, header...)
	dst = binary.AppendUvarint(dst, uint64(len(b.Data)))
	return append(dst, b.Data...), nil
}

// Bodies decodes a message of the CDR stream; one message may carry several bodies, from several sources. Data aliases the message.
// An error means that the message was not written by any version of Bridgewatch known here; it will never decode.
func Bodies(msg jetstream.Msg) ([]Body, error) { return decodeBodies(msg.Data()) }

func decodeBodies(wire []byte) ([]Body, error) {
	if len(wire) == 0 {
		return nil, errors.New("bus: message of bodies is empty")
	}
	if wire[0] != wireVersion {
		return nil, fmt.Errorf("bus: message of bodies has version %d; this program knows %d", wire[0], wireVersion)
	}
	rest := wire[1:]
	next := func(what string) ([]byte, error) {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return nil, fmt.Errorf("bus: message of bodies is cut in the %s at byte %d of %d", what, len(wire)-len(rest), len(wire))
		}
		field := rest[size : size+int(n) : size+int(n)]
		rest = rest[size+int(n):]
		return field, nil
	}
	var bodies []Body
	for len(rest) > 0 {
		header, err := next("header")
		if err != nil {
			return nil, err
		}
		var h bodyHeader
		if err := json.Unmarshal(header, &h); err != nil {
			return nil, fmt.Errorf("bus: header of body %d in a message: %w", len(bodies)+1, err)
		}
		data, err := next("data")
		if err != nil {
			return nil, err
		}
		if h.Parts == 0 {
			h.Part, h.Parts = 1, 1
		}
		if h.Part < 1 || h.Part > h.Parts {
			return nil, fmt.Errorf("bus: body %s is part %d of %d", h.ID, h.Part, h.Parts)
		}
		bodies = append(bodies, Body{
			ID: h.ID, Source: h.Source, Cluster: h.Cluster, Received: h.Received.UTC(), Remote: h.Remote, ContentType: h.ContentType,
			Part: h.Part, Parts: h.Parts, Data: data, Replayed: h.Replayed,
		})
	}
	if len(bodies) == 0 {
		return nil, errors.New("bus: message of bodies holds none")
	}
	return bodies, nil
}
