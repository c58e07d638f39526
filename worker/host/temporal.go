package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/tilery/tilery/pkg/config"
	"github.com/tilery/tilery/workflows"
)

// connect dials the Temporal server and makes sure that it knows the search
// attributes, which workflows set at their start.
func (h *Host) connect(ctx context.Context, c config.Temporal) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	logger := slog.New(onlyWarnings{h.logger.Handler()})
	dialed, err := client.DialContext(ctx, client.Options{
		HostPort: c.Address, Namespace: c.Namespace, Logger: sdklog.NewStructuredLogger(logger),
	})
	if err != nil {
		return fmt.Errorf("connect to Temporal at %s, is it running?: %w", c.Address, err)
	}
	h.temporal = dialed
	return addSearchAttributes(ctx, dialed, c.Namespace)
}

// SearchAttributes are what the server must know, by name.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	out := map[string]enumspb.IndexedValueType{}
	for _, name := range []string{
		workflows.SearchWorkspace.GetName(), workflows.SearchFeatureView.GetName(), workflows.SearchJobType.GetName(),
	} {
		out[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	return out
}

func addSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	operator := c.OperatorService()
	known, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list search attributes of namespace %s: %w", namespace, err)
	}
	missing := SearchAttributes()
	for name := range known.GetCustomAttributes() {
		delete(missing, name)
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	var exists *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &exists) { // another worker was faster
		return fmt.Errorf("add search attributes to namespace %s: %w", namespace, err)
	}
	return nil
}

// onlyWarnings keeps the SDK's chatter out of the log.
type onlyWarnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h onlyWarnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}
