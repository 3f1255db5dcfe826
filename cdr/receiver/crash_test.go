package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// childDir, when set, makes the test binary a bus and a receiver on that folder: a process that can be killed.
const childDir = "BRIDGEWATCH_RECEIVER_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child prints the receiver's address on a line and serves until its standard input ends.
func child(dir string) error {
	cfg := bus.DefaultConfig()
	cfg.DataDir = dir
	b := bus.New(cfg, bus.Deps{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 2)
	go func() { failed <- b.Run(ctx) }()
	select {
	case <-b.Ready():
	case err := <-failed:
		return err
	}
	rc := receiver.DefaultConfig()
	rc.Listen = "127.0.0.1:0"
	rc.SpoolDir = filepath.Join(dir, "spool")
	rc.Sources = []receiver.Source{{Name: "cb1", Token: token1}, {Name: "cb2", Token: token2}}
	r := receiver.New(rc, receiver.Deps{Bus: b})
	go func() { failed <- r.Run(ctx) }()
	select {
	case <-r.Ready():
	case err := <-failed:
		return err
	}
	fmt.Println(r.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return <-failed
}

// process is a running child.
type process struct {
	cmd   *exec.Cmd
	url   string
	stdin io.Closer
}

// startChild runs the child, under a wrapper such as strace if one is given.
func startChild(t *testing.T, dir string, wrapper ...string) *process {
	t.Helper()
	args := append(wrapper, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child ended before it served: %v, %v", err, cmd.Wait())
	}
	p := &process{cmd: cmd, url: "http://" + strings.TrimSpace(addr), stdin: stdin}
	t.Cleanup(func() { p.kill() })
	return p
}

// kill ends the child as a power switch would end the program; a second call does nothing.
func (p *process) kill() {
	p.cmd.Process.Signal(syscall.SIGKILL)
	p.cmd.Wait()
}

// stop lets the child end by itself.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the child ended with %v", err)
	}
}

// peakResident is the most memory the child ever had resident.
func (p *process) peakResident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("resident memory is not known here: %v", err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Skip("resident memory is not known here")
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// The process is killed at random moments under load and started again. What is exact: a body that was answered 200 is in the stream, whole; a body that was
// sent once and answered is there once; a body that was sent n times because its answers were lost is there at most n times (its records are then merged by
// identity, later); nothing else is there. BRIDGEWATCH_CRASH_ROUNDS sets how often it is killed.
func TestKilledUnderLoad(t *testing.T) {
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv("BRIDGEWATCH_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	type sending struct {
		attempts int
		answered bool
	}
	var mu sync.Mutex
	sent := map[[32]byte]*sending{}

	var url string
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for bridge := range 8 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			random := rand.New(rand.NewPCG(uint64(bridge), 1))
			var body []byte // what this bridge holds until it is answered 200
			for {
				select {
				case <-stop:
					return
				default:
				}
				if body == nil {
					size := 500 + random.IntN(2000)
					if bridge == 0 {
						size = 1<<20 + random.IntN(3<<20) // in parts
					}
					body = make([]byte, size)
					for i := range body {
						body[i] = byte(random.Uint32())
					}
				}
				digest := sha256.Sum256(body)
				mu.Lock()
				if sent[digest] == nil {
					sent[digest] = &sending{}
				}
				sent[digest].attempts++
				to := url
				mu.Unlock()
				resp, err := client.Post(to+"/cdr/"+token1, "text/xml", bytes.NewReader(body))
				if err != nil {
					time.Sleep(5 * time.Millisecond)
					continue
				}
				resp.Body.Close()
				if resp.StatusCode == 200 {
					mu.Lock()
					sent[digest].answered = true
					mu.Unlock()
					body = nil
				}
			}
		})
	}
	for range rounds {
		p := startChild(t, dir)
		mu.Lock()
		url = p.url
		mu.Unlock()
		time.Sleep(200*time.Millisecond + time.Duration(rand.IntN(400))*time.Millisecond)
		p.kill()
	}
	close(stop)
	wg.Wait()

	b := storagetest.Bus(t, func(c *bus.Config) { c.DataDir = dir })
	c, err := b.Consumer(t.Context(), bus.CDR)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := b.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[[32]byte]int{}
	parts := map[string]bus.Body{}
	for left := stats[bus.CDR].Messages; left > 0; {
		batch, err := c.Batch(t.Context(), 1000, 16<<20, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, msg := range batch {
			bodies, err := bus.Bodies(msg)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range bodies {
				p := parts[one.ID.String()]
				if p.Part+1 != one.Part {
					t.Fatalf("part %d of %d of a body after part %d", one.Part, one.Parts, p.Part)
				}
				one.Data = append(p.Data, one.Data...)
				parts[one.ID.String()] = one
				if one.Part == one.Parts {
					found[sha256.Sum256(one.Data)]++
				}
			}
			msg.Ack()
			left--
		}
	}
	answered, again := 0, 0
	for digest, s := range sent {
		n := found[digest]
		delete(found, digest)
		if s.answered {
			answered++
		}
		if s.attempts > 1 {
			again++
		}
		switch {
		case s.answered && n == 0:
			t.Errorf("body %s was answered 200 and is not in the stream", hex.EncodeToString(digest[:4]))
		case n > s.attempts:
			t.Errorf("body %s was sent %d times and is in the stream %d times", hex.EncodeToString(digest[:4]), s.attempts, n)
		}
	}
	if len(found) > 0 {
		t.Errorf("%d bodies are in the stream that nobody sent", len(found))
	}
	if answered < 50 {
		t.Errorf("only %d bodies were answered in %d rounds; the test shows little", answered, rounds)
	}
	t.Logf("%d kills: %d bodies answered, %d sent more than once", rounds, answered, again)
}

