package program

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bridgewatch/bridgewatch/internal/heartbeat"
	"github.com/bridgewatch/bridgewatch/storage/bus"
)

// Step moves the clock on and lets a heartbeat pass the pipeline, as far as it can at present.
func (p *Program) Step(ctx context.Context, by time.Duration) error {
	p.clock.Add(by.Milliseconds())
	p.beats.Beat(ctx)
	err := p.until(ctx, "a heartbeat", func() (bool, error) {
		p.beats.Look(ctx)
		lag, _ := p.beats.Lag(heartbeat.StageQuery)
		return p.held != "" || lag < time.Second, nil
	})
	if err != nil {
		return err
	}
	if p.held == heartbeats {
		before, err := p.counter("bridgewatch_writer_insert_failures_total")
		if err != nil {
			return err
		}
		if err := p.until(ctx, "a failed insert", func() (bool, error) {
			n, err := p.counter("bridgewatch_writer_insert_failures_total")
			return n > before, err
		}); err != nil {
			return err
		}
	}
	return p.until(ctx, "an empty bus", func() (bool, error) { // what is stored is acknowledged a moment later
		all, err := p.bus.Stats(ctx)
		return p.held != "" || all[bus.CDR].Messages == 0, err
	})
}

// until waits for something that comes in real time.
func (p *Program) until(ctx context.Context, what string, is func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		ok, err := is()
		switch {
		case ok || err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("%s did not come in %s", what, patience)
		}
	}
}

// counter is the sum of a counter's series.
func (p *Program) counter(name string) (sum float64, err error) {
	families, err := p.Registry.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum, err
}

// SetDiskFree sets the share of the disk that is free, 0 to 1, as the system tells it.
func (p *Program) SetDiskFree(share float64) { p.free.Store(int64(share * diskBlocks)) }

// StopWriter lets nothing more be taken from the bus.
func (p *Program) StopWriter() {
	p.stopWriter()
	p.stopWriter, p.held = nil, "writer"
}

// StartWriter lets the writer go on.
func (p *Program) StartWriter(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- p.writer.Run(ctx) }()
	p.stopWriter, p.held = func() { cancel(); <-done }, "" //nolint:errcheck // a writer that ends by itself shows in the figures
}

// HideTable takes the table of heartbeats away, so that inserts fail.
func (p *Program) HideTable(ctx context.Context) error {
	p.held = heartbeats
	return p.store.Exec(ctx, "RENAME TABLE "+heartbeats+" TO hidden")
}

// ShowTable brings it back.
func (p *Program) ShowTable(ctx context.Context) error {
	p.held = ""
	return p.store.Exec(ctx, "RENAME TABLE hidden TO "+heartbeats)
}

// FillBus has bodies posted until a share, 0 to 1, of the budget of CDRs waits. The writer must have been stopped.
func (p *Program) FillBus(ctx context.Context, share float64) error {
	if p.held != "writer" {
		return errors.New("the writer takes what comes")
	}
	body := make([]byte, 64<<10)
	for {
		all, err := p.bus.Stats(ctx)
		if err != nil {
			return err
		}
		if float64(all[bus.CDR].Bytes) >= share*busBudget {
			return nil
		}
		if _, err := rand.Read(body); err != nil { // what compresses fills nothing
			return err
		}
		if status, err := p.send(ctx, http.MethodPost, "/cdr/"+bodyToken, body); err != nil || status != http.StatusOK {
			return fmt.Errorf("a body was not taken: %d, %v", status, err)
		}
	}
}

// Unstorable publishes a row for a table that the writer does not know, as a newer release may.
func (p *Program) Unstorable(ctx context.Context) error {
	before, err := p.counter("bridgewatch_writer_dead_letters_total")
	if err != nil {
		return err
	}
	if err := p.bus.PublishRows(ctx, bus.Subject("status", "cb1", "tomorrow"), "table_of_tomorrow", []struct{ N int }{{1}}); err != nil {
		return err
	}
	return p.until(ctx, "a dead letter", func() (bool, error) {
		n, err := p.counter("bridgewatch_writer_dead_letters_total")
		return n > before, err
	})
}

// KillEngine kills the child process of the engine, the only child that this process may have.
func (p *Program) KillEngine(ctx context.Context) error {
	pid, err := child(os.Getpid())
	if err != nil {
		return err
	}
	before, err := p.counter("bridgewatch_engine_restarts_total")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	return p.until(ctx, "a restart of the engine", func() (bool, error) {
		n, err := p.counter("bridgewatch_engine_restarts_total")
		return n > before, err
	})
}

// child finds a child process that lives.
func child(parent int) (int, error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, entry := range all {
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // no process, or gone
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(parent) {
			return strconv.Atoi(entry.Name())
		}
	}
	return 0, fmt.Errorf("no child of process %d", parent)
}

// Probe asks the receiver for what it does not have, so many times.
func (p *Program) Probe(ctx context.Context, times int) error {
	for range times {
		if status, err := p.send(ctx, http.MethodGet, "/robots.txt", nil); err != nil || status != http.StatusNotFound {
			return fmt.Errorf("a stranger was answered with %d, %v", status, err)
		}
	}
	return nil
}

// send sends a request to the receiver.
func (p *Program) send(ctx context.Context, method, path string, body []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, p.url()+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // drained
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}
