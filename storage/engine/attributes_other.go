//go:build !linux

package engine

import "syscall"

// childAttributes: a group of its own, so that Ctrl-C reaches the supervisor alone. The end of standard input ends an orphan.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
