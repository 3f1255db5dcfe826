package writer

import "bytes"

// maskStreamURLs overwrites, in place and byte for byte, what is secret in the text of streamUrl elements, or attributes: credentials before the host and
// everything after it, where the stream key is (cms-cdr 2.7). Markup is left as it is, so the body stays the same XML of the same length.
// before is what directly precedes data in the body, for a body that comes in parts; it is only looked at.
func maskStreamURLs(before, data []byte) {
	all := data
	start := 0
	if len(before) > 0 {
		all = append(bytes.Clone(before), data...)
		start = len(before)
	}
	for at := 0; ; {
		found := indexFold(all[at:], []byte("streamurl"))
		if found < 0 {
			break
		}
		at += found + len("streamurl")
		if value := attributeValue(all, at-len("streamurl"), at); value != nil {
			maskURL(value)
			continue
		}
		if !opensElement(all, at-len("streamurl")) {
			continue
		}
		closing := bytes.IndexByte(all[at:], '>')
		if closing < 0 {
			break
		}
		at += closing + 1
		if all[at-2] == '/' {
			continue
		}
		// Comments and CDATA sections divide a text into several: the host is kept in the first only, what follows it may begin in any.
		for first, more := true, true; more; {
			var from, to int
			from, to, at, more = textOf(all, at)
			text := all[from:to]
			switch {
			case len(bytes.TrimSpace(text)) == 0:
			case bytes.HasSuffix(all[:from], []byte("<!--")):
				stars(text)
			case first:
				maskURL(text)
				first = false
			default:
				stars(text[min(1, len(text)-len(bytes.TrimLeft(text, "/?#"))):]) // what ends the host stays
			}
		}
	}
	if start > 0 {
		copy(data, all[start:])
	}
}

// indexFold is bytes.Index for a lower-case ASCII needle in any case.
func indexFold(haystack, needle []byte) int {
	for at := 0; at+len(needle) <= len(haystack); at++ {
		next := bytes.IndexAny(haystack[at:], "sS")
		if next < 0 {
			return -1
		}
		at += next
		if at+len(needle) > len(haystack) {
			return -1
		}
		if bytes.EqualFold(haystack[at:at+len(needle)], needle) {
			return at
		}
	}
	return -1
}

// opensElement tells whether the name at position at is that of an opening tag, with or without a prefix.
func opensElement(all []byte, at int) bool {
	for i := at - 1; i >= 0 && i >= at-64; i-- {
		switch c := all[i]; {
		case c == '<':
			return true
		case c == ':' || c == '-' || c == '_' || c == '.' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return false
}

// textOf is where the text at position at lies: inside the CDATA section or comment that begins there, else up to the next '<'. At next there may be more of it.
func textOf(all []byte, at int) (from, to, next int, more bool) {
	if mark, end := section(all[at:]); mark != "" {
		from = at + len(mark)
		if i := bytes.Index(all[from:], []byte(end)); i >= 0 {
			return from, from + i, from + i + len(end), true
		}
		return from, len(all), len(all), false
	}
	to = len(all)
	if i := bytes.IndexByte(all[at:], '<'); i >= 0 {
		to = at + i
	}
	mark, _ := section(all[to:])
	return at, to, to, mark != ""
}

// section gives the marks of the CDATA section or comment that b begins with.
func section(b []byte) (mark, end string) {
	switch {
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		return "<![CDATA[", "]]>"
	case bytes.HasPrefix(b, []byte("<!--")):
		return "<!--", "-->"
	}
	return "", ""
}

// attributeValue is the value of the attribute whose name stands from name to end, nil if it is none.
func attributeValue(all []byte, name, end int) []byte {
	if name == 0 || bytes.IndexByte([]byte(" \t\r\n:"), all[name-1]) < 0 {
		return nil
	}
	rest, found := bytes.CutPrefix(bytes.TrimLeft(all[end:], " \t\r\n"), []byte("="))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	if !found || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return nil
	}
	value := rest[1:]
	if close := bytes.IndexByte(value, rest[0]); close >= 0 {
		value = value[:close]
	}
	return value
}

// maskURL keeps scheme and host of a URL and overwrites the rest with asterisks. A text without "://" is overwritten whole.
func maskURL(url []byte) {
	host := bytes.Index(url, []byte("://"))
	if host < 0 {
		stars(url)
		return
	}
	host += len("://")
	end := bytes.IndexAny(url[host:], "/?#\\ \t\r\n")
	if end < 0 {
		end = len(url)
	} else {
		end += host
	}
	if at := bytes.LastIndexByte(url[host:end], '@'); at >= 0 {
		stars(url[host : host+at])
	}
	if end < len(url) {
		stars(url[end+1:])
	}
}

func stars(b []byte) {
	for i, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			b[i] = '*'
		}
	}
}
