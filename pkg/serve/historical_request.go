package serve

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/frame"
	"github.com/tilery/tilery/pkg/retrieve"
)

// historicalRequest is what is asked of a spine.
type historicalRequest struct {
	names        retrieve.Names
	timestampKey string
	spineFormat  frame.Format // none without a spine
	format       frame.Format // of the answer
	save         bool         // as a dataset
	saveAs       string       // its name; empty: one is made up
	fromSource   bool
	entities     bool // the body is no spine, but join keys alone
	period
}

var historicalParameters = []string{
	api.WorkspaceParameter, api.ViewParameter, api.ServiceParameter, api.TimestampKeyParameter,
	api.SpineFormatParameter, api.FormatParameter, api.FromSourceParameter,
	api.BodyParameter, api.StartTimeParameter, api.EndTimeParameter, api.SaveParameter, api.SaveAsParameter,
}

func parseHistorical(r *http.Request, hasBody bool) (historicalRequest, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return historicalRequest{}, fail(api.InvalidArgument, "parameters: %v", err)
	}
	entities, err := parseBody(query, hasBody)
	if err != nil {
		return historicalRequest{}, err
	}
	if err := checkHistorical(query, hasBody && !entities); err != nil {
		return historicalRequest{}, err
	}
	out := historicalRequest{
		names: retrieve.Names{
			Workspace: query.Get(api.WorkspaceParameter), View: query.Get(api.ViewParameter), Service: query.Get(api.ServiceParameter),
		},
		timestampKey: query.Get(api.TimestampKeyParameter), entities: entities,
	}
	if out.period, err = parsePeriod(query); err != nil {
		return historicalRequest{}, err
	}
	if out.fromSource, err = parseFlag(query, api.FromSourceParameter); err != nil {
		return historicalRequest{}, err
	}
	if out.save, out.saveAs, err = parseSave(query); err != nil {
		return historicalRequest{}, err
	}
	if out.save && r.Method == http.MethodGet {
		return historicalRequest{}, fail(api.InvalidArgument, "a GET changes nothing: send what is to be saved by POST")
	}
	if out.format, err = resultFormat(query.Get(api.FormatParameter), r.Header.Values("Accept")); err != nil || !hasBody {
		return out, err
	}
	out.spineFormat, err = bodyFormat("the spine's format", api.SpineFormatParameter, query.Get(api.SpineFormatParameter), r.Header.Get("Content-Type"), "")
	return out, err
}

// checkParameters refuses those that are not allowed, and more than one of a name.
func checkParameters(query url.Values, allowed []string) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(allowed, name) {
			return fail(api.InvalidArgument, "unknown parameter %s, want one of %s", name, strings.Join(allowed, ", "))
		}
		if len(query[name]) > 1 {
			return fail(api.InvalidArgument, "parameter %s is given twice", name)
		}
	}
	return nil
}

// checkHistorical refuses parameters that are unknown or do not go together.
func checkHistorical(query url.Values, hasSpine bool) error {
	if err := checkParameters(query, historicalParameters); err != nil {
		return err
	}
	view, service := query.Get(api.ViewParameter), query.Get(api.ServiceParameter)
	switch {
	case query.Get(api.WorkspaceParameter) == "":
		return fail(api.InvalidArgument, "parameter workspace is required")
	case view != "" && service != "":
		return fail(api.InvalidArgument, "view and service are given, want one of them")
	case view == "" && service == "":
		return fail(api.InvalidArgument, "neither view nor service is given, want one of them")
	case !hasSpine:
		return checkSpineless(query)
	}
	for _, name := range []string{api.StartTimeParameter, api.EndTimeParameter} {
		if query.Has(name) {
			return fail(api.InvalidArgument, "%s and a spine are given, want one of them", name)
		}
	}
	return nil
}

// parseFlag returns a parameter that is false if it is absent.
func parseFlag(query url.Values, name string) (bool, error) {
	text := query.Get(name)
	if text == "" {
		return false, nil
	}
	set, err := strconv.ParseBool(text)
	if err != nil {
		return false, fail(api.InvalidArgument, "%s is %q, want true or false", name, text)
	}
	return set, nil
}

// resultFormat is the one of the parameter, else the accepted one.
func resultFormat(parameter string, accept []string) (frame.Format, error) {
	if parameter == "" {
		format, err := frame.Negotiate(strings.Join(accept, ","))
		return format, invalid(err)
	}
	format, err := frame.ParseFormat(parameter)
	return format, invalid(err)
}

// bodyFormat is the one that a parameter names, else that of the body's type, else the
// default, if there is one. is says what it is the format of.
func bodyFormat(is, parameter, named, contentType string, byDefault frame.Format) (frame.Format, error) {
	if named != "" {
		format, err := frame.ParseFormat(named)
		return format, invalid(err)
	}
	format, err := frame.FormatOfMediaType(contentType)
	if err != nil {
		return "", fail(api.InvalidArgument, "%v; or name %s by the parameter %s", err, is, parameter)
	}
	if format = orDefault(format, byDefault); format == "" {
		return "", fail(api.InvalidArgument, "%s is not known: want Content-Type or the parameter %s", is, parameter)
	}
	return format, nil
}

// openSpine reads the spine's columns. The join keys among them, and the time if it is
// named, have the types that the parts need: text that looks like numbers stays text.
func openSpine(file io.ReaderAt, size, memory int64, request historicalRequest, parts []retrieve.Part) (retrieve.Spine, io.Closer, error) {
	known := retrieve.Known(parts, request.timestampKey)
	reader, err := frame.Open(file, size, request.spineFormat, frame.Options{Known: known, MemoryBytes: memory})
	if err != nil {
		return retrieve.Spine{}, nil, fmt.Errorf("read the spine: %w", err)
	}
	spine := retrieve.Spine{Schema: reader.Schema(), Next: reader.Next}
	if err = requireKeys("the spine has", spine.Schema, parts); err == nil {
		spine.Time, err = frame.Time(spine.Schema, request.timestampKey)
	}
	if err != nil {
		_ = reader.Close() // it was only read
		return retrieve.Spine{}, nil, invalid(err)
	}
	return spine, reader, nil
}

// requireKeys names the first join key that columns lack.
func requireKeys(of string, columns feature.Schema, parts []retrieve.Part) error {
	for _, p := range parts {
		for i, key := range p.Target.View.JoinKeys() {
			if _, ok := columns.Lookup(p.Keys[i]); ok {
				continue
			}
			what := "a join key of view " + p.Target.View.Name
			if key.Name != p.Keys[i] {
				what = "for join key " + key.Name + " of view " + p.Target.View.Name
			}
			return fmt.Errorf("%s no column %s, %s; it has %s", of, p.Keys[i], what, strings.Join(columns.Names(), ", "))
		}
	}
	return nil
}

// invalid makes an error one for the caller.
func invalid(err error) error {
	if err != nil {
		return fail(api.InvalidArgument, "%v", err)
	}
	return nil
}
