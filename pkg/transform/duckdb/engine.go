package duckdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/transform"
	"github.com/tilery/tilery/pkg/window"
)

// Engine implements transform.Engine. It has no state: the zero value is ready.
type Engine struct{}

var _ transform.Engine = Engine{}

// describeLimits suffice to bind a statement over empty tables.
var describeLimits = transform.Limits{MemoryBytes: 128 << 20, Threads: 1}

// Describe implements transform.Engine.
func (Engine) Describe(ctx context.Context, sql string, tables []transform.Table) (transform.Description, error) {
	if err := transform.Validate(sql, tables); err != nil {
		return transform.Description{}, err
	}
	if err := ctx.Err(); err != nil {
		return transform.Description{}, err
	}
	s, err := open(describeLimits)
	if err != nil {
		return transform.Description{}, err
	}
	defer s.close()
	empty := make([]transform.Table, len(tables))
	for i, t := range tables {
		empty[i] = t
		empty[i].Files = nil
	}
	checked, err := s.check(sql, tables)
	if err != nil {
		return transform.Description{}, err
	}
	columns, err := s.prepareResult(ctx, checked, empty, anyWindow)
	if err != nil {
		return transform.Description{}, err
	}
	schema, err := resultSchema(columns, tables)
	if err != nil {
		return transform.Description{}, err
	}
	why, err := s.notRowWise(checked, tables, schema)
	if err != nil {
		return transform.Description{}, err
	}
	return transform.Description{Schema: schema, RowWise: why == "", NotRowWise: why, UsesBounds: checked.bounds > 0}, nil
}

// anyWindow stands for the bounds where only their type matters.
var anyWindow = window.Interval{Start: 0, End: 1}

func resultSchema(columns []column, tables []transform.Table) (feature.Schema, error) {
	schema := make(feature.Schema, len(columns))
	for i, c := range columns {
		t := c.described(tables)
		if t == feature.InvalidType {
			return nil, fmt.Errorf("%w: column %q is of type %s, which no feature has: write %s AS %s",
				transform.ErrSQL, c.Name, c.Type, c.castAdvice(), quoteName(c.Name))
		}
		schema[i] = feature.Field{Name: c.Name, Type: t}
	}
	return schema, nil
}

// Run implements transform.Engine.
func (Engine) Run(ctx context.Context, q transform.Query, fn func(arrow.Record) error) (transform.Stats, error) {
	if err := q.Validate(); err != nil {
		return transform.Stats{}, err
	}
	if err := ctx.Err(); err != nil {
		return transform.Stats{}, err
	}
	s, err := open(q.Limits)
	if err != nil {
		return transform.Stats{}, err
	}
	defer s.close()
	w := s.watch(ctx, q.OnProgress)
	defer w.stop()

	err = s.run(ctx, q, func(r arrow.Record) error {
		if err := fn(r); err != nil {
			return callbackError{err}
		}
		w.rows.Add(r.NumRows())
		return nil
	})
	stats := transform.Stats{Rows: w.rows.Load()}
	if failed := (callbackError{}); errors.As(err, &failed) {
		return stats, failed.error
	}
	if err != nil && ctx.Err() != nil {
		return stats, ctx.Err() // DuckDB's own error only says that it was interrupted
	}
	return stats, err
}

// callbackError keeps an error of the caller's function apart from DuckDB's.
type callbackError struct{ error }

func (s *session) run(ctx context.Context, q transform.Query, fn func(arrow.Record) error) error {
	checked, err := s.check(q.SQL, q.Tables)
	if err != nil {
		return err
	}
	columns, err := s.prepareResult(ctx, checked, q.Tables, q.Interval)
	if err != nil {
		return err
	}
	sql, err := selectOutput(q, columns)
	if err != nil {
		return err
	}
	err = s.stream(ctx, sql, q.Output, fn)
	for range reasonAttempts {
		if !wasInterrupted(err) || ctx.Err() != nil {
			break
		}
		if again := s.stream(ctx, sql, q.Output, discard); again != nil {
			err = again
		}
	}
	if failed := (callbackError{}); errors.As(err, &failed) || ctx.Err() != nil {
		return err
	}
	if changed := s.files.changed(); changed != nil {
		return changed // whatever else was found in half-changed files
	}
	return err
}

// reasonAttempts bounds how often a failed statement is run to hear why. When a
// thread of DuckDB fails, the one that fetches rows may see that it was
// interrupted before it sees the failure, and then the message is lost.
const reasonAttempts = 3

func discard(arrow.Record) error { return nil }

// prepareResult creates the tables and makes the statement's result over the
// window i a view. It returns the result's columns.
func (s *session) prepareResult(ctx context.Context, checked statement, tables []transform.Table, i window.Interval) ([]column, error) {
	sql, err := s.bind(checked, tables, i)
	if err != nil {
		return nil, err
	}
	if err := s.createTables(ctx, tables); err != nil {
		return nil, err
	}
	return s.createResult(sql)
}
