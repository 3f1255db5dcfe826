package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
)

// verifyCmd proves a sealed report. It needs neither configuration nor store.
type verifyCmd struct {
	Pack string `arg:"" help:"Pack that report license --sign wrote."`
	Key  string `placeholder:"FILE" help:"Public key (PEM) that must have sealed it; without it the pack tells its own, which proves only that nothing was changed since."`
}

func (v verifyCmd) Run(std streams) error {
	var key ed25519.PublicKey
	if v.Key != "" {
		var err error
		if key, err = report.LoadVerifyingKey(v.Key); err != nil {
			return usageError{fmt.Errorf("--key: %w", err)}
		}
	}
	file, err := os.Open(v.Pack)
	if err != nil {
		return usageError{err}
	}
	defer file.Close() //nolint:errcheck // only read from
	found, err := report.Verify(file, key)
	if err != nil {
		return fmt.Errorf("%s: %w", v.Pack, err)
	}
	fmt.Fprintf(std.out, "sealed    %s by key %s\n", found.Made.UTC().Format(time.RFC3339), found.Key)
	fmt.Fprintf(std.out, "report    pool %s, %s to %s, %d days\n", found.Pool, found.From.UTC().Format(time.RFC3339), found.To.UTC().Format(time.RFC3339), found.Days)
	fmt.Fprintf(std.out, "inputs    %d lines, every byte as it was sealed\n", found.Inputs)
	if found.Differences != "" {
		fmt.Fprintf(std.out, "computed again, sealed (-) and computed (+):\n%s", found.Differences)
		return errors.New("the report is not what its inputs add up to")
	}
	fmt.Fprintln(std.out, "computed again from the inputs: days, overage and comparison are the same (owners and explained peaks are sealed, not computed again)")
	return nil
}
