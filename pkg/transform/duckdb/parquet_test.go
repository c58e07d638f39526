package duckdb_test

import (
	"strings"
	"testing"

	bindings "github.com/duckdb/duckdb-go-bindings"
	"github.com/stretchr/testify/require"
)

// connect opens a plain instance, for what the engine refuses to do.
func connect(t testing.TB) bindings.Connection {
	t.Helper()
	var config bindings.Config
	require.Equal(t, bindings.StateSuccess, bindings.CreateConfig(&config))
	var db bindings.Database
	var message string
	state := bindings.OpenExt(":memory:", &db, config, &message)
	bindings.DestroyConfig(&config)
	require.Equal(t, bindings.StateSuccess, state, message)
	var conn bindings.Connection
	require.Equal(t, bindings.StateSuccess, bindings.Connect(db, &conn))
	t.Cleanup(func() {
		bindings.Disconnect(&conn)
		bindings.Close(&db)
	})
	return conn
}

// writeParquet writes the result of sql.
func writeParquet(t testing.TB, path, sql string) {
	t.Helper()
	var result bindings.Result
	defer bindings.DestroyResult(&result)
	state := bindings.Query(connect(t), "COPY ("+sql+") TO '"+strings.ReplaceAll(path, "'", "''")+"' (FORMAT parquet)", &result)
	require.Equal(t, bindings.StateSuccess, state, bindings.ResultError(&result))
}
