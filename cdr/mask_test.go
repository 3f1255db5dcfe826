package cdr

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// TestMaskedDecodesAlike: facts are made again from masked records, so masking must not change what a record says.
func TestMaskedDecodesAlike(t *testing.T) {
	const session = "4c35e6ba-1b38-4b1c-a8c3-b4ab4c6b9f6f"
	for _, value := range []string{
		"rtmp://stream.example.net/live/SECRET", "rtmp://user:SECRET@stream.example.net:1935/live/SECRET", "rtmps://h/SECRET?a=1&amp;key=SECRET",
		"<![CDATA[rtmp://h/SECRET]]>", "rtmp://h", "SECRET", "", "  rtmp://h/SECRET\n", "rtmp://h<!-- SECRET -->/SECRET", "rtmp://a&amp;b/SECRET", "(masked)", "rtmp://h/(masked)",
	} {
		body := `<records session="` + session + `"><record type="streamingStart" time="2026-01-02T03:04:05Z" recordIndex="1" correlatorIndex="1"><streaming id="` + session +
			`"><streamUrl>` + value + `</streamUrl></streaming></record></records>`
		decode := func(text []byte) Record {
			t.Helper()
			for raw, err := range Scan(bytes.NewReader(text), Limits{}) {
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				record, err := Decode(raw)
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				return record
			}
			t.Fatalf("%s: no record", text)
			return Record{}
		}
		once := MaskSecrets([]byte(body))
		if strings.Contains(string(once), "SECRET") {
			t.Errorf("%q: the secret stays in %s", value, once)
		}
		if twice := MaskSecrets(once); !bytes.Equal(once, twice) {
			t.Errorf("%q: masked twice is\n%s, once\n%s", value, twice, once)
		}
		if got, want := decode(once), decode([]byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: masked decodes to %+v, want %+v", value, got.Stream, want.Stream)
		}
	}
}
