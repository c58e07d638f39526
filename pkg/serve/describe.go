package serve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/registry"
)

// kinds in the order that a name without a kind is looked for.
var kinds = []string{registry.KindView, registry.KindTable, registry.KindService, registry.KindSource, registry.KindEntity}

func (s *Server) describe(ctx context.Context, body []byte) (any, error) {
	var request api.DescribeRequest
	if err := decodeBody(body, &request); err != nil {
		return nil, err
	}
	if request.Kind != "" && !slices.Contains(kinds, request.Kind) {
		return nil, fail(api.InvalidArgument, "kind %q is unknown, want one of %s", request.Kind, strings.Join(kinds, ", "))
	}
	g, err := s.registry.Latest(ctx, request.Workspace)
	if err != nil {
		return nil, registryError(err)
	}
	for _, kind := range kinds {
		if request.Kind != "" && request.Kind != kind {
			continue
		}
		response := api.DescribeResponse{Kind: kind}
		if found, err := s.describeKind(ctx, &g, request.Name, &response); found || err != nil {
			return response, err
		}
	}
	what := cmp.Or(request.Kind, "object")
	return nil, fail(api.NotFound, "no %s %q in workspace %s at generation %d", what, request.Name, g.Workspace, g.Number)
}

// describeKind fills in the object of that name and the response's kind, if there is one.
func (s *Server) describeKind(ctx context.Context, g *registry.Generation, name string, response *api.DescribeResponse) (found bool, err error) {
	switch response.Kind {
	case registry.KindView:
		if _, found = g.BatchFeatureView(name); found {
			response.FeatureView, err = s.describeView(ctx, g, name)
		}
	case registry.KindTable:
		if _, found = g.FeatureTable(name); found {
			response.FeatureTable, err = s.describeTable(g, name)
		}
	case registry.KindService:
		if _, found = g.FeatureService(name); found {
			response.FeatureService, err = describeService(g, name)
		}
	case registry.KindSource:
		if source, ok := g.BatchSource(name); ok {
			found = true
			response.BatchSource = &api.BatchSourceProperties{
				Properties: properties(g, response.Kind, source.Metadata), BatchConfig: source.BatchConfig, Schema: source.Schema,
				FeatureViews: viewsOfSource(g, name),
			}
		}
	case registry.KindEntity:
		if entity, ok := g.Entity(name); ok {
			found = true
			response.Entity = &api.EntityProperties{
				Properties: properties(g, response.Kind, entity.Metadata), JoinKeys: entity.JoinKeys,
				FeatureViews: viewsOfEntity(g, name),
			}
		}
	}
	return found, err
}

func properties(g *registry.Generation, kind string, m feature.Metadata) api.Properties {
	object, _ := g.Object(kind, m.Name)
	tags := map[string]string{}
	maps.Copy(tags, m.Tags)
	return api.Properties{
		Name: m.Name, Workspace: g.Workspace, ID: object.ID, Description: m.Description, Owner: m.Owner, Tags: tags,
		CreatedAt: object.CreatedAt, DefinedIn: m.DefinedIn, PreventDestroy: m.PreventDestroy,
	}
}

// viewsOfSource returns names in order.
func viewsOfSource(g *registry.Generation, source string) []string {
	names := []string{}
	for _, v := range g.BatchFeatureViews {
		if slices.ContainsFunc(v.Sources, func(s feature.ViewSource) bool { return s.Source == source }) {
			names = append(names, v.Name)
		}
	}
	slices.Sort(names)
	return names
}

