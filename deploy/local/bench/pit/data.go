package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/sql"
)

const days = 30

// firstDay is the first one that has rows.
var firstDay = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

func (o options) sources() string { return filepath.Join(o.dir, "sources") }

func (o options) spineFile(join string) string {
	return filepath.Join(o.dir, "spine-"+join+".parquet")
}

// In these statements hash is the only source of chance.
const (
	rowsSQL = `COPY (
	SELECT printf('key-%%07d', (hash(i, 1) %% %[1]d)::BIGINT) AS entity,
		TIMESTAMP '%[2]s' + to_microseconds((hash(i, 2) %% 86400000000)::BIGINT) AS ts,
		(hash(i, 3) %% 1000000)::BIGINT / 64 AS f_sum, (hash(i, 4) %% 500)::BIGINT AS f_count, (hash(i, 5) %% 100000)::BIGINT / 64 AS f_max
	FROM range(%[3]d, %[4]d) r(i)
) TO '%[5]s' (FORMAT parquet, COMPRESSION zstd)`

	// The k-th user has a chance in proportion to log(1 + 1/k), which is 1/k but for the first few.
	eventsSQL = `COPY (
	SELECT ` + userSQL + ` AS entity,
		TIMESTAMP '%[2]s' + to_microseconds((hash(i, 2) %% 86400000000)::BIGINT) AS ts,
		(hash(i, 3) %% 100000)::BIGINT - 20000 AS amount
	FROM range(%[3]d, %[4]d) r(i)
) TO '%[5]s' (FORMAT parquet, COMPRESSION zstd)`

	userSQL = `printf('user-%%06d', least(%[1]d, floor(exp(hash(i, 1) / 18446744073709551616.0 * ln(%[1]d + 1)))::BIGINT))`

	// Instants reach beyond the data on both sides.
	spineSQL = `COPY (
	SELECT i AS id, %[6]s AS entity,
		TIMESTAMP '%[2]s' + to_microseconds((hash(i, 12) %% (%[3]d * 86400000000))::BIGINT) AS instant, (hash(i, 13) %% 2)::BIGINT AS label
	FROM range(%[4]d) r(i)
) TO '%[5]s' (FORMAT parquet, COMPRESSION zstd)`
)

// generate writes the sources, a file for each day, and the spines, each time the same.
func (o options) generate() error {
	if err := os.MkdirAll(o.sources(), 0o700); err != nil {
		return err
	}
	d, err := sql.Open(nil)
	if err != nil {
		return err
	}
	defer d.Close()
	for day := range days {
		date := firstDay.AddDate(0, 0, day).Format(time.DateOnly)
		from, to := o.rows*int64(day)/days, o.rows*int64(day+1)/days
		if err := d.Exec(rowsSQL, o.keys, date, from, to, filepath.Join(o.sources(), "rows-"+date+".parquet")); err != nil {
			return err
		}
		if err := d.Exec(eventsSQL, o.users, date, from, to, filepath.Join(o.sources(), "events-"+date+".parquet")); err != nil {
			return err
		}
	}
	before := firstDay.AddDate(0, 0, -1).Format(time.DateOnly)
	for name, key := range map[string]string{
		"rows":    fmt.Sprintf(`printf('key-%%07d', (hash(i, 11) %% %d)::BIGINT)`, o.keys),
		"windows": fmt.Sprintf(userSQL, o.users),
	} {
		if err := d.Exec(spineSQL, 0, before, days+2, o.spine, o.spineFile(name), key); err != nil {
			return err
		}
	}
	return nil
}
