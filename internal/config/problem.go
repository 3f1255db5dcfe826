package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake, or one warning, about one key of the file.
type Problem struct {
	// File is the name that was given to Load or Parse.
	File string
	// Line of the key, from 1. A key that is missing has the line of the object it is missing from.
	Line int
	// Key is the path to it, for example clusters[0].bridges[1].url; empty for mistakes of the file as a whole.
	Key string
	// Text says what is wrong and what to write instead. It never quotes a secret.
	Text string
}

// Error is file:line: key: text, in one line.
func (p Problem) Error() string {
	where := fmt.Sprintf("%s:%d: ", p.File, p.Line)
	if p.Key != "" {
		where += p.Key + ": "
	}
	return where + p.Text
}

// Error is all that is wrong with a file, in the order of its lines.
type Error struct{ Problems []Problem }

// Error is the first mistake, in one line, and how many follow.
func (e *Error) Error() string {
	text := e.Problems[0].Error()
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// problems collects mistakes while a file is read.
type problems struct {
	file string
	list []Problem
}

func (p *problems) add(line int, key, format string, args ...any) {
	p.list = append(p.list, Problem{p.file, max(line, 1), key, fmt.Sprintf(format, args...)})
}

// err is nil when there are none.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int { return a.Line - b.Line })
	return &Error{p.list}
}

// positions tells where each key stands.
type positions map[string]int

// line of a key, or of the nearest object around it that stands in the file.
func (p positions) line(key string) int {
	for key != "" {
		if line, ok := p[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return 1
}
