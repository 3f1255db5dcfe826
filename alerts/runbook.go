package alerts

import (
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// Runbooks lists the alerts that have a runbook.
func Runbooks() ([]string, error) {
	paths, err := fs.Glob(files, "runbooks/*.md")
	if err != nil {
		return nil, fmt.Errorf("list runbooks: %w", err)
	}
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = strings.TrimSuffix(path.Base(p), ".md")
	}
	return names, nil
}

// Runbook is the Markdown text of one alert's runbook.
func Runbook(alert string) (string, error) {
	text, err := files.ReadFile("runbooks/" + alert + ".md")
	if err != nil {
		return "", fmt.Errorf("runbook %s: %w", alert, err)
	}
	return string(text), nil
}

var alertName = regexp.MustCompile(`^CMS[A-Za-z0-9]{1,37}$`)

// RunbookHandler serves /runbooks/ (a list) and /runbooks/<Alert> as HTML.
func RunbookHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
			return
		}
		name := strings.Trim(strings.TrimPrefix(r.URL.Path, "/runbooks"), "/")
		title, body := name, ""
		if name == "" {
			names, err := Runbooks()
			if err != nil {
				http.Error(w, "the runbooks cannot be read", http.StatusInternalServerError)
				return
			}
			title = "Runbooks"
			body = "<h1>Runbooks</h1>\n<ul>\n"
			for _, n := range names {
				body += `<li><a href="/runbooks/` + n + `">` + n + "</a></li>\n"
			}
			body += "</ul>\n"
		} else {
			text, err := Runbook(name)
			if !alertName.MatchString(name) || err != nil {
				http.NotFound(w, r)
				return
			}
			body = toHTML(text)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>"+html.EscapeString(title)+`</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em;color-scheme:light dark}pre{overflow:auto;padding:.6em;border:1px solid #8884}</style></head><body>
`+body+"</body></html>\n")
	})
}

var (
	inlineCode = regexp.MustCompile("`([^`]+)`")
	bareAlert  = regexp.MustCompile(`\bCMS[A-Z][A-Za-z]+\b`)
)

// toHTML renders the Markdown that runbooks are written in: headings, paragraphs, lists, fenced code, inline code. Everything is
// escaped first. Names of other alerts become links to their runbooks.
func toHTML(markdown string) string {
	var out strings.Builder
	state := "" // "", "p", "ul" or "pre"
	end := func() {
		if state != "" {
			out.WriteString("</" + state + ">\n")
		}
		state = ""
	}
	begin := func(element string) {
		if state != element {
			end()
			out.WriteString("<" + element + ">")
			state = element
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(markdown), "\n") {
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence && state == "pre":
			end()
		case fence:
			begin("pre")
		case state == "pre":
			out.WriteString(html.EscapeString(line) + "\n")
		case line == "":
			end()
		case strings.HasPrefix(line, "#"):
			end()
			level := min(len(line)-len(strings.TrimLeft(line, "#")), 6)
			fmt.Fprintf(&out, "<h%d>%s</h%d>\n", level, html.EscapeString(strings.TrimSpace(line[level:])), level)
		case strings.HasPrefix(line, "- "):
			begin("ul")
			out.WriteString("<li>" + inline(line[2:]) + "</li>\n")
		default:
			begin("p")
			out.WriteString(inline(line) + "\n")
		}
	}
	end()
	return out.String()
}

// inline renders code and links to other runbooks inside a line.
func inline(text string) string {
	text = inlineCode.ReplaceAllString(html.EscapeString(text), "<code>$1</code>")
	return bareAlert.ReplaceAllStringFunc(text, func(name string) string {
		if _, err := Runbook(name); err != nil {
			return name
		}
		return `<a href="/runbooks/` + name + `">` + name + "</a>"
	})
}
