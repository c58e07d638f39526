package feature

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Offset is a length of time that lies before something: zero, negative, or
// Unbounded. Its text form is a minus sign and a Duration, for instance "-7d",
// or "unbounded".
type Offset time.Duration

// Unbounded reaches back to the beginning of time.
const Unbounded Offset = math.MinInt64

// String renders any o.
func (o Offset) String() string {
	if o == Unbounded {
		return "unbounded"
	}
	return Duration(o).String()
}

// MarshalText implements encoding.TextMarshaler.
func (o Offset) MarshalText() ([]byte, error) {
	if o != Unbounded && !Duration(-o).writable() {
		return nil, fmt.Errorf("offset %s is not a whole number of seconds from -%s to 0s", o, Duration(maxDuration))
	}
	return []byte(o.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Offset) UnmarshalText(text []byte) error {
	if string(text) == "unbounded" {
		*o = Unbounded
		return nil
	}
	length, negative := strings.CutPrefix(string(text), "-")
	var d Duration
	if err := d.UnmarshalText([]byte(length)); err != nil || !negative && d != 0 {
		return fmt.Errorf("offset %q is not of the form -7d, -1h30m, 0s or unbounded", text)
	}
	*o = Offset(-d)
	return nil
}

// UnmarshalText takes the name of a source alone.
func (s *ViewSource) UnmarshalText(text []byte) error {
	*s = ViewSource{Source: string(text)}
	return nil
}

// UnmarshalJSON takes a name or an object.
func (s *ViewSource) UnmarshalJSON(data []byte) error {
	type plain ViewSource // without UnmarshalJSON
	return unmarshalNamed(data, &s.Source, (*plain)(s))
}

// UnmarshalText takes the name of a view alone.
func (s *ServiceFeatures) UnmarshalText(text []byte) error {
	*s = ServiceFeatures{FeatureView: string(text)}
	return nil
}

// UnmarshalJSON takes a name or an object.
func (s *ServiceFeatures) UnmarshalJSON(data []byte) error {
	type plain ServiceFeatures
	return unmarshalNamed(data, &s.FeatureView, (*plain)(s))
}

func unmarshalNamed(data []byte, name *string, object any) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte{'"'}) {
		return json.Unmarshal(data, name)
	}
	return json.Unmarshal(data, object)
}
