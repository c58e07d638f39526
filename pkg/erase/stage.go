package erase

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/keyset"
	"github.com/tilery/tilery/pkg/materialize"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/window"
)

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// Stage checks a request, reads the keys of a data frame, and keeps them in the bucket.
// ErrRefused or frame.ErrData, and nothing is kept then. The frame's columns are the
// join keys of the view, all of them and no others, in any order.
func (e *Engine) Stage(ctx context.Context, r Request, file io.ReaderAt, size int64, format frame.Format) (Staged, error) {
	view, err := e.check(ctx, r)
	if err != nil {
		return Staged{}, err
	}
	options := e.Options.withDefaults()
	if size > options.KeyBytes {
		return Staged{}, refuse("the keys take %d bytes, at most %d are allowed", size, options.KeyBytes)
	}
	s := Staged{Request: r, ID: newID(), JoinKeys: view.JoinKeys(), StagedAt: options.Now().UTC()}
	keys, rows, err := readKeys(file, size, format, s.JoinKeys, options)
	if err != nil {
		return Staged{}, err
	}
	encoded := keys.Encode()
	if len(encoded) > bucket.MaxObjectBytes {
		return Staged{}, refuse("the keys take %d bytes, at most %d are allowed", len(encoded), bucket.MaxObjectBytes)
	}
	s.Keys, s.Duplicates, s.Digest = keys.Len(), rows-keys.Len(), keys.Hashed().Digest()
	s.Object = s.object(keysObject)
	if err := e.Bucket.Put(ctx, s.Object, encoded); err != nil {
		return Staged{}, fmt.Errorf("stage the keys of deletion %s: %w", s.ID, err)
	}
	return s, nil
}

func newID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails: it ends the process where the system has no randomness
	return hex.EncodeToString(id[:])
}

// check refuses what cannot be deleted whatever the keys are.
func (e *Engine) check(ctx context.Context, r Request) (feature.View, error) {
	if !r.Online && !r.Offline {
		return feature.View{}, refuse("One of online or offline store must be selected.")
	}
	if r.Forget != nil && (*r.Forget < window.MinTime || *r.Forget > window.MaxTime) {
		return feature.View{}, refuse("keys can be forgotten until a time of years 1 to 9999")
	}
	workspace, err := e.Views.Registry.Workspace(ctx, r.Workspace)
	if err != nil {
		return feature.View{}, err
	}
	if !workspace.Live {
		return feature.View{}, refuse("workspace %s is not live: nothing is materialized in it", r.Workspace)
	}
	stores, err := e.stores(ctx, r)
	if err != nil {
		return feature.View{}, err
	}
	view := stores.Newest().View
	switch {
	case len(view.OnlineServingIndex) > 0:
		return feature.View{}, refuse("%s has an online_serving_index, with which single keys cannot be deleted", r.View)
	case r.Online && !view.Online:
		return feature.View{}, refuse("%s has online: false; delete from the offline store only", r.View)
	case r.Offline && !view.Offline:
		return feature.View{}, refuse("%s has offline: false; delete from the online store only", r.View)
	}
	return view, checkJoinKeys(stores, r.View)
}

func (e *Engine) stores(ctx context.Context, r Request) (materialize.Stores, error) {
	stores, err := e.Views.Stores(ctx, r.Workspace, r.View)
	if errors.Is(err, registry.ErrNotFound) {
		return stores, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return stores, err
}

// checkJoinKeys refuses a view whose stores in use have different join keys.
func checkJoinKeys(stores materialize.Stores, view string) error {
	newest := stores.Newest().View.JoinKeys()
	if serving := stores.Serving.View.JoinKeys(); !slices.Equal(serving, newest) {
		return refuse("%s serves a store with the join keys (%s) until the one with (%s) is filled: wait for that",
			view, names(serving), names(newest))
	}
	return nil
}

func names(fields []feature.Field) string { return strings.Join(feature.Schema(fields).Names(), ", ") }

// rowsPerKey is how many times a key may stand in a request, on average.
const rowsPerKey = 4

// readKeys returns the keys of a data frame, and how many rows it has.
func readKeys(file io.ReaderAt, size int64, format frame.Format, fields []feature.Field, o Options) (*keyset.Set, int, error) {
	r, err := frame.Open(file, size, format, frame.Options{Known: fields, MaxBytes: rowsPerKey * o.KeyBytes})
	if err != nil {
		return nil, 0, err
	}
	defer r.Close() //nolint:errcheck // it was only read
	if !sameNames(r.Schema(), fields) {
		return nil, 0, refuse("Requested keys to be deleted (%s) do not match the expected join keys (%s).", names(r.Schema()), names(fields))
	}
	var keys [][]byte
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if keys, err = appendKeys(keys, rec, fields); err != nil {
			return nil, 0, err
		}
		if len(keys) > rowsPerKey*o.MaxKeys {
			return nil, 0, refuse("Max number of keys to be deleted is %d.", o.MaxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, 0, refuse("there are no keys")
	}
	set, err := keyset.New(keys)
	if errors.Is(err, keyset.ErrTooMany) || err == nil && set.Len() > o.MaxKeys {
		return nil, 0, refuse("Max number of keys to be deleted is %d.", o.MaxKeys)
	}
	return set, len(keys), err
}

func sameNames(a, b []feature.Field) bool {
	left, right := feature.Schema(a).Names(), feature.Schema(b).Names()
	slices.Sort(left)
	slices.Sort(right)
	return slices.Equal(left, right)
}

// appendKeys appends the encoded keys of the rows of a record.
func appendKeys(keys [][]byte, rec arrow.Record, fields []feature.Field) ([][]byte, error) {
	columns := make([]arrow.Array, len(fields))
	for i, f := range fields {
		columns[i] = rec.Column(rec.Schema().FieldIndices(f.Name)[0])
	}
	encoder, err := record.NewKeyEncoder(fields, columns)
	if err != nil {
		return nil, err
	}
	for row := range int(rec.NumRows()) {
		for i, column := range columns {
			if column.IsNull(row) {
				return nil, refuse("row %d has a null in join key %s", len(keys)+1, fields[i].Name)
			}
		}
		key := encoder.Append(nil, row)
		if len(key) > record.MaxKeyBytes {
			return nil, refuse("row %d has a key of %d bytes, at most %d are allowed", len(keys)+1, len(key), record.MaxKeyBytes)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
