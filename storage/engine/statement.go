package engine

import "strings"

// insertStatement is an INSERT cut where its rows begin.
type insertStatement struct {
	head   string // up to the FORMAT clause, or including VALUES
	format string // name of the input format; empty for VALUES
	data   int    // offset of the first byte of the rows in the text; its length when they come apart
}

// splitInsert cuts an INSERT that carries rows, or expects them behind it; false for any other statement,
// among them INSERT … SELECT. The text may end anywhere in the rows.
func splitInsert(text string) (insertStatement, bool) {
	lex := &lexer{text: text}
	t, ok := lex.next()
	if !ok || !t.is(text, "INSERT") {
		return insertStatement{}, false
	}
	for prior := t; ; prior = t {
		if t, ok = lex.next(); !ok { // INSERT INTO t: rows in the default format behind it
			return insertStatement{}, false
		}
		if t.depth > 0 || t.kind != tokenWord || prior.kind == tokenMark && text[prior.start] == '.' ||
			prior.is(text, "INTO") || prior.is(text, "TABLE") {
			continue
		}
		switch {
		case t.is(text, "SELECT"), t.is(text, "WITH"), t.is(text, "INFILE"):
			return insertStatement{}, false
		case t.is(text, "VALUES"):
			return insertStatement{head: text[:t.end], data: lex.pos}, true
		case t.is(text, "FORMAT"):
			name, ok := lex.next()
			if !ok || name.kind != tokenWord {
				return insertStatement{}, false
			}
			s := insertStatement{head: text[:t.start], format: text[name.start:name.end], data: dataStart(text, lex.pos)}
			if strings.EqualFold(s.format, "Values") {
				s.head, s.format = s.head+" VALUES", ""
			}
			return s, true
		}
	}
}

// dataStart skips what ClickHouse allows between the format's name and the first row: blanks, then one line break.
func dataStart(text string, pos int) int {
	for pos < len(text) && strings.IndexByte(" \t\f;", text[pos]) >= 0 {
		pos++
	}
	if pos < len(text) && text[pos] == '\r' {
		pos++
	}
	if pos < len(text) && text[pos] == '\n' {
		pos++
	}
	return pos
}

// outputFormat is the format that a query's own FORMAT clause names; empty when it has none.
func outputFormat(text string) string {
	lex := &lexer{text: text}
	format, after := "", false
	for prior := (token{}); ; {
		t, ok := lex.next()
		if !ok {
			return format
		}
		if after && t.depth == 0 && t.kind == tokenWord {
			format = text[t.start:t.end]
		}
		after = t.depth == 0 && t.is(text, "FORMAT") && (prior.kind != tokenMark || text[prior.start] != '.')
		prior = t
	}
}
