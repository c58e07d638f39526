package feature

import (
	"cmp"
	"fmt"
	"slices"
)

// ServiceType says how a service can be queried.
type ServiceType string

// The types.
const (
	DefaultService  ServiceType = "DEFAULT"  // all join keys are given
	WildcardService ServiceType = "WILDCARD" // a view has a wildcard join key
)

// Service is a feature service together with the views that it takes features from.
type Service struct {
	Metadata
	Views []ServiceView // in the order of the definition
}

// ServiceView is what a service takes from one view. A view may be taken twice,
// with other keys and under another namespace.
type ServiceView struct {
	View      View
	Features  Schema            // those taken, in the view's order
	Keys      map[string]string // each join key of the view -> the service's name for it
	Namespace string            // before the features' names
}

// Service resolves the service of that name. The error says what is missing; the
// views' Schema must be known.
func (r *Repository) Service(name string) (Service, error) {
	definition, ok := r.FeatureService(name)
	if !ok {
		return Service{}, fmt.Errorf("no feature service %q", name)
	}
	s := Service{Metadata: definition.Metadata}
	for _, entry := range definition.Features {
		view, err := r.View(entry.FeatureView)
		if err != nil {
			return Service{}, fmt.Errorf("feature service %q: %w", name, err)
		}
		features, err := entry.choose(view)
		if err != nil {
			return Service{}, fmt.Errorf("feature service %q: %w", name, err)
		}
		keys := map[string]string{}
		for _, key := range view.JoinKeys() {
			keys[key.Name] = entry.serviceKey(key.Name)
		}
		s.Views = append(s.Views, ServiceView{view, features, keys, entry.namespace()})
	}
	return s, nil
}

// Alone is the service that has all features of the view under its own names. The
// view's Schema must be known.
func (v View) Alone() (Service, error) {
	features, err := v.Features()
	keys := map[string]string{}
	for _, key := range v.JoinKeys() {
		keys[key.Name] = key.Name
	}
	return Service{Views: []ServiceView{{View: v, Features: features, Keys: keys, Namespace: v.Name}}}, err
}

// choose returns the view's features that the service takes.
func (s ServiceFeatures) choose(view View) (Schema, error) {
	all, err := view.Features()
	if err != nil || len(s.Features) == 0 {
		return all, err
	}
	for _, name := range s.Features {
		if _, ok := all.Lookup(name); !ok {
			return nil, fmt.Errorf("feature view %q has no feature %q", view.Name, name)
		}
	}
	return slices.DeleteFunc(all, func(field Field) bool { return !slices.Contains(s.Features, field.Name) }), nil
}

// serviceKey returns the service's name for a join key of the view.
func (s ServiceFeatures) serviceKey(key string) string {
	if mapped, ok := s.JoinKeyMap[key]; ok {
		return mapped
	}
	return key
}

func (s ServiceFeatures) namespace() string { return cmp.Or(s.Namespace, s.FeatureView) }

// JoinKeys returns the keys that a query gives, each once, in the order of their
// first use.
func (s Service) JoinKeys() []Field {
	var keys Schema
	for _, v := range s.Views {
		for _, key := range v.View.JoinKeys() {
			name := v.Keys[key.Name]
			if _, ok := keys.Lookup(name); !ok {
				keys = append(keys, Field{name, key.Type})
			}
		}
	}
	return keys
}

// Type returns WildcardService if any view has a wildcard join key.
func (s Service) Type() ServiceType {
	for _, v := range s.Views {
		if _, ok := v.View.WildcardJoinKey(); ok {
			return WildcardService
		}
	}
	return DefaultService
}
