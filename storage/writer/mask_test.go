package writer

import (
	"bytes"
	"compress/gzip"
	"runtime"
	"testing"
)

// TestPackedBodyTakesBoundedMemory: half a megabyte may unpack to half a gigabyte.
func TestPackedBodyTakesBoundedMemory(t *testing.T) {
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := zip.Write(bytes.Repeat([]byte("<streamUrl>"), 1<<20/11)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := readable(packed.Bytes()); !bytes.Equal(got, packed.Bytes()) {
		t.Errorf("%d bytes, want the body as it came", len(got))
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*mostReadable {
		t.Errorf("%d MiB were taken", used>>20)
	}
}

func TestMaskStreamURLs(t *testing.T) {
	for name, c := range map[string]struct{ before, in, want string }{
		"plain":                 {"", "<streamUrl>rtmp://live.example.org/app/k3y</streamUrl><call>x</call>", "<streamUrl>rtmp://live.example.org/*******</streamUrl><call>x</call>"},
		"credentials":           {"", "<streamUrl>rtmp://joe:pw@live.example.org/k</streamUrl>", "<streamUrl>rtmp://******@live.example.org/*</streamUrl>"},
		"no scheme":             {"", "<streamUrl>secret</streamUrl>", "<streamUrl>******</streamUrl>"},
		"other case, prefix":    {"", "<a:StreamURL kind='x'>rtmp://h/k</a:StreamURL>", "<a:StreamURL kind='x'>rtmp://h/*</a:StreamURL>"},
		"cdata":                 {"", "<streamUrl><![CDATA[rtmp://h/k]]></streamUrl>", "<streamUrl><![CDATA[rtmp://h/*]]></streamUrl>"},
		"query":                 {"", "<streamUrl>rtmp://h?key=1</streamUrl>", "<streamUrl>rtmp://h?*****</streamUrl>"},
		"streamer is no secret": {"", "<streamerUrl>https://h/path</streamerUrl>", "<streamerUrl>https://h/path</streamerUrl>"},
		"name in a text":        {"", "<name>streamUrl>rtmp://h/k</name>", "<name>streamUrl>rtmp://h/k</name>"},
		"two":                   {"", "<streamUrl>a://h/k</streamUrl><streamUrl>a://h/l</streamUrl>", "<streamUrl>a://h/*</streamUrl><streamUrl>a://h/*</streamUrl>"},
		"cut in the text":       {"<records><streamUrl>rtmp://h/ab", "cd</streamUrl>", "**</streamUrl>"},
		"cut in the tag":        {"<records><stream", "Url>rtmp://h/k</streamUrl>", "Url>rtmp://h/*</streamUrl>"},
		"cut before":            {"<records>", "<streamUrl>rtmp://h/k", "<streamUrl>rtmp://h/*"},
		"empty element":         {"", "<streamUrl/><call>x</call>", "<streamUrl/><call>x</call>"},
		"comment before":        {"", "<streamUrl><!-- k --> rtmp://h/k</streamUrl><call>x</call>", "<streamUrl><!-- * --> rtmp://h/*</streamUrl><call>x</call>"},
		"comment inside":        {"", "<streamUrl>rtmp://h<!-- c -->/k</streamUrl>", "<streamUrl>rtmp://h<!-- * -->/*</streamUrl>"},
		"cdata inside":          {"", "<streamUrl>rtmp://h/<![CDATA[k]]>ey</streamUrl>", "<streamUrl>rtmp://h/<![CDATA[*]]>**</streamUrl>"},
		"attribute":             {"", "<streaming id='x' streamUrl = 'rtmp://h/k' a='b'>", "<streaming id='x' streamUrl = 'rtmp://h/*' a='b'>"},
		"key after a blank":     {"", "<streamUrl>rtmp://h key</streamUrl>", "<streamUrl>rtmp://h ***</streamUrl>"},
		"declaration":           {"", "<streamUrl>a://h/k<!DOCTYPE x>", "<streamUrl>a://h/*<!DOCTYPE x>"},
		"nothing":               {"", "s", "s"},
	} {
		data := []byte(c.in)
		maskStreamURLs([]byte(c.before), data)
		if string(data) != c.want {
			t.Errorf("%s: %q, want %q", name, data, c.want)
		}
	}
}
