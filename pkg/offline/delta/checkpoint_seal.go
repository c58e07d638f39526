package delta

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/offline"
)

// The seal of a checkpoint is a setting at the end of the Parquet file: the digest of
// all its bytes, with zeros in the digest's own place. Pages of Parquet files have no
// digest of their own, and a damaged one can mislead readers in any way.
const (
	sealSetting = "tilery.seal"
	sealPrefix  = "tilery:sha256:"
)

// unsealed is the setting's value while the file is being written.
var unsealed = sealPrefix + strings.Repeat("0", 2*sha256.Size)

// seal sets the digest in a finished file.
func seal(data []byte) error {
	digest, sum, err := sealOf(data)
	if err == nil {
		hex.Encode(digest, sum)
	}
	return err
}

// checkSeal refuses what is not, byte for byte, as it was sealed.
func checkSeal(data []byte) error {
	digest, sum, err := sealOf(data)
	if err != nil {
		return err
	}
	if hex.EncodeToString(sum) != string(digest) {
		return fmt.Errorf("%w: checkpoint of %d bytes has another digest than it says", offline.ErrCorrupt, len(data))
	}
	return nil
}

// sealOf returns the place of the digest in data, and what it should say.
func sealOf(data []byte) (digest, sum []byte, err error) {
	i := bytes.LastIndex(data, []byte(sealPrefix))
	from := i + len(sealPrefix)
	to := from + 2*sha256.Size
	if i < 0 || to > len(data) {
		return nil, nil, fmt.Errorf("%w: checkpoint of %d bytes is cut off, or another program's", offline.ErrCorrupt, len(data))
	}
	hash := sha256.New()
	hash.Write(data[:from])
	hash.Write([]byte(unsealed[len(sealPrefix):]))
	hash.Write(data[to:])
	return data[from:to], hash.Sum(nil), nil
}
