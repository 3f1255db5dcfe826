package cmssim

import (
	"strconv"

	"github.com/bridgewatch/bridgewatch/internal/cmssim/story"
)

// Dialect is the manner in which API answers are written. The zero value is what was traced on the wire: compact, with a
// declaration, empty elements as open and close pairs (cms-api.md, section 2.2).
type Dialect struct {
	Pretty        bool // indented, as printed in guides
	NoDeclaration bool
	SelfClosing   bool // empty elements as <name/>
	British       bool // unrecognisedObject instead of unrecognizedObject
}

// element is one node of an API answer: text or children, never both.
type element struct {
	name     string
	attrs    []string // name, value, name, value, …
	text     string
	children []element
}

func el(name string, children ...element) element { return element{name: name, children: children} }

func txt(name, value string) element { return element{name: name, text: value} }

func num[N int | int64](name string, v N) element {
	return txt(name, strconv.FormatInt(int64(v), 10))
}

func truth(name string, v bool) element { return txt(name, strconv.FormatBool(v)) }

// ref is an element that holds an id.
func ref(name string, id story.GUID) element { return txt(name, id.String()) }

func (e element) attr(name, value string) element {
	e.attrs = append(e.attrs[:len(e.attrs):len(e.attrs)], name, value)
	return e
}

func (e element) id(id story.GUID) element { return e.attr("id", id.String()) }

func (e element) with(children ...element) element {
	e.children = append(e.children[:len(e.children):len(e.children)], children...)
	return e
}

// encode writes the document with e as its root.
func (d Dialect) encode(e element) []byte {
	var b []byte
	if !d.NoDeclaration {
		b = append(b, `<?xml version="1.0"?>`...)
	}
	b = d.append(b, e, 0)
	if d.Pretty {
		b = append(b, '\n')
	}
	return b
}

func (d Dialect) append(b []byte, e element, depth int) []byte {
	b = d.indent(b, depth)
	b = append(append(b, '<'), e.name...)
	for i := 0; i+1 < len(e.attrs); i += 2 {
		b = append(append(append(b, ' '), e.attrs[i]...), `="`...)
		b = append(escape(b, e.attrs[i+1]), '"')
	}
	if e.text == "" && len(e.children) == 0 && d.SelfClosing {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	b = escape(b, e.text)
	for _, c := range e.children {
		b = d.append(b, c, depth+1)
	}
	if len(e.children) > 0 {
		b = d.indent(b, depth)
	}
	return closeTag(b, e.name)
}

func (d Dialect) indent(b []byte, depth int) []byte {
	if !d.Pretty {
		return b
	}
	b = append(b, '\n')
	for range depth {
		b = append(b, "  "...)
	}
	return b
}
