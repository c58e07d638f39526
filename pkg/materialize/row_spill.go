package materialize

import (
	"encoding/binary"
	"fmt"

	"github.com/tilery/tilery/pkg/window"
)

// A spilled row has as its key the number of its window in the span and its bytes,
// and as its value the length of its key.

// spill writes the rows as a sorted run, and drops them.
func (s *rowSorter) spill() error {
	s.sort()
	err := s.runs.Add(func(add func(key, value []byte) error) error {
		var key, value []byte
		for _, row := range s.rows {
			key = append(binary.BigEndian.AppendUint32(key[:0], uint32(row.window)), row.bytes...)
			value = binary.BigEndian.AppendUint16(value[:0], uint16(row.key))
			if err := add(key, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("spill %d rows of %v: %w", len(s.rows), s.span, full(err))
	}
	s.empty()
	return nil
}

// writeMerged adds the rows of a window, the one after the last that was written.
func (s *rowSorter) writeMerged(w window.Interval, out *rowRecord) (err error) {
	if s.merged == nil {
		if err := s.spill(); err != nil {
			return err
		}
		if s.merged, err = s.runs.Merge(); err != nil {
			return full(err)
		}
	}
	m, number := s.merged, uint32(s.windowOf(w.Start))
	for !m.Done() {
		switch window := binary.BigEndian.Uint32(m.Key()); {
		case window > number:
			return nil
		case window < number:
			return fmt.Errorf("spilled rows of window %d are left when those of %d, %v, are written", window, number, w)
		}
		if err := out.add(int(binary.BigEndian.Uint16(m.Value())), m.Key()[windowBytes:]); err != nil {
			return err
		}
		if err := m.Next(); err != nil {
			return fmt.Errorf("merge spilled rows of %v: %w", w, err)
		}
	}
	return nil
}
