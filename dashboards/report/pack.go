package report

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// A pack is a report with all that its figures were computed from, sealed: a head line, a line with the manifest as JSON, a line with the Ed25519 signature of the manifest,
// and the sections, one after the other. The manifest has the length of each section and, for every chainLines lines of it, a link of a hash chain: each is the
// SHA-256 of the one before and of the lines. So every byte of a pack is covered, and one that was changed is named by its section and lines.

// packHead is the first line of a pack.
const packHead = "bridgewatch-pack 1"

// chainLines are the lines of a section between two links of its chain: a changed byte is told to as many lines.
const chainLines = 1000

// manifest is what is signed.
type manifest struct {
	Made      time.Time `json:"made"`
	PublicKey []byte    `json:"public_key"`
	Sections  []section `json:"sections"`
}

// section is one part of a pack.
type section struct {
	Name  string   `json:"name"`
	Bytes int64    `json:"bytes"`
	Lines int64    `json:"lines"`
	Chain []string `json:"chain"`
}

// Sections of a pack: the report as JSON, what it was asked for, and what it was computed from, a JSON object a line.
const (
	sectionReport    = "report.json"
	sectionQuestion  = "question.json"
	sectionSessions  = "sessions.jsonl"
	sectionSnapshots = "snapshots.jsonl"
	sectionFeatures  = "features.jsonl"
	sectionIntervals = "intervals.jsonl"
)

// question is what a pack's report was asked for, besides its inputs.
type question struct {
	Pool         string                  `json:"pool"`
	Clusters     []string                `json:"clusters"`
	Zone         string                  `json:"day_boundary"`
	Readings     licensing.Readings      `json:"readings"`
	Entitlements []licensing.Entitlement `json:"entitlements"`
	From         time.Time               `json:"from"`
	To           time.Time               `json:"to"`
	GeneratedAt  time.Time               `json:"generated_at"`
	Computed     time.Time               `json:"computed_until"`
}

// sealedInterval is a license interval as far as figures need it.
type sealedInterval struct {
	Meeting    string    `json:"call_correlator"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until"`
	Sixths     int64     `json:"smp_sixths"`
	PMP        int64     `json:"pmp"`
	Recordings int64     `json:"recordings"`
	Streams    int64     `json:"streams"`
	Rule       string    `json:"rule"`
}

// LoadSigningKey reads an Ed25519 private key from a PEM file (PKCS #8), as "openssl genpkey -algorithm ed25519" writes it.
func LoadSigningKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block in it; make a key with: openssl genpkey -algorithm ed25519 -out FILE", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: a %T; want an Ed25519 key", path, parsed)
	}
	return key, nil
}

// LoadVerifyingKey reads an Ed25519 public key from a PEM file (PKIX), as "openssl pkey -pubout" writes it.
func LoadVerifyingKey(path string) (ed25519.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM block in it", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s: a %T; want an Ed25519 key", path, parsed)
	}
	return key, nil
}

// sectionWriter writes one section to a file and makes its chain.
type sectionWriter struct {
	out   *bufio.Writer
	of    section
	link  []byte
	lines []byte // since the last link
	n     int
}

func (s *sectionWriter) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	s.lines = append(s.lines, text...)
	s.of.Lines++
	s.of.Bytes += int64(len(text))
	if s.n++; s.n == chainLines {
		s.forge()
	}
	_, err = s.out.Write(text)
	return err
}

// forge makes the next link of the chain.
func (s *sectionWriter) forge() {
	s.link = link(s.link, s.lines)
	s.of.Chain = append(s.of.Chain, hex.EncodeToString(s.link))
	s.lines, s.n = s.lines[:0], 0
}

func link(before, lines []byte) []byte {
	h := sha256.New()
	h.Write(before)
	h.Write(lines)
	return h.Sum(nil)
}

