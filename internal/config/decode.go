package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills structs from YAML nodes. The library's own strict mode names neither the path to a key nor what was meant,
// and does not tell later checks where a key stands; hence this one.
type decoder struct {
	problems *problems
	lines    positions
	nodes    int // visited so far; aliases can make a small file a huge one
}

const maxNodes = 1 << 20

// defaulter is an element of a list that has defaults of its own.
type defaulter interface{ setDefaults() }

func (d *decoder) decode(node *yaml.Node, into reflect.Value, key string) {
	if d.nodes++; d.nodes >= maxNodes {
		if d.nodes == maxNodes {
			d.problems.add(node.Line, key, "aliases make the file too large")
		}
		return
	}
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if _, seen := d.lines[key]; !seen {
		d.lines[key] = node.Line
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return // an empty value keeps the default
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch target := into.Addr().Interface().(type) {
	case *Secret:
		if d.scalar(node, key) {
			*target = NewSecret(node.Value)
		}
		return
	case *URL:
		if d.scalar(node, key) {
			*target = NewURL(node.Value)
		}
		return
	case *netip.Prefix:
		if d.scalar(node, key) {
			d.prefix(node, target, key)
		}
		return
	case encoding.TextUnmarshaler:
		if d.scalar(node, key) {
			if err := target.UnmarshalText([]byte(node.Value)); err != nil {
				d.problems.add(node.Line, key, "%v", err)
			}
		}
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.object(node, into, key)
	case reflect.Slice:
		d.list(node, into, key)
	default:
		if d.scalar(node, key) {
			d.plain(node, into, key)
		}
	}
}

// scalar reports whether the node is a single value, and complains if not.
func (d *decoder) scalar(node *yaml.Node, key string) bool {
	if node.Kind == yaml.ScalarNode {
		return true
	}
	d.problems.add(node.Line, key, "must be a single value, not %s", kindName(node))
	return false
}

func (d *decoder) plain(node *yaml.Node, into reflect.Value, key string) {
	switch into.Kind() {
	case reflect.String:
		into.SetString(node.Value)
	case reflect.Bool:
		value, err := strconv.ParseBool(node.Value)
		if err != nil || node.Tag != "!!bool" {
			d.problems.add(node.Line, key, "%q is neither true nor false", node.Value)
			return
		}
		into.SetBool(value)
	case reflect.Int:
		value, err := strconv.ParseInt(node.Value, 10, 32)
		if err != nil {
			d.problems.add(node.Line, key, "%q is not a whole number", node.Value)
			return
		}
		into.SetInt(value)
	default:
		panic(fmt.Sprintf("config: field %s has the unsupported type %s", key, into.Type()))
	}
}

func (d *decoder) prefix(node *yaml.Node, into *netip.Prefix, key string) {
	if prefix, err := netip.ParsePrefix(node.Value); err == nil {
		if prefix != prefix.Masked() {
			d.problems.add(node.Line, key, "%q has bits outside its mask; write %s", node.Value, prefix.Masked())
			return
		}
		*into = prefix
		return
	}
	address, err := netip.ParseAddr(node.Value)
	if err != nil || address.Zone() != "" {
		d.problems.add(node.Line, key, "%q is not a network; write for example 192.0.2.0/24 or 192.0.2.7", node.Value)
		return
	}
	*into = netip.PrefixFrom(address, address.BitLen())
}

func (d *decoder) list(node *yaml.Node, into reflect.Value, key string) {
	if node.Kind != yaml.SequenceNode {
		d.problems.add(node.Line, key, "must be a list, not %s", kindName(node))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
	for i, item := range node.Content {
		element := into.Index(i)
		if e, ok := element.Addr().Interface().(defaulter); ok {
			e.setDefaults()
		}
		path := fmt.Sprintf("%s[%d]", key, i)
		if item.Kind == yaml.ScalarNode && item.Tag == "!!null" {
			d.problems.add(item.Line, path, "is empty")
			continue
		}
		d.decode(item, element, path)
	}
}

func (d *decoder) object(node *yaml.Node, into reflect.Value, key string) {
	if node.Kind != yaml.MappingNode {
		d.problems.add(node.Line, key, "must be keys with values, not %s", kindName(node))
		return
	}
	fields := yamlFields(into.Type())
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		path := join(key, name.Value)
		if name.Tag == "!!merge" {
			d.problems.add(name.Line, path, "merge keys are not supported; repeat the keys")
			continue
		}
		field, known := fields[name.Value]
		if !known {
			d.problems.add(name.Line, path, "unknown key%s", suggestion(name.Value, names))
			continue
		}
		if first, twice := seen[name.Value]; twice {
			d.problems.add(name.Line, path, "given twice, first in line %d", first)
			continue
		}
		seen[name.Value] = name.Line
		d.lines[path] = name.Line
		d.decode(value, into.Field(field), path)
	}
}

// yamlFields maps the keys of a struct to the indices of its fields.
func yamlFields(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = i
		}
	}
	return fields
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func kindName(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

// suggestion names the known key that is nearest to a mistyped one, if any is near.
func suggestion(name string, known []string) string {
	best, bestDistance := "", 1+max(len(name), 3)/3
	for _, candidate := range known {
		if d := distance(strings.ToLower(name), candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; known here: " + strings.Join(known, ", ")
}

// distance is how many letters must be changed, added or removed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
