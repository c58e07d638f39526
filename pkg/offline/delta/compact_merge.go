package delta

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/window"
)

// mergedAttempt stands in the names of merged files, where files of builds name their attempt.
const mergedAttempt = "compact"

// Bounds of the records that a merge holds, one a file and one of merged rows.
const (
	maxMergedBytes = 64 << 20
	maxMergedRows  = 8 << 10
	rowInflation   = 4 // guessed size of a row in memory over its size in a file
)

// mergeFiles writes the rows of g into one file, and calls onRows with the rows
// of each part of them. Rows that another of their key and time supersedes are dropped.
func (t *table) mergeFiles(ctx context.Context, g group, onRows func(int64)) (out offline.File, dropped int64, err error) {
	m, err := t.openMerge(ctx, g)
	if err != nil {
		return out, 0, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	to, err := newFileWriter(t.spec, t.opts, g[0].Partition, maxRowGroupBytes)
	if err != nil {
		return out, 0, err
	}
	defer func() { err = errors.Join(err, to.discard()) }()
	for {
		rec, err := m.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, 0, err
		}
		err = to.write(rec)
		rec.Release()
		if err != nil {
			return out, 0, err
		}
		onRows(rec.NumRows())
	}
	if rows := g.rows(); to.stats.rows+m.dropped != rows {
		return out, 0, fmt.Errorf("%d rows were merged into %d, and %d dropped", rows, to.stats.rows, m.dropped)
	}
	if out, err = to.finish(ctx, t.bucket, mergedAttempt); err != nil {
		return out, 0, err
	}
	// The numbers of files order rows of equal key and time, where no column does. Such
	// rows lie in one window, so they come from one build, had one number, and have one
	// again; between rows that are not equal it decides nothing. The greatest keeps it
	// true that no row of a file was committed after the file's number.
	for _, f := range g {
		out.Seq = max(out.Seq, f.Seq)
	}
	return out, m.dropped, nil
}

func (g group) rows() (total int64) {
	for _, f := range g {
		total += f.Rows
	}
	return total
}

// merger yields the rows of sorted files in order. Rows of equal key and time keep
// the order that they have in their file: a writer puts all of them, being those of
// one build, into one file, in the order of their values.
type merger struct {
	spec  offline.Spec
	limit int // rows of a record
	runs  []*run
	queue runQueue // of those that are not at their end

	// The rows passed since the last record was yielded: the part that each is the
	// next row of, and the parts.
	order []int32
	parts []arrow.Record

	// Of a table with a sequence: the row that was yielded last, and how many were
	// left out, being of its key and time and superseded.
	last     []byte
	lastTime window.Time
	dropped  int64
}

// run is one file of a merge.
type run struct {
	index  int
	path   string
	reader *reader
	rec    arrow.Record // nil: at the end
	keys   *record.KeyEncoder
	times  []arrow.Timestamp
	seqs   []int64 // nil: the table has no sequence
	row    int     // of rec, that comes next
	passed int     // rows of rec that were yielded
	part   int     // that takes the row; -1: none yet

	key  []byte // of the row
	time window.Time
	last []byte // scratch: the key before
}

func (t *table) openMerge(ctx context.Context, g group) (m *merger, err error) {
	batch := max(1, min(maxMergedRows, maxMergedBytes*g.rows()/(g.bytes()*rowInflation*int64(len(g)))))
	m = &merger{spec: t.spec, limit: int(min(maxMergedRows, batch*int64(len(g))))}
	for i, f := range g {
		reader, err := openReader(ctx, t.bucket, t.spec, f, offline.Selection{Rows: int(batch)})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open file %s: %w", f.Path, err), m.close())
		}
		r := &run{index: i, path: f.Path, reader: reader, part: -1}
		m.runs = append(m.runs, r)
		if err := r.read(t.spec); err != nil {
			return nil, errors.Join(err, m.close())
		}
		if r.rec != nil {
			heap.Push(&m.queue, r)
		}
	}
	return m, nil
}

func (m *merger) close() error {
	m.drop()
	var err error
	for _, r := range m.runs {
		err = errors.Join(err, r.reader.Close())
	}
	return err
}

// next returns io.EOF after the last record. The caller releases the record.
func (m *merger) next() (arrow.Record, error) {
	defer m.drop()
	for len(m.order) < m.limit && len(m.queue) > 0 {
		r := m.queue[0]
		step := m.pass
		if m.superseded(r) {
			step = m.leaveOut
		}
		if err := step(r); err != nil {
			return nil, err
		}
		if r.rec == nil {
			heap.Pop(&m.queue)
		} else {
			heap.Fix(&m.queue, 0)
		}
	}
	if len(m.order) == 0 {
		return nil, io.EOF
	}
	for _, r := range m.runs {
		m.cut(r)
	}
	return m.gather()
}

