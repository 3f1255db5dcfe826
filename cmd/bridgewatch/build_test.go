package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// build makes the program as a release does, with build tags, and opens it as an ELF file.
func build(t *testing.T, tags string) (path string, file *elf.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bridgewatch")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", tags, "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build -tags %q: %v\n%s", tags, err, out)
	}
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return path, file
}

// interpreted tells whether the system's dynamic loader starts the program, and which libraries it asks for.
func interpreted(t *testing.T, f *elf.File) (bool, []string) {
	t.Helper()
	libraries, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), libraries
}

// TestSlimIsStatic: built with the tag slim, the program asks for no library and no loader, runs in a file system that holds nothing else, and says
// what it needs instead of an embedded engine.
func TestSlimIsStatic(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	path, file := build(t, "slim")
	if loader, libraries := interpreted(t, file); loader || len(libraries) > 0 {
		t.Errorf("the slim program asks for a loader: %t, for libraries: %v", loader, libraries)
	}
	run := exec.Command(path, "version")
	if os.Getuid() == 0 { // nothing but the program is there
		run = exec.Command("/bridgewatch", "version")
		run.Path, run.Err = "/bridgewatch", nil
		run.SysProcAttr = &syscall.SysProcAttr{Chroot: filepath.Dir(path)}
		run.Dir = "/"
	}
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "built without it (build tag slim)") {
		t.Errorf("bridgewatch version: %v\n%s", err, out)
	}
	config := filepath.Join(t.TempDir(), "bridgewatch.yml")
	text := "data_dir: data\nhttp: {listen: \"127.0.0.1:0\"}\ncdr: {listen: \"127.0.0.1:0\"}\nclusters: [{name: a, bridges: [{name: cb1, url: \"https://127.0.0.1:1\", username: u, password: p}]}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "serve", "-c", config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "set clickhouse.url") {
		t.Errorf("serve without clickhouse.url: %v\n%s", err, out)
	}
}

// TestEmbeddedNeedsGlibc: what docs/deployment.md says of the ordinary program.
func TestEmbeddedNeedsGlibc(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	_, file := build(t, "")
	loader, libraries := interpreted(t, file)
	if !loader || !slices.Contains(libraries, "libc.so.6") {
		t.Errorf("the program asks for a loader: %t, for libraries: %v; docs/deployment.md says it needs glibc", loader, libraries)
	}
}
