package cdr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/encoding/charmap"
	utf16 "golang.org/x/text/encoding/unicode"
)

// Limits bound what [Scan] keeps in memory; zero values mean the defaults.
type Limits struct {
	Record int // bytes of one record; default 1 MiB
	Tag    int // bytes of one tag with its attributes; default 64 KiB
	Depth  int // nesting of elements; default 64
	Faults int // faults reported for one body, the rest is suppressed; default 100
}

func (l Limits) withDefaults() Limits {
	or := func(v, d int) int {
		if v <= 0 {
			return d
		}
		return v
	}
	return Limits{Record: or(l.Record, 1<<20), Tag: or(l.Tag, 64<<10), Depth: or(l.Depth, 64), Faults: or(l.Faults, 100)}
}

// Raw is one record cut out of a body, not yet parsed but for its header.
type Raw struct {
	Header
	XML      []byte // <record …>…</record> in UTF-8; valid until the next step of the scan
	Offset   int64  // of its first byte in the body (UTF-16: in the body as UTF-8)
	Replaced bool   // bytes that no XML text can hold were replaced by U+FFFD
}

// Fault is a malformed spot of a body. The body belongs into quarantine; records found before and after the spot stand.
type Fault struct {
	Offset int64
	Reason string
}

func (f *Fault) Error() string { return fmt.Sprintf("body offset %d: %s", f.Offset, f.Reason) }

// Scan cuts a body into records. It takes several documents in one body, byte-order marks, white space, declarations, comments,
// CDATA, name prefixes and unknown elements; it holds at most one record in memory.
//
// It yields records with a nil error, [*Fault] for each malformed spot, and lastly the reader's own error if there was one.
// After a fault it goes on with the next <record> or <records> tag. That is safe because tags are found by reading tokens, not by
// searching text: what a CDATA section, comment or attribute holds is never taken for a tag. Where the tokens themselves can no
// longer be trusted (an unterminated section, a document type declaration, which may hold anything), the rest is given up.
func Scan(r io.Reader, limits Limits) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		s := scanner{in: input{r: r}, lim: limits.withDefaults(), yield: yield}
		s.run()
	}
}

// errStop ends a scan whose consumer had enough.
var errStop = errors.New("stopped")

type scanner struct {
	in     input
	lim    Limits
	yield  func(Raw, error) bool
	faults int

	open     nameStack // names of the open elements
	envelope envelope
	inBody   bool // something beside white space was seen
	lost     bool // after a fault: only <record>, <records> and </records> count

	rec       Header
	recAt     int64 // offset of the open record
	recDepth  int   // length of open within the record element; 0 = outside a record
	recErr    error // the header cannot be used
	recWarn   error // the header can be used, a part of it not
	oversized bool
	latin     bool // the document declares a one-byte encoding
}

type envelope struct {
	present    bool
	depth      int
	session    uuid.UUID
	callBridge uuid.UUID
}

func (s *scanner) run() {
	s.in.keep = -1
	s.in.detectUTF16()
	err := s.tokens()
	switch {
	case errors.Is(err, errStop):
	case err == io.EOF:
		s.atEnd()
	default:
		if f := (*Fault)(nil); errors.As(err, &f) {
			if s.fault(f.Offset, "%s", f.Reason) != nil {
				return
			}
			if s.in.err != nil && s.in.err != io.EOF {
				s.yield(Raw{}, s.in.err)
			}
			return
		}
		s.yield(Raw{}, fmt.Errorf("read body at offset %d: %w", s.in.offset(), err))
	}
}

func (s *scanner) atEnd() {
	switch {
	case s.recDepth > 0:
		_ = s.fault(s.recAt, "the body ends inside this record")
	case s.lost:
	case s.open.len() > 0:
		_ = s.fault(s.in.offset(), "the body ends inside <%s>", s.open.top())
	case s.inBody && !s.envelope.present:
		_ = s.fault(0, "no <records> element")
	}
}

