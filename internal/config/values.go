package config

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones also on machines without their database
)

const hidden = "<secret>"

// Secret is a text that prints as <secret>, whatever prints it: fmt with any verb, encoding/json, YAML, slog. It holds a pointer, so
// that even reflection over a struct that has it in an unexported field shows an address and not the text.
// The zero value is "not given".
type Secret struct{ text *string }

// NewSecret hides text. The empty text is "not given".
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal is the text itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether no secret was given.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String is <secret>, or nothing where none was given.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// Format hides the text from every verb, %x and %#v included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText hides the text from JSON and from everything else that encodes text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML hides the text from YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// URL is an address that may hold a password; it prints without it, as Secret does.
type URL struct{ text Secret }

// NewURL hides the password in text.
func NewURL(text string) URL { return URL{NewSecret(text)} }

// Reveal is the whole address with its password.
func (u URL) Reveal() string { return u.text.Reveal() }

// IsZero reports whether no address was given.
func (u URL) IsZero() bool { return u.text.IsZero() }

// Equal compares the whole addresses.
func (u URL) Equal(other URL) bool { return u.text.Equal(other.text) }

// String is the address with every user and password replaced, and without its query, which may hold them too.
func (u URL) String() string {
	parts := strings.Split(u.Reveal(), ",")
	for i, part := range parts {
		scheme, rest, found := strings.Cut(part, "://")
		if !found {
			scheme, rest = "", part
		}
		rest, _, _ = strings.Cut(rest, "?")
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = hidden + rest[at:]
		}
		if found {
			rest = scheme + "://" + rest
		}
		parts[i] = rest
	}
	return strings.Join(parts, ",")
}

// Format prints without the password, whatever the verb.
func (u URL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText encodes without the password.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalYAML encodes without the password.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// LogValue logs without the password.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// servers parses the comma-separated addresses. Its error never quotes the text: a password may stand anywhere in it.
func (u URL) servers() ([]*url.URL, error) {
	var servers []*url.URL
	scheme := ""
	for part := range strings.SplitSeq(u.Reveal(), ",") {
		part = strings.TrimSpace(part)
		if !strings.Contains(part, "://") && scheme != "" {
			part = scheme + "://" + part // clickhouse://a:9000,b:9000/db
		}
		parsed, err := url.Parse(part)
		if err != nil || parsed.Host == "" || parsed.Hostname() == "" {
			return nil, errors.New("not a valid URL")
		}
		scheme = parsed.Scheme
		servers = append(servers, parsed)
	}
	return servers, nil
}

// Duration is a length of time that is written as Go does (1h30m), and in days (90d) and weeks (2w).
type Duration time.Duration

// Std is the length as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes whole days as days.
func (d Duration) String() string {
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 30s, 1h30m, 90d, 2w, 1d12h. A number without a unit is refused.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// ParseDuration reads 30s, 1h30m, 90d, 2w, 1d12h.
func ParseDuration(text string) (Duration, error) {
	bad := fmt.Errorf("%q is not a length of time; write for example 30s, 12h or 90d", text)
	rest, total := text, Duration(0)
	for _, unit := range []struct {
		letter string
		length Duration
	}{{"w", 7 * day}, {"d", day}} {
		number, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || Duration(n) > (math.MaxInt64-total)/unit.length {
			return 0, bad
		}
		total += Duration(n) * unit.length
		if rest = after; rest == "" {
			return total, nil
		}
	}
	parsed, err := time.ParseDuration(rest)
	if err != nil || parsed < 0 || Duration(parsed) > math.MaxInt64-total {
		return 0, bad
	}
	return total + Duration(parsed), nil
}

// Size is a number of bytes, written 500MB, 16GB, 4TB (powers of 1000) or 512MiB, 16GiB (powers of 1024).
type Size int64

// Bytes is the number of bytes.
func (s Size) Bytes() int64 { return int64(s) }

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// String writes the size with the largest unit that keeps it whole.
func (s Size) String() string {
	best, number := "B", int64(s)
	for _, unit := range sizeUnits {
		if s != 0 && int64(s)%unit.bytes == 0 && int64(s)/unit.bytes < number {
			best, number = unit.name, int64(s)/unit.bytes
		}
	}
	return strconv.FormatInt(number, 10) + best
}

// MarshalText writes what UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads 500MB, 1.5TB, 16GiB, and a bare number of bytes.
func (s *Size) UnmarshalText(text []byte) error {
	bad := fmt.Errorf("%q is not a size; write for example 512MB, 16GB or 4TB", text)
	number, factor := string(text), int64(1)
	for _, unit := range sizeUnits {
		if before, found := strings.CutSuffix(number, unit.name); found {
			number, factor = strings.TrimSpace(before), unit.bytes
			break
		}
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		if whole < 0 || whole > math.MaxInt64/factor {
			return bad
		}
		*s = Size(whole * factor)
		return nil
	}
	if strings.Trim(number, "0123456789.") != "" {
		return bad // neither exponents nor "inf"
	}
	fraction, err := strconv.ParseFloat(number, 64)
	if err != nil || fraction*float64(factor) >= math.MaxInt64 {
		return bad
	}
	*s = Size(math.Round(fraction * float64(factor)))
	return nil
}

// Date is a calendar day without a time zone; who uses it says in which zone it begins.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// In is the start of the day in a time zone.
func (d Date) In(zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
}

// Before reports whether d comes before other.
func (d Date) Before(other Date) bool { return d.In(time.UTC).Before(other.In(time.UTC)) }

// IsZero reports whether no day was given.
func (d Date) IsZero() bool { return d == Date{} }

// String is the day as 2026-01-31.
func (d Date) String() string { return d.In(time.UTC).Format(time.DateOnly) }

// MarshalText writes the day as 2026-01-31.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 2026-01-31.
func (d *Date) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a day; write for example 2026-01-31", text)
	}
	d.Year, d.Month, d.Day = parsed.Date()
	return nil
}

// Location is a time zone by its name in the IANA database.
type Location struct{ zone *time.Location }

// UTC is the zone of pools that name none.
var UTC = Location{time.UTC}

// Std is the zone as the standard library's type; the zero value is UTC.
func (l Location) Std() *time.Location {
	if l.zone == nil {
		return time.UTC
	}
	return l.zone
}

// String is the zone's name.
func (l Location) String() string { return l.Std().String() }

// MarshalText writes the zone's name.
func (l Location) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a name such as Europe/Berlin. "Local" is refused: a license day must not depend on the machine.
func (l *Location) UnmarshalText(text []byte) error {
	name := string(text)
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return fmt.Errorf("%q is not a time zone; write for example UTC or Europe/Berlin", name)
	}
	l.zone = zone
	return nil
}
