package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Kinds of objects, as definitions name them.
const (
	KindEntity  = "Entity"
	KindSource  = "BatchSource"
	KindView    = "BatchFeatureView"
	KindTable   = "FeatureTable"
	KindService = "FeatureService"
)

// Object is what the registry itself knows of a defined object.
type Object struct {
	Kind      string      `json:"kind"`
	Name      string      `json:"name"`
	ID        string      `json:"id"`         // 32 hexadecimal digits, the same for as long as the object exists
	CreatedAt window.Time `json:"created_at"` // product time of the apply that first had it
}

// Object returns what is known of an object of the generation.
func (g *Generation) Object(kind, name string) (Object, bool) {
	for _, o := range g.Objects {
		if o.Kind == kind && o.Name == name {
			return o, true
		}
	}
	return Object{}, false
}

// objects lists what a repository defines. What base has too keeps its time of
// creation; a base without such times was written before there were any, and its
// own time is the earliest that is known.
func objects(workspace string, base *Generation, repository *feature.Repository, now window.Time) []Object {
	old := map[[2]string]window.Time{}
	for _, named := range defined(&base.Repository) {
		old[named] = base.AppliedAt
	}
	for _, o := range base.Objects {
		old[[2]string{o.Kind, o.Name}] = o.CreatedAt
	}
	var out []Object
	for _, named := range defined(repository) {
		created, ok := old[named]
		if !ok {
			created = now
		}
		out = append(out, Object{named[0], named[1], objectID(workspace, named[0], named[1], created), created})
	}
	return out
}

// defined lists kind and name of every object.
func defined(r *feature.Repository) [][2]string {
	var out [][2]string
	for _, e := range r.Entities {
		out = append(out, [2]string{KindEntity, e.Name})
	}
	for _, s := range r.BatchSources {
		out = append(out, [2]string{KindSource, s.Name})
	}
	for _, v := range r.BatchFeatureViews {
		out = append(out, [2]string{KindView, v.Name})
	}
	for _, t := range r.FeatureTables {
		out = append(out, [2]string{KindTable, t.Name})
	}
	for _, s := range r.FeatureServices {
		out = append(out, [2]string{KindService, s.Name})
	}
	return out
}

func objectID(workspace, kind, name string, created window.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", workspace, kind, name, created))
	return hex.EncodeToString(sum[:16])
}
