package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tilery/tilery/pkg/api"
)

// decodeParams reads a get-features request, whose fields may be in snake_case or
// camelCase. Numbers of the user's keep their digits. Unknown fields are passed
// over: newer clients send options that this server has no use for.
func decodeParams(body []byte) (p api.GetFeaturesParams, err error) {
	var request, params, metadata, options fields
	if err := decodeAs("the request body", "an object", body, &request); err != nil {
		return p, err
	}
	if err := request.read("params", "an object", &params); err != nil {
		return p, err
	}
	for _, f := range []struct {
		name, want string
		into       any
	}{
		{"featureServiceName", "a string", &p.FeatureServiceName},
		{"featureViewName", "a string", &p.FeatureViewName},
		{"workspaceName", "a string", &p.WorkspaceName},
		{"joinKeyMap", "an object", (*userMap)(&p.JoinKeyMap)},
		{"requestContextMap", "an object", (*userMap)(&p.RequestContextMap)},
		{"metadataOptions", "an object", &metadata},
		{"requestOptions", "an object", &options},
	} {
		if err := params.read(f.name, f.want, f.into); err != nil {
			return p, err
		}
	}
	for _, f := range []struct {
		from fields
		name string
		into *bool
	}{
		{metadata, "includeNames", &p.MetadataOptions.IncludeNames},
		{metadata, "includeEffectiveTimes", &p.MetadataOptions.IncludeEffectiveTimes},
		{metadata, "includeDataTypes", &p.MetadataOptions.IncludeDataTypes},
		{metadata, "includeServingStatus", &p.MetadataOptions.IncludeServingStatus},
		{metadata, "includeSloInfo", &p.MetadataOptions.IncludeSloInfo},
		{options, "coerceNullCountsToZero", &p.RequestOptions.CoerceNullCountsToZero},
	} {
		if err := f.from.read(f.name, "true or false", f.into); err != nil {
			return p, err
		}
	}
	return p, nil
}

// fields are those of a JSON object, by their name in camelCase.
type fields map[string]json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (f *fields) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	for name, value := range raw {
		if !strings.Contains(name, "_") {
			continue
		}
		camel := camelCase(name)
		if _, twice := raw[camel]; twice {
			return fmt.Errorf("field `%s` is given in two spellings", camel)
		}
		raw[camel] = value
		delete(raw, name)
	}
	*f = raw
	return nil
}

// read decodes a field if it is there.
func (f fields) read(name, want string, into any) error {
	if raw, ok := f[name]; ok {
		return decodeAs("`"+name+"`", want, raw, into)
	}
	return nil
}

func camelCase(name string) string {
	parts := strings.Split(name, "_")
	for i := 1; i < len(parts); i++ {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "")
}

// userMap is an object whose fields are the user's. Its numbers keep their digits.
type userMap map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (m *userMap) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(m))
}

// decodeAs decodes JSON that a message calls name.
func decodeAs(name, want string, data []byte, into any) error {
	err := json.Unmarshal(data, into)
	if mismatch := (*json.UnmarshalTypeError)(nil); errors.As(err, &mismatch) {
		return fail(api.InvalidArgument, "Unexpected JSON type for %s. Expected %s.", name, want)
	}
	return invalidJSON(err)
}

// decodeBody decodes the body of a call whose fields have one spelling.
func decodeBody(body []byte, into any) error { return invalidJSON(json.Unmarshal(body, into)) }

func invalidJSON(err error) error {
	if err != nil {
		return fail(api.InvalidArgument, "request body is not valid JSON: %v", err)
	}
	return nil
}