// MakePack makes a license report, as MakeLicense does with its highest days explained, and seals it with its inputs into a file. What it wrote it reads and proves; where the
// store changed meanwhile, so that inputs and report differ, it begins anew.
func MakePack(ctx context.Context, q *storage.Queries, p Pool, from, to, now time.Time, explained int, key ed25519.PrivateKey, path string) (License, error) {
	for try := 1; ; try++ {
		in, err := gather(ctx, q, p, from, to, now)
		if err != nil {
			return License{}, err
		}
		made := NewLicense(in)
		if err := made.ExplainPeaks(ctx, q, p, explained); err != nil {
			return License{}, err
		}
		if err := writePack(ctx, q, in, made, key, path); err != nil {
			return License{}, err
		}
		file, err := os.Open(path)
		if err != nil {
			return License{}, err
		}
		proven, err := Verify(file, nil)
		if err = errors.Join(err, file.Close()); err != nil {
			return License{}, fmt.Errorf("the pack just written: %w", err)
		}
		if proven.Differences == "" {
			return made, nil
		}
		if try == packTries {
			return License{}, fmt.Errorf("what the report is computed from changed %d times while it was sealed; let it end in the past (--to)", try)
		}
	}
}

// packTries are how often sealing begins anew where the store changes.
const packTries = 3

// writePack writes a pack. Its sections pass through a temporary file, so that the number of intervals does not matter.
func writePack(ctx context.Context, q *storage.Queries, in LicenseInput, made License, key ed25519.PrivateKey, path string) (err error) {
	p := in.Pool
	body, err := os.CreateTemp("", "bridgewatch-pack-*")
	if err != nil {
		return err
	}
	defer os.Remove(body.Name()) //nolint:errcheck // a temporary file
	defer body.Close()           //nolint:errcheck // read from below
	m := manifest{Made: made.GeneratedAt, PublicKey: key.Public().(ed25519.PublicKey)}
	out := bufio.NewWriter(body)
	write := func(name string, rows func(line func(any) error) error) error {
		s := &sectionWriter{out: out, of: section{Name: name, Chain: []string{}}}
		if err := rows(s.line); err != nil {
			return fmt.Errorf("section %s: %w", name, err)
		}
		if s.n > 0 {
			s.forge()
		}
		m.Sections = append(m.Sections, s.of)
		return nil
	}
	err = errors.Join(
		write(sectionReport, func(line func(any) error) error { return line(made) }),
		write(sectionQuestion, func(line func(any) error) error {
			return line(question{p.Name, p.Clusters, p.Zone.String(), p.Readings, p.Entitlements, made.From, made.To, made.GeneratedAt, in.Computed})
		}),
		write(sectionSessions, each(in.Sessions)), write(sectionSnapshots, each(in.Snapshots)), write(sectionFeatures, each(in.Features)),
		write(sectionIntervals, func(line func(any) error) error {
			return q.EachLicenseInterval(ctx, storage.LicensePeriod{Clusters: p.Clusters, From: in.bins(), To: in.asOf()}, func(i storage.LicenseInterval) error {
				return line(sealedInterval{i.Meeting.String(), i.From.UTC(), i.Until.UTC(), int64(i.SMPSixths), int64(i.PMP), int64(i.Recordings), int64(i.Streams), i.Rule})
			})
		}),
		out.Flush())
	if err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := fmt.Fprintf(file, "%s\n%s\n%s\n", packHead, text, base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))); err != nil {
		return err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(file, body)
	return err
}

func each[T any](list []T) func(line func(any) error) error {
	return func(line func(any) error) error {
		for _, v := range list {
			if err := line(v); err != nil {
				return err
			}
		}
		return nil
	}
}

// Verified is what is known of a pack that verifies.
type Verified struct {
	// Key is the SHA-256 of the public key, in hex: whoever has that key made the pack.
	Key    string
	Made   time.Time
	Pool   string
	From   time.Time
	To     time.Time
	Days   int
	Inputs int64
	// Differences between the sealed report and what its inputs add up to; empty for a pack that is as it should be.
	Differences string
}

// TamperedError names what of a pack is not as it was sealed.
type TamperedError struct{ What string }

