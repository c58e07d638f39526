package delta

import (
	"bytes"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/stretchr/testify/require"
)

func TestPagesAreCompressedByOneEncoder(t *testing.T) {
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	require.NoError(t, err)
	require.IsType(t, &pooledZstd{}, codec, "Arrow's Parquet writer takes another codec")
	page := bytes.Repeat([]byte("a page of a column, "), 10_000)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			packed := codec.EncodeLevel(nil, page, 1)
			if !bytes.Equal(page, codec.Decode(nil, packed)) {
				t.Error("a page came back otherwise")
			}
		})
	}
	all.Wait()
	// The encoders were made; what a page takes is its result.
	packed := make([]byte, 0, codec.CompressBound(int64(len(page))))
	require.Less(t, testing.AllocsPerRun(10, func() { codec.EncodeLevel(packed, page, 1) }), 8.0)
	require.Equal(t, codec.(*pooledZstd).Codec.EncodeLevel(nil, page, 1), codec.EncodeLevel(nil, page, 1))
	require.Equal(t, codec.(*pooledZstd).Codec.EncodeLevel(nil, page, compress.DefaultCompressionLevel),
		codec.EncodeLevel(nil, page, compress.DefaultCompressionLevel))
}
