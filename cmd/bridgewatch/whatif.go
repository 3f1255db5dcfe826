package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
	"github.com/bridgewatch/bridgewatch/internal/app"
	"github.com/bridgewatch/bridgewatch/licensing"
)

// whatIfCmd replays license history under another assignment or entitlement.
type whatIfCmd struct {
	configFlag
	GivePMP     string            `name:"give-pmp" placeholder:"FILE" help:"Owners to give a PMP license: a name, address or id a line; - reads standard input."`
	Top         int               `placeholder:"N" help:"Give a PMP license to the N owners who would spare most shared licenses."`
	Entitlement map[string]string `placeholder:"smp=N" help:"Shared licenses held, instead of what was."`
	Prices      map[string]string `placeholder:"pmp=P;smp=P" help:"Prices of a license of each kind: asks for the cheapest mix."`
	Days        int               `default:"-1" placeholder:"N" help:"Days of overage allowed in any 90; the pool's reading when left out."`
	From        string            `placeholder:"TIME" help:"First day or time; 90 days before --to when left out."`
	To          string            `placeholder:"TIME" help:"Day or time at which the period ends, exclusive; now when left out."`
	Pool        string            `placeholder:"NAME" help:"License pool; the only one when left out."`
	Format      string            `enum:"text,json" default:"text" help:"text or json."`
	Output      string            `short:"o" placeholder:"FILE" help:"File to write; standard output when left out."`
}

func (w whatIfCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	c, err := w.load()
	if err != nil {
		return err
	}
	pool, err := app.PoolOf(c, w.Pool)
	if err != nil {
		return usageError{err}
	}
	ask, err := w.question(pool, std.in)
	if err != nil {
		return usageError{err}
	}
	shown := newProgressLine(std.err)
	ask.Progress = func(step string, share float64) { shown.show(fmt.Sprintf("%s %3.0f %%", step, share*100)) }
	answer, err := app.WhatIf(ctx, c, pool, ask, log)
	shown.clear()
	if err != nil {
		return err
	}
	write := answer.WriteJSON
	if w.Format == "text" {
		write = func(out io.Writer) error { return answer.WriteText(out, pool.Zone) }
	}
	return writeTo(w.Output, std.out, write)
}

// question reads the flags.
func (w whatIfCmd) question(pool report.Pool, in io.Reader) (ask report.WhatIfQuestion, err error) {
	if ask.From, ask.To, err = period(w.From, w.To, pool.Zone, time.Now()); err != nil {
		return ask, err
	}
	if ask.AllowedDays = w.Days; w.Days < 0 {
		ask.AllowedDays = pool.Readings.AllowedDays
	}
	if ask.Top = w.Top; w.Top < 0 {
		return ask, fmt.Errorf("--top: %d is less than nothing", w.Top)
	}
	for name, text := range w.Entitlement {
		n, err := strconv.ParseInt(text, 10, 32)
		if name != "smp" || err != nil || n < 0 {
			return ask, fmt.Errorf("--entitlement %s=%s: want smp= and a whole number from 0", name, text)
		}
		ask.SMP = &n
	}
	if len(w.Prices) > 0 {
		var p licensing.Prices
		for name, to := range map[string]*float64{"pmp": &p.PMP, "smp": &p.SMP} {
			v, err := strconv.ParseFloat(w.Prices[name], 64)
			if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
				return ask, fmt.Errorf("--prices: want both, as in --prices 'pmp=10;smp=60', from 0; %s=%q is not", name, w.Prices[name])
			}
			*to = v
		}
		if len(w.Prices) > 2 {
			return ask, errors.New("--prices: there are pmp and smp only")
		}
		ask.Prices = &p
	}
	if w.GivePMP == "" {
		return ask, nil
	}
	if w.GivePMP != "-" {
		file, err := os.Open(w.GivePMP)
		if err != nil {
			return ask, fmt.Errorf("--give-pmp: %w", err)
		}
		defer file.Close() //nolint:errcheck // only read from
		in = file
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if name := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")); name != "" && !strings.HasPrefix(name, "#") {
			ask.Give = append(ask.Give, name)
		}
	}
	if err := lines.Err(); err != nil {
		return ask, fmt.Errorf("--give-pmp: %w", err)
	}
	if len(ask.Give) == 0 {
		return ask, errors.New("--give-pmp: nobody is named in it")
	}
	return ask, nil
}
