package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// TestUsage: a mistake on the command line ends at once with exit code 2 and one line that names the mistake.
func TestUsage(t *testing.T) {
	t.Setenv("BRIDGEWATCH_CONFIG", "")
	for line, want := range map[string]string{
		"frobnicate":                    "frobnicate",
		"report licence":                "did you mean",
		"report license":                "no configuration",
		"report license --from x":       "no configuration",
		"serve --no-such-flag":          "--no-such-flag",
		"rules --set nope=1":            "nope",
		"rules --set load_warning=much": "much",
		"dashboards":                    "--output",
		"demo --bridges 0":              "--bridges: 0",
		"demo --bridges 25":             "--bridges: 25",
		"demo --speed 0":                "--speed: 0",
		"demo --speed=-1":               "--speed: -1",
		"demo --speed NaN":              "--speed: NaN",
		"demo --for=-5s":                "--for: -5s",
		"demo --backfill 1h":            "--backfill",
		"demo --backfill 90x":           "90x",
	} {
		var out, err bytes.Buffer
		code := run(t.Context(), strings.Fields(line), streams{in: strings.NewReader(""), out: &out, err: &err})
		if code != exitUsage || out.Len() > 0 || strings.Count(err.String(), "\n") != 1 || !strings.Contains(err.String(), want) {
			t.Errorf("%s: exit code %d, %q on standard output, %q on standard error; want 2 and one line with %q", line, code, out.String(), err.String(), want)
		}
	}
}

// TestQuestionEnds: who presses Ctrl-C at a question is not asked any further.
func TestQuestionEnds(t *testing.T) {
	in, typing := io.Pipe()
	defer typing.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, err bytes.Buffer
	if code := run(ctx, []string{"sql", "-"}, streams{in: in, out: &out, err: &err}); code != exitFailed {
		t.Errorf("exit code %d, %s; want 1", code, err.String())
	}
}
