package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const referenceFile = "../../docs/configuration.md"

const referenceHead = `# Configuration

<!-- Generated from internal/config by "go test ./internal/config -run TestReference -update". -->

One YAML file, given by ` + "`-c FILE`" + ` or ` + "`$BRIDGEWATCH_CONFIG`" + `. It is read strictly: an unknown key, a key given twice and a value that makes no
sense are errors that name the key and the line, and nothing starts. [bridgewatch.example.yml](bridgewatch.example.yml) has every key;
` + "`bridgewatch check -c FILE`" + ` proves a file against the real bridges and servers, and prints warnings.

Lengths of time are written 30s, 12h, 90d or 2w; sizes 512MB, 16GB, 4TB (powers of 1000) or 512MiB (powers of 1024); networks 192.0.2.0/24 or a
single address; days 2026-01-31. A key without a value keeps its default. Passwords and tokens never appear in logs, metrics or answers.
`

// TestReference keeps docs/configuration.md true to the structs and their comments.
func TestReference(t *testing.T) {
	want := reference(t)
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil || string(got) != want {
		t.Errorf("docs/configuration.md is not current (%v); run go test ./internal/config -run TestReference -update", err)
	}
}

func reference(t *testing.T) string {
	comments := fieldComments(t)
	var page strings.Builder
	page.WriteString(referenceHead)
	example := Default()
	section(t, &page, comments, reflect.ValueOf(example), "")
	return page.String()
}

// section writes the table of one struct, then the sections of the structs in it.
func section(t *testing.T, page *strings.Builder, comments map[string]string, v reflect.Value, path string) {
	title := "The file"
	if path != "" {
		title = "`" + path + "`"
	}
	fmt.Fprintf(page, "\n## %s\n\n", title)
	fmt.Fprint(page, "| key | default | |\n|---|---|---|\n")
	var deeper []func()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key := field.Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		text := comments[v.Type().Name()+"."+field.Name]
		if text == "" {
			t.Errorf("%s.%s has no comment", v.Type().Name(), field.Name)
		}
		value, below := v.Field(i), join(path, key)
		switch {
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct && len(yamlFields(value.Type().Elem())) > 0:
			element := reflect.New(value.Type().Elem())
			if d, ok := element.Interface().(defaulter); ok {
				d.setDefaults()
			}
			deeper = append(deeper, func() { section(t, page, comments, element.Elem(), below+"[]") })
		case value.Kind() == reflect.Struct && len(yamlFields(value.Type())) > 0:
			deeper = append(deeper, func() { section(t, page, comments, value, below) })
		}
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", key, shown(value), text)
	}
	for _, write := range deeper {
		write()
	}
}

// shown is a default as a reader would write it.
func shown(v reflect.Value) string {
	if v.Kind() == reflect.Struct && len(yamlFields(v.Type())) > 0 || v.IsZero() && v.Kind() != reflect.Int && v.Kind() != reflect.Bool {
		return ""
	}
	return fmt.Sprintf("`%v`", v.Interface())
}

// referenceKeys lists every key of the file that holds a value, with [] after lists.
func referenceKeys(t *testing.T) (keys []string) {
	t.Helper()
	var walk func(reflect.Type, string)
	walk = func(st reflect.Type, path string) {
		for i := range st.NumField() {
			key := st.Field(i).Tag.Get("yaml")
			if key == "" || key == "-" {
				continue
			}
			ft, below := st.Field(i).Type, join(path, key)
			if ft.Kind() == reflect.Slice {
				ft, below = ft.Elem(), below+"[]"
			}
			if ft.Kind() == reflect.Struct && len(yamlFields(ft)) > 0 {
				walk(ft, below)
				continue
			}
			keys = append(keys, strings.TrimSuffix(below, "[]"))
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return keys
}

// fieldComments reads config.go: the comment of each Type.Field in one line.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	oneLine := func(group *ast.CommentGroup) string { return strings.Join(strings.Fields(group.Text()), " ") }
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			ts := spec.(*ast.TypeSpec)
			st, ok := ts.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range st.Fields.List {
				for _, name := range field.Names {
					comments[ts.Name.Name+"."+name.Name] = oneLine(field.Doc)
				}
			}
		}
	}
	return comments
}