// fault reports a spot and gives up the open record.
func (s *scanner) fault(at int64, format string, args ...any) error {
	s.faults++
	if s.faults > s.lim.Faults {
		return nil
	}
	if !s.yield(Raw{}, &Fault{Offset: at, Reason: fmt.Sprintf(format, args...)}) {
		return errStop
	}
	return nil
}

// lose reports a spot after which the open elements are not trusted.
func (s *scanner) lose(at int64, format string, args ...any) error {
	s.endRecord()
	wasLost := s.lost
	s.lost = true
	if wasLost {
		return nil // one report for a run of damage
	}
	return s.fault(at, format, args...)
}

func (s *scanner) endRecord() {
	s.recDepth, s.recErr, s.recWarn, s.oversized = 0, nil, nil, false
	s.in.keep = -1
}

// tokens reads to the end of the body. A *Fault it returns ends the scan.
func (s *scanner) tokens() error {
	for {
		if err := s.text(); err != nil {
			return err
		}
		if s.recDepth > 0 {
			s.checkSize()
		}
		at := s.in.offset()
		head := s.in.peek(9)
		var err error
		switch {
		case bytes.HasPrefix(head, []byte("<?")):
			err = s.declaration(at)
		case bytes.HasPrefix(head, []byte("<!--")):
			s.in.pos += 4
			err = s.skipPast(at, "-->", "comment")
		case bytes.HasPrefix(head, []byte("<![CDATA[")):
			s.in.pos += 9
			err = s.skipPast(at, "]]>", "CDATA section")
		case bytes.HasPrefix(head, []byte("<!")):
			return &Fault{at, "document type declarations are refused; the rest of the body was not read"}
		default:
			err = s.tag(at)
		}
		if err != nil {
			return err
		}
	}
}

// text moves to the next '<'.
func (s *scanner) text() error {
	for {
		chunk := s.in.buf[s.in.pos:s.in.end]
		i := bytes.IndexByte(chunk, '<')
		n := i
		if i < 0 {
			n = len(chunk)
		}
		if s.recDepth == 0 && n > 0 && !s.lost && s.open.len() == s.envelope.depth {
			if j := nonBlank(chunk[:n]); j >= 0 {
				s.inBody = true
				if err := s.fault(s.in.offset()+int64(j), "text outside a record"); err != nil {
					return err
				}
			}
		}
		s.in.pos += n
		if i >= 0 {
			s.inBody = true
			return nil
		}
		if s.recDepth > 0 {
			s.checkSize()
		}
		if err := s.in.more(); err != nil {
			return err
		}
	}
}

// nonBlank finds the first byte that is neither white space, NUL nor part of a byte-order mark.
func nonBlank(b []byte) int {
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', 0, 0xEF, 0xBB, 0xBF:
		default:
			return i
		}
	}
	return -1
}

func (s *scanner) checkSize() {
	if s.in.keep >= 0 && s.in.pos-s.in.keep > s.lim.Record {
		s.oversized = true
		s.in.keep = -1
	}
}

// skipPast moves behind the end mark of a section.
func (s *scanner) skipPast(at int64, mark, what string) error {
	for {
		if i := bytes.Index(s.in.buf[s.in.pos:s.in.end], []byte(mark)); i >= 0 {
			s.in.pos += i + len(mark)
			return nil
		}
		s.in.pos = max(s.in.pos, s.in.end-len(mark)+1)
		if s.recDepth > 0 {
			s.checkSize()
		}
		if err := s.in.more(); err == io.EOF {
			s.endRecord()
			return &Fault{at, what + " without an end; the rest of the body was not read"}
		} else if err != nil {
			return err
		}
	}
}

func (s *scanner) declaration(at int64) error {
	if i := bytes.Index(s.in.peek(256), []byte("?>")); i >= 0 && s.recDepth == 0 {
		decl := strings.ToLower(string(s.in.buf[s.in.pos : s.in.pos+i]))
		if strings.HasPrefix(decl, "<?xml") {
			s.latin = strings.Contains(decl, "iso-8859-1") || strings.Contains(decl, "windows-1252") || strings.Contains(decl, "latin1")
		}
	}
	return s.skipPast(at, "?>", "processing instruction")
}