// viewsOfEntity returns names in order, those of feature tables among them.
func viewsOfEntity(g *registry.Generation, entity string) []string {
	names := []string{}
	for _, v := range g.BatchFeatureViews {
		if slices.Contains(v.Entities, entity) {
			names = append(names, v.Name)
		}
	}
	for _, t := range g.FeatureTables {
		if slices.Contains(t.Entities, entity) {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Server) describeView(ctx context.Context, g *registry.Generation, name string) (*api.FeatureViewProperties, error) {
	v, err := g.View(name)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	fingerprint, err := v.Fingerprint()
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	p := &api.FeatureViewProperties{
		Properties: properties(g, registry.KindView, v.Metadata),
		Entities:   v.BatchFeatureView.Entities, JoinKeys: feature.Schema(v.JoinKeys()).Names(),
		TimestampField: v.TimestampField, Features: v.FeatureNames(), Sources: v.BatchFeatureView.Sources, Mode: v.Mode,
		AggregationInterval: orNil(v.AggregationInterval), Aggregations: append([]feature.Aggregation{}, v.Aggregations...),
		AggregationSecondaryKey: orNil(v.AggregationSecondaryKey), LifetimeStartTime: orNil(v.LifetimeStartTime),
		BatchSchedule: feature.Duration(v.Schedule()), BatchTrigger: cmp.Or(v.BatchTrigger, feature.Scheduled),
		IncrementalBackfills: v.IncrementalBackfills, MaxBackfillInterval: orNil(v.MaxBackfillInterval),
		MaxSourceDataDelay: feature.Duration(v.DataDelay()), FeatureStartTime: v.FeatureStartTime,
		ManualTriggerBackfillEndTime: orNil(v.ManualTriggerBackfillEndTime), TTL: orNil(v.TTL),
		Online: v.Online, Offline: v.Offline, Fingerprint: fingerprint, URL: s.temporal.viewURL(g.Workspace, name),
		ServingStore: api.StoreProperties(g.Stores[name].Serving),
	}
	p.OnlineServingIndex, p.WildcardJoinKey = servingIndex(v)
	p.FillingStore, err = s.describeFilling(ctx, g, name)
	return p, err
}

func (s *Server) describeTable(g *registry.Generation, name string) (*api.FeatureTableProperties, error) {
	v, err := g.View(name)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	fingerprint, err := v.Fingerprint()
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	p := &api.FeatureTableProperties{
		Properties: properties(g, registry.KindTable, v.Metadata),
		Entities:   v.BatchFeatureView.Entities, JoinKeys: feature.Schema(v.JoinKeys()).Names(),
		TimestampField: v.TimestampField, Features: v.FeatureNames(), Schema: v.Schema, TTL: orNil(v.TTL),
		Online: v.Online, Offline: v.Offline, Fingerprint: fingerprint, URL: s.temporal.viewURL(g.Workspace, name),
		ServingStore: api.StoreProperties(g.Stores[name].Serving),
	}
	p.OnlineServingIndex, p.WildcardJoinKey = servingIndex(v)
	return p, nil
}

// servingIndex returns the join keys that a query must give, and the one that it may
// leave out, or nil.
func servingIndex(v feature.View) (index []string, wildcard *string) {
	index = v.OnlineServingIndex
	if len(index) == 0 {
		index = feature.Schema(v.JoinKeys()).Names()
	}
	if key, ok := v.WildcardJoinKey(); ok {
		wildcard = &key
	}
	return index, wildcard
}

// describeFilling tells how far the store is that is filling; nil if there is none.
func (s *Server) describeFilling(ctx context.Context, g *registry.Generation, name string) (*api.FillingProperties, error) {
	filling := g.Stores[name].Filling
	if filling == nil {
		return nil, nil
	}
	out := &api.FillingProperties{StoreProperties: api.StoreProperties(*filling)}
	if s.engine == nil {
		return out, nil
	}
	stores, err := s.engine.Stores(ctx, g.Workspace, name)
	if err != nil || stores.Generation != g.Number {
		return out, err // a newer generation is there already
	}
	filled, err := s.engine.Filled(ctx, stores, s.clock.Now())
	out.Windows, out.Missing, out.Lacks = filled.Wanted, filled.Missing, filled.Lacks
	return out, err
}

func orNil[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

func describeService(g *registry.Generation, name string) (*api.FeatureServiceProperties, error) {
	service, err := g.Service(name)
	if err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	p := &api.FeatureServiceProperties{
		Properties: properties(g, registry.KindService, service.Metadata), Type: service.Type(),
		JoinKeys: feature.Schema(service.JoinKeys()).Names(),
	}
	for _, v := range service.Views {
		p.FeatureViews = append(p.FeatureViews, v.View.Name)
		for _, f := range v.Features {
			p.Features = append(p.Features, v.Namespace+"."+f.Name)
		}
	}
	return p, nil
}
