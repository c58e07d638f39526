package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/client"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

var numbers = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)

// records are two of two numbers each.
func records(t *testing.T) array.RecordReader {
	t.Helper()
	var all []arrow.Record
	for first := range int64(2) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, numbers)
		b.Field(0).(*array.Int64Builder).AppendValues([]int64{2 * first, 2*first + 1}, nil)
		all = append(all, b.NewRecord())
	}
	r, err := array.NewRecordReader(numbers, all)
	require.NoError(t, err)
	return r
}

// stream is the records as Arrow IPC.
func stream(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(numbers))
	for r := records(t); r.Next(); {
		require.NoError(t, w.Write(r.Record()))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// historical is a server that gives body as the result.
func historical(header map[string]string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, value := range header {
			w.Header().Set(name, value)
		}
		_, _ = w.Write(body)
	}
}

func readAll(f *client.Frame) (values []int64, err error) {
	for {
		rec, err := f.Next()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return values, err
		}
		values = append(values, rec.Column(0).(*array.Int64).Int64Values()...)
	}
}

func TestASpineIsSentAndItsFeaturesAreReadAsRecords(t *testing.T) {
	t.Parallel()
	var query url.Values
	var header http.Header
	var sent string
	result := stream(t)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		query, header, sent = r.URL.Query(), r.Header, string(data)
		w.Header().Set(api.RowsHeader, "4")
		w.Header().Set(api.UncoveredHeader, `[{"view":"v","intervals":[{"start":"2001-01-01T00:00:00Z","end":"2001-01-02T00:00:00Z"}],"more":3}]`)
		_, _ = w.Write(result)
	})
	c := client.New(server.URL)
	f, err := c.HistoricalFeatures(t.Context(), client.HistoricalRequest{
		Workspace: "prod", View: "v", TimestampKey: "at", Spine: strings.NewReader("n,at\n"), SpineFormat: frame.CSV,
	})
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, url.Values{"workspace": {"prod"}, "view": {"v"}, "timestamp_key": {"at"}}, query)
	require.Equal(t, []string{"text/csv", "application/vnd.apache.arrow.stream", "100-continue"},
		[]string{header.Get("Content-Type"), header.Get("Accept"), header.Get("Expect")})
	require.Equal(t, "n,at\n", sent)
	require.True(t, numbers.Equal(f.Schema()))
	values, err := readAll(f)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1, 2, 3}, values)
	day := window.Time(978307200e6)
	require.Equal(t, client.HistoricalReport{Rows: 4, Uncovered: []api.Uncovered{
		{View: "v", Intervals: []window.Interval{{Start: day, End: day + 86400e6}}, More: 3},
	}}, f.Report)
}

func TestEventsAndRangesAreAskedForWithEntitiesOrWithout(t *testing.T) {
	t.Parallel()
	var asked []string
	result := stream(t)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		asked = append(asked, strings.Join([]string{r.URL.RequestURI(), r.Header.Get("Content-Type"), string(data)}, " "))
		w.Header().Set(api.RowsHeader, "4")
		_, _ = w.Write(result)
	})
	c := client.New(server.URL)
	start, end := window.Time(978307200e6), window.Time(978307201e6)
	for _, r := range []client.HistoricalRequest{
		{Workspace: "prod", View: "v"},
		{Workspace: "prod", View: "v", Start: &start, End: &end, Entities: true, Spine: strings.NewReader("n\n1\n"), SpineFormat: frame.CSV},
	} {
		f, err := c.HistoricalFeatures(t.Context(), r)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for _, r := range []client.RangeRequest{
		{Workspace: "prod", View: "v", Start: start, End: end},
		{Workspace: "prod", View: "v", Start: start, End: end, MaxLookback: 36 * time.Hour, FromSource: true, Entities: strings.NewReader("n\n1\n"), EntitiesFormat: frame.CSV},
	} {
		f, err := c.FeaturesInRange(t.Context(), r)
		require.NoError(t, err)
		values, err := readAll(f)
		require.NoError(t, err)
		require.Len(t, values, 4)
		require.NoError(t, f.Close())
	}
	const bounds = "start_time=2001-01-01T00%3A00%3A00Z&view=v&workspace=prod"
	require.Equal(t, []string{
		api.HistoricalPath + "?view=v&workspace=prod  ",
		api.HistoricalPath + "?body=entities&end_time=2001-01-01T00%3A00%3A01Z&" + bounds + " text/csv n\n1\n",
		api.RangePath + "?end_time=2001-01-01T00%3A00%3A01Z&" + bounds + "  ",
		api.RangePath + "?end_time=2001-01-01T00%3A00%3A01Z&from_source=true&max_lookback=1d12h&" + bounds + " text/csv n\n1\n",
	}, asked)
}

