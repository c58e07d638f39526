package offlinetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/window"
)

// epoch is where the windows of the tests begin: an hour before midnight, so that
// they lie on two days.
var epoch = window.FromTime(time.Date(2001, 1, 4, 23, 0, 0, 0, time.UTC))

// Row is a row of the tests' tables.
type Row struct {
	User   string
	Item   int64
	At     window.Time
	N      int64
	Amount *float64 // nil: null
	Rest   []byte
	Tags   []string
	Good   *bool
}

// Spec returns the spec of the tests' tables: hourly windows, a file per day.
func Spec() offline.Spec {
	return offline.Spec{
		Path: "offline/clicks",
		Keys: []feature.Field{{Name: "user", Type: feature.String}, {Name: "item", Type: feature.Int64}},
		Time: "at",
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "user", Type: arrow.BinaryTypes.String},
			{Name: "item", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
			{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us},
			{Name: "n", Type: arrow.PrimitiveTypes.Int64},
			{Name: "amount", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
			{Name: "rest", Type: arrow.BinaryTypes.Binary, Nullable: true},
			{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
			{Name: "good", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		}, nil),
		Step:      time.Hour,
		Partition: window.Day,
	}
}

// ID names a build of the tests. Two with the same window and ReadAt differ by Variant.
type ID struct {
	Window  window.Interval
	ReadAt  window.Time
	Variant int
}

// RowsFor returns the rows that a build writes: always the same, sorted, and none
// for one build in five.
func RowsFor(b ID) []Row {
	random := rand.New(rand.NewPCG(uint64(b.Window.Start), uint64(b.ReadAt)*31+uint64(b.Variant)))
	if random.IntN(5) == 0 {
		return nil
	}
	rows := make([]Row, 1+random.IntN(20))
	for i := range rows {
		rows[i] = Row{
			User: fmt.Sprintf("user-%02d", random.IntN(6)),
			Item: random.Int64N(5) - 2,
			At:   b.Window.Start + window.Time(random.Int64N(int64(b.Window.End-b.Window.Start))),
			N:    int64(b.ReadAt)*4 + int64(b.Variant),
		}
		if random.IntN(2) == 0 {
			amount := random.NormFloat64()
			rows[i].Amount = &amount
		}
		if random.IntN(2) == 0 {
			rows[i].Rest = []byte{byte(random.IntN(256)), 0, 0xff}
		}
		for range random.IntN(3) {
			rows[i].Tags = append(rows[i].Tags, "tag")
		}
		if random.IntN(2) == 0 {
			good := random.IntN(2) == 0
			rows[i].Good = &good
		}
	}
	sortRows(rows)
	return rows
}

// sortRows sorts by key and time, which is unique enough here.
func sortRows(rows []Row) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Item, b.Item), cmp.Compare(a.At, b.At))
	})
}

// Record returns rows as Arrow holds them. The caller releases it.
func Record(mem memory.Allocator, rows []Row) arrow.Record {
	b := array.NewRecordBuilder(mem, Spec().Schema)
	defer b.Release()
	for _, row := range rows {
		b.Field(0).(*array.StringBuilder).Append(row.User)
		b.Field(1).(*array.Int64Builder).Append(row.Item)
		b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(row.At))
		b.Field(3).(*array.Int64Builder).Append(row.N)
		appendOrNull(b.Field(4).(*array.Float64Builder), row.Amount)
		if row.Rest == nil {
			b.Field(5).AppendNull()
		} else {
			b.Field(5).(*array.BinaryBuilder).Append(row.Rest)
		}
		appendTags(b.Field(6).(*array.ListBuilder), row.Tags)
		appendOrNull(b.Field(7).(*array.BooleanBuilder), row.Good)
	}
	return b.NewRecord()
}

func appendOrNull[T any](b interface {
	Append(T)
	AppendNull()
}, v *T) {
	if v == nil {
		b.AppendNull()
		return
	}
	b.Append(*v)
}

func appendTags(b *array.ListBuilder, tags []string) {
	if tags == nil {
		b.AppendNull()
		return
	}
	b.Append(true)
	for _, tag := range tags {
		b.ValueBuilder().(*array.StringBuilder).Append(tag)
	}
}

// AppendRows appends the rows of rec to rows.
func AppendRows(rows []Row, rec arrow.Record) []Row {
	users, items := rec.Column(0).(*array.String), rec.Column(1).(*array.Int64)
	times, numbers := rec.Column(2).(*array.Timestamp), rec.Column(3).(*array.Int64)
	amounts, rests := rec.Column(4).(*array.Float64), rec.Column(5).(*array.Binary)
	tags, goods := rec.Column(6).(*array.List), rec.Column(7).(*array.Boolean)
	for i := range int(rec.NumRows()) {
		row := Row{
			User: string([]byte(users.Value(i))), // not Arrow's memory
			Item: items.Value(i),
			At:   window.Time(times.Value(i)),
			N:    numbers.Value(i),
		}
		if amounts.IsValid(i) {
			v := amounts.Value(i)
			row.Amount = &v
		}
		if rests.IsValid(i) {
			row.Rest = slices.Clone(rests.Value(i))
		}
		if tags.IsValid(i) {
			from, to := tags.ValueOffsets(i)
			for j := from; j < to; j++ {
				row.Tags = append(row.Tags, string([]byte(tags.ListValues().(*array.String).Value(int(j)))))
			}
		}
		if goods.IsValid(i) {
			v := goods.Value(i)
			row.Good = &v
		}
		rows = append(rows, row)
	}
	return rows
}

// Write builds a window from rows, which are written in records of up to 7.
func Write(ctx context.Context, t offline.Table, w window.Interval, readAt window.Time, rows []Row) (build offline.Build, err error) {
	writer, err := t.NewWriter(ctx, w, readAt, "attempt-1")
	if err != nil {
		return build, err
	}
	defer func() { err = errors.Join(err, writer.Abort()) }()
	for part := range slices.Chunk(rows, 7) {
		rec := Record(memory.DefaultAllocator, part)
		err := writer.Write(rec)
		rec.Release()
		if err != nil {
			return build, err
		}
	}
	return writer.Close(ctx)
}

// ReadRows returns the rows of files, sorted by key and time.
func ReadRows(ctx context.Context, t offline.Table, files []offline.File) ([]Row, error) {
	var rows []Row
	for _, f := range files {
		r, err := t.OpenFile(ctx, f)
		if err != nil {
			return nil, err
		}
		if err := each(r, func(rec arrow.Record) { rows = AppendRows(rows, rec) }); err != nil {
			return nil, err
		}
	}
	sortRows(rows)
	return rows, nil
}
