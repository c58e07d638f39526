package host

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tilery/tilery/pkg/bucket/file"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/offline/delta"
	"github.com/tilery/tilery/pkg/serve"
)

// temporaryName is what directories of temporary stores begin with.
const temporaryName = "tilery-store-"

// temporaryStore returns what opens offline stores in directories of their own, in scratch.
func temporaryStore(scratch string) serve.TemporaryStore {
	return func() (offline.Store, func() error, error) {
		dir, err := os.MkdirTemp(scratch, temporaryName+"*")
		if err != nil {
			return nil, nil, fmt.Errorf("directory of a temporary store: %w", err)
		}
		remove := func() error {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove a temporary store: %w", err)
			}
			return nil
		}
		bucket, err := file.Open(filepath.Join(dir, "bucket"))
		if err != nil {
			_ = remove() // the store was not made, and said so
			return nil, nil, err
		}
		return delta.New(bucket, delta.Options{ScratchDir: dir}), remove, nil
	}
}
