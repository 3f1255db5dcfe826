package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progressLine is a line on a terminal that is written over and over; nothing where the error stream is no terminal.
type progressLine struct {
	out   io.Writer // nil: no terminal
	shown time.Time
	width int
}

func newProgressLine(w io.Writer) *progressLine {
	file, ok := w.(*os.File)
	if !ok {
		return &progressLine{}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progressLine{}
	}
	return &progressLine{out: file}
}

// show writes the line, at most ten times a second.
func (p *progressLine) show(text string) {
	if p.out == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.out, "\r%-*s", p.width, text)
	p.width = max(p.width, len(text))
}

// clear makes room for what is written next.
func (p *progressLine) clear() {
	if p.out != nil && p.width > 0 {
		fmt.Fprintf(p.out, "\r%*s\r", p.width, "")
		p.width = 0
	}
}
