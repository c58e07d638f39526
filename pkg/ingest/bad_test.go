package ingest_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	parquetfile "github.com/apache/arrow/go/v15/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// badFrame is a frame that is refused. Its error begins as all do: "ingest into clicks:
// data frame: ".
type badFrame struct {
	name   string
	format frame.Format
	data   []byte
	want   string
}

// places differ with how Parquet is written.
var places = regexp.MustCompile(`at byte \d+`)

const header = "user,shop,ts,n,amount,label,tags\n"

func badTexts() []badFrame {
	good := header + `1,a,2001-01-01,1,0.5,x,[1]` + "\n"
	line := `{"user":1,"shop":"a","ts":"2001-01-01T00:00:00Z","n":1,"amount":0.5,"label":"x","tags":[1]}` + "\n"
	csv := func(name, text, want string) badFrame { return badFrame{"csv: " + name, frame.CSV, []byte(text), want} }
	json := func(name, text, want string) badFrame {
		return badFrame{"json: " + name, frame.JSON, []byte(text), want}
	}
	instead := func(old, other string) string { return line + strings.Replace(line, old, other, 1) }
	return []badFrame{
		csv("nothing", "", "there is no header line"),
		csv("no column of the table", "a,b\n1,2\n", "it has no column user, which must be Int64; it has a, b"),
		csv("a missing column", "user,shop,ts,amount,label,tags\n", "it has no column n, which must be Int64; it has user, shop, ts, amount, label, tags"),
		csv("another time than the declared", strings.Replace(good, "ts", "time", 1),
			"it has no column ts, which must be Timestamp; it has user, shop, n, amount, label, tags, time"),
		csv("a column twice", strings.Replace(good, "label", "n", 1), `line 1: column "n" is there twice`),
		csv("a text where a number is", good+"1,a,2001-01-01,many,0.5,x,[1]\n", `line 3, column "n": "many" is no Int64`),
		csv("a number past 64 bits", good+"9223372036854775808,a,2001-01-01,1,0.5,x,[1]\n", `line 3, column "user": "9223372036854775808" is no Int64`),
		csv("an array of another type", good+"1,a,2001-01-01,1,0.5,x,[1.5]\n", `line 3, column "tags": "[1.5]" is no Array[Int64]`),
		csv("ragged rows", good+"1,a,2001-01-01\n", "line 3: 3 fields, and the header line has 7: user, shop, ts, n, amount, label, tags"),
		csv("an open quote", good+`1,"a,2001-01-01,1,0.5,x,[1]`+"\n", "line 3: a quote is not closed"),
		csv("no UTF-8", good+"1,\xff,2001-01-01,1,0.5,x,[1]\n", `line 3, column "shop": "\xff" is not UTF-8`),
		csv("a time that is none", good+"1,a,978307200,1,0.5,x,[1]\n", `line 3, column "ts": "978307200" is no Timestamp`),
		csv("a time out of range", good+"1,a,10000-01-01,1,0.5,x,[1]\n", `line 3, column "ts": "10000-01-01" is no Timestamp`),
		csv("a time in the future", good+"1,a,2001-01-04T12:10:00.000001Z,1,0.5,x,[1]\n",
			`row 2, column "ts": 2001-01-04T12:10:00.000001Z lies more than 10m after now, 2001-01-04T12:00:00Z`),
		csv("no time", good+"1,a,,1,0.5,x,[1]\n", `row 2, column "ts": it is null, and each row needs its time`),
		csv("a null key", good+",a,2001-01-01,1,0.5,x,[1]\n", `row 2, column "user": it is null, and a join key may not be`),
		csv("an empty text as a key", good+`1,"",2001-01-01,1,0.5,x,[1]`+"\n", `row 2, column "shop": it is null, and a join key may not be`),
		csv("too long a key", good+"1,"+strings.Repeat("a", 1100)+",2001-01-01,1,0.5,x,[1]\n", "row 2: its join keys take 1113 bytes, at most 1024 are allowed"),
		csv("too large a row", good+"1,a,2001-01-01,1,0.5,"+strings.Repeat("x", 300<<10)+",[1]\n", "row 2: its features take 307233 bytes, at most 262144 are allowed"),
		csv("too many columns", strings.Repeat("c,", 2000)+"c\n", "line 1: it has 2001 columns, and may have 2000"),
		json("nothing", "\n", "it has no columns, want user Int64 and the others of the table"),
		json("a column that no row has", `{"user":1}`+"\n", "it has no column shop, which must be String; it has user"),
		json("a broken line", line+`{"user":1,`+"\n", "line 2: it is no JSON object: unexpected end of JSON input"),
		json("an array of rows", "["+line+"]", `line 1: "[{\"user\":1,\"shop\":\"a\",\"ts\":\"2001-01-01T0" is not the beginning of an object: write an object for each row, each in a line`),
		json("no UTF-8", instead(`"a"`, "\"\xff\""), "line 2: it is not UTF-8"),
		json("an object as a value", instead(`"label":"x"`, `"label":{"x":1}`), `line 2, column "label": {"x":1} is no String`),
		json("a number as a text", instead(`"label":"x"`, `"label":7`), `line 2, column "label": 7 is no String`),
		json("a fraction as an integer", instead(`"n":1`, `"n":1.5`), `line 2, column "n": 1.5 is no Int64`),
		json("a number as a time", instead(`"2001-01-01T00:00:00Z"`, "978307200"),
			`line 2, column "ts": 978307200 is no Timestamp: write it as RFC 3339, for instance 2001-02-03T04:05:06Z`),
		json("a null key", instead(`"user":1,`, ""), `row 2, column "user": it is null, and a join key may not be`),
		json("a column twice", instead(`"n":1`, `"n":1,"n":1`), `line 2, column "n": it is there twice`),
	}
}

