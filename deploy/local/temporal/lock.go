package temporal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another server runs over the data directory.
var ErrInUse = errors.New("directory is in use by another server")

// dirLock is an advisory lock that the kernel drops when the process ends,
// however it ends. SQLite's own locks would let two servers take turns.
type dirLock struct{ file *os.File }

func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "temporal.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return &dirLock{file: f}, nil
}

// release keeps the file: removing it would let a third process lock a new one
// while a second still waits on the old.
func (l *dirLock) release() { l.file.Close() }