// tag handles a start or end tag. A malformed one is a fault; the scan goes on behind its '<'.
func (s *scanner) tag(at int64) error {
	t, err := s.readTag()
	if err != nil {
		if f := (*Fault)(nil); errors.As(err, &f) {
			s.in.pos++
			return s.lose(at, "%s", f.Reason)
		}
		if err == io.EOF {
			s.endRecord()
			s.lost = true
			s.in.pos = s.in.end
			return s.fault(at, "the body ends inside a tag")
		}
		return err
	}
	if t.end {
		return s.endTag(at, t)
	}
	return s.startTag(at, t)
}

func (s *scanner) startTag(at int64, t tag) error {
	local := localName(t.name)
	switch {
	case string(local) == "records" && (s.recDepth == 0 || t.has("session")):
		if s.recDepth > 0 || s.envelope.depth > 0 {
			if !s.lost {
				if err := s.fault(at, "<records> begins before the former one ended"); err != nil {
					return err
				}
			}
			s.endRecord()
		}
		return s.beginRecords(t)
	case string(local) == "record" && (s.recDepth == 0 || t.has("correlatorIndex")):
		if s.recDepth > 0 {
			if err := s.fault(s.recAt, "this record has no end"); err != nil {
				return err
			}
			s.endRecord()
			s.open.cut(s.envelope.depth)
		}
		if s.lost {
			s.lost = false
			s.open.cut(s.envelope.depth)
		}
		return s.beginRecord(at, t)
	case s.lost:
		return nil
	case t.empty:
		return nil
	case s.open.len() >= s.lim.Depth:
		return s.lose(at, "elements nested deeper than %d", s.lim.Depth)
	}
	s.open.push(t.name)
	return nil
}

func (s *scanner) beginRecords(t tag) error {
	s.lost = false
	s.open.cut(0)
	s.envelope = envelope{present: true}
	if v, ok := t.attr("session"); ok {
		s.envelope.session = ParseID(v)
	}
	if v, ok := t.attr("callBridge"); ok {
		s.envelope.callBridge = ParseID(v)
	}
	if !t.empty {
		s.open.push(t.name)
		s.envelope.depth = 1
	}
	return nil
}

func (s *scanner) beginRecord(at int64, t tag) error {
	s.rec, s.recWarn, s.recErr = s.header(t)
	s.recAt = at
	s.in.keep = t.from
	if t.empty {
		return s.emit()
	}
	s.open.push(t.name)
	s.recDepth = s.open.len()
	return nil
}

func (s *scanner) endTag(at int64, t tag) error {
	if s.lost {
		if string(localName(t.name)) == "records" {
			s.lost = false
			s.open.cut(0)
			s.envelope = envelope{present: true}
		}
		return nil
	}
	if s.open.len() == 0 || string(s.open.top()) != string(t.name) {
		if s.open.len() == 0 {
			return s.lose(at, "</%s> without a start", clip(t.name))
		}
		return s.lose(at, "</%s> where </%s> was expected", clip(t.name), clip(s.open.top()))
	}
	depth := s.open.len()
	s.open.pop()
	if depth == s.recDepth {
		return s.emit()
	}
	if depth == s.envelope.depth {
		s.envelope = envelope{present: true}
	}
	return nil
}

// emit hands out the record that ends at the current position.
func (s *scanner) emit() error {
	s.checkSize()
	defer s.endRecord()
	switch {
	case s.oversized:
		return s.fault(s.recAt, "record longer than %d bytes", s.lim.Record)
	case s.recErr != nil:
		return s.fault(s.recAt, "%s", s.recErr)
	}
	raw := Raw{Header: s.rec, Offset: s.recAt}
	raw.XML, raw.Replaced = clean(s.in.buf[s.in.keep:s.in.pos], s.latin)
	if !s.yield(raw, nil) {
		return errStop
	}
	if s.recWarn != nil {
		return s.fault(s.recAt, "record kept, but %s", s.recWarn)
	}
	return nil
}

