package ingest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/bucket"
)

// maxClaims bounds how many others may take a number first.
const maxClaims = 100

// turn is the content of an object of the order.
type turn struct {
	Frame string `json:"frame"` // path
	Claim string `json:"claim"` // tells two calls for one frame apart
}

// claimNext takes the next number of a table for a frame.
func (e *Engine) claimNext(ctx context.Context, p place) (int64, error) {
	data, err := json.Marshal(turn{Frame: p.path(), Claim: rand.Text()})
	if err != nil {
		return 0, fmt.Errorf("encode the turn of %s: %w", p.path(), err)
	}
	for range maxClaims {
		last, err := e.newest(ctx, p.workspace, p.table)
		if err != nil {
			return 0, err
		}
		err = bucket.Claim(ctx, e.Bucket, orderKey(p.workspace, p.table, last+1), data)
		if err == nil {
			return last + 1, nil
		}
		if !errors.Is(err, bucket.ErrExists) {
			return 0, fmt.Errorf("number %s: %w", p.path(), err)
		}
	}
	return 0, fmt.Errorf("number %s: %d others came first", p.path(), maxClaims)
}

// newest returns the greatest number that a table gave; 0: none.
func (e *Engine) newest(ctx context.Context, workspace, table string) (int64, error) {
	for info, err := range e.Bucket.List(ctx, orderPrefix(workspace, table), "") {
		if err != nil {
			return 0, fmt.Errorf("list the ingests of %s: %w", table, err)
		}
		return parseOrderKey(info.Key)
	}
	return 0, nil
}

// orderKey has the greatest number listed first.
func orderKey(workspace, table string, sequence int64) string {
	return fmt.Sprintf("%s%019d.json", orderPrefix(workspace, table), math.MaxInt64-sequence)
}

func parseOrderKey(key string) (int64, error) {
	name, isOrder := strings.CutSuffix(key[strings.LastIndexByte(key, '/')+1:], ".json")
	inverted, err := strconv.ParseInt(name, 10, 64)
	if sequence := math.MaxInt64 - inverted; err == nil && isOrder && len(name) == 19 && inverted >= 0 && sequence > 0 {
		return sequence, nil
	}
	return 0, fmt.Errorf("key %s is none of the order of ingests", key)
}
