package materialize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// manifestFormat of the documents that hold a build between its activities.
const manifestFormat = 1

type manifest struct {
	Format int           `json:"format"`
	Build  offline.Build `json:"build"`
}

// SaveBuild stores a build beside the view's tables and returns its key, which
// is all that travels through Temporal. A second build of the same attempt is as
// good as the first, whose manifest stays.
func (e *Engine) SaveBuild(ctx context.Context, t *Target, build offline.Build, attempt string) (string, error) {
	data, err := json.Marshal(manifest{manifestFormat, build})
	if err != nil {
		return "", fmt.Errorf("encode build of %v: %w", build.Window, err)
	}
	key := fmt.Sprintf("builds/%s/%s-%s.json", t.Store(), build.Window.Start.Time().Format("20060102T150405Z"), attempt)
	if err := bucket.Claim(ctx, e.Bucket, key, data); err != nil && !errors.Is(err, bucket.ErrExists) {
		return "", fmt.Errorf("save build of %v: %w", build.Window, err)
	}
	return key, nil
}

// LoadBuild reads a stored build.
func (e *Engine) LoadBuild(ctx context.Context, key string) (offline.Build, error) {
	data, err := e.Bucket.Get(ctx, key)
	if err != nil {
		return offline.Build{}, fmt.Errorf("load build %s: %w", key, err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return offline.Build{}, fmt.Errorf("load build %s: %w", key, err)
	}
	if m.Format != manifestFormat {
		return offline.Build{}, fmt.Errorf("load build %s: format %d is not known to this version of tilery", key, m.Format)
	}
	return m.Build, nil
}
