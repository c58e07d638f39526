package retrieve

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/source"
)

// maxMockBytes bounds the values of a mock: a small file may hold many.
const maxMockBytes = 4 << 30

// Mock is a file with the columns of a source, in any order.
type Mock struct {
	File   io.ReaderAt
	Size   int64
	Format frame.Format
}

func checkMocks(view feature.View, mocks map[string]Mock) error {
	var names []string
	for _, s := range view.Sources {
		names = append(names, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(mocks)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%w: mock %q: view %s has no such source, want one of %s", ErrRun, name, view.Name, strings.Join(names, ", "))
		}
	}
	return nil
}

// staged are mocks as the SQL engine reads them.
type staged struct {
	dir   string
	files map[string][]source.File
}

func (s *staged) remove() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove mocks: %w", err)
	}
	return nil
}

// stageMocks writes mocks as Parquet files to a folder of their own in dir, which
// remove removes.
func stageMocks(view feature.View, mocks map[string]Mock, dir string) (_ *staged, err error) {
	if dir, err = os.MkdirTemp(dir, "tilery-mocks-*"); err != nil {
		return nil, fmt.Errorf("folder for mocks: %w", err)
	}
	out := &staged{dir: dir, files: map[string][]source.File{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.remove())
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("folder for mocks: %w", err)
	}
	for i, s := range view.Sources {
		mock, ok := mocks[s.Name]
		if !ok {
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("mock-%d.parquet", i))
		if err := stageMock(file, s.Schema, mock); err != nil {
			return nil, fmt.Errorf("mock of source %s: %w", s.Name, err)
		}
		out.files[s.Name] = []source.File{{Path: file}}
	}
	return out, nil
}

func stageMock(path string, columns feature.Schema, mock Mock) (err error) {
	reader, err := frame.Open(mock.File, mock.Size, mock.Format, frame.Options{Known: columns, MaxBytes: maxMockBytes})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	if err := sameColumns(reader.Schema(), columns); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keep it: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out, err := frame.NewWriter(file, frame.Parquet, reader.Schema())
	if err != nil {
		return fmt.Errorf("keep it: %w", err)
	}
	for {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if err := out.Write(rec); err != nil {
			return fmt.Errorf("keep it: %w", err)
		}
	}
}

func sameColumns(got, want feature.Schema) error {
	for _, f := range want {
		if _, ok := got.Lookup(f.Name); !ok {
			return fmt.Errorf("%w: it has no column %q; it has %s", ErrRun, f.Name, strings.Join(got.Names(), ", "))
		}
	}
	for _, f := range got {
		if _, ok := want.Lookup(f.Name); !ok {
			return fmt.Errorf("%w: column %q is none of the source's, want %s", ErrRun, f.Name, want)
		}
	}
	return nil
}
