package online

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tilery/tilery/pkg/window"
)

// statusFormat is the format of the status cell's JSON.
const statusFormat = 1

// Status says what a store holds. It is written after the last cell that it
// speaks of, and read before the first cell that is read because of it.
type Status struct {
	// Epoch names one filling of the store; a store that is filled anew gets another.
	Epoch string `json:"epoch"`
	// Applied is the version of the Delta log that the batch cells follow.
	Applied int64 `json:"applied"`
	// Covered is the time whose batch cells are complete.
	Covered window.Set `json:"covered,omitempty"`
	// Held is the time that a person keeps from being filled: it counts as covered,
	// so that serving does not wait for it.
	Held window.Set `json:"held,omitempty"`
	// Next is a filling that is to take this one's place, nil if none was begun. It is
	// named here before its first cell is written.
	Next *Filling `json:"next,omitempty"`
	// Replaced are fillings whose cells may still be there, though nobody reads them.
	Replaced []Replaced `json:"replaced,omitempty"`
	// Watermark is the batch watermark B: tiles before it are read from batch
	// cells. Nil until there is one.
	Watermark *window.Time `json:"watermark,omitempty"`
}

// Filling is a filling of a store that was begun and is not read yet.
type Filling struct {
	Epoch string `json:"epoch"`
	// From is the version of the Delta log from which on its cells follow it.
	From int64 `json:"from"`
	// Covered is the time that it is to cover, at least.
	Covered window.Set `json:"covered,omitempty"`
}

// Replaced is a filling of a store whose place another one took.
type Replaced struct {
	Epoch string      `json:"epoch"`
	At    window.Time `json:"at"` // real time, since it ages whatever the product's clock says
}

type statusDocument struct {
	Format int `json:"format"`
	Status
}

// ReadStatus returns the status of a store with its version, and whether it has
// one. A status that breaks its own rules is ErrDamaged.
func ReadStatus(ctx context.Context, s Store, store string) (status Status, version uint64, ok bool, err error) {
	cell, ok, err := s.Get(ctx, statusKey(store))
	if err != nil || !ok {
		return Status{}, 0, false, err
	}
	status, err = decodeStatus(cell.Value)
	if err != nil {
		return Status{}, 0, false, fmt.Errorf("%w: status of %q: %w", ErrDamaged, store, err)
	}
	return status, cell.Version, true, nil
}

// WriteStatus puts a status in the place of the one with expectedVersion (0:
// there is none) and reports whether it did. On false another was put there
// meanwhile. After an error the status may or may not be in place: read it.
func WriteStatus(ctx context.Context, s Store, store string, status Status, expectedVersion uint64) (won bool, err error) {
	if err := status.check(); err != nil {
		return false, fmt.Errorf("status of %q: %w", store, err)
	}
	value, err := json.Marshal(statusDocument{Format: statusFormat, Status: status})
	if err != nil {
		return false, fmt.Errorf("status of %q: %w", store, err)
	}
	key, version := statusKey(store), NewVersion()
	done, err := s.Write(ctx, []Write{{
		Key: key, Cell: Cell{Version: version, Value: value}, Condition: IfVersion, Expected: expectedVersion,
	}})
	if err == nil && done[0] {
		return true, nil
	}
	// An answer can be lost, also inside a client that then asks again and hears
	// that its own write is in the way. The random version tells whose it is.
	stored, _, getErr := s.Get(ctx, key)
	if getErr == nil && stored.Version == version {
		return true, nil
	}
	return false, errors.Join(err, getErr)
}

func statusKey(store string) Key { return Key{Store: store, Kind: KindStatus} }

// decodeStatus refuses fields that it does not know: a program that dropped
// them when it writes the status back would undo what a newer one recorded.
func decodeStatus(value []byte) (Status, error) {
	var d statusDocument
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return Status{}, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Status{}, errors.New("more than one JSON value")
	}
	if d.Format != statusFormat {
		return Status{}, fmt.Errorf("format %d, this program reads %d", d.Format, statusFormat)
	}
	return d.Status, d.check()
}

func (s Status) check() error {
	if s.Epoch == "" {
		return errors.New("no epoch")
	}
	if s.Applied < 0 {
		return fmt.Errorf("applied version %d", s.Applied)
	}
	if err := checkSet("covered", s.Covered); err != nil {
		return err
	}
	if err := checkSet("held", s.Held); err != nil {
		return err
	}
	if err := s.checkFillings(); err != nil {
		return err
	}
	if s.Watermark != nil && !s.Settled().Overlaps(window.Interval{Start: *s.Watermark - 1, End: *s.Watermark}) {
		return fmt.Errorf("watermark %v ends no covered or held time: %v", *s.Watermark, s.Settled())
	}
	return nil
}

// checkFillings refuses a filling that another one cannot follow, or that could be
// dropped while it is used.
func (s Status) checkFillings() error {
	used := []string{s.Epoch}
	if n := s.Next; n != nil {
		if n.Epoch == "" || n.Epoch == s.Epoch || n.From < s.Applied {
			return fmt.Errorf("epoch %q from version %d on after epoch %q at version %d", n.Epoch, n.From, s.Epoch, s.Applied)
		}
		if err := checkSet("next covered", n.Covered); err != nil {
			return err
		}
		used = append(used, n.Epoch)
	}
	for _, r := range s.Replaced {
		if r.Epoch == "" || slices.Contains(used, r.Epoch) {
			return fmt.Errorf("replaced epoch %q has no name, or is used", r.Epoch)
		}
	}
	return nil
}

func checkSet(what string, set window.Set) error {
	if !slices.Equal(set, window.NewSet(set...)) {
		return fmt.Errorf("%s intervals %v are not disjoint, ascending and apart", what, set)
	}
	if n := len(set); n > 0 && (set[0].Start < window.MinTime || set[n-1].End > window.MaxTime) {
		return fmt.Errorf("%s intervals %v leave years 1 to 9999", what, set)
	}
	return nil
}

// Settled is the time that no batch job is to fill any more: what is covered or
// held. The watermark lies at its end.
func (s Status) Settled() window.Set { return s.Covered.Union(s.Held) }
