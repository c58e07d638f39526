package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tilery/tilery/deploy/local/bench/sql"
)

// firstDay is the first window's.
var firstDay = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

func (o options) sources() string { return filepath.Join(o.dir, "sources") }

// eventsSQL draws the k-th key with a chance in proportion to log(1 + 1/k), which
// is 1/k but for the first few; hash is the only source of chance.
const eventsSQL = `COPY (
	SELECT printf('user-%%06d', least(%[1]d, floor(exp(hash(i, 1) / 18446744073709551616.0 * ln(%[1]d + 1)))::BIGINT)) AS user_id,
		TIMESTAMP '%[2]s' + to_microseconds((hash(i, 2) %% 86400000000)::BIGINT) AS ts,
		(hash(i, 3) %% 100000)::BIGINT - 20000 AS amount
	FROM range(%[3]d, %[4]d) r(i)
) TO '%[5]s' (FORMAT parquet, COMPRESSION zstd)`

// generate writes a file of events for each day, each time the same.
func (o options) generate() error {
	if err := os.MkdirAll(o.sources(), 0o700); err != nil {
		return err
	}
	d, err := sql.Open(nil)
	if err != nil {
		return err
	}
	defer d.Close()
	for day := range o.windows {
		date := firstDay.AddDate(0, 0, day).Format(time.DateOnly)
		from, to := o.events*int64(day)/int64(o.windows), o.events*int64(day+1)/int64(o.windows)
		file := filepath.Join(o.sources(), fmt.Sprintf("events-%s.parquet", date))
		if err := d.Exec(eventsSQL, o.keys, date, from, to, file); err != nil {
			return err
		}
	}
	return nil
}
