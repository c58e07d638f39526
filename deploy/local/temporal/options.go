package temporal

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	enumspb "go.temporal.io/api/enums/v1"
)

// Options says where a server keeps its state and where it listens.
type Options struct {
	// DataDir holds the database; it is created when missing. Required.
	DataDir string
	// FrontendPort is the gRPC port that clients dial; 0 takes a free one. It may
	// differ between runs over the same directory.
	FrontendPort int
	// UIPort is the port of the web UI; 0 takes a free one, below 0 there is no UI.
	UIPort int
	// Namespace is created when missing, with a retention of 30 days. Empty means
	// "default".
	Namespace string
	// SearchAttributes are added to the namespace when missing.
	SearchAttributes map[string]enumspb.IndexedValueType
	// Logger gets the server's errors, until Stop; nil means slog.Default.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.DataDir == "" {
		return o, errors.New("no data directory")
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return o, fmt.Errorf("data directory %s: %w", o.DataDir, err)
	}
	o.DataDir = dir
	const maxPort = 1<<16 - 1
	if o.FrontendPort < 0 || o.FrontendPort > maxPort {
		return o, fmt.Errorf("frontend port %d is not in 0..%d", o.FrontendPort, maxPort)
	}
	if o.UIPort > maxPort {
		return o, fmt.Errorf("UI port %d is above %d", o.UIPort, maxPort)
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}