func badBinaries(t *testing.T) []badFrame {
	good := values(1, "a", now, 1)
	// with is a good row and one with another value, in a column of that type.
	with := func(format frame.Format, column int, as feature.Type, first, second feature.Value) []byte {
		s, rows := slices.Clone(schema), [][]feature.Value{slices.Clone(good), slices.Clone(good)}
		s[column].Type, rows[0][column], rows[1][column] = as, first, second
		return file(t, format, s, rows...)
	}
	null, text := feature.Null, feature.StringValue
	parquet, stream := file(t, frame.Parquet, schema, good), file(t, frame.Arrow, schema, good)
	longClaim := slices.Clone(stream)
	binary.LittleEndian.PutUint32(longClaim[4:], 1<<30)
	return []badFrame{
		{"parquet: nothing", frame.Parquet, nil, "it is no Parquet: parquet: file too small (size=0)"},
		{"parquet: another file", frame.Parquet, []byte(header), "it is no Parquet: parquet: file is smaller than indicated metadata size"},
		{"parquet: cut off", frame.Parquet, parquet[:len(parquet)-20], "it is no Parquet: parquet: file is smaller than indicated metadata size"},
		{"parquet: cut off within", frame.Parquet, slices.Concat(parquet[:100], parquet[150:]), `row group 1: column "shop": damaged file: page at byte N: it has no header`},
		{"parquet: a page that claims a GiB", frame.Parquet, claimsGiB(t, parquet), `row group 1: column "tags": damaged file: page at byte N: it unpacks to 1073741824 bytes, which may be 134217728`},
		{"parquet: a time that is a number", frame.Parquet, with(frame.Parquet, 2, feature.Int64, feature.Int64Value(1), feature.Int64Value(2)), `column "ts" is int64 and must be Timestamp: cast it`},
		{"parquet: a text where a number is", frame.Parquet, with(frame.Parquet, 3, feature.String, text("1"), text("2")), `column "n" is utf8 and must be Int64: cast it`},
		{"parquet: an array of another type", frame.Parquet, with(frame.Parquet, 6, feature.ArrayOf(feature.String), null, null), `column "tags" is list<list: utf8, nullable> and must be Array[Int64]: cast it`},
		{"parquet: NaN as an integer", frame.Parquet, with(frame.Parquet, 3, feature.Float64, feature.Float64Value(1), feature.Float64Value(math.NaN())), `row 2, column "n": NaN cannot be int64 without change`},
		{"parquet: a null key", frame.Parquet, with(frame.Parquet, 1, feature.String, text("a"), null), `row 2, column "shop": it is null, and a join key may not be`},
		{"parquet: no time", frame.Parquet, with(frame.Parquet, 2, feature.Timestamp, feature.TimestampValue(now), null), `row 2, column "ts": it is null, and each row needs its time`},
		{"parquet: a time out of range", frame.Parquet, with(frame.Parquet, 2, feature.Timestamp, feature.TimestampValue(now), feature.TimestampValue(window.MaxTime+1)), `row 2, column "ts": time 253402300800000000 lies outside years 1 to 9999`},
		{"parquet: no UTF-8", frame.Parquet, with(frame.Parquet, 5, feature.String, text("x"), text("\xff")), `row 2, column "label": "\xff" is not UTF-8`},
		{"arrow: nothing", frame.Arrow, nil, "it is no Arrow IPC: arrow/ipc: could not read message schema: EOF"},
		{"arrow: another file", frame.Arrow, []byte(header), "it is no Arrow IPC: arrow/ipc: could not read message schema: damaged file: a message ends after the file"},
		{"arrow: cut off", frame.Arrow, stream[:len(stream)-100], "damaged file: a message ends after the file"},
		{"arrow: a message that claims a GiB", frame.Arrow, longClaim, "it is no Arrow IPC: arrow/ipc: could not read message schema: damaged file: a message ends after the file"},
		{"arrow: a column twice", frame.Arrow, arrowAs(t, 5, "shop", someText()), `column "shop" is there twice`},
		{"arrow: a damaged dictionary", frame.Arrow, arrowWith(t, 5, damagedDictionary()), "damaged file: runtime error: index out of range [7] with length 2"},
		{"arrow: an integer past 64 bits", frame.Arrow, arrowWith(t, 3, uint64s(math.MaxUint64)), `row 1, column "n": 18446744073709551615 does not fit Int64: cast the column to a text`},
		{"arrow: bytes where a text is", frame.Arrow, arrowWith(t, 5, someBytes()), `column "label" is binary, which no feature can be: cast it to a text, or drop it`},
	}
}

