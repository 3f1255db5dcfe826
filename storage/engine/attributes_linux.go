package engine

import "syscall"

// childAttributes: a group of its own, so that Ctrl-C reaches the supervisor alone; and death with the supervisor, even a killed one.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
