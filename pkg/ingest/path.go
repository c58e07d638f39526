package ingest

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"

	"github.com/tilery/tilery/pkg/frame"
)

const root = "ingest/"

// pathForm is that of the paths that Reserve makes: workspace, table, id.
var pathForm = regexp.MustCompile(`^` + root + `([A-Za-z0-9_-]{1,128})/([A-Za-z0-9_-]{1,128})/frames/([A-Z2-7]{26})$`)

// place is what a path stands for.
type place struct{ workspace, table, id string }

func newPlace(workspace, table string) place { return place{workspace, table, rand.Text()} }

// parsePath returns ErrNotFound for what is no path of a frame.
func parsePath(path string) (place, error) {
	parts := pathForm.FindStringSubmatch(path)
	if parts == nil {
		return place{}, fmt.Errorf("%w: %.200q is not a path that was given out for one", ErrNotFound, path)
	}
	return place{parts[1], parts[2], parts[3]}, nil
}

func (p place) path() string { return framesPrefix(p.workspace, p.table) + p.id }

func framesPrefix(workspace, table string) string { return root + workspace + "/" + table + "/frames/" }

func orderPrefix(workspace, table string) string { return root + workspace + "/" + table + "/order/" }

func (p place) ticketKey() string { return p.path() + "/ticket.json" }

func (p place) buildKey(attempt string) string { return p.path() + "/build-" + attempt + ".json" }

// uploads begins the keys of what was staged.
func (p place) uploads() string { return p.path() + "/frame-" }

// uploadKey names an upload of its own, so that none ever changes another.
func (p place) uploadKey(f frame.Format) string {
	return p.uploads() + rand.Text() + "." + string(f)
}

// uploadFormat is the inverse of uploadKey.
func (p place) uploadFormat(key string) (frame.Format, error) {
	_, format, _ := strings.Cut(strings.TrimPrefix(key, p.uploads()), ".")
	f, err := frame.ParseFormat(format)
	if err != nil {
		return "", fmt.Errorf("key %s: %w", key, err)
	}
	return f, nil
}