func (e *TamperedError) Error() string { return "not as it was sealed: " + e.What }

func tampered(format string, args ...any) error { return &TamperedError{fmt.Sprintf(format, args...)} }

// Verify reads a pack, proves every byte of it and computes the report again from its inputs. Key, where not nil, must have made it.
func Verify(r io.Reader, key ed25519.PublicKey) (Verified, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	next := func(what string) ([]byte, error) {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return nil, tampered("it ends within %s", what)
		}
		return text[:len(text)-1], nil
	}
	head, err := next("its head")
	if err != nil {
		return Verified{}, err
	}
	if string(head) != packHead {
		return Verified{}, tampered("the head is not %q", packHead)
	}
	text, err := next("the manifest")
	if err != nil {
		return Verified{}, err
	}
	signature, err := next("the signature")
	if err != nil {
		return Verified{}, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil || len(m.PublicKey) != ed25519.PublicKeySize {
		return Verified{}, tampered("the manifest cannot be read")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(signature))
	if err != nil || base64.StdEncoding.EncodeToString(raw) != string(signature) {
		return Verified{}, tampered("the signature cannot be read")
	}
	if !ed25519.Verify(m.PublicKey, text, raw) {
		return Verified{}, tampered("the manifest or its signature")
	}
	if key != nil && !bytes.Equal(key, m.PublicKey) {
		return Verified{}, errors.New("it is sealed with another key")
	}
	sum := sha256.Sum256(m.PublicKey)
	v := Verified{Key: hex.EncodeToString(sum[:]), Made: m.Made}
	var c contents
	for _, s := range m.Sections {
		if err := readSection(in, s, c.take); err != nil {
			return v, err
		}
		v.Inputs += s.Lines
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return v, tampered("there is more after the last section")
	}
	return c.compare(v)
}

// readSection proves the lines of a section and gives each to use. Nothing is used before its block is proven.
func readSection(in *bufio.Reader, s section, use func(name string, line []byte) error) error {
	var before, block []byte
	var lines [][]byte
	links := 0
	forge := func(last int64) error {
		before = link(before, block)
		if links >= len(s.Chain) || hex.EncodeToString(before) != s.Chain[links] {
			return tampered("section %s, lines %d to %d", s.Name, last-int64(len(lines))+1, last)
		}
		links++
		for _, l := range lines {
			if err := use(s.Name, l); err != nil {
				return fmt.Errorf("section %s: %w", s.Name, err)
			}
		}
		block, lines = block[:0], lines[:0]
		return nil
	}
	var read int64
	for n := int64(1); n <= s.Lines; n++ {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return tampered("section %s ends at line %d of %d", s.Name, n, s.Lines)
		}
		read += int64(len(line))
		block = append(block, line...)
		lines = append(lines, slices.Clone(line))
		if len(lines) == chainLines || n == s.Lines {
			if err := forge(n); err != nil {
				return err
			}
		}
	}
	if read != s.Bytes || links != len(s.Chain) {
		return tampered("section %s has %d bytes, want %d", s.Name, read, s.Bytes)
	}
	return nil
}

// contents are the sections of a pack, read.
type contents struct {
	report    json.RawMessage
	question  question
	sessions  []storage.SessionCompleteness
	snapshots []licensing.Snapshot
	features  []storage.LicenseFeatureState
	intervals []licensing.Interval
}

func (c *contents) take(name string, line []byte) error {
	switch name {
	case sectionReport:
		c.report = slices.Clone(line)
		return nil
	case sectionQuestion:
		return json.Unmarshal(line, &c.question)
	case sectionSessions:
		return decodeTo(&c.sessions, line)
	case sectionSnapshots:
		return decodeTo(&c.snapshots, line)
	case sectionFeatures:
		return decodeTo(&c.features, line)
	case sectionIntervals:
		var i sealedInterval
		if err := json.Unmarshal(line, &i); err != nil {
			return err
		}
		c.intervals = append(c.intervals, licensing.Interval{Span: licensing.Span{From: i.From, To: i.Until}, Sixths: i.Sixths, Personal: i.PMP, Recordings: i.Recordings, Streams: i.Streams})
		return nil
	}
	return errors.New("not known to this version")
}

