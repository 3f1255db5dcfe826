package app

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// newValue is a pointer that a column of the type can be scanned into.
func newValue(t driver.ColumnType) any { return reflect.New(t.ScanType()).Interface() }

// tabEscapes are what ClickHouse escapes in tab-separated text.
var tabEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\b", `\b`, "\f", `\f`, "\x00", `\0`, `'`, `\'`)

// text is a scanned value of a column's type as ClickHouse's tab-separated format shows it.
func text(pointer any, kind string) string {
	v := reflect.ValueOf(pointer).Elem()
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return `\N`
		}
		v = v.Elem()
	}
	if _, readable := v.Interface().(fmt.Stringer); v.Kind() == reflect.Slice && !readable {
		return list(v, kind)
	}
	return tabEscapes.Replace(plain(v, kind))
}

// list is an array: texts and times in it are quoted, and what is missing is NULL.
func list(v reflect.Value, kind string) string {
	elements := make([]string, v.Len())
	for i := range elements {
		e := v.Index(i)
		for e.Kind() == reflect.Pointer && !e.IsNil() {
			e = e.Elem()
		}
		_, readable := e.Interface().(fmt.Stringer)
		switch {
		case e.Kind() == reflect.Pointer:
			elements[i] = "NULL"
		case readable || e.Kind() == reflect.String:
			elements[i] = "'" + tabEscapes.Replace(plain(e, kind)) + "'"
		case e.Kind() == reflect.Slice:
			elements[i] = list(e, kind)
		default:
			elements[i] = plain(e, kind)
		}
	}
	return "[" + strings.Join(elements, ",") + "]"
}

var (
	fraction = regexp.MustCompile(`DateTime64\((\d)`)
	seconds  = regexp.MustCompile(`DateTime\b`)
)

// plain is a value that is no array. Times are told in UTC.
func plain(v reflect.Value, kind string) string {
	if v.CanFloat() {
		return number(v.Float(), v.Type().Bits())
	}
	t, isTime := v.Interface().(time.Time)
	if !isTime {
		return fmt.Sprint(v.Interface())
	}
	layout := time.DateOnly
	if m := fraction.FindStringSubmatch(kind); m != nil {
		digits, _ := strconv.Atoi(m[1]) // one digit
		layout = strings.TrimSuffix(time.DateTime+"."+strings.Repeat("0", digits), ".")
	} else if seconds.MatchString(kind) {
		layout = time.DateTime
	}
	return t.UTC().Format(layout)
}

// number writes a float with as few digits as tell it from its neighbours.
func number(f float64, bits int) string {
	switch size := math.Abs(f); {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'f', -1, bits)), "+")
	case size != 0 && (size < 1e-6 || size >= 1e21):
		digits, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
		n, _ := strconv.Atoi(exponent) // as it was just written
		return digits + "e" + strconv.Itoa(n)
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}
