package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	bindings "github.com/duckdb/duckdb-go-bindings"
)

// database is an in-memory DuckDB.
type database struct {
	db   bindings.Database
	conn bindings.Connection
}

func openDatabase(settings map[string]string) (*database, error) {
	var config bindings.Config
	if bindings.CreateConfig(&config) != bindings.StateSuccess {
		return nil, errors.New("open duckdb: no memory for a configuration")
	}
	defer bindings.DestroyConfig(&config)
	for name, value := range settings {
		if bindings.SetConfig(config, name, value) != bindings.StateSuccess {
			return nil, fmt.Errorf("open duckdb: option %s does not take %q", name, value)
		}
	}
	d := &database{}
	var message string
	if bindings.OpenExt(":memory:", &d.db, config, &message) != bindings.StateSuccess {
		return nil, fmt.Errorf("open duckdb: %s", message)
	}
	if bindings.Connect(d.db, &d.conn) != bindings.StateSuccess {
		d.close()
		return nil, errors.New("open duckdb: no connection")
	}
	return d, nil
}

func (d *database) close() {
	bindings.Disconnect(&d.conn)
	bindings.Close(&d.db)
}

func (d *database) exec(format string, args ...any) error {
	sql := fmt.Sprintf(format, args...)
	var result bindings.Result
	defer bindings.DestroyResult(&result)
	if bindings.Query(d.conn, sql, &result) != bindings.StateSuccess {
		return fmt.Errorf("%s: %s", sql, bindings.ResultError(&result))
	}
	return nil
}

// canonical names a set of tiles: how many there are, and a digest of the keys
// in order, each with its tiles in order.
type canonical struct {
	rows   int64
	digest string
}

func (c canonical) String() string { return fmt.Sprintf("%d tiles %s", c.rows, c.digest) }

const canonicalSQL = `COPY (
	SELECT sum(tiles)::BIGINT, md5(string_agg(user_id || ':' || digest, ';' ORDER BY user_id)) FROM (
		SELECT user_id, count(*) AS tiles, md5(string_agg(
			concat_ws(',', epoch_us(tile_start), sum_amount, count_amount, max_amount), ';' ORDER BY tile_start)) AS digest
		FROM read_parquet([%s], hive_partitioning = false) GROUP BY user_id
	)
) TO '%s' (FORMAT csv, HEADER false)`

// canonicalOf reads the tiles in files.
func (o options) canonicalOf(files []string) (canonical, error) {
	d, err := openDatabase(nil)
	if err != nil {
		return canonical{}, err
	}
	defer d.close()
	quoted := make([]string, len(files))
	for i, file := range files {
		quoted[i] = "'" + file + "'"
	}
	answer := filepath.Join(o.dir, "canonical.csv")
	if err := d.exec(canonicalSQL, strings.Join(quoted, ", "), answer); err != nil {
		return canonical{}, err
	}
	data, err := os.ReadFile(answer)
	if err != nil {
		return canonical{}, err
	}
	rows, digest, _ := strings.Cut(strings.TrimSpace(string(data)), ",")
	c := canonical{digest: digest}
	c.rows, err = strconv.ParseInt(rows, 10, 64)
	return c, err
}

// sizeOf returns the bytes of files.
func sizeOf(files []string) (int64, error) {
	total := int64(0)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, nil
}
