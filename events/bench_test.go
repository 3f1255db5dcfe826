package events

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// processor is the time of processor that this process has used: it stays true on a machine that others use as well.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReceive takes what is nine in ten of all messages, a change of activeSpeaker, from the bytes of a frame to the state, its acknowledgement included,
// on a bridge with 40 calls of 22 people.
func BenchmarkReceive(b *testing.B) {
	m := New(DefaultConfig())
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	id := int64(0)
	take := func(format string, args ...any) {
		id++
		data := fmt.Appendf(nil, `{ "type": "message", "message": { "messageId": %d, `+format+` } }`, append([]any{id}, args...)...)
		frame, err := ParseFrame(data)
		if err != nil {
			b.Fatal(err)
		}
		if frame.Ack() == nil {
			b.Fatal("no acknowledgement")
		}
		if err := m.Receive(now, frame); err != nil {
			b.Fatal(err)
		}
	}
	m.Open(now)
	m.TakeRequest(now)
	for call := range 40 {
		take(`"type": "callListUpdate", "subscriptionIndex": 1, "updates": [ { "call": "c%d", "updateType": "add", "name": "Weekly" } ]`, call)
	}
	m.awaiting = time.Time{}
	m.TakeRequest(now.Add(time.Second))
	for call := range 40 {
		for person := range 22 {
			take(`"type": "rosterUpdate", "subscriptionIndex": %d, "updates": [ { "participant": "d44e2461-e77e-42ba-%04d-%012d", "updateType": "add", "name": "P", "state": "connected" } ]`, call+2, call, person)
		}
	}
	m.TakeChanges()
	before := processor()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		take(`"type": "rosterUpdate", "subscriptionIndex": %d, "updates": [ { "participant": "d44e2461-e77e-42ba-%04d-%012d", "updateType": "update", "activeSpeaker": %t } ]`,
			i%40+2, i%40, i%22, i%2 == 0)
		i++
	}
	b.ReportMetric(float64(processor()-before)/float64(b.N), "cpu-ns/op")
	if got := m.Stats().Late + m.Stats().Unknown + m.Stats().Odd; got != 0 {
		b.Fatalf("%d messages fell on nothing: %+v", got, m.Stats())
	}
}
