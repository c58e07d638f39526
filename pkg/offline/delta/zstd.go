package delta

import (
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// codecs are those that Arrow's Parquet writer picks from. Arrow v15 makes a zstd
// encoder of a megabyte for each page, which took more time than compressing it;
// later releases have compress.RegisterCodec, this one only the variable.
//
//go:linkname codecs github.com/apache/arrow/go/v15/parquet/compress.codecs
var codecs map[compress.Compression]compress.Codec

func init() {
	codecs[compress.Codecs.Zstd] = &pooledZstd{Codec: codecs[compress.Codecs.Zstd]}
}

// pooledZstd is Arrow's codec with one encoder for each level, which any number of
// goroutines share. The bytes are those of an encoder of its own.
type pooledZstd struct {
	compress.Codec
	encoders sync.Map // zstd.EncoderLevel -> *zstd.Encoder
}

// EncodeLevel implements compress.Codec.
func (p *pooledZstd) EncodeLevel(dst, src []byte, level int) []byte {
	speed := zstd.SpeedDefault
	if level != compress.DefaultCompressionLevel {
		speed = zstd.EncoderLevelFromZstd(level)
	}
	encoder, ok := p.encoders.Load(speed)
	if !ok {
		made, err := zstd.NewWriter(nil, zstd.WithZeroFrames(true), zstd.WithEncoderLevel(speed))
		if err != nil {
			return p.Codec.EncodeLevel(dst, src, level)
		}
		encoder, _ = p.encoders.LoadOrStore(speed, made)
	}
	return encoder.(*zstd.Encoder).EncodeAll(src, dst[:0])
}