// header reads envelope and record attributes. A record without session, type, time or correlatorIndex has no identity: fatal.
// The other two only warn.
func (s *scanner) header(t tag) (h Header, warn, fatal error) {
	h.Session, h.CallBridge = s.envelope.session, s.envelope.callBridge
	if h.Session == (uuid.UUID{}) {
		return h, nil, errors.New("record without a session")
	}
	typ, _ := t.attr("type")
	if h.Type = Type(strings.TrimSpace(typ)); h.Type == "" {
		return h, nil, errors.New("record without a type")
	}
	text, _ := t.attr("time")
	var err error
	if h.Time, err = ParseTime(text); err != nil {
		return h, nil, err
	}
	text, ok := t.attr("correlatorIndex")
	if !ok {
		return h, nil, errors.New("record without a correlatorIndex")
	}
	if h.CorrelatorIndex, err = parseIndex("correlatorIndex", text); err != nil {
		return h, nil, err
	}
	if text, ok = t.attr("recordIndex"); ok {
		if h.RecordIndex, err = parseIndex("recordIndex", text); err != nil {
			warn = err
		}
	}
	// The wire misspells it (cms-cdr 1.5); the right spelling costs nothing.
	name := "numPreceedingRecordsMissing"
	if text, ok = t.attr(name); !ok {
		name = "numPrecedingRecordsMissing"
		text, ok = t.attr(name)
	}
	if ok {
		if h.Missing, err = parseIndex(name, text); err != nil {
			warn = err
		}
	}
	return h, warn, nil
}

// maxIndex keeps sums of indices far from overflow.
const maxIndex = 1 << 60

func parseIndex(name, text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > maxIndex {
		return 0, fmt.Errorf("%s is %q", name, clip([]byte(text)))
	}
	return n, nil
}

// ParseTime reads the time of a record: RFC 3339 with any offset and fraction, between 1970 and 2106 (what storage can hold). A leap second, which
// [time.Time] does not have, is the second before it.
func ParseTime(text string) (time.Time, error) {
	plain := strings.ToUpper(strings.TrimSpace(text))
	const minute = len("2006-01-02T15:04")
	if len(plain) > minute && strings.HasPrefix(plain[minute:], ":60") {
		plain = plain[:minute] + ":59" + plain[minute+len(":60"):]
	}
	t, err := time.Parse(time.RFC3339Nano, plain)
	if err != nil || t.Unix() < 0 || t.Unix() >= 1<<32 {
		return time.Time{}, fmt.Errorf("record time is %q", clip([]byte(text)))
	}
	return t.UTC(), nil
}

// ParseID makes an id of a text. A text that is no GUID (never seen, but every byte is a stranger's) gets a name-based UUID;
// an empty one is the zero UUID.
func ParseID(text string) uuid.UUID {
	text = strings.TrimSpace(text)
	if text == "" {
		return uuid.UUID{}
	}
	if id, err := uuid.Parse(text); err == nil {
		return id
	}
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(text))
}

// clip shortens what is quoted in a message, and takes out what a terminal would obey.
func clip(b []byte) string { return shorten(string(b), 40) }

func shorten(s string, most int) string {
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s[:min(len(s), most)])
	if len(s) > most {
		return shown + "…"
	}
	return shown
}

// clean makes bytes that an XML parser takes: UTF-8 without the control characters XML forbids.
func clean(b []byte, latin bool) (_ []byte, replaced bool) {
	if !utf8.Valid(b) {
		if latin {
			if out, err := charmap.Windows1252.NewDecoder().Bytes(b); err == nil {
				b = out
			}
		} else {
			b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
			replaced = true
		}
	}
	if bytes.IndexFunc(b, forbidden) >= 0 {
		replaced = true
		b = bytes.Map(func(r rune) rune {
			if forbidden(r) {
				return utf8.RuneError
			}
			return r
		}, b)
	}
	return b, replaced
}

