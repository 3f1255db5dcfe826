package engine

import "strings"

// tokenKind tells the few kinds of ClickHouse's tokens that matter here.
type tokenKind uint8

const (
	tokenWord   tokenKind = iota // keyword, bare identifier or number
	tokenQuoted                  // "identifier" or `identifier`
	tokenString                  // 'text' or a heredoc
	tokenMark                    // one character of punctuation
)

// token is a piece of a statement: text[start:end].
type token struct {
	kind       tokenKind
	start, end int
	depth      int // of the brackets around it
}

// lexer cuts a statement into tokens by the rules of ClickHouse's src/Parsers/Lexer.cpp; white space and comments are left out.
type lexer struct {
	text  string
	pos   int
	depth int
}

// next returns the next token, false at the end. A quote that is not closed reaches to the end.
func (l *lexer) next() (token, bool) {
	l.skipBlank()
	if l.pos >= len(l.text) {
		return token{}, false
	}
	t := token{start: l.pos, depth: l.depth}
	switch c := l.text[l.pos]; {
	case c == '\'':
		t.kind = tokenString
		l.quoted(c)
	case c == '"' || c == '`':
		t.kind = tokenQuoted
		l.quoted(c)
	case c == '$' && l.heredoc():
		t.kind = tokenString
	case isWord(c):
		for l.pos < len(l.text) && isWord(l.text[l.pos]) {
			l.pos++
		}
	default:
		t.kind = tokenMark
		l.pos++
		switch c {
		case '(', '[', '{':
			l.depth++
		case ')', ']', '}':
			l.depth--
			t.depth--
		}
	}
	t.end = l.pos
	return t, true
}

func (l *lexer) skipBlank() {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				l.pos = len(l.text)
				return
			}
			l.pos += end + 4
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				l.pos = len(l.text)
				return
			}
			l.pos += end + 1
		default:
			return
		}
	}
}

// quoted moves behind the closing quote; a backslash takes the next character, a doubled quote is one quote.
func (l *lexer) quoted(quote byte) {
	for l.pos++; l.pos < len(l.text); l.pos++ {
		switch l.text[l.pos] {
		case '\\':
			l.pos++
		case quote:
			if l.pos+1 >= len(l.text) || l.text[l.pos+1] != quote {
				l.pos++
				return
			}
			l.pos++
		}
	}
	l.pos = len(l.text)
}

// heredoc moves behind $tag$…$tag$ and tells whether there was one.
func (l *lexer) heredoc() bool {
	rest := l.text[l.pos:]
	end := strings.IndexByte(rest[1:], '$')
	if end < 0 {
		return false
	}
	tag := rest[:end+2]
	for i := 1; i < len(tag)-1; i++ {
		if !isWord(tag[i]) {
			return false
		}
	}
	closing := strings.Index(rest[len(tag):], tag)
	if closing < 0 {
		return false
	}
	l.pos += closing + 2*len(tag)
	return true
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// is tells whether the token is the keyword, in any case.
func (t token) is(text, keyword string) bool {
	return t.kind == tokenWord && strings.EqualFold(text[t.start:t.end], keyword)
}

// name is the identifier that the token spells.
func (t token) name(text string) string {
	s := text[t.start:t.end]
	if t.kind != tokenQuoted {
		return s
	}
	quote := s[:1]
	s = strings.TrimSuffix(s[1:], quote)
	return strings.ReplaceAll(strings.ReplaceAll(s, quote+quote, quote), `\`, "")
}
