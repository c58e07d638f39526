package stored

import (
	"bufio"
	"errors"
	"os"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
)

// write makes a file of Parquet of what fill writes.
func write(path string, schema feature.Schema, fill func(frame.Writer) error) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	w, err := frame.NewWriter(buffered, frame.Parquet, schema)
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		return errors.Join(err, w.Close())
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}
