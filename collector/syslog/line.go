package syslog

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/storage"
)

// Line is one syslog line, taken apart as far as it is understood. What is not stays in Message; nothing is refused.
type Line struct {
	// Time is zero where no stamp is understood, or none that storage can hold.
	Time time.Time
	// Facility and Severity as words; empty where the line has none.
	Facility, Severity string
	Host, Process      string
	// Level is the application's own: INFO, WARNING, ERROR.
	Level   string
	Message string
}

var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "security", "console", "solaris-cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

var severities = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

var (
	priority    = regexp.MustCompile(`^<(\d{1,3})>(?:1 )?`)
	rfc3339     = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\S{8,24}`)
	traditional = regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]?\d \d{2}:\d{2}:\d{2}`)
	facSev      = regexp.MustCompile(`^([a-z]+\d?)\.([a-z]+) `)
	procName    = regexp.MustCompile(`^([A-Za-z0-9_./-]+(?::[A-Za-z0-9_./-]+)?)(?:\[\d+\])?:? `)
	appLevel    = regexp.MustCompile(`^(DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|FATAL)\s*:\s*`)
)

// Parse takes a line apart: an optional <priority>, a time stamp of either style (RFC 3339, or month, day and time without year or zone), an optional
// facility.severity, host, process, level and text (cms-api.md §11.1). A stamp without year is read as the nearest such time to now, in UTC.
func Parse(raw string, now time.Time) Line {
	var l Line
	rest := strings.TrimRight(strings.ToValidUTF8(raw, "\uFFFD"), "\r\n\x00 ")
	if m := priority.FindStringSubmatch(rest); m != nil {
		if n, _ := strconv.Atoi(m[1]); n < len(facilities)*8 {
			l.Facility, l.Severity = facilities[n/8], severities[n%8]
		}
		rest = rest[len(m[0]):]
	}
	stamped := false
	if stamp := rfc3339.FindString(rest); stamp != "" {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999-0700"} {
			if t, err := time.Parse(layout, stamp); err == nil {
				if stamped = true; storage.Holdable(t).Unix() == t.Unix() {
					l.Time = t.UTC()
				}
				break
			}
		}
		if stamped {
			rest = strings.TrimLeft(rest[len(stamp):], " ")
		}
	} else if stamp := traditional.FindString(rest); stamp != "" {
		if t, ok := nearest(stamp, now); ok {
			l.Time, stamped = t, true
			rest = strings.TrimLeft(rest[len(stamp):], " ")
		}
	}
	if !stamped {
		l.Message = rest
		return l
	}
	if m := facSev.FindStringSubmatch(rest); m != nil {
		l.Facility, l.Severity = m[1], m[2]
		rest = strings.TrimLeft(rest[len(m[0]):], " ")
	}
	if host, after, ok := strings.Cut(rest, " "); ok && !strings.HasSuffix(host, ":") {
		l.Host, rest = host, strings.TrimLeft(after, " ")
	}
	if m := procName.FindStringSubmatch(rest); m != nil {
		l.Process = m[1]
		rest = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(rest[len(m[0]):], " "), ":"), " ")
	}
	if m := appLevel.FindStringSubmatch(rest); m != nil {
		l.Level, rest = m[1], rest[len(m[0]):]
	}
	l.Message = rest
	return l
}

// nearest reads a stamp without year as the time closest to now.
func nearest(stamp string, now time.Time) (time.Time, bool) {
	var best time.Time
	for year := now.Year() - 1; year <= now.Year()+1; year++ {
		// With its year, so that 29 February exists where it should.
		t, err := time.Parse("2006 Jan _2 15:04:05", strconv.Itoa(year)+" "+stamp)
		if err == nil && (best.IsZero() || now.Sub(t).Abs() < now.Sub(best).Abs()) {
			best = t
		}
	}
	return best, !best.IsZero()
}

// Kind is what a line means to us.
type Kind string

// The kinds of facts; the empty kind is a line that is only kept.
const (
	None         Kind = ""
	MediaModules Kind = "media_modules"
	Stats        Kind = "stats"
	CDRConnected Kind = "cdr_connected"
	CDRFailed    Kind = "cdr_failed"
	ICEFailure   Kind = "ice_failure"
	WebBridge    Kind = "web_bridge_link"
	Database     Kind = "database"
)

// Fact is the meaning of a line.
type Fact struct {
	Kind Kind
	// Subject tells facts of one kind apart, e.g. the number of the CDR receiver; empty where there is but one.
	Subject string
	// Modules of MediaModules; Text its own words.
	Modules, Working int64
	Text             string
	// Numbers of Stats; nil where the line has none.
	LegsPerSecond                                                *float64
	Legs, LegsPeak, Apps, AppsPeak, SIP, SIPPeak, Peer, PeerPeak *int64
	// Bad says whether the line is bad news, for kinds that can be either.
	Bad bool
}

var (
	modules  = regexp.MustCompile(`media module status\s+\S+\s+\([^)]*\)\s+(\d{1,4})/(\d{1,4})\s*(?:\(([^)]*)\))?`)
	cdrUp    = regexp.MustCompile(`(?i)\bsuccessfully connected to CDR receiver\s*(\S*)`)
	cdrDown  = regexp.MustCompile(`(?i)\bunable to connect to CDR receiver\s*(\S*)`)
	iceError = regexp.MustCompile(`(?i)\bICE failure\b|\bICE\b.*\b(?:error|failed|unauthori[sz]ed)\b`)
	webLink  = regexp.MustCompile(`(?i)web ?bridge link`)
	webBad   = regexp.MustCompile(`(?i)fail|unable|error|could not|cannot`)
	dbBad    = regexp.MustCompile(`(?i)\b(?:fail|failed|failure|error|down|disconnected|lost|unreachable|out of sync)\b`)
)

