package stored

import (
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
	w, err := frame.NewWriter(file, frame.Parquet, schema)
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		return errors.Join(err, w.Close())
	}
	return w.Close()
}
