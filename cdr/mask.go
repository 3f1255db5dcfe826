package cdr

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// MaskSecrets replaces what is secret in a body or record (streamUrl: all but scheme and host, as it holds the stream key), so that the raw text
// can be stored. A masked record decodes to what the record itself decodes to. It returns b itself if there is nothing to mask. It works on the text,
// so it also reaches bodies that are not XML; a field without an end loses all that follows in b.
func MaskSecrets(b []byte) []byte {
	var out []byte
	rest := b
	for {
		from, to := secretSpan(rest)
		if from < 0 {
			if out == nil {
				return b
			}
			return append(out, rest...)
		}
		out = append(append(out, rest[:from]...), maskedText(rest[from:to])...)
		rest = rest[to:]
	}
}

var streamURLTag = []byte("streamurl")

// secretSpan finds the first value of a streamUrl element or attribute, in any case, with or without a prefix.
func secretSpan(b []byte) (from, to int) {
	for at := 0; ; {
		i := indexFold(b[at:], streamURLTag)
		if i < 0 {
			return -1, 0
		}
		start := at + i
		at = start + len(streamURLTag)
		before := byte(0)
		if start > 0 {
			before = b[start-1]
		}
		if before != '<' && before != ':' && !isSpace(before) {
			continue // an end tag, or a part of another name
		}
		after := bytes.TrimLeft(b[at:], " \t\r\n")
		if len(after) == 0 {
			return -1, 0
		}
		if after[0] == '=' { // an attribute
			value := bytes.TrimLeft(after[1:], " \t\r\n")
			if len(value) < 2 || value[0] != '"' && value[0] != '\'' {
				continue
			}
			from = len(b) - len(value) + 1
			if j := bytes.IndexByte(b[from:], value[0]); j >= 0 {
				to = from + j
			} else {
				to = len(b)
			}
		} else { // an element
			j := bytes.IndexByte(b[at:], '>')
			if j < 0 {
				return -1, 0
			}
			if b[at+j-1] == '/' {
				continue
			}
			from = at + j + 1
			to = len(b)
			// Up to its end tag: a CDATA section or comment inside goes with it.
			for k := from; ; {
				e := bytes.Index(b[k:], []byte("</"))
				if e < 0 {
					break
				}
				k += e + 2
				name := b[k:min(len(b), k+64)]
				if c := bytes.IndexByte(name, '>'); c >= 0 && indexFold(name[:c], streamURLTag) >= 0 {
					to = k - 2
					break
				}
			}
		}
		if raw := bytes.TrimSpace(b[from:to]); len(raw) == 0 || string(raw) == maskedText(raw) {
			at = to
			continue
		}
		return from, to
	}
}

// maskedText is what may be kept of the raw XML text of a stream's URL.
func maskedText(raw []byte) string {
	var value struct {
		Text string `xml:",chardata"`
	}
	text := string(raw)
	if strings.ContainsAny(text, "<&") { // character references, CDATA sections, comments
		if err := xml.Unmarshal([]byte("<x>"+text+"</x>"), &value); err != nil {
			return masked
		}
		text = value.Text
	}
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(maskStreamURL(strings.TrimSpace(text)))); err != nil {
		return masked
	}
	return out.String()
}

// indexFold finds an ASCII word in lower case, whatever the case in b.
func indexFold(b, word []byte) int {
	for i := 0; i+len(word) <= len(b); {
		j := bytes.IndexAny(b[i:len(b)-len(word)+1], string([]byte{word[0], word[0] - 'a' + 'A'}))
		if j < 0 {
			return -1
		}
		i += j
		if bytes.EqualFold(b[i:i+len(word)], word) {
			return i
		}
		i++
	}
	return -1
}
