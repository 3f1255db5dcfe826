package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// days is a duration that may be given in days: 90d, 36h, 1d12h.
type days time.Duration

// UnmarshalText reads what Go's durations allow, with days before them.
func (d *days) UnmarshalText(text []byte) error {
	rest := string(text)
	var total time.Duration
	if count, after, found := strings.Cut(rest, "d"); found {
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("%q is no duration such as 90d or 36h", text)
		}
		total, rest = time.Duration(n)*24*time.Hour, after
	}
	if rest != "" {
		part, err := time.ParseDuration(rest)
		if err != nil || part < 0 {
			return fmt.Errorf("%q is no duration such as 90d or 36h", text)
		}
		total += part
	}
	*d = days(total)
	return nil
}
