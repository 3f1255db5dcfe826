package poller

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
)

// decode fills the struct that dst points to from e, by the cms tags of package collector. A value that cannot be read is left missing and named in
// the returned list: one odd field does not cost the others.
func decode(e *element, dst any) (unreadable []string) {
	v := reflect.ValueOf(dst).Elem()
	t := v.Type()
	taken := make(map[string]bool)
	var rest, empties reflect.Value
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("cms")
		if t.Field(i).Type == reflect.TypeFor[collector.Empties]() {
			empties = v.Field(i)
		}
		switch tag {
		case "":
			continue
		case "*":
			rest = v.Field(i)
			continue
		}
		taken[tag] = true
		unreadable = append(unreadable, decodeField(e, tag, v.Field(i))...)
	}
	if rest.IsValid() {
		others := make(map[string]string)
		for _, c := range e.children {
			if !taken[c.name] && len(c.children) == 0 {
				others[c.name] = c.text
			}
		}
		rest.Set(reflect.ValueOf(others))
	}
	if empties.IsValid() {
		found := make(collector.Empties)
		for tag := range taken {
			if sentEmpty(e, tag) {
				found[tag] = true
			}
		}
		if len(found) > 0 {
			empties.Set(reflect.ValueOf(found))
		}
	}
	return unreadable
}

// sentEmpty reports whether the element or attribute of a tag is there and has nothing in it.
func sentEmpty(e *element, tag string) bool {
	path := strings.Split(tag, ">")
	for _, step := range path[:len(path)-1] {
		if e = e.child(step); e == nil {
			return false
		}
	}
	name := path[len(path)-1]
	if c := e.child(name); c != nil {
		return strings.TrimSpace(c.text) == "" && len(c.children) == 0 && len(c.attrs) == 0
	}
	text, present := e.attrs[strings.TrimPrefix(name, "@")]
	return present && strings.TrimSpace(text) == ""
}

func decodeField(e *element, tag string, field reflect.Value) []string {
	if name, ok := strings.CutPrefix(tag, "@"); ok {
		if value, present := e.attr(name); present {
			return decodeText(tag, value, field)
		}
		return nil
	}
	path := strings.Split(tag, ">")
	for _, step := range path[:len(path)-1] {
		if e = e.child(step); e == nil {
			return nil
		}
	}
	name := path[len(path)-1]
	found := e.field(name)
	switch {
	case field.Kind() == reflect.Slice:
		var unreadable []string
		out := reflect.MakeSlice(field.Type(), len(found), len(found))
		for i, c := range found {
			unreadable = append(unreadable, decode(c, out.Index(i).Addr().Interface())...)
		}
		if len(found) > 0 {
			field.Set(out)
		}
		return unreadable
	case field.Kind() == reflect.Bool:
		field.SetBool(len(found) > 0)
		return nil
	case len(found) == 0:
		// Tables of the guide say "attribute" where samples show elements (cms-api.md §5.10): take either.
		if value, present := e.attr(name); present {
			return decodeText(tag, value, field)
		}
		return nil
	}
	if inner := field.Type().Elem(); inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() && inner != reflect.TypeFor[collector.Date]() {
		field.Set(reflect.New(inner))
		return decode(found[0], field.Interface())
	}
	return decodeText(tag, found[0].text, field)
}

// decodeText sets a pointer field from text; empty text leaves it nil, for "set to nothing" is not zero.
func decodeText(tag, text string, field reflect.Value) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	var value any
	var err error
	switch field.Interface().(type) {
	case *string:
		short := clip(text)
		value = &short
	case *int64:
		value, err = pointer(integer(text))
	case *float64:
		value, err = pointer(decimal(text))
	case *collector.Thousandths:
		value, err = pointer(thousandths(text))
	case *bool:
		value, err = pointer(boolean(text))
	case *time.Time:
		value, err = pointer(time.Parse(time.RFC3339, text))
	case *collector.Date:
		value, err = pointer(licenseDate(text))
	default:
		panic(fmt.Sprintf("%s: no decoder for %s", tag, field.Type()))
	}
	if err != nil {
		return []string{tag}
	}
	field.Set(reflect.ValueOf(value))
	return nil
}

// maxText is the longest text that is kept of a field, in bytes. Rows travel in messages, and one that is larger than a message takes those beside it along.
const maxText = 8 << 10

// clip cuts text to what is kept of it.
func clip(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ToValidUTF8(text, "")
}

func pointer[T any](v T, err error) (*T, error) { return &v, err }

// integer also takes decimals, which some counters may become; it cuts them.
func integer(text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := decimal(text)
	if err != nil || f > 1e15 || f < -1e15 {
		return 0, fmt.Errorf("%.40q is no number", text)
	}
	return int64(f), nil
}

// decimal takes no infinity, nothing that is not a number, and none of Go's own ways of writing one: JSON, in which rows travel, has no word for the former.
func decimal(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.Trim(text, "+-.0123456789eE") != "" {
		return 0, fmt.Errorf("%.40q is no number", text)
	}
	return f, nil
}

func boolean(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%.40q is neither true nor false", text)
}

// thousandths reads a decimal exactly; digits beyond the third are rounded half up.
func thousandths(text string) (collector.Thousandths, error) {
	negative := strings.HasPrefix(text, "-")
	whole, fraction, _ := strings.Cut(strings.TrimLeft(text, "+-"), ".")
	if len(whole) > 12 || len(fraction) > 30 || whole+fraction == "" {
		return 0, fmt.Errorf("%.40q is no count", text)
	}
	for _, c := range whole + fraction {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%.40q is no count", text)
		}
	}
	digits := (fraction + "0000")[:4]
	n, err := strconv.ParseInt("0"+whole+digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no count", text)
	}
	n = (n + 5) / 10
	if negative {
		n = -n
	}
	return collector.Thousandths(n), nil
}

// licenseDate reads 2031-Feb-03, and plain ISO dates and times in case a release sends those.
func licenseDate(text string) (collector.Date, error) {
	for _, layout := range []string{"2006-Jan-02", "2006-Jan-2", time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return collector.Date{Time: t.UTC().Truncate(24 * time.Hour)}, nil
		}
	}
	return collector.Date{}, fmt.Errorf("%.40q is no date", text)
}
