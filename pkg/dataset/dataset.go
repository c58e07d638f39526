package dataset

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/offline"
	"github.com/tilery/tilery/pkg/registry"
	"github.com/tilery/tilery/pkg/retrieve"
	"github.com/tilery/tilery/pkg/window"
)

var (
	// ErrNotFound is a dataset that is not there.
	ErrNotFound = errors.New("no such dataset")
	// ErrExists is a name that a dataset has already.
	ErrExists = errors.New("there is a dataset of that name already")
	// ErrName is a name that no dataset can have.
	ErrName = errors.New("bad name of a dataset")
)

// Dataset is a saved result: its rows, and how they were made.
type Dataset struct {
	Workspace string      `json:"workspace"`
	Name      string      `json:"name"`
	ID        string      `json:"id"`         // of the save
	CreatedAt window.Time `json:"created_at"` // product time
	Origin
	Schema feature.Schema       `json:"schema"`
	Rows   int64                `json:"rows"`
	Bytes  int64                `json:"bytes"`  // of the files
	Digest string               `json:"digest"` // of the rows, in whatever order
	Table  string               `json:"table"`  // key prefix in the bucket
	Files  []offline.FrozenFile `json:"files"`  // in the order of the rows
}

// Origin says how a dataset was made.
type Origin struct {
	Request    Request              `json:"request"`
	Spine      *Spine               `json:"spine,omitempty"`
	Generation int64                `json:"generation"`      // of the definitions
	Views      []retrieve.Pin       `json:"views,omitempty"` // what was read, by part; none if it came from the source
	Uncovered  []retrieve.Uncovered `json:"uncovered,omitempty"`
	Job        string               `json:"job,omitempty"`
}

// Request is what was asked for.
type Request struct {
	View         string       `json:"view,omitempty"` // or Service
	Service      string       `json:"service,omitempty"`
	TimestampKey string       `json:"timestamp_key,omitempty"` // as it was given
	Start        *window.Time `json:"start_time,omitempty"`
	End          *window.Time `json:"end_time,omitempty"`
	Entities     bool         `json:"entities,omitempty"` // the spine is entities without times
	FromSource   bool         `json:"from_source,omitempty"`
}

// Spine is the copy of a spine that a dataset was made of.
type Spine struct {
	Key    string         `json:"key"` // in the bucket
	Format frame.Format   `json:"format"`
	Bytes  int64          `json:"bytes"`
	SHA256 string         `json:"sha256"` // hexadecimal
	Schema feature.Schema `json:"schema"` // as it was read
	Time   string         `json:"time"`   // the column of the instants; empty: entities have none
}

var nameForm = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func checkName(workspace, name string) error {
	if err := registry.CheckWorkspace(workspace); err != nil {
		return err
	}
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%w: %q is not 1 to 64 of [a-z0-9_-]", ErrName, name)
	}
	return nil
}

// maxSubject leaves room for the rest of a generated name.
const maxSubject = 40

// NewName makes up a name for the features of a view or service: airport_delays-20010203-040506-k7xq.
func NewName(subject string, now window.Time) string {
	plain := strings.Map(func(r rune) rune {
		if nameForm.MatchString(string(r)) {
			return r
		}
		return '-'
	}, strings.ToLower(subject))
	plain = plain[:min(len(plain), maxSubject)]
	return fmt.Sprintf("%s-%s-%s", plain, now.Time().Format("20060102-150405"), strings.ToLower(rand.Text()[:4]))
}
