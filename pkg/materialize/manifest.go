package materialize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
)

// Where in the bucket the data of views is, and what jobs hand on: below them are
// workspace, view and fingerprint.
const (
	offlinePrefix = "offline/"
	buildsPrefix  = "builds/"
)

// manifestFormat of the documents that hold builds between activities.
const manifestFormat = 1

type manifest struct {
	Format int             `json:"format"`
	Builds []offline.Build `json:"builds"`
}

// SaveBuilds stores the builds of one call of Build beside the view's tables and
// returns their key, which is all that travels through Temporal. What a second
// call of the same attempt built is as good as the first, whose manifest stays.
func (e *Engine) SaveBuilds(ctx context.Context, t *Target, builds []offline.Build, attempt string) (string, error) {
	if len(builds) == 0 {
		return "", fmt.Errorf("save builds of %s: there are none", t.Store())
	}
	first := builds[0].Window
	data, err := json.Marshal(manifest{manifestFormat, builds})
	if err != nil {
		return "", fmt.Errorf("encode builds from %v on: %w", first, err)
	}
	key := fmt.Sprintf(buildsPrefix+"%s/%s-%s.json", t.Store(), first.Start.Time().Format("20060102T150405Z"), attempt)
	if err := bucket.Claim(ctx, e.Bucket, key, data); err != nil && !errors.Is(err, bucket.ErrExists) {
		return "", fmt.Errorf("save builds from %v on: %w", first, err)
	}
	return key, nil
}

// LoadBuilds reads what SaveBuilds stored; offline.ErrStale if that was removed since.
func (e *Engine) LoadBuilds(ctx context.Context, key string) ([]offline.Build, error) {
	data, err := e.Bucket.Get(ctx, key)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil, fmt.Errorf("load builds %s: %w: they were removed", key, offline.ErrStale)
	}
	if err != nil {
		return nil, fmt.Errorf("load builds %s: %w", key, err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("load builds %s: %w", key, err)
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("load builds %s: format %d is not known to this version of tilery", key, m.Format)
	}
	return m.Builds, nil
}
