package online

import (
	"crypto/rand"
	"encoding/binary"
)

// NewVersion returns a random version for a cell that is compared and set. It
// is never 0, which stands for an absent cell.
func NewVersion() uint64 {
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails: it ends the process where the system has no randomness
		if v := binary.BigEndian.Uint64(b[:]); v != 0 {
			return v
		}
	}
}