// A body of any size up to the limit is taken in bounded memory: the whole process, broker included, stays under 300 MB.
func TestLargeBodiesInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 400 MB")
	}
	p := startChild(t, t.TempDir())
	for _, mib := range []int64{1, 64, 256} {
		start := time.Now()
		resp, err := http.Post(p.url+"/cdr/"+token1, "text/xml", io.LimitReader(rand.NewChaCha8([32]byte{}), mib<<20))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("%d MiB: %d", mib, resp.StatusCode)
		}
		t.Logf("%d MiB answered in %v; peak resident %d MB", mib, time.Since(start).Round(time.Millisecond), p.peakResident(t)/1e6)
	}
	var wg sync.WaitGroup
	for _, token := range []string{token1, token2} {
		wg.Go(func() {
			resp, err := http.Post(p.url+"/cdr/"+token, "text/xml", io.LimitReader(rand.NewChaCha8([32]byte{}), 32<<20))
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("two at once: %v, %v", resp, err)
			}
		})
	}
	wg.Wait()
	if peak := p.peakResident(t); peak > 300e6 {
		t.Errorf("peak resident memory %d MB; want under 300", peak/1e6)
	}
	p.stop(t)
}

// A kill leaves the page cache, so it cannot show that a 200 survives a power cut. A trace of system calls can: between the arrival of the body and the 200
// the block file of the stream is written through an O_SYNC descriptor or synced after the write.
func TestSyncBeforeAnswer(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed; scripts/sync-trace.sh tells how to run this")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	p := startChild(t, t.TempDir(), strace, "-f", "-y", "-tt", "-s", "64", "-e", "trace=openat,read,write,writev,pwrite64,pwritev,fsync,fdatasync,close", "-o", trace)
	const posts = 20
	for i := range posts {
		if resp := post(t, p.url+"/cdr/"+token1, strings.NewReader(fmt.Sprintf("<records n=\"%d\"/>", i))); resp.StatusCode != 200 {
			t.Fatalf("post %d: %d", i, resp.StatusCode)
		}
	}
	p.stop(t)
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var (
		arrival  = regexp.MustCompile(`"P?OST /cdr/`) // the server reads the first byte of a kept connection by itself
		opened   = regexp.MustCompile(`openat\(.*streams/CDR/msgs/\d+\.blk", ([A-Z_|]+).*= (\d+)<`)
		write    = regexp.MustCompile(`write\w*\((\d+)<[^>]*streams/CDR/msgs/\d+\.blk>`)
		sync     = regexp.MustCompile(`^(\d+) .*sync\(\d+<[^>]*streams/CDR/msgs/\d+\.blk>`)
		resumed  = regexp.MustCompile(`^(\d+) .*sync resumed>.*= 0`)
		syncing  = map[string]bool{} // threads in a sync of the stream's file
		osync    = map[string]bool{} // descriptors opened with O_SYNC
		arrived  bool                // a body is in, its 200 is not out
		written  bool                // and the stream's file was written meanwhile
		durable  bool                // and that is synced
		answered int
		evidence []string
	)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if m := opened.FindStringSubmatch(line); m != nil {
			osync[m[2]] = strings.Contains(m[1], "SYNC")
		}
		if arrival.MatchString(line) {
			arrived, durable, written = true, false, false
			clear(syncing)
		}
		if !arrived {
			continue
		}
		if m := write.FindStringSubmatch(line); m != nil {
			written, durable = true, osync[m[1]]
		} else if m := sync.FindStringSubmatch(line); m != nil && written {
			durable = durable || strings.HasSuffix(line, "= 0")
			syncing[m[1]] = strings.HasSuffix(line, "<unfinished ...>")
		} else if m := resumed.FindStringSubmatch(line); m != nil && syncing[m[1]] {
			durable = true
		} else if strings.Contains(line, `"HTTP/1.1 200`) {
			if !durable {
				t.Errorf("answer %d was written before the stream's file was synced", answered+1)
			}
			arrived = false
			answered++
		} else {
			continue
		}
		evidence = append(evidence, line)
	}
	if answered != posts {
		t.Errorf("the trace shows %d answers for %d posts", answered, posts)
	}
	t.Logf("the first calls on the stream's file and the answers:\n%s", strings.Join(evidence[:min(len(evidence), 6)], "\n"))
}
