package app

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bridgewatch/bridgewatch/internal/config"
)

// TestCheckReadsOurFiles: what would keep serve from beginning is found by check.
func TestCheckReadsOurFiles(t *testing.T) {
	c, err := config.Parse([]byte(`
data_dir: data
http: {listen: "127.0.0.1:0", web_config: no-web.yml}
cdr: {listen: "127.0.0.1:0", tls: {cert_file: no.crt, key_file: no.key}}
clickhouse: {url: "clickhouse://127.0.0.1:1/bridgewatch"}
`), filepath.Join(t.TempDir(), "bridgewatch.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Check(t.Context(), *c, &out, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("all works")
	}
	for _, want := range []string{"http.web_config", "no-web.yml: no such file", "cdr.tls", "no.crt: no such file"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
