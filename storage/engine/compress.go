package engine

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// blockSize is how much of a result is put into one compressed block, in bytes.
const blockSize = 1 << 20

// blockWriter writes ClickHouse's own compressed blocks (compress=1).
type blockWriter struct {
	w   io.Writer
	c   *compress.Writer
	buf []byte
}

func newBlockWriter(w io.Writer, method string) *blockWriter {
	m := compress.LZ4
	if strings.EqualFold(method, "ZSTD") {
		m = compress.ZSTD
	}
	return &blockWriter{w: w, c: compress.NewWriter(compress.LevelZero, m), buf: make([]byte, 0, blockSize)}
}

func (b *blockWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), blockSize-len(b.buf))
		b.buf, p = append(b.buf, p[:k]...), p[k:]
		if len(b.buf) == blockSize {
			if err := b.Flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (b *blockWriter) Flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	if err := b.c.Compress(b.buf); err != nil {
		return err
	}
	b.buf = b.buf[:0]
	_, err := b.w.Write(b.c.Data)
	return err
}

func (b *blockWriter) Close() error { return b.Flush() }

// contentEncoder picks what the client accepts among the encodings we write; nil for none.
func contentEncoder(r *http.Request, w io.Writer) (string, io.WriteCloser) {
	accepted := r.Header.Get("Accept-Encoding")
	for _, e := range []struct {
		name string
		open func() (io.WriteCloser, error)
	}{
		{"gzip", func() (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) }},
		{"br", func() (io.WriteCloser, error) { return brotli.NewWriterLevel(w, 3), nil }},
		{"zstd", func() (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		}},
		{"deflate", func() (io.WriteCloser, error) { return zlib.NewWriterLevel(w, zlib.BestSpeed) }},
	} {
		for part := range strings.SplitSeq(accepted, ",") {
			name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
			if strings.EqualFold(name, e.name) && strings.ReplaceAll(weight, " ", "") != "q=0" {
				if enc, err := e.open(); err == nil {
					return e.name, enc
				}
			}
		}
	}
	return "", nil
}

// decodedBody undoes Content-Encoding, then ClickHouse's own compression when decompress=1.
func decodedBody(r *http.Request, blocks bool) (io.Reader, error) {
	var body io.Reader = r.Body
	var err error
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	case "br":
		body = brotli.NewReader(body)
	case "zstd":
		body, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	default:
		return nil, &Exception{Code: codeNotImplemented, Name: "NOT_IMPLEMENTED", Message: fmt.Sprintf("Content-Encoding %q is not supported; use gzip, deflate, br or zstd", encoding)}
	}
	if err != nil {
		return nil, &Exception{Code: codeCannotReadAll, Name: "CANNOT_READ_ALL_DATA", Message: "decode the body: " + err.Error()}
	}
	if blocks {
		body = compress.NewReader(bufio.NewReaderSize(body, 64<<10))
	}
	return body, nil
}