// Understand returns the fact in a line. The wordings are those the reference pages show; others stay plain lines.
func Understand(l Line) Fact {
	text := l.Message
	if m := modules.FindStringSubmatch(text); m != nil {
		working, _ := strconv.ParseInt(m[1], 10, 64)
		total, _ := strconv.ParseInt(m[2], 10, 64)
		// Fewer than all, or any other words than "full media capacity", is degraded.
		bad := working < total || !strings.EqualFold(strings.TrimSpace(m[3]), "full media capacity")
		return Fact{Kind: MediaModules, Modules: total, Working: working, Text: m[3], Bad: bad}
	}
	if _, document, ok := strings.Cut(text, "STATS:"); ok {
		if f, ok := stats(document); ok {
			return f
		}
	}
	if m := cdrUp.FindStringSubmatch(text); m != nil {
		return Fact{Kind: CDRConnected, Subject: receiver(m[1])}
	}
	if m := cdrDown.FindStringSubmatch(text); m != nil {
		return Fact{Kind: CDRFailed, Subject: receiver(m[1]), Bad: true}
	}
	if webLink.MatchString(text) && webBad.MatchString(text) {
		return Fact{Kind: WebBridge, Bad: true}
	}
	if iceError.MatchString(text) {
		return Fact{Kind: ICEFailure, Bad: true}
	}
	if strings.Contains(l.Process, "sfpool") || strings.HasPrefix(l.Message, "sfpool") {
		return Fact{Kind: Database, Bad: dbBad.MatchString(text)}
	}
	return Fact{}
}

// receiver keeps the number of a CDR receiver and nothing else: an address would hold a token.
func receiver(word string) string {
	digits := strings.Trim(word, ".,:;()\"'")
	if _, err := strconv.ParseUint(digits, 10, 16); err != nil {
		return ""
	}
	return digits
}

// stats reads the JSON object of a STATS line: numbers, and "now/peak" pairs.
func stats(document string) (Fact, bool) {
	var raw struct {
		LegsPS json.RawMessage `json:"callLegsPS"`
		Legs   string          `json:"callLegs"`
		CMA    string          `json:"CMA"`
		SIP    struct {
			Std  string `json:"std"`
			Peer string `json:"peer"`
		} `json:"sip"`
	}
	d := json.NewDecoder(strings.NewReader(document))
	if err := d.Decode(&raw); err != nil {
		// A figure of another type is missing; the others were read all the same.
		if _, odd := errors.AsType[*json.UnmarshalTypeError](err); !odd {
			return Fact{}, false
		}
	}
	f := Fact{Kind: Stats}
	if v, err := strconv.ParseFloat(strings.Trim(string(raw.LegsPS), `"`), 64); err == nil && v >= 0 && v < 1e9 {
		f.LegsPerSecond = &v
	}
	f.Legs, f.LegsPeak = pair(raw.Legs)
	f.Apps, f.AppsPeak = pair(raw.CMA)
	f.SIP, f.SIPPeak = pair(raw.SIP.Std)
	f.Peer, f.PeerPeak = pair(raw.SIP.Peer)
	return f, f != Fact{Kind: Stats}
}

func pair(text string) (now, peak *int64) {
	a, b, _ := strings.Cut(text, "/")
	return count(a), count(b)
}

func count(text string) *int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return nil
	}
	return &n
}

const secretNames = `(password|passwd|passcode|secret|token|stream[ _-]?key|authorization)`

// secrets are the places where secrets stand, and what becomes of them.
var secrets = []struct {
	place *regexp.Regexp
	shown string
}{
	{regexp.MustCompile(`(?i)(<(?:[\w.-]+:)?(?:password|passcode|secret|token|authtoken|streamurl|streamkey)\b[^<>]*>)(?:<!\[CDATA\[)?[^<]+`), "${1}[hidden]"},
	// Receiver tokens and stream keys stand in addresses.
	{regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]{1,15}://)[^\s/@"'<>]*@`), "${1}"},
	{regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]{1,15}://[^\s/?#"'<>]+)[/?#][^\s"'<>]*`), "${1}/[hidden]"},
	// Credentials in name=value form, in quotes or as one word, of which a scheme of HTTP is no part.
	{regexp.MustCompile(`(?i)` + secretNames + `("?\s*[=:]\s*")(?:[^"\\]|\\.)*`), "${1}${2}[hidden]"},
	{regexp.MustCompile(`(?i)` + secretNames + `('?\s*[=:]\s*')[^']*`), "${1}${2}[hidden]"},
	{regexp.MustCompile(`(?i)` + secretNames + `("?\s*[=:]\s*)(?:(?:basic|bearer|digest)\s+)?[^\s"',;&<]+`), "${1}${2}[hidden]"},
}

// Mask hides what may be secret in a line: of an address all but the host, and what stands under the name of password, passcode, secret, token, stream key or
// authorization, as an element or as a value.
func Mask(text string) string {
	for _, s := range secrets {
		text = s.place.ReplaceAllString(text, s.shown)
	}
	return text
}
