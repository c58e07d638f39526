package client

import (
	"context"
	"io"
	"net/url"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/window"
)

// RangeRequest asks how the features of a view were from Start until before End.
type RangeRequest struct {
	Workspace   string
	View        string
	Start, End  window.Time
	MaxLookback time.Duration // before Start; zero: there is no bound
	FromSource  bool          // compute from raw data, whatever is materialized

	// Entities is a file of EntitiesFormat with the join keys, or Records are its rows,
	// which the call reads and the caller releases; nil: all entities.
	Entities       io.Reader
	EntitiesFormat frame.Format
	Records        array.RecordReader
}

// FeaturesInRange returns the join keys, the features, _valid_from and _valid_to, a row
// for each change.
func (c *Client) FeaturesInRange(ctx context.Context, r RangeRequest) (*Frame, error) {
	return frameOf(c.RangeFile(ctx, r, frame.Arrow))
}

// RangeFile is FeaturesInRange with the result as a file of that format.
func (c *Client) RangeFile(ctx context.Context, r RangeRequest, format frame.Format) (*HistoricalFile, error) {
	if r.Records != nil {
		r.EntitiesFormat = frame.Arrow
	}
	query := url.Values{api.WorkspaceParameter: {r.Workspace}, api.ViewParameter: {r.View}}
	setTime(query, api.StartTimeParameter, &r.Start)
	setTime(query, api.EndTimeParameter, &r.End)
	if r.MaxLookback > 0 {
		query.Set(api.MaxLookbackParameter, feature.Duration(r.MaxLookback).String())
	}
	if r.FromSource {
		query.Set(api.FromSourceParameter, "true")
	}
	entities := newSpineBody(r.Entities, r.Records)
	request, err := c.fileRequest(ctx, api.RangePath, query, r.EntitiesFormat, entities, format)
	if err != nil {
		return nil, err
	}
	return c.file(ctx, request, entities)
}
