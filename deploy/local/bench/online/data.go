package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/sql"
)

const days = 30

// firstDay is the first one that has rows.
var firstDay = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

func (o options) sources() string { return filepath.Join(o.dir, "sources") }

func (o options) sourceFile() string { return filepath.Join(o.sources(), "rows.parquet") }

// rowsSQL makes rows in the order of their times, each another. hash is the only source
// of chance.
const rowsSQL = `COPY (
	SELECT 'user_' || (hash(i, 1) %% %[1]d)::BIGINT AS entity,
		TIMESTAMP '%[2]s' + to_microseconds(i * (%[3]d * 86400000000 // %[4]d)) AS ts,
		(hash(i, 3) %% 1000000)::BIGINT / 64 AS f_sum, (hash(i, 4) %% 500)::BIGINT AS f_count, (hash(i, 5) %% 100000)::BIGINT / 64 AS f_max
	FROM range(%[4]d) r(i)
) TO '%[5]s' (FORMAT parquet, COMPRESSION zstd)`

// generate writes the source, each time the same.
func (o options) generate() error {
	if err := os.MkdirAll(o.sources(), 0o700); err != nil {
		return err
	}
	d, err := sql.Open(nil)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Exec(rowsSQL, o.keys, firstDay.Format(time.DateOnly), days, o.rows, o.sourceFile())
}
