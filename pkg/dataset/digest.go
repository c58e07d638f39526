package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/record"
)

// digest is of a set of rows in whatever order, since that of a large result depends
// on how much memory it was made with: the sum, modulo 2^256, of the SHA-256 of each
// encoded row. Equal rows count as often as they come.
type digest struct {
	schema feature.Schema
	sum    [4]uint64 // the least significant first
	rows   int64
	row    []byte
}

func (d *digest) add(rec arrow.Record) error {
	encoder, err := record.NewRowEncoder(d.schema, rec.Columns())
	if err != nil {
		return fmt.Errorf("digest of rows: %w", err)
	}
	for i := range int(rec.NumRows()) {
		d.row = encoder.Append(d.row[:0], i)
		hash := sha256.Sum256(d.row)
		d.addSum(hash[:], 1)
	}
	return nil
}

// addSum adds 32 bytes that stand for so many rows.
func (d *digest) addSum(data []byte, rows int64) {
	carry := uint64(0)
	for word := range d.sum {
		d.sum[word], carry = bits.Add64(d.sum[word], binary.LittleEndian.Uint64(data[8*word:]), carry)
	}
	d.rows += rows
}

// plus adds the digest of further rows, as String returned it.
func (d *digest) plus(text string, rows int64) error {
	digits, ok := strings.CutPrefix(text, digestPrefix)
	data, err := hex.DecodeString(digits)
	if !ok || err != nil || len(data) != 8*len(d.sum) {
		return fmt.Errorf("%q is no digest of rows", text)
	}
	d.addSum(data, rows)
	return nil
}

const digestPrefix = "sha256-sum:"

func (d *digest) String() string {
	var out []byte
	for _, word := range d.sum {
		out = binary.LittleEndian.AppendUint64(out, word)
	}
	return digestPrefix + hex.EncodeToString(out)
}
