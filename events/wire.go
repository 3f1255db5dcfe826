package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Frame is one message from the bridge: envelope understood, content not yet looked at.
type Frame struct {
	// ID is the bridge's number of a message, or ours of a request that is acknowledged.
	ID int64
	// Type is the inner type of a message; empty for an acknowledgement.
	Type string
	// Status of an acknowledgement, such as success; empty for a message.
	Status string

	data []byte
}

// success is the only status ever seen (cms-events.md §2.3).
const success = "success"

// ParseFrame understands the envelope of one frame. It keeps data, which must not change afterwards.
func ParseFrame(data []byte) (Frame, error) {
	var in struct {
		Type    string `json:"type"`
		Message *struct {
			ID   *int64 `json:"messageId"`
			Type string `json:"type"`
		} `json:"message"`
		Ack *struct {
			ID     *int64 `json:"messageId"`
			Status string `json:"status"`
		} `json:"messageAck"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return Frame{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	switch {
	case in.Type == "message" && in.Message != nil && in.Message.ID != nil && in.Message.Type != "":
		return Frame{ID: *in.Message.ID, Type: in.Message.Type, data: data}, nil
	case in.Type == "messageAck" && in.Ack != nil && in.Ack.ID != nil && in.Ack.Status != "":
		return Frame{ID: *in.Ack.ID, Status: in.Ack.Status}, nil
	}
	return Frame{}, fmt.Errorf("%w: neither a message nor an acknowledgement (type %.40q)", ErrMalformed, in.Type)
}

// Size is the length of the frame in bytes.
func (f Frame) Size() int { return len(f.data) }

// Ack returns the acknowledgement that every message needs at once, before anything is done with it; nil for an acknowledgement, which needs none.
func (f Frame) Ack() []byte {
	if f.Type == "" {
		return nil
	}
	b := append([]byte(`{"type":"messageAck","messageAck":{"messageId":`), strconv.FormatInt(f.ID, 10)...)
	return append(b, `,"status":"success"}}`...)
}

// request is one subscribeRequest.
type request struct {
	Index    int      `json:"index"`
	Type     string   `json:"type"`
	Call     string   `json:"call,omitempty"`
	Elements []string `json:"elements"`
}

func encodeRequest(id int64, set []request) []byte {
	list, err := json.Marshal(set)
	if err != nil { // strings and integers always can
		panic(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"type":"message","message":{"messageId":%d,"type":"subscribeRequest","subscriptions":%s}}`, id, list)
	return b.Bytes()
}

// The inner types of messages.
const (
	subscriptionUpdate = "subscriptionUpdate"
	callListUpdate     = "callListUpdate"
	callInfoUpdate     = "callInfoUpdate"
	rosterUpdate       = "rosterUpdate"
)

// content is the union of what messages hold.
type content struct {
	Subscriptions []struct {
		Index Element[int]    `json:"index"`
		State Element[string] `json:"state"`
	} `json:"subscriptions"`
	Index    Element[int]      `json:"subscriptionIndex"`
	Updates  []json.RawMessage `json:"updates"` // one by one: an entry of another shape must not cost the others
	CallInfo json.RawMessage   `json:"callInfo"`
}

func (f Frame) content() (content, error) {
	var in struct {
		Message content `json:"message"`
	}
	err := json.Unmarshal(f.data, &in)
	if err != nil {
		err = fmt.Errorf("%w: %s: %v", ErrMalformed, f.Type, err)
	}
	return in.Message, err
}

// Element is one element of an update. Absent means unchanged and null means unset, so both must be told apart from a value.
type Element[T any] struct {
	Value T
	// Told: the key was there with a value of the right type, or null.
	Told bool
	// Null: the key was there with null; Value is zero.
	Null bool
	// Odd: the key was there with a value of another type, which is ignored.
	Odd bool
}

// UnmarshalJSON takes any value: what a later release may change in one element must not cost the others.
func (e *Element[T]) UnmarshalJSON(data []byte) error {
	*e = Element[T]{}
	if bytes.Equal(data, []byte("null")) {
		e.Told, e.Null = true, true
		return nil
	}
	if err := json.Unmarshal(data, &e.Value); err != nil {
		*e = Element[T]{Odd: true}
		return nil //nolint:nilerr // Odd says it
	}
	e.Told = true
	return nil
}

// callUpdate is an entry of callListUpdate, or the object of callInfoUpdate.
type callUpdate struct {
	Call       string          `json:"call"`
	UpdateType string          `json:"updateType"`
	Reason     Element[string] `json:"reason"`

	Name                  Element[string] `json:"name"`
	Participants          Element[int64]  `json:"participants"`
	DistributedInstances  Element[int64]  `json:"distributedInstances"`
	Recording             Element[string] `json:"recording"`
	EndpointRecording     Element[string] `json:"endpointRecording"`
	Streaming             Element[string] `json:"streaming"`
	LockState             Element[string] `json:"lockState"`
	CallType              Element[string] `json:"callType"`
	CallCorrelator        Element[string] `json:"callCorrelator"`
	JoinAudioMuteOverride Element[bool]   `json:"joinAudioMuteOverride"`
}

// participantUpdate is an entry of rosterUpdate.
type participantUpdate struct {
	Participant string          `json:"participant"`
	UpdateType  string          `json:"updateType"`
	Reason      Element[string] `json:"reason"`

	Name                       Element[string] `json:"name"`
	URI                        Element[string] `json:"uri"`
	State                      Element[string] `json:"state"`
	Direction                  Element[string] `json:"direction"`
	AudioMuted                 Element[bool]   `json:"audioMuted"`
	VideoMuted                 Element[bool]   `json:"videoMuted"`
	Importance                 Element[int64]  `json:"importance"`
	Layout                     Element[string] `json:"layout"`
	ActiveSpeaker              Element[bool]   `json:"activeSpeaker"`
	Presenter                  Element[bool]   `json:"presenter"`
	EndpointRecording          Element[string] `json:"endpointRecording"`
	CanMove                    Element[bool]   `json:"canMove"`
	MovedParticipant           Element[string] `json:"movedParticipant"`
	MovedParticipantCallBridge Element[string] `json:"movedParticipantCallBridge"`
}
