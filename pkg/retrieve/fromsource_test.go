package retrieve_test

import (
	"io"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/record"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/retrieve/retrievetest"
	"github.com/tilery/tilery/pkg/window"
)

// fromSource returns the subject with a table of its source for instants of a range.
func fromSource(t require.TestingT, test *testing.T, subject *retrievetest.Subject, r retrieve.SourceRequest) *retrievetest.Subject {
	bucket, err := file.Open(test.TempDir())
	require.NoError(t, err)
	store := delta.New(bucket, delta.Options{ScratchDir: test.TempDir(), RowGroupRows: 16})
	part := subject.Part("")
	part.Table, part.Snapshot.Files = nil, nil
	parts, err := retrieve.FromSource(test.Context(), subject.Engine, store, []retrieve.Part{part, part}, r)
	require.NoError(t, err)
	require.Same(t, parts[0].Table, parts[1].Table)
	out := *subject
	out.Table = parts[0].Table
	return &out
}

func TestWhatComesFromTheSourceEqualsTheStoreWhereItIsCovered(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *rapid.T, s *studio, v *retrievetest.View) {
		subject := s.subject(t, v)
		span := subject.Span(4)
		subject.Source = subject.EventsOf(t, "events", span)
		subject.Commit(subject.Build(span)...)
		spine := retrievetest.DrawSpine(t, subject)
		var instants window.Interval
		for _, ask := range spine {
			if at, ok := ask[retrievetest.TimeColumn].(int64); ok {
				instant := window.Interval{Start: window.Time(at), End: window.Time(at) + 1}
				if instants.Empty() {
					instants = instant
				}
				instants.Start, instants.End = min(instants.Start, instant.Start), max(instants.End, instant.End)
			}
		}
		now := span.End.Add(subject.DataDelay()).Add(3 * subject.Schedule())
		source := fromSource(t, s.t, subject, retrieve.SourceRequest{Instants: instants, Now: now})
		options := retrieve.Options{ScratchDir: s.scratch}
		want, got := retrievetest.Join(subject, options, spine, 100), retrievetest.Join(source, options, spine, 100)
		require.Equal(t, want.Cells, got.Cells)
		for _, uncovered := range got.Report.Uncovered {
			require.GreaterOrEqual(t, uncovered.Intervals[0].Start, subject.CompleteEnd(now), "nobody could know")
		}
	})
}

func TestUncoveredTimeIsReportedFromTheStoreAndComputedFromTheSource(t *testing.T) {
	t.Parallel()
	subject := newStudio(t).subject(t, retrievetest.Plain(hour, 0, retrievetest.Sum(2*hour)))
	for i := range 6 {
		subject.Source = append(subject.Source, retrievetest.Event(1, at(0).Add(time.Duration(i)*hour), int64(1)<<i))
	}
	subject.Commit(subject.Build(window.Interval{Start: *at(0), End: *at(hour)})...)
	spine := []retrievetest.Ask{{"user": int64(1), retrievetest.TimeColumn: int64(*at(4 * hour))}}
	got := retrievetest.Join(subject, retrieve.Options{}, spine, 10)
	require.Equal(t, [][]feature.Value{{feature.Null}}, got.Cells)
	needed := window.Interval{Start: *at(2 * hour), End: *at(4 * hour)}
	require.Equal(t, []retrieve.Uncovered{{View: "spending", Intervals: []window.Interval{needed}}}, got.Report.Uncovered)

	instants := window.Interval{Start: *at(4 * hour), End: *at(4 * hour) + 1}
	source := fromSource(t, t, subject, retrieve.SourceRequest{Instants: instants, Now: *at(100 * hour)})
	got = retrievetest.Join(source, retrieve.Options{}, spine, 10)
	require.Equal(t, [][]feature.Value{{feature.Int64Value(4 + 8)}}, got.Cells)
	require.Empty(t, got.Report.Uncovered)
	require.Equal(t, window.NewSet(needed), source.Snapshot().Covered, "no more is computed than what is needed")
}

func TestFromSourceIsBounded(t *testing.T) {
	t.Parallel()
	subject := newStudio(t).subject(t, retrievetest.Plain(hour, 0, retrievetest.Sum(2*hour)))
	subject.Source = append(subject.Source, retrievetest.Event(1, *at(0), 1))
	bucket, err := file.Open(t.TempDir())
	require.NoError(t, err)
	store := delta.New(bucket, delta.Options{ScratchDir: t.TempDir()})
	r := retrieve.SourceRequest{Instants: window.Interval{Start: *at(0), End: *at(3 * hour)}, Now: *at(100 * hour), MaxBytes: 10}
	_, err = retrieve.FromSource(t.Context(), subject.Engine, store, []retrieve.Part{subject.Part("")}, r)
	require.ErrorIs(t, err, retrieve.ErrSourceTooLarge)
	require.EqualError(t, err, "view spending from its sources: too much to compute from the source: the tables take more than 10 bytes: "+
		"materialize the view, or ask for fewer times at a time")
	r.Instants.End, r.Now = *at(200_000 * hour), *at(300_000 * hour)
	_, err = retrieve.FromSource(t.Context(), subject.Engine, store, []retrieve.Part{subject.Part("")}, r)
	require.ErrorIs(t, err, retrieve.ErrSourceTooLarge)
	require.ErrorContains(t, err, "has 200001 windows of 1h, at most 100000 are computed")
}

func TestInstantsOfASpine(t *testing.T) {
	t.Parallel()
	schema := feature.Schema{{Name: "at", Type: feature.Timestamp}}
	spine := func(times ...feature.Value) retrieve.Spine {
		return retrieve.Spine{Schema: schema, Time: "at", Next: func() (arrow.Record, error) {
			if len(times) == 0 {
				return nil, io.EOF
			}
			builder := array.NewRecordBuilder(memory.DefaultAllocator, record.ArrowSchema(schema))
			defer builder.Release()
			require.NoError(t, record.AppendColumns(builder.Fields(), times[:1]))
			times = times[1:]
			return builder.NewRecord(), nil
		}}
	}
	got, err := retrieve.Instants(t.Context(), spine(feature.Null))
	require.NoError(t, err)
	require.True(t, got.Empty())
	got, err = retrieve.Instants(t.Context(), spine(feature.TimestampValue(5), feature.Null, feature.TimestampValue(-3), feature.TimestampValue(4)))
	require.NoError(t, err)
	require.Equal(t, window.Interval{Start: -3, End: 6}, got)
	none := spine()
	none.Time = "when"
	_, err = retrieve.Instants(t.Context(), none)
	require.ErrorIs(t, err, retrieve.ErrSpine)
}