func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

// input is a window on the body.
type input struct {
	r        io.Reader
	buf      []byte
	pos, end int
	keep     int   // first byte of the open record, or -1
	base     int64 // offset of buf[0]
	err      error
	empties  int
}

const chunk = 64 << 10

func (in *input) offset() int64 { return in.base + int64(in.pos) }

// more reads on; it forgets what lies before the position and the open record. It returns io.EOF at the end.
func (in *input) more() error {
	if in.err != nil {
		return in.err
	}
	from := in.pos
	if in.keep >= 0 {
		from = in.keep
	}
	if from > 0 {
		copy(in.buf, in.buf[from:in.end])
		in.base += int64(from)
		in.pos -= from
		in.end -= from
		if in.keep >= 0 {
			in.keep = 0
		}
	}
	if len(in.buf)-in.end < chunk/2 {
		grown := make([]byte, max(chunk, 2*len(in.buf)))
		copy(grown, in.buf[:in.end])
		in.buf = grown
	}
	for {
		n, err := in.r.Read(in.buf[in.end:])
		in.end += n
		if err != nil {
			in.err = err
		}
		if n > 0 {
			in.empties = 0
			return nil
		}
		if err != nil {
			return err
		}
		if in.empties++; in.empties > 100 {
			in.err = io.ErrNoProgress
			return in.err
		}
	}
}

// peek returns up to n bytes at the position, fewer only at the end of the body.
func (in *input) peek(n int) []byte {
	for in.end-in.pos < n {
		if in.more() != nil {
			break
		}
	}
	return in.buf[in.pos:min(in.end, in.pos+n)]
}

// detectUTF16 puts a decoder before the body if it begins with a UTF-16 byte-order mark or a '<' of two bytes.
func (in *input) detectUTF16() {
	head := in.peek(4)
	var enc utf16.Endianness
	switch {
	case bytes.HasPrefix(head, []byte("\xFE\xFF")), bytes.HasPrefix(head, []byte("\x00<\x00")):
		enc = utf16.BigEndian
	case bytes.HasPrefix(head, []byte("\xFF\xFE")), len(head) == 4 && head[0] == '<' && head[1] == 0 && head[3] == 0:
		enc = utf16.LittleEndian
	default:
		return
	}
	rest := io.MultiReader(bytes.NewReader(bytes.Clone(in.buf[:in.end])), &failing{in.r, in.err})
	*in = input{r: utf16.UTF16(enc, utf16.UseBOM).NewDecoder().Reader(rest), keep: -1}
}

// failing repeats an error that the reader has already given.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.r.Read(p)
}

// tag is a start or end tag. Its slices point into the window and live until the next read.
type tag struct {
	from  int // index of '<'
	name  []byte
	attrs []byte // raw, well-formed, each value in quotes
	end   bool
	empty bool // <a/>
}

// readTag reads the tag at the position and moves behind it. On a *Fault the position is unchanged or, where the tag runs into
// another '<', just before that.
func (s *scanner) readTag() (tag, error) {
	in := &s.in
	i := 1 // relative to the position
	var quote byte
	for {
		for in.pos+i >= in.end {
			if i > s.lim.Tag {
				return tag{}, &Fault{Reason: fmt.Sprintf("tag longer than %d bytes", s.lim.Tag)}
			}
			if err := in.more(); err != nil {
				return tag{}, err
			}
		}
		c := in.buf[in.pos+i]
		switch {
		case c == '<':
			in.pos += i - 1 // the caller steps over one byte
			return tag{}, &Fault{Reason: "'<' inside a tag"}
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			if i > s.lim.Tag {
				return tag{}, &Fault{Reason: fmt.Sprintf("tag longer than %d bytes", s.lim.Tag)}
			}
			t, reason := parseTag(in.buf[in.pos+1 : in.pos+i])
			if reason != "" {
				return tag{}, &Fault{Reason: reason}
			}
			t.from = in.pos
			in.pos += i + 1
			return t, nil
		}
		i++
	}
}

