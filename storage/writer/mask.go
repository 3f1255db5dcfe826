package writer

import "bytes"

// maskStreamURLs overwrites, in place and byte for byte, what is secret in the text of streamUrl elements: credentials before the host and
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
		if !opensElement(all, at-len("streamurl")) {
			continue
		}
		closing := bytes.IndexByte(all[at:], '>')
		if closing < 0 {
			break
		}
		at += closing + 1
		from, to := textOf(all, at)
		maskURL(all[from:to])
		at = to
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

// textOf is where the text of an element whose opening tag ended before at lies: up to the next tag, or inside a CDATA section.
func textOf(all []byte, at int) (from, to int) {
	section := []byte("<![CDATA[")
	text := bytes.TrimLeft(all[at:], " \t\r\n")
	if bytes.HasPrefix(text, section) {
		from = len(all) - len(text) + len(section)
		if end := bytes.Index(all[from:], []byte("]]>")); end >= 0 {
			return from, from + end
		}
		return from, len(all)
	}
	if end := bytes.IndexByte(all[at:], '<'); end >= 0 {
		return at, at + end
	}
	return at, len(all)
}

// maskURL keeps scheme and host of a URL and overwrites the rest with asterisks. A text without "://" is overwritten whole.
func maskURL(url []byte) {
	host := bytes.Index(url, []byte("://"))
	if host < 0 {
		stars(url)
		return
	}
	host += len("://")
	end := bytes.IndexAny(url[host:], "/?#")
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
