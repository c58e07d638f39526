package feature

import (
	"fmt"
	"maps"
	"slices"
)

// maxServiceEntries bounds the views of one service.
const maxServiceEntries = 1_000

// resolved returns every view and feature table by its name: nil where something
// that it refers to is missing.
func (r *Repository) resolved() map[string]*View {
	if len(r.FeatureServices) == 0 {
		return nil
	}
	names := r.ViewNames()
	views := make(map[string]*View, len(names))
	for _, name := range names {
		views[name] = nil
		if view, err := r.View(name); err == nil {
			views[name] = &view
		}
	}
	return views
}

func (c *checker) service(s FeatureService, views map[string]*View) {
	c.kind, c.name = "FeatureService", s.Name
	if len(s.Features) == 0 || len(s.Features) > maxServiceEntries {
		c.add("features", "needs 1 to %d entries, has %d", maxServiceEntries, len(s.Features))
		return
	}
	namespaces := map[string]int{}
	keys := serviceKeys{}
	for i, entry := range s.Features {
		at := fmt.Sprintf("features[%d]", i)
		view, known := views[entry.FeatureView]
		switch {
		case entry.FeatureView == "":
			c.add(at+".feature_view", "is required: the name of a feature view")
			continue
		case !known:
			c.add(at+".feature_view", "no feature view %q", entry.FeatureView)
		case view != nil:
			c.serviceFeatures(at+".features", entry, *view)
			c.joinKeyMap(at+".join_key_map", entry, *view, keys)
		}
		c.namespace(at+".namespace", entry, i, namespaces)
	}
}

func (c *checker) namespace(field string, entry ServiceFeatures, i int, taken map[string]int) {
	if entry.Namespace != "" && !isName(entry.Namespace) {
		c.badName(field, entry.Namespace)
	}
	first, ok := taken[entry.namespace()]
	if ok {
		c.add(field, "%q is the namespace of features[%d] as well: give one of them another", entry.namespace(), first)
		return
	}
	taken[entry.namespace()] = i
}

func (c *checker) serviceFeatures(field string, entry ServiceFeatures, view View) {
	if len(entry.Features) > maxColumns {
		c.add(field, "%d features, at most %d are allowed", len(entry.Features), maxColumns)
		return
	}
	names := view.FeatureNames()
	known := view.Aggregated() || len(view.Schema) > 0
	for i, name := range entry.Features {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case known && !slices.Contains(names, name):
			c.add(at, "feature view %q has no feature %q, want %s", view.Name, name, oneOf(names...))
		case slices.Contains(entry.Features[:i], name):
			c.add(at, "feature %q is named twice", name)
		}
	}
}

// serviceKeys are the keys that queries of a service give, by their names in lower case.
type serviceKeys map[string]serviceKey

type serviceKey struct {
	Field
	view string // the first with it
}

// joinKeyMap checks the names that the service has for the view's join keys.
func (c *checker) joinKeyMap(field string, entry ServiceFeatures, view View, keys serviceKeys) {
	all := Schema(view.JoinKeys())
	for _, key := range slices.Sorted(maps.Keys(entry.JoinKeyMap)) {
		name := entry.JoinKeyMap[key]
		switch _, ok := all.Lookup(key); {
		case !ok:
			c.add(field+"."+key, "feature view %q has no join key %q, want %s", view.Name, key, oneOf(all.Names()...))
		case !storedColumnForm.MatchString(name) || len(name) > maxNameLength:
			c.add(field+"."+key, "%q must be letters, digits and underscores, not starting with a digit, at most %d in all", name, maxNameLength)
		}
	}
	mine := map[string]string{} // the service's name in lower case -> join key
	for _, key := range all {
		name := entry.serviceKey(key.Name)
		if other, ok := mine[fold(name)]; ok {
			c.add(field, "join keys %q and %q are both called %q, so they would always be equal: map one of them to another name", other, key.Name, name)
			continue
		}
		mine[fold(name)] = key.Name
		if text := keys.claim(Field{name, key.Type}, view.Name); text != "" {
			c.add(field, "%s", text)
		}
	}
}

// claim takes a key, which other views may have too. It says why they cannot share
// it, if they cannot.
func (k serviceKeys) claim(key Field, view string) string {
	first, ok := k[fold(key.Name)]
	switch {
	case !ok:
		k[fold(key.Name)] = serviceKey{key, view}
	case first.Name != key.Name:
		return fmt.Sprintf("key %q of feature view %q differs from %q of %q in upper and lower case only: map one to the other", key.Name, view, first.Name, first.view)
	case first.Type != key.Type:
		return fmt.Sprintf("key %q is %s in feature view %q and %s in %q: map one of them to another name", key.Name, first.Type, first.view, key.Type, view)
	}
	return ""
}
