package engine

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// output is the answer to one request: compressed as asked, and not begun before there is something to send, so that an error
// that comes first still gets its status.
type output struct {
	w       http.ResponseWriter
	control *http.ResponseController
	started bool
	enc     io.WriteCloser // nil: plain
	tag     string         // marks an error behind the first byte
}

// prepare sets up compression.
func (o *output) prepare(r *http.Request, req *request) error {
	o.tag = strings.ToLower(rand.Text()[:16])
	h := o.w.Header()
	h.Set("X-ClickHouse-Exception-Tag", o.tag)
	if req.queryID != "" {
		h.Set("X-ClickHouse-Query-Id", req.queryID)
	}
	switch {
	case req.compress:
		o.enc = newBlockWriter(raw{o}, req.blockMethod)
	case req.encode:
		var name string
		if name, o.enc = contentEncoder(r, raw{o}); o.enc != nil {
			h.Set("Content-Encoding", name)
			h.Add("Vary", "Accept-Encoding")
		}
	}
	return nil
}

// contentType names the format of the result.
func (o *output) contentType(format string, kind outputKind) {
	o.w.Header().Set("Content-Type", kind.contentType)
	o.w.Header().Set("X-ClickHouse-Format", format)
}

// raw is the way below the compression.
type raw struct{ o *output }

func (r raw) Write(p []byte) (int, error) {
	r.o.started = true
	r.o.control.SetWriteDeadline(time.Now().Add(stallTimeout))
	return r.o.w.Write(p)
}

// Write sends result bytes, in pieces that a slow client can take within the deadline.
func (o *output) Write(p []byte) (int, error) {
	sent := 0
	for len(p) > 0 {
		piece := p[:min(len(p), blockSize)]
		var n int
		var err error
		if o.enc != nil {
			n, err = o.enc.Write(piece)
		} else {
			n, err = raw{o}.Write(piece)
		}
		if sent += n; err != nil {
			return sent, err
		}
		p = p[len(piece):]
	}
	return sent, nil
}

// chunks writes a stream to its end.
func (o *output) chunks(st *stream, kind outputKind) error {
	for first := true; ; first = false {
		chunk, err := st.next()
		if err != nil {
			return err
		}
		if chunk == nil {
			return o.close()
		}
		data := chunk.bytes()
		if !first && kind.header != nil {
			data = data[kind.header(data):]
		}
		_, err = o.Write(data)
		chunk.free()
		if err != nil {
			return err
		}
	}
}

// close ends a whole result.
func (o *output) close() error {
	if !o.started && o.enc == nil {
		o.w.Header().Set("Content-Length", "0")
		o.w.WriteHeader(http.StatusOK)
		return nil
	}
	if o.enc != nil {
		return o.enc.Close()
	}
	return nil
}

// breakOff writes an error behind the rows that are already sent, the way ClickHouse's server does.
func (o *output) breakOff(text string) {
	text = strings.TrimSuffix(text, "\n")
	block := fmt.Sprintf("\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", o.tag, text, len(text)+1, o.tag)
	if blocks, ok := o.enc.(*blockWriter); ok {
		_ = blocks.Flush() // the connection is broken off right after
		io.WriteString(raw{o}, block)
	} else {
		io.WriteString(o, block)
		if o.enc != nil {
			o.enc.Close()
		}
	}
	o.control.Flush()
}