// pass takes the row of r and moves r to the next.
func (m *merger) pass(r *run) error {
	if r.part < 0 {
		r.part = len(m.parts)
		m.parts = append(m.parts, nil)
	}
	m.order = append(m.order, int32(r.part))
	r.row++
	return m.move(r)
}

// move goes to the row of r that was counted to.
func (m *merger) move(r *run) error {
	if r.row < len(r.times) {
		return r.see()
	}
	m.cut(r)
	return r.read(m.spec)
}

// superseded reports whether a row of the same key and time came before that of r, with
// a greater sequence.
func (m *merger) superseded(r *run) bool {
	if m.spec.Sequence == "" {
		return false
	}
	if m.lastTime == r.time && bytes.Equal(m.last, r.key) {
		return true
	}
	m.last, m.lastTime = append(m.last[:0], r.key...), r.time
	return false
}

// leaveOut moves r past its row, which counts no longer.
func (m *merger) leaveOut(r *run) error {
	m.cut(r)
	m.dropped++
	r.row++
	r.passed = r.row
	return m.move(r)
}

// cut ends the part that takes the rows of r.
func (m *merger) cut(r *run) {
	if r.part >= 0 {
		m.parts[r.part] = r.rec.NewSlice(int64(r.passed), int64(r.row))
		r.part, r.passed = -1, r.row
	}
}

// gather returns the passed rows in order: the parts one after the other, from
// which the rows are picked then.
func (m *merger) gather() (arrow.Record, error) {
	if len(m.parts) == 1 {
		m.parts[0].Retain()
		return m.parts[0], nil
	}
	whole, err := concatenate(m.spec.Schema, m.parts)
	if err != nil {
		return nil, err
	}
	defer whole.Release()
	next := make([]int32, len(m.parts)) // row of whole, by part
	for i := range m.parts[1:] {
		next[i+1] = next[i] + int32(m.parts[i].NumRows())
	}
	for i, part := range m.order {
		m.order[i] = next[part]
		next[part]++
	}
	return record.TakeRecord(whole, m.order)
}

func (m *merger) drop() {
	for _, part := range m.parts {
		if part != nil {
			part.Release()
		}
	}
	m.parts, m.order = m.parts[:0], m.order[:0]
}

func concatenate(schema *arrow.Schema, parts []arrow.Record) (arrow.Record, error) {
	columns := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, column := range columns {
			column.Release()
		}
	}()
	chunks := make([]arrow.Array, len(parts))
	rows := int64(0)
	for _, part := range parts {
		rows += part.NumRows()
	}
	for i, field := range schema.Fields() {
		for j, part := range parts {
			chunks[j] = part.Column(i)
		}
		column, err := array.Concatenate(chunks, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", field.Name, err)
		}
		columns = append(columns, column)
	}
	return array.NewRecord(schema, columns, rows), nil
}

// read moves r to the next record, or its end.
func (r *run) read(spec offline.Spec) (err error) {
	r.row, r.passed = 0, 0
	r.rec, err = r.reader.Next()
	if errors.Is(err, io.EOF) {
		r.rec = nil
		return nil
	}
	if err != nil {
		return err
	}
	columns := r.rec.Columns()
	if r.keys, err = record.NewKeyEncoder(spec.Keys, columns[:len(spec.Keys)]); err != nil {
		return fmt.Errorf("file %s: %w", r.path, err)
	}
	r.times = columns[len(spec.Keys)].(*array.Timestamp).TimestampValues()
	if spec.Sequence != "" {
		r.seqs = columns[len(columns)-1].(*array.Int64).Int64Values()
	}
	return r.see()
}

// see encodes the row of r, and refuses one that comes before the row before it.
func (r *run) see() error {
	r.last, r.key = r.key, r.keys.Append(r.last[:0], r.row)
	at := window.Time(r.times[r.row])
	if order := bytes.Compare(r.last, r.key); order > 0 || order == 0 && at < r.time {
		return fmt.Errorf("%w: file %s: rows at %v and %v are out of order", offline.ErrCorrupt, r.path, r.time, at)
	}
	r.time = at
	return nil
}

// runQueue is a heap of runs, least row first; of equal ones that with the greatest
// sequence.
type runQueue []*run

func (q runQueue) Len() int      { return len(q) }
func (q runQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q runQueue) Less(i, j int) bool {
	a, b := q[i], q[j]
	if order := bytes.Compare(a.key, b.key); order != 0 {
		return order < 0
	}
	if a.time != b.time {
		return a.time < b.time
	}
	if a.seqs != nil && a.seqs[a.row] != b.seqs[b.row] {
		return a.seqs[a.row] > b.seqs[b.row]
	}
	return a.index < b.index
}
func (q *runQueue) Push(r any) { *q = append(*q, r.(*run)) }
func (q *runQueue) Pop() any {
	last := len(*q) - 1
	r := (*q)[last]
	*q = slices.Delete(*q, last, last+1)
	return r
}