func decodeTo[T any](list *[]T, line []byte) error {
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}

// compare computes the report again, by the pure functions alone, and sets it beside the sealed one. Owners, their groups and explained peaks are sealed, but stand as they are.
func (c *contents) compare(v Verified) (Verified, error) {
	zone, err := time.LoadLocation(c.question.Zone)
	if err != nil {
		return v, fmt.Errorf("time zone of the pack: %w", err)
	}
	a := c.question
	in := LicenseInput{Pool: Pool{Name: a.Pool, Clusters: a.Clusters, Zone: zone, Readings: a.Readings, Entitlements: a.Entitlements}, From: a.From, To: a.To, GeneratedAt: a.GeneratedAt, Computed: a.Computed,
		Sessions: c.sessions, Snapshots: c.snapshots, Features: c.features}
	window := in.window()
	levels := licensing.Levels(clip(c.intervals, window))
	for _, d := range licensing.Days(window, a.To, zone) {
		span := licensing.Span{From: d.Start(zone), To: d.End(zone)}
		if span.From.Before(window) {
			span.From = window
		}
		if span.To.After(in.asOf()) {
			span.To = in.asOf()
		}
		day := licensing.DayPeaks{Day: d}
		if span.From.Before(span.To) {
			day.Peaks = licensing.PeaksWithin(levels, span)
		}
		in.Days = append(in.Days, day)
	}
	if len(c.snapshots) > 0 {
		in.Steps = stepsOf(clip(c.intervals, in.bins()), in.bins(), in.asOf())
	}
	var sealed License
	if err := json.Unmarshal(c.report, &sealed); err != nil {
		return v, fmt.Errorf("the report of the pack: %w", err)
	}
	again := NewLicense(in)
	again.Owners, again.Groups, again.Peaks = sealed.Owners, sealed.Groups, sealed.Peaks
	text, err := json.Marshal(again)
	if err != nil {
		return v, err
	}
	var ours, theirs any
	if err := errors.Join(json.Unmarshal(text, &ours), json.Unmarshal(c.report, &theirs)); err != nil {
		return v, err
	}
	v.Pool, v.From, v.To, v.Days = a.Pool, a.From, a.To, len(sealed.Days)
	v.Differences = cmp.Diff(theirs, ours)
	return v, nil
}

// clip is intervals without what lies before an instant.
func clip(intervals []licensing.Interval, from time.Time) []licensing.Interval {
	list := make([]licensing.Interval, 0, len(intervals))
	for _, i := range intervals {
		if !i.To.After(from) {
			continue
		}
		if i.From.Before(from) {
			i.From = from
		}
		list = append(list, i)
	}
	return list
}

// stepsOf are the steps of BinSeconds from an instant on.
func stepsOf(intervals []licensing.Interval, from, to time.Time) []licensing.StepPeaks {
	const step = licensing.BinSeconds * time.Second
	levels := licensing.Levels(intervals)
	steps := make([]licensing.StepPeaks, 0, int(to.Sub(from)/step)+1)
	next := 0
	var carried licensing.Use
	for at := from; at.Before(to); at = at.Add(step) {
		s := licensing.StepPeaks{Time: at, Carried: carried.SMPSixths}
		s.Peaks.See(licensing.Level{At: at, Use: carried})
		for ; next < len(levels) && levels[next].At.Before(at.Add(step)); next++ {
			if levels[next].At.Before(to) {
				s.Peaks.See(levels[next])
				carried = levels[next].Use
			}
		}
		steps = append(steps, s)
	}
	for _, i := range intervals {
		if k := int(i.From.Sub(from) / step); !i.From.Before(from) && k < len(steps) && i.From.Before(to) {
			steps[k].Started += i.Sixths
		}
	}
	return steps
}
