package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// A body is read whole before anything of it is stored, so that an upload that breaks off leaves nothing. Most bodies are one record of a kilobyte and stay in
// memory; what is larger, or would exceed the memory set aside, goes to a file.
const (
	firstBuffer   = 16 << 10  // size in which a body starts
	largestBuffer = 512 << 10 // size up to which it stays in memory
	copyBuffer    = 64 << 10
)

var (
	errTooLarge = errors.New("the body exceeds the limit")
	errNoSpool  = errors.New("the room for large bodies is used up")
)

// received is a body that arrived completely.
type received struct {
	size    int64
	memory  []byte   // the body, unless
	file    *os.File // it is here
	release func()   // gives memory and file back; the body is gone afterwards
}

func (b *received) publish(ctx context.Context, to Publisher, body bus.Body) error {
	if b.file == nil {
		body.Data = b.memory
		return to.PublishBody(ctx, body)
	}
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("receiver: spool: %w", err)
	}
	return to.PublishBodyFrom(ctx, body, b.file, b.size)
}

// read takes the request's body to memory or a file. The error is errTooLarge, errNoSpool, or that of an upload that broke off or was too slow.
func (r *Receiver) read(conn *http.ResponseController, req *http.Request) (*received, error) {
	if req.ContentLength > r.cfg.MaxBody {
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", errTooLarge, req.ContentLength, r.cfg.MaxBody)
	}
	in := &pacedReader{
		from:     io.LimitReader(req.Body, r.cfg.MaxBody+1),
		conn:     conn,
		deadline: time.Now().Add(r.cfg.BodyTimeout),
		rate:     r.cfg.MinRate,
	}
	in.extend(0)

	pooled := r.buffers.Get().(*[]byte)
	buf := (*pooled)[:cap(*pooled)]
	var charged int64
	release := func() {
		*pooled = buf
		r.buffers.Put(pooled)
		r.memory.Add(-charged)
	}
	charge := func(n int64) bool {
		if r.memory.Add(n) > r.cfg.MaxMemory {
			r.memory.Add(-n)
			return false
		}
		charged += n
		return true
	}
	if len(buf) > firstBuffer && !charge(int64(len(buf))-firstBuffer) {
		buf = buf[:firstBuffer]
	}
	size := 0
	for {
		n, err := in.Read(buf[size:])
		size += n
		switch {
		case err == io.EOF:
			if int64(size) > r.cfg.MaxBody {
				release()
				return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, r.cfg.MaxBody)
			}
			return &received{size: int64(size), memory: buf[:size], release: release}, nil
		case err != nil:
			release()
			return nil, fmt.Errorf("the upload broke off: %w", err)
		case size < len(buf):
			continue
		}
		bigger := 4 * len(buf)
		if bigger > largestBuffer || !charge(int64(bigger-len(buf))) {
			b, err := r.spool(buf[:size], in)
			release()
			return b, err
		}
		grown := make([]byte, bigger)
		copy(grown, buf[:size])
		buf = grown
	}
}

// spool takes what has arrived and what is still to come to a file that has no name any more, so that nothing of it outlives the process.
func (r *Receiver) spool(head []byte, rest io.Reader) (_ *received, err error) {
	file, err := os.CreateTemp(r.cfg.SpoolDir, "bridgewatch-body-*")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoSpool, err)
	}
	out := &spoolWriter{file: file, used: &r.spooled, limit: r.cfg.MaxSpool}
	defer func() {
		if err != nil {
			out.close()
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoSpool, err)
	}
	// The writer is wrapped in a plain one, as is the reader: no short cut around the limits by ReadFrom or WriteTo.
	in := io.MultiReader(bytes.NewReader(head), rest)
	if _, err := io.CopyBuffer(out, struct{ io.Reader }{in}, make([]byte, copyBuffer)); err != nil {
		if out.failed {
			return nil, err
		}
		return nil, fmt.Errorf("the upload broke off: %w", err)
	}
	if out.size > r.cfg.MaxBody {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, r.cfg.MaxBody)
	}
	return &received{size: out.size, file: file, release: out.close}, nil
}

// spoolWriter writes one body's file and keeps the account of all of them.
type spoolWriter struct {
	file   *os.File
	used   interface{ Add(int64) int64 }
	limit  int64
	size   int64
	failed bool // the file, not the upload, is at fault
}

func (w *spoolWriter) Write(p []byte) (int, error) {
	w.size += int64(len(p))
	if used := w.used.Add(int64(len(p))); used > w.limit {
		w.failed = true
		return 0, fmt.Errorf("%w: %d bytes are in it", errNoSpool, used)
	}
	n, err := w.file.Write(p)
	if err != nil {
		w.failed = true
		err = fmt.Errorf("%w: %w", errNoSpool, err)
	}
	return n, err
}

func (w *spoolWriter) close() {
	w.file.Close()
	w.used.Add(-w.size)
}

// pacedReader ends an upload that is too slow: the deadline moves on by what arrives, at MinRate.
type pacedReader struct {
	from     io.Reader
	conn     *http.ResponseController
	deadline time.Time
	rate     int64 // bytes that buy a second
}

func (p *pacedReader) Read(b []byte) (int, error) {
	n, err := p.from.Read(b)
	if err == nil {
		p.extend(n)
	}
	return n, err
}

func (p *pacedReader) extend(n int) {
	p.deadline = p.deadline.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	_ = p.conn.SetReadDeadline(p.deadline) // not supported only by a test's recorder
}
