package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var errLocked = errors.New("the data folder is in use")

// lockPatience is how long a child that is just ending may keep the folder.
const lockPatience = 3 * time.Second

// lock claims the engine's folder, which it makes, for this process; the system gives it back when the process ends, however that comes.
func lock(folder string) (unlock func(), err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the engine's folder: %w", err)
	}
	path := filepath.Join(folder, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim the engine's folder: %w", err)
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(50 * time.Millisecond) {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			break
		}
		if errors.Is(err, syscall.EWOULDBLOCK) && time.Now().Before(deadline) {
			continue
		}
		owner, _ := os.ReadFile(path)
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s belongs to the running process %s; stop it, use another data_dir, or run commands that read beside it",
				errLocked, filepath.Dir(folder), strings.TrimSpace(string(owner)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getppid())+"\n"), 0) // for the person who reads the message above
	return func() { f.Close() }, nil
}
