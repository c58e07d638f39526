package duckdb

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"
	bindings "github.com/duckdb/duckdb-go-bindings"

	"github.com/tilery/tilery/pkg/feature"
)

// stream runs sql, whose columns are those of schema in DuckDB's types for
// them, and hands its rows to fn while they are computed.
func (s *session) stream(ctx context.Context, sql string, schema feature.Schema, fn func(arrow.Record) error) error {
	var statement bindings.PreparedStatement
	state := bindings.Prepare(s.conn, sql, &statement)
	defer bindings.DestroyPrepare(&statement)
	if state != bindings.StateSuccess {
		return engineError(bindings.PrepareError(statement))
	}
	var pending bindings.PendingResult
	state = bindings.PendingPreparedStreaming(statement, &pending)
	defer bindings.DestroyPending(&pending)
	if state != bindings.StateSuccess {
		return engineError(bindings.PendingError(pending))
	}
	var result bindings.Result
	state = bindings.ExecutePending(pending, &result)
	defer bindings.DestroyResult(&result)
	if state != bindings.StateSuccess {
		return engineError(bindings.ResultError(&result))
	}
	return fetch(ctx, &result, newBatch(schema), fn)
}

// fetch copies the result's chunks into b and flushes b to fn whenever it is full.
func fetch(ctx context.Context, result *bindings.Result, b *batch, fn func(arrow.Record) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := bindings.FetchChunk(*result)
		if chunk.Ptr == nil {
			if message := bindings.ResultError(result); message != "" {
				return engineError(message)
			}
			if err := ctx.Err(); err != nil {
				return err // an interrupt must never pass for the end of the rows
			}
			return b.flush(fn)
		}
		if !b.fits(int(bindings.DataChunkGetSize(chunk))) {
			if err := b.flush(fn); err != nil {
				bindings.DestroyDataChunk(&chunk)
				return err
			}
		}
		err := b.append(chunk)
		bindings.DestroyDataChunk(&chunk)
		if err != nil {
			return err
		}
	}
}
