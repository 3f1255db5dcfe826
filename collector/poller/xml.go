package poller

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// element is one element of an answer. The dialect (cms-api.md §2.2) varies in white space, declaration and empty forms; in this tree it does not.
type element struct {
	name     string
	attrs    map[string]string
	text     string
	children []*element
	// gathered is the text so far, while the element is open.
	gathered []byte
}

const (
	maxDepth    = 32
	maxElements = 200_000
)

// secretWords are in the names of elements that are dropped with all they hold before anything else sees them (cms-api.md §15).
var secretWords = []string{"password", "passcode", "secret", "streamurl", "streamkey", "username", "token"}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// parse reads one whole document. Half a document, two roots or text beside the root are errors; a missing declaration is none.
func parse(body []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(legal(body)))
	d.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		// Real servers name no encoding and send UTF-8.
		if strings.EqualFold(label, "utf-8") || strings.EqualFold(label, "us-ascii") {
			return input, nil
		}
		return nil, fmt.Errorf("encoding %q is not supported", label)
	}
	var root *element
	var open []*element
	skip, count := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			count++
			if count > maxElements {
				return nil, fmt.Errorf("more than %d elements", maxElements)
			}
			if skip > 0 || isSecret(t.Name.Local) {
				skip++
				continue
			}
			if len(open) >= maxDepth {
				return nil, fmt.Errorf("nested deeper than %d", maxDepth)
			}
			e := &element{name: t.Name.Local}
			for _, a := range t.Attr {
				if e.attrs == nil {
					e.attrs = make(map[string]string, len(t.Attr))
				}
				e.attrs[a.Name.Local] = a.Value
			}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			case root == nil:
				root = e
			default:
				return nil, errors.New("more than one root element")
			}
			open = append(open, e)
		case xml.EndElement:
			if skip > 0 {
				skip--
				continue
			}
			e := open[len(open)-1]
			e.text, e.gathered = strings.TrimSpace(string(e.gathered)), nil
			open = open[:len(open)-1]
		case xml.CharData:
			switch {
			case skip > 0:
			case len(open) > 0:
				e := open[len(open)-1]
				e.gathered = append(e.gathered, t...)
			case len(bytes.TrimSpace(t)) > 0 && !bytes.Equal(t, []byte("\uFEFF")):
				return nil, errors.New("text outside the root element")
			}
		}
	}
	if root == nil {
		return nil, errors.New("no root element")
	}
	return root, nil
}

// reference is a character named by its number.
var reference = regexp.MustCompile(`&#(x[0-9A-Fa-f]{1,8}|[0-9]{1,10});`)

// legal replaces what an XML parser refuses in text: bytes that are no UTF-8, and characters that XML forbids. A name that somebody typed into a telephone must not
// cost the whole list that it stands in.
func legal(body []byte) []byte {
	body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	if bytes.IndexFunc(body, forbidden) >= 0 {
		body = bytes.Map(func(r rune) rune {
			if forbidden(r) {
				return utf8.RuneError
			}
			return r
		}, body)
	}
	return reference.ReplaceAllFunc(body, func(named []byte) []byte {
		digits, base := string(named[2:len(named)-1]), 10
		if hex, ok := strings.CutPrefix(digits, "x"); ok {
			digits, base = hex, 16
		}
		if n, err := strconv.ParseInt(digits, base, 32); err != nil || !utf8.ValidRune(rune(n)) || forbidden(rune(n)) {
			return []byte("\uFFFD")
		}
		return named
	})
}

func forbidden(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

// child returns the first child of that name, or nil.
func (e *element) child(name string) *element {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// field returns the children that are a field of the element: those of its name, else those that the guide's tables write with other capitals (Error).
func (e *element) field(name string) []*element {
	found := e.all(name)
	if found == nil {
		for _, c := range e.children {
			if strings.EqualFold(c.name, name) {
				found = append(found, c)
			}
		}
	}
	return found
}

// attr returns the attribute that is a field of the element, as field does.
func (e *element) attr(name string) (value string, present bool) {
	if value, present = e.attrs[name]; present {
		return value, true
	}
	for sent, value := range e.attrs {
		if strings.EqualFold(sent, name) {
			return value, true
		}
	}
	return "", false
}

// all returns the children of that name.
func (e *element) all(name string) []*element {
	var out []*element
	for _, c := range e.children {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}
