package bus

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestTokenIsSafeAndTellsNamesApart(t *testing.T) {
	names := []string{
		"cb1", "CB1", "cb.1", "cb=2E1", "cb 1", "cb*", ">", "*", "", "=", "=mixed", "Düsseldorf", "\x00\r\n", "a_b", "a-b",
		strings.Repeat("x", 5000), strings.Repeat("x", 5001), strings.Repeat(".", 5000), strings.Repeat("x", 119), strings.Repeat("x", 121), strings.Repeat("x", 122),
	}
	seen := map[string]string{mixed: "the word for several sources"}
	for _, name := range names {
		token := Token(name)
		if other, taken := seen[token]; taken {
			t.Errorf("%.20q and %.20q share the token %q", name, other, token)
		}
		seen[token] = name
		if token == "" || len(token) > maxToken+3 || strings.ContainsAny(token, ".*> \r\n\t\x00") {
			t.Errorf("token %q of %.20q is not safe", token, name)
		}
	}
}

// FuzzBodies: any bytes on the stream decode to bodies or an error, and what decodes encodes to something that decodes to the same.
func FuzzBodies(f *testing.F) {
	good, err := appendBody([]byte{wireVersion}, &Body{ID: uuid.UUID{1}, Source: "cb1", Received: time.Unix(1, 0), Part: 1, Parts: 1, Data: []byte("<records/>")})
	if err != nil {
		f.Fatal(err)
	}
	two, err := appendBody(bytes.Clone(good), &Body{ID: uuid.UUID{2}, Source: "cb2", Part: 2, Parts: 3, Data: nil, Replayed: true})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{good, two, good[:len(good)-1], {}, {wireVersion}, {2}, {wireVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		bodies, err := decodeBodies(wire)
		if err != nil {
			return
		}
		again := []byte{wireVersion}
		for i := range bodies {
			if again, err = appendBody(again, &bodies[i]); err != nil {
				return // a header larger than we would write
			}
		}
		got, err := decodeBodies(again)
		if err != nil {
			t.Fatalf("what decoded does not decode when encoded again: %v", err)
		}
		if diff := cmp.Diff(bodies, got); diff != "" {
			t.Errorf("(-decoded +again)\n%s", diff)
		}
	})
}
