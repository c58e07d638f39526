package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/tilery/tilery/deploy/local/bench/sql"
)

// canonical names a set of tiles: how many there are, and a digest of the keys
// in order, each with its tiles in order.
type canonical struct {
	rows   int64
	digest string
}

func (c canonical) String() string { return fmt.Sprintf("%d tiles %s", c.rows, c.digest) }

const canonicalSQL = `
	SELECT sum(tiles)::BIGINT, md5(string_agg(user_id || ':' || digest, ';' ORDER BY user_id)) FROM (
		SELECT user_id, count(*) AS tiles, md5(string_agg(
			concat_ws(',', epoch_us(tile_start), sum_amount, count_amount, max_amount), ';' ORDER BY tile_start)) AS digest
		FROM read_parquet([%s], hive_partitioning = false) GROUP BY user_id
	)`

// canonicalOf reads the tiles in files.
func (o options) canonicalOf(files []string) (canonical, error) {
	d, err := sql.Open(nil)
	if err != nil {
		return canonical{}, err
	}
	defer d.Close()
	quoted := make([]string, len(files))
	for i, file := range files {
		quoted[i] = "'" + file + "'"
	}
	row, err := d.Row(o.dir, canonicalSQL, strings.Join(quoted, ", "))
	if err != nil {
		return canonical{}, err
	}
	c := canonical{digest: row[1]}
	c.rows, err = strconv.ParseInt(row[0], 10, 64)
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
