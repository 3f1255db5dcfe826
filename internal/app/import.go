package app

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/writer"
)

// ImportOptions say what is imported.
type ImportOptions struct {
	Options
	// Files and folders; a folder stands for all files below it.
	Files []string
	// Source is the bridge that sent bodies which do not say so themselves; empty means the bridge after which the file's folder is named, or the only one.
	Source string
	// NoWait ends once everything lies safely on the bus, instead of once it is stored.
	NoWait   bool
	Progress func(Feeding)
	// Refused is told of each input that could not be fed; the others go on.
	Refused func(error)
}

// ErrRefused: some inputs could not be fed; each was told to Refused.
var ErrRefused = errors.New("not everything was imported")

// Import feeds captured bodies through the pipeline. A file is one body as a Call Bridge sent it, or a capture: a JSON object a line (see capturedBody).
// What was imported before, or came by itself, changes nothing.
func Import(ctx context.Context, o ImportOptions) (Feeding, error) {
	if o.Source != "" {
		if _, _, err := clusterOf(o.Config, o.Source); err != nil {
			return Feeding{}, err
		}
	}
	files, err := filesBelow(o.Files)
	if err != nil {
		return Feeding{}, err
	}
	var done Feeding
	err = withPipeline(ctx, o.Options, func(ctx context.Context, p pipeline) error {
		f := &feeder{bus: p.bus, progress: o.Progress}
		refused := 0
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(feedersAtOnce)
		for _, path := range files {
			err := o.eachBodyIn(path, func(body bus.Body) error {
				group.Go(func() error { return f.feed(groupCtx, body) })
				return groupCtx.Err()
			}, func(err error) {
				refused++
				o.Refused(err)
			})
			if err != nil && groupCtx.Err() == nil {
				refused++
				o.Refused(err)
			}
			if groupCtx.Err() != nil {
				break
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if !o.NoWait {
			if err := f.stored(ctx); err != nil {
				return err
			}
		}
		done = f.counts()
		if refused > 0 {
			return fmt.Errorf("%w: %d inputs refused", ErrRefused, refused)
		}
		return ctx.Err()
	})
	return done, err
}

// filesBelow lists the files, and those below the folders, in the order of their names. A link to a file is one; a link to a folder is followed where it is
// named itself, and listed where it lies below another, to be refused: it may lead back.
func filesBelow(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		// With the separator a link that is named is followed.
		err = filepath.WalkDir(path+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && (entry.Type().IsRegular() || entry.Type() == fs.ModeSymlink) && !strings.HasPrefix(entry.Name(), ".") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("nothing to import: no file in %s", strings.Join(paths, ", "))
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// capturedBody is a line of a capture. Its names are also those of the table cdr_bodies, so that
// `bridgewatch sql "SELECT * FROM cdr_bodies FORMAT JSONEachRow"` makes a capture.
type capturedBody struct {
	// Time, or received: when the body was received, RFC 3339, or as ClickHouse writes it (UTC).
	Time     string `json:"time"`
	Received string `json:"received"`
	// Source is the name of the bridge that sent it.
	Source string `json:"source"`
	// Body as text, or BodyBase64 for bytes that are none.
	Body          string `json:"body"`
	BodyBase64    string `json:"body_base64"`
	RemoteAddress string `json:"remote_address"`
	ContentType   string `json:"content_type"`
	BodyID        string `json:"body_id"`
	Part          int    `json:"part"`
	Parts         int    `json:"parts"`
}

// eachBodyIn reads a file. Lines that cannot be read are told to refused; the error is of the file as a whole.
func (o ImportOptions) eachBodyIn(path string, use func(bus.Body) error, refused func(error)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s: links to folders are not followed; name the folder itself", path)
	}
	r := bufio.NewReaderSize(file, 64<<10)
	if isGzip(r) {
		unpacked, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		r = bufio.NewReaderSize(unpacked, 64<<10)
	}
	most := o.Config.CDR.MaxBody.Bytes()
	if isCapture(r) {
		return o.eachLine(path, r, most, use, refused)
	}
	source := o.Source
	if folder := filepath.Base(filepath.Dir(absolute(path))); source == "" && o.Config.HasBridge(folder) {
		source = folder
	}
	cluster, bridge, err := clusterOf(o.Config, source)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(text)) > most {
		return fmt.Errorf("%s: more than cdr.max_body (%d bytes)", path, most)
	}
	return use(envelope(bus.Body{Source: bridge, Cluster: cluster, Received: info.ModTime(), Data: text, ContentType: "text/xml"}))
}

// eachLine reads a capture.
func (o ImportOptions) eachLine(path string, r *bufio.Reader, most int64, use func(bus.Body) error, refused func(error)) error {
	var parts bus.Body // of a body whose last part has not come yet
	for number := 1; ; number++ {
		line, err := readLine(r, 2*most+1<<20)
		if err == io.EOF { //nolint:errorlint // as bufio returns it
			if parts.Parts > 0 {
				refused(fmt.Errorf("%s: body %s ends with part %d of %d", path, parts.ID, parts.Part, parts.Parts))
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		body, err := o.lineBody(line)
		if err != nil {
			refused(fmt.Errorf("%s:%d: %w", path, number, err))
			continue
		}
		if body.Parts > 1 {
			if body.Part == 1 && parts.Parts > 0 { // the one before stays without its last part
				refused(fmt.Errorf("%s:%d: body %s ends with part %d of %d", path, number, parts.ID, parts.Part, parts.Parts))
				parts = bus.Body{}
			}
			if body.Part != parts.Part+1 || body.Part > 1 && body.ID != parts.ID {
				refused(fmt.Errorf("%s:%d: part %d of body %s does not follow the part before it; order the capture by received, body_id, part", path, number, body.Part, body.ID))
				parts = bus.Body{}
				continue
			}
			body.Data = append(parts.Data, body.Data...)
			if parts = body; body.Part < body.Parts {
				continue
			}
			parts = bus.Body{}
		}
		if err := use(envelope(body)); err != nil {
			return err
		}
	}
}

// longestCircumstances bounds what the bus takes beside a body; a Call Bridge's are some tens of bytes.
const longestCircumstances = 1000

func (o ImportOptions) lineBody(line []byte) (bus.Body, error) {
	var c capturedBody
	if err := json.Unmarshal(line, &c); err != nil {
		return bus.Body{}, fmt.Errorf("no line of a capture: %w", err)
	}
	if c.Source == "" {
		c.Source = o.Source
	}
	cluster, bridge, err := clusterOf(o.Config, c.Source)
	if err != nil {
		return bus.Body{}, err
	}
	received, err := captureTime(c)
	if err != nil {
		return bus.Body{}, err
	}
	body := bus.Body{Source: bridge, Cluster: cluster, Received: received, Remote: c.RemoteAddress, ContentType: c.ContentType, Data: []byte(c.Body), Part: c.Part, Parts: c.Parts}
	if c.BodyBase64 != "" {
		if body.Data, err = base64.StdEncoding.DecodeString(c.BodyBase64); err != nil {
			return bus.Body{}, fmt.Errorf("body_base64: %w", err)
		}
	}
	if len(c.RemoteAddress)+len(c.ContentType) > longestCircumstances {
		return bus.Body{}, fmt.Errorf("remote_address and content_type take more than %d bytes", longestCircumstances)
	}
	if len(body.Data) == 0 {
		return bus.Body{}, errors.New("neither body nor body_base64")
	}
	if c.BodyID != "" {
		if body.ID, err = uuid.Parse(c.BodyID); err != nil {
			return bus.Body{}, fmt.Errorf("body_id: %w", err)
		}
	}
	if c.Parts > 1 && c.BodyID == "" {
		return bus.Body{}, errors.New("a part of a body needs its body_id")
	}
	return body, nil
}

func captureTime(c capturedBody) (time.Time, error) {
	text := c.Time
	if text == "" {
		text = c.Received
	}
	if text == "" {
		return time.Time{}, errors.New("no time: when was it received?")
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999"} {
		t, err := time.Parse(layout, text)
		switch {
		case err != nil:
		case t.Unix() < 0 || t.Unix() >= 1<<32:
			return time.Time{}, fmt.Errorf("time %q is not between 1970 and 2106", text)
		default:
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is not RFC 3339", text)
}

// envelope completes a body. Its id follows from what it is, so that importing it twice stores it once.
func envelope(b bus.Body) bus.Body {
	b.Received = b.Received.UTC().Truncate(time.Millisecond)
	b.Part, b.Parts = 1, 1
	if b.ID == uuid.Nil {
		sum := sha256.Sum256(b.Data)
		b.ID = uuid.NewSHA1(uuid.NameSpaceOID, append([]byte(b.Cluster+"/"+b.Source+"/"+b.Received.Format(time.RFC3339Nano)+"/"), sum[:]...))
	}
	return b
}

func isGzip(r *bufio.Reader) bool {
	magic, err := r.Peek(2)
	return err == nil && magic[0] == 0x1f && magic[1] == 0x8b
}

// isCapture tells JSON lines, the first of which may be a wrong one, from a body: XML begins with another character.
func isCapture(r *bufio.Reader) bool {
	const mark = "\xef\xbb\xbf" // byte-order mark
	start, _ := r.Peek(r.Size())
	rest, marked := bytes.CutPrefix(start, []byte(mark))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	if len(rest) == 0 || rest[0] != '{' && (rest[0] == '<' || !bytes.Contains(rest, []byte("\n{"))) {
		return false
	}
	if marked {
		_, _ = r.Discard(len(mark))
	}
	return true
}

// readLine reads a line of at most most bytes; io.EOF after the last.
func readLine(r *bufio.Reader, most int64) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case int64(len(line)) > most:
			return nil, fmt.Errorf("a line of more than %d bytes", most)
		case err == nil, err == io.EOF && len(line) > 0: //nolint:errorlint // as bufio returns it
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// ImportQuarantine feeds the bodies that lie in quarantine again. Those that are understood now leave it; told is given each of the others with the reason.
func ImportQuarantine(ctx context.Context, o Options, period storage.Period, progress func(Feeding), told func(storage.KeptBody)) (Feeding, error) {
	var done Feeding
	err := withPipeline(ctx, o, func(ctx context.Context, p pipeline) error {
		f := &feeder{bus: p.bus, progress: progress}
		var cured []storage.KeptBody
		err := storage.EachQuarantined(ctx, p.conn, period, func(head storage.KeptBody, data io.Reader) error {
			body, err := bodyOf(head, data)
			if err != nil {
				return err
			}
			if _, faulty := writer.Understood(bytes.NewReader(body.Data)); faulty {
				told(head)
			} else {
				cured = append(cured, head)
			}
			return f.feed(ctx, body)
		})
		if err != nil {
			return err
		}
		if err := f.stored(ctx); err != nil {
			return err
		}
		for _, head := range cured {
			if err := storage.ReleaseQuarantined(ctx, p.conn, head.Source, head.Received, head.ID); err != nil {
				return err
			}
		}
		done = f.counts()
		return nil
	})
	return done, err
}
