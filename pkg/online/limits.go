package online

import (
	"errors"
	"fmt"
)

// Limits of names. They keep a key below what every driver can hold.
const (
	MaxStoreBytes    = 512     // of a store's name
	MaxWriterBytes   = 512     // of a writer
	MaxPositionBytes = 1 << 10 // of one cell's Position
	MaxBlockRanges   = 256     // block ranges in one Read
)

// CheckKey refuses a key that names no cell: without a store, of an unknown
// kind, with a field that its kind does not have, or past a limit (ErrTooLarge).
func CheckKey(k Key) error {
	if err := checkStore(k.Store); err != nil {
		return err
	}
	if err := atMost("entity", len(k.Entity), MaxEntityBytes); err != nil {
		return err
	}
	if err := atMost("writer", len(k.Writer), MaxWriterBytes); err != nil {
		return err
	}
	switch k.Kind {
	case KindTile:
		return nil
	case KindRow:
		k.Entity, k.Writer = nil, nil
	case KindFence:
		k.Entity = nil
	case KindProgress:
		if len(k.Writer) == 0 {
			return errors.New("progress without a writer")
		}
		k.Writer = nil
	case KindStatus:
	default:
		return fmt.Errorf("unknown kind %d of cell", k.Kind)
	}
	if len(k.Entity) > 0 || k.Level != 0 || k.Block != 0 || len(k.Writer) > 0 {
		return fmt.Errorf("kind %d with a field that it does not have", k.Kind)
	}
	return nil
}

// WriteKeys returns the encoded key of each write, for drivers. It refuses what
// no driver may carry out: writes past a limit (ErrTooLarge), two of one key,
// cells without a version, unknown conditions, removals with a cell.
func WriteKeys(writes []Write) ([][]byte, error) {
	if err := atMost("writes", len(writes), MaxWrites); err != nil {
		return nil, err
	}
	keys := make([][]byte, len(writes))
	seen := make(map[string]struct{}, len(writes))
	for i, w := range writes {
		if err := checkWrite(w); err != nil {
			return nil, fmt.Errorf("write %d: %w", i, err)
		}
		keys[i] = AppendKey(make([]byte, 0, w.Key.size()), w.Key)
		if _, twice := seen[string(keys[i])]; twice {
			return nil, fmt.Errorf("write %d: its key stands twice in one call", i)
		}
		seen[string(keys[i])] = struct{}{}
	}
	return keys, nil
}

// CheckReads refuses reads past a limit (ErrTooLarge) or without a store, for drivers.
func CheckReads(reads []Read) error {
	if err := atMost("reads", len(reads), MaxReads); err != nil {
		return err
	}
	for i, r := range reads {
		err := CheckKey(Key{Store: r.Store, Entity: r.Entity, Kind: KindFence})
		if err == nil {
			err = atMost("block ranges", len(r.Blocks), MaxBlockRanges)
		}
		if err != nil {
			return fmt.Errorf("read %d: %w", i, err)
		}
	}
	return nil
}

func checkWrite(w Write) error {
	if err := CheckKey(w.Key); err != nil {
		return err
	}
	switch {
	case w.Condition == IfVersion:
	case w.Condition != IfNotNewer:
		return fmt.Errorf("unknown condition %d", w.Condition)
	case w.Expected != 0:
		return errors.New("an expected version with a condition that asks for none")
	}
	if w.Remove {
		return checkRemoval(w)
	}
	return checkCell(w.Cell)
}

func checkRemoval(w Write) error {
	c := w.Cell
	switch {
	case w.Condition != IfNotNewer:
		return fmt.Errorf("a removal with condition %d", w.Condition)
	case c.Version == 0:
		return errors.New("a removal without a version")
	case c.Fence != 0 || len(c.Position) > 0 || c.MaxTime != 0 || c.Tombstone || len(c.Value) > 0:
		return errors.New("a removal with more of a cell than its version")
	}
	return nil
}

func checkCell(c Cell) error {
	if c.Version == 0 {
		return errors.New("cell without a version")
	}
	if err := atMost("position", len(c.Position), MaxPositionBytes); err != nil {
		return err
	}
	return atMost("value", len(c.Value), MaxValueBytes)
}

func checkStore(store string) error {
	if store == "" {
		return errors.New("no name of a store")
	}
	return atMost("name of a store", len(store), MaxStoreBytes)
}

func atMost(what string, n, limit int) error {
	if n > limit {
		return fmt.Errorf("%w: %s: %d, at most %d", ErrTooLarge, what, n, limit)
	}
	return nil
}