// parseTag takes what stands between '<' and '>'.
func parseTag(b []byte) (t tag, reason string) {
	if len(b) > 0 && b[0] == '/' {
		t.end = true
		b = b[1:]
	} else if len(b) > 0 && b[len(b)-1] == '/' {
		t.empty = true
		b = b[:len(b)-1]
	}
	n := 0
	for n < len(b) && !isSpace(b[n]) {
		n++
	}
	t.name, t.attrs = b[:n], b[n:]
	if !isName(t.name) {
		return t, fmt.Sprintf("<%s is no tag", clip(t.name))
	}
	if t.end && len(bytes.TrimSpace(t.attrs)) > 0 {
		return t, "attributes in an end tag"
	}
	for rest := t.attrs; ; {
		name, _, next, ok := nextAttr(rest)
		if !ok {
			return t, "malformed attribute in <" + clip(t.name) + ">"
		}
		if name == nil {
			return t, ""
		}
		rest = next
	}
}

// nextAttr takes the first attribute off b. At the end name is nil.
func nextAttr(b []byte) (name, value, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return nil, nil, nil, true
	}
	i := bytes.IndexByte(b, '=')
	if i < 0 {
		return nil, nil, nil, false
	}
	name = bytes.TrimRight(b[:i], " \t\r\n")
	b = bytes.TrimLeft(b[i+1:], " \t\r\n")
	if !isName(name) || len(b) == 0 || b[0] != '"' && b[0] != '\'' {
		return nil, nil, nil, false
	}
	j := bytes.IndexByte(b[1:], b[0])
	if j < 0 {
		return nil, nil, nil, false
	}
	return name, b[1 : 1+j], b[j+2:], true
}

// attr returns an attribute's value by its local name.
func (t tag) attr(name string) (string, bool) {
	for rest := t.attrs; ; {
		n, v, next, ok := nextAttr(rest)
		if !ok || n == nil {
			return "", false
		}
		if string(localName(n)) == name {
			return unescape(v), true
		}
		rest = next
	}
}

func (t tag) has(name string) bool { _, ok := t.attr(name); return ok }

// unescape resolves the five named entities and character references; anything else stays as it is.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '&') < 0 {
		return string(b)
	}
	var out strings.Builder
	for {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			out.Write(b)
			return out.String()
		}
		out.Write(b[:i])
		b = b[i:]
		j := bytes.IndexByte(b, ';')
		if j < 0 || j > 12 {
			out.WriteByte('&')
			b = b[1:]
			continue
		}
		if r, ok := reference(string(b[1:j])); ok {
			out.WriteRune(r)
		} else {
			out.Write(b[:j+1])
		}
		b = b[j+1:]
	}
}

func reference(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	num, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := strings.CutPrefix(num, "x"); ok {
		num, base = hex, 16
	}
	n, err := strconv.ParseUint(num, base, 32)
	if err != nil || n > utf8.MaxRune || forbidden(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

func localName(name []byte) []byte { return name[bytes.IndexByte(name, ':')+1:] }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// isName is generous: it refuses what would make a tag ambiguous, not what XML's grammar forbids.
func isName(b []byte) bool {
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == ':', c >= 0x80:
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return len(b) > 0
}

// nameStack holds the names of open elements in one piece of memory.
type nameStack struct {
	text  []byte
	marks []int
}

func (n *nameStack) len() int { return len(n.marks) }

func (n *nameStack) push(name []byte) {
	n.marks = append(n.marks, len(n.text))
	n.text = append(n.text, name...)
}

func (n *nameStack) top() []byte { return n.text[n.marks[len(n.marks)-1]:] }

func (n *nameStack) pop() { n.cut(len(n.marks) - 1) }

func (n *nameStack) cut(depth int) {
	if depth < len(n.marks) {
		n.text = n.text[:n.marks[depth]]
		n.marks = n.marks[:depth]
	}
}
