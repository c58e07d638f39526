package delta_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/offlinetest"
)

// guard is a bucket that knows who needs a data file: the log as it sees it being
// put, whoever uploaded the file lately, and readers of snapshots.
type guard struct {
	bucket.Bucket
	mu       sync.Mutex
	uploaded map[string]time.Time
	added    map[string]bool
	removed  map[string]time.Time
	held     map[*[]offline.File]time.Time // since when a reader may read files
	wrong    []string
}

func newGuard(b bucket.Bucket) *guard {
	return &guard{
		Bucket: b, uploaded: map[string]time.Time{}, added: map[string]bool{},
		removed: map[string]time.Time{}, held: map[*[]offline.File]time.Time{},
	}
}

func (g *guard) Create(ctx context.Context, key string) (bucket.Writer, error) {
	g.mu.Lock()
	g.uploaded[tablePath(key)] = time.Now()
	g.mu.Unlock()
	return g.Bucket.Create(ctx, key)
}

func (g *guard) PutIfAbsent(ctx context.Context, key string, data []byte) error {
	began := time.Now()
	err := g.Bucket.PutIfAbsent(ctx, key, data)
	if err == nil && strings.HasSuffix(key, ".json") {
		g.note(data, began)
	}
	return err
}

// note takes the files of a version that came after a time. Paths are unique, so the
// order of versions does not matter.
func (g *guard) note(version []byte, began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for line := range strings.Lines(string(version)) {
		var action struct{ Add, Remove *struct{ Path string } }
		if err := json.Unmarshal([]byte(line), &action); err != nil {
			g.wrong = append(g.wrong, err.Error())
		}
		if action.Add != nil {
			g.added[action.Add.Path] = true
		}
		if action.Remove != nil {
			g.removed[action.Remove.Path] = began
		}
	}
}

func (g *guard) Delete(ctx context.Context, key string) error {
	if strings.HasSuffix(key, ".parquet") && !strings.Contains(key, "_delta_log") {
		g.judge(tablePath(key))
	}
	return g.Bucket.Delete(ctx, key)
}

func (g *guard) judge(path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	removed, dead := g.removed[path]
	switch age := now.Sub(g.uploaded[path]); {
	case g.added[path] && !dead:
		g.wrong = append(g.wrong, "deleted, but live: "+path)
	case dead && now.Sub(removed) < hurried.Retention:
		g.wrong = append(g.wrong, fmt.Sprintf("deleted %v after its removal: %s", now.Sub(removed), path))
	case age < hurried.Retention:
		g.wrong = append(g.wrong, fmt.Sprintf("deleted %v after its upload: %s", age, path))
	}
	for files, since := range g.held {
		for _, f := range *files {
			if f.Path == path && now.Sub(since) < hurried.Retention {
				g.wrong = append(g.wrong, fmt.Sprintf("deleted %v after a reader's snapshot: %s", now.Sub(since), path))
			}
		}
	}
}

// hold tells of a reader; the function that it returns, of its end.
func (g *guard) hold(files []offline.File, since time.Time) (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[&files] = since
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.held, &files)
	}
}

func tablePath(key string) string { return strings.TrimPrefix(key, offlinetest.Spec().Path+"/") }
