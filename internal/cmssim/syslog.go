package cmssim

import "context"

// SyslogStyle is how a bridge writes syslog.
type SyslogStyle struct {
	OctetCounting bool // RFC 6587 framing by length instead of by newline
	Traditional   bool // time stamps without a year, as in 2.0; else RFC 3339 with milliseconds
}

func (b *Bridge) sendSyslog(context.Context) {}