func TestRecordsAreSentAsArrow(t *testing.T) {
	t.Parallel()
	var header http.Header
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		header = r.Header
		w.Header().Set(api.RowsHeader, "4")
		_, _ = w.Write(data)
	})
	spine := records(t)
	f, err := client.New(server.URL).HistoricalFeatures(t.Context(), client.HistoricalRequest{Workspace: "prod", Service: "s", Records: spine})
	require.NoError(t, err)
	defer f.Close()
	spine.Release()
	require.Equal(t, "application/vnd.apache.arrow.stream", header.Get("Content-Type"))
	values, err := readAll(f)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 1, 2, 3}, values)
	require.Equal(t, int64(4), f.Report.Rows)
}

// TestAResultThatIsCutIsAnError cuts it everywhere: a part must not pass for the whole.
func TestAResultThatIsCutIsAnError(t *testing.T) {
	t.Parallel()
	whole := stream(t)
	for cut := 0; cut < len(whole)-8; cut += 8 { // the last 8 bytes only say that it ends
		for _, header := range []map[string]string{
			{api.RowsHeader: "4", "Content-Length": strconv.Itoa(len(whole))}, {api.RowsHeader: "4"},
		} {
			server := serve(t, historical(header, whole[:cut]))
			f, err := client.New(server.URL).HistoricalFeatures(t.Context(), client.HistoricalRequest{Spine: strings.NewReader("x"), SpineFormat: frame.CSV})
			if err == nil {
				_, err = readAll(f)
				require.NoError(t, f.Close())
			}
			require.Error(t, err, "%d of %d bytes", cut, len(whole))
		}
	}
}

func TestWhatHistoricalFeaturesFailBy(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	csv := client.HistoricalRequest{Spine: strings.NewReader("x"), SpineFormat: frame.CSV}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		request client.HistoricalRequest
		want    string
	}{
		"the server's error":    {answer(http.StatusBadRequest, `{"message": "no such view", "code": 3}`), csv, "no such view"},
		"another server":        {answer(http.StatusOK, "hello"), csv, "is it Tilery's worker?"},
		"another server's page": {answer(http.StatusNotFound, "<html>"), csv, "answered 404 Not Found, is it Tilery's worker?"},
		"the spine": {historical(nil, nil), client.HistoricalRequest{Spine: iotest.ErrReader(broken), SpineFormat: frame.CSV},
			"read the spine: disk on fire"},
	} {
		server := serve(t, c.handler)
		_, err := client.New(server.URL).HistoricalFeatures(t.Context(), c.request)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := client.New("127.0.0.1:1").HistoricalFeatures(t.Context(), csv)
	require.ErrorContains(t, err, "no answer from http://127.0.0.1:1, is the worker running?")
}

func TestTheWaitForHistoricalFeaturesEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-release
	})
	defer close(release)
	_, err := client.New(server.URL).HistoricalFeatures(ctx, client.HistoricalRequest{Spine: strings.NewReader("x"), SpineFormat: frame.CSV})
	require.ErrorIs(t, err, context.Canceled)
}
