package bus

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Subject joins tokens under "cms", each made safe: Subject("status", bridge, object).
func Subject(tokens ...string) string {
	var b strings.Builder
	b.WriteString("cms")
	for _, t := range tokens {
		b.WriteByte('.')
		b.WriteString(Token(t))
	}
	return b.String()
}

// maxToken keeps a subject far below the broker's limit for a control line (4 KiB).
const maxToken = 120

// Token makes a name safe as one token of a subject. ASCII letters, digits, '-' and '_' stay; any other byte becomes "=XX" (hexadecimal), so different
// names never share a token and an attacker's '.', '*' or '>' is only text. An overlong name is cut and ends in "=~" and a hash of the whole.
func Token(name string) string {
	if name == "" {
		return "="
	}
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		if b.Len() > maxToken {
			sum := sha256.Sum256([]byte(name))
			return b.String()[:maxToken-34] + "=~" + hex.EncodeToString(sum[:16])
		}
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			b.Write([]byte{'=', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

// mixed stands for the source in the subject of a message that carries bodies of several; no Token is equal to it.
const mixed = "=mixed"

func bodySubject(source string) string { return Subject("cdr", source) }
