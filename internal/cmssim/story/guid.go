package story

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

// GUID is a 128-bit identifier as CMS prints it: lower-case, hyphenated.
type GUID [16]byte

// IsZero reports whether g is the zero GUID, which means "none".
func (g GUID) IsZero() bool { return g == GUID{} }

// Append appends the 36 characters of g to dst.
func (g GUID) Append(dst []byte) []byte {
	var b [36]byte
	hex.Encode(b[0:8], g[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], g[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], g[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], g[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], g[10:16])
	return append(dst, b[:]...)
}

// String returns the 36 characters of g.
func (g GUID) String() string { return string(g.Append(make([]byte, 0, 36))) }

// Chooser makes the deterministic choices of one part of the world or the story. Parts are seeded apart, so that
// what one part draws never moves what another draws.
type Chooser struct{ *rand.Rand }

// NewChooser returns the choices of the part named by parts in the world of seed.
func NewChooser(seed int64, parts ...uint64) Chooser {
	a, b := mix(uint64(seed)), mix(^uint64(seed))
	for _, p := range parts {
		a = mix(a ^ p)
		b = mix(b + p*0x9e3779b97f4a7c15)
	}
	return Chooser{rand.New(rand.NewPCG(a, b))}
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

// GUID draws a version 4 GUID.
func (c Chooser) GUID() GUID {
	var g GUID
	for i, v := range [2]uint64{c.Uint64(), c.Uint64()} {
		for j := range 8 {
			g[i*8+j] = byte(v >> (8 * j))
		}
	}
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

// Chance reports true with probability p.
func (c Chooser) Chance(p float64) bool { return c.Float64() < p }

// Between draws a whole number from lo to hi, both included.
func (c Chooser) Between(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + c.Int64N(hi-lo+1)
}

// Exp draws whole seconds, exponentially distributed with the given mean and cut at six times the mean.
func (c Chooser) Exp(mean float64) int64 {
	return int64(min(c.ExpFloat64(), 6) * mean)
}

// Weighted draws an index of weights with probability in proportion to its weight.
func (c Chooser) Weighted(weights ...float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	x := c.Float64() * sum
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

func pick[T any](c Chooser, from []T) T { return from[c.IntN(len(from))] }

// ParseGUID reads a GUID as CMS prints it, upper case allowed.
func ParseGUID(s string) (GUID, error) {
	var g GUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return GUID{}, fmt.Errorf("%q is not a GUID", s)
	}
	if _, err := hex.Decode(g[:], []byte(s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return GUID{}, fmt.Errorf("%q is not a GUID: %w", s, err)
	}
	return g, nil
}