// claimsGiB has the last page of a file claim to unpack to a GiB. What comes before it
// and what the footer says stays.
func claimsGiB(t *testing.T, data []byte) []byte {
	r, err := parquetfile.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	last, err := r.MetaData().RowGroup(0).ColumnChunk(len(schema) - 1)
	require.NoError(t, err)
	at := int(last.DataPageOffset())
	if last.HasDictionaryPage() {
		at = int(last.DictionaryPageOffset())
	}
	// Thrift's compact form: 0x15, the type, 0x15, the unpacked size as a zigzag varint.
	require.Equal(t, []byte{0x15, 0x15}, []byte{data[at], data[at+2]})
	_, n := binary.Varint(data[at+3:])
	return slices.Concat(data[:at+3], binary.AppendVarint(nil, 1<<30), data[at+3+n:])
}

// arrowWith writes a good row with other values in a column.
func arrowWith(t *testing.T, at int, column arrow.Array) []byte {
	return arrowAs(t, at, schema[at].Name, column)
}

// arrowAs writes a good row with another column instead of one.
func arrowAs(t *testing.T, at int, name string, column arrow.Array) []byte {
	b := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
	require.NoError(t, record.AppendColumns(b.Fields(), values(1, "a", now, 1)))
	rec := b.NewRecord()
	fields, columns := slices.Clone(rec.Schema().Fields()), slices.Clone(rec.Columns())
	fields[at].Name, fields[at].Type, columns[at] = name, column.DataType(), column
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(arrow.NewSchema(fields, nil)))
	require.NoError(t, w.Write(array.NewRecord(arrow.NewSchema(fields, nil), columns, 1)))
	require.NoError(t, w.Close())
	return out.Bytes()
}

// damagedDictionary is of one row, whose text is the eighth of one.
func damagedDictionary() arrow.Array {
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.Append("x")
	indices := array.NewInt32Builder(memory.DefaultAllocator)
	indices.Append(7)
	of := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	return array.NewDictionaryData(array.NewDataWithDictionary(of, 1, indices.NewArray().Data().Buffers(), 0, 0, texts.NewArray().Data().(*array.Data)))
}

func uint64s(v uint64) arrow.Array {
	b := array.NewUint64Builder(memory.DefaultAllocator)
	b.Append(v)
	return b.NewArray()
}

func someText() arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Append("x")
	return b.NewArray()
}

func someBytes() arrow.Array {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	b.Append([]byte("x"))
	return b.NewArray()
}

func TestBadFramesAreNamedAndChangeNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.run(frame.CSV, []byte(header+"1,a,2001-01-01,1,0.5,x,[1]\n"))
	before, err := s.table().Snapshot(t.Context())
	require.NoError(t, err)
	for _, bad := range append(badTexts(), badBinaries(t)...) {
		t.Run(bad.name, func(t *testing.T) {
			ticket := s.accept(s.stage(bad.format, bad.data))
			objects := s.objects()
			_, err := s.engine.Build(t.Context(), s.request(ticket))
			require.ErrorIs(t, err, frame.ErrData)
			require.Equal(t, "ingest into clicks: data frame: "+bad.want, places.ReplaceAllString(err.Error(), "at byte N"))
			require.Equal(t, objects, s.objects())
			after, err := s.table().Snapshot(t.Context())
			require.NoError(t, err)
			require.Equal(t, before, after)
			files, err := os.ReadDir(s.scratch)
			require.NoError(t, err)
			require.Empty(t, files)
			require.NoError(t, s.engine.Discard(t.Context(), ticket.Frame))
		})
	}
}

func TestFramesOfUnknownFormatsAreNotStaged(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	path, err := s.engine.Reserve(t.Context(), workspace, "clicks")
	require.NoError(t, err)
	_, err = s.engine.Stage(t.Context(), path, "xml", strings.NewReader("<x/>"))
	require.EqualError(t, err, `data frame: unknown format "xml", want one of parquet, arrow, ndjson, csv`)
	require.ErrorIs(t, err, frame.ErrData)
}
