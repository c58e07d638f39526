package temporal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/temporal"
)

// Server is a running Temporal server with its UI.
type Server struct {
	lock     *dirLock
	log      *serverLog
	services temporal.Server
	ui       *uiserver.Server // nil without a UI
	ports    ports
}

// Start starts a server over o.DataDir and returns when it serves. The context
// bounds the start only; a running server is ended with Stop. An error leaves
// nothing running and the directory free.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start temporal in %s: %w", o.DataDir, err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (_ *Server, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.DataDir, 0o755); err != nil {
		return nil, err
	}
	s := &Server{log: newServerLog(o.Logger)}
	if s.lock, err = lockDir(o.DataDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	if err := prepareDatabase(ctx, databasePath(o.DataDir), o.Namespace); err != nil {
		return nil, err
	}
	if s.ports, err = reservePorts(o.FrontendPort, o.UIPort); err != nil {
		return nil, err
	}
	services, err := newServices(o.DataDir, s.ports, s.log)
	if err != nil {
		return nil, err
	}
	s.services = services
	if err := services.Start(); err != nil {
		return nil, err
	}
	if err := readyNamespace(ctx, s.HostPort(), o.Namespace, o.SearchAttributes); err != nil {
		return nil, err
	}
	if s.ports.ui == 0 {
		return s, nil
	}
	return s, s.startUI(ctx, o.Namespace)
}

// HostPort is the address that clients dial, as 127.0.0.1:port.
func (s *Server) HostPort() string { return hostPort(s.ports.frontend) }

// UIURL is the address of the web UI, without a final slash; empty without a UI.
func (s *Server) UIURL() string {
	if s.ports.ui == 0 {
		return ""
	}
	return "http://" + hostPort(s.ports.ui)
}

// Stop ends the UI and the server, waits for both (about a second), and frees
// the directory. Work in flight goes on at the next start. Stop is called once.
func (s *Server) Stop() {
	s.log.silence()
	if s.ui != nil {
		s.ui.Stop()
	}
	if s.services != nil {
		if err := s.services.Stop(); err != nil {
			s.log.out.Error("stop temporal", "error", err)
		}
	}
	s.lock.release()
}

// startUI returns when the UI answers. Its Start method blocks until Stop.
func (s *Server) startUI(ctx context.Context, namespace string) error {
	s.ui = uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		Host:                loopback,
		Port:                s.ports.ui,
		TemporalGRPCAddress: s.HostPort(),
		DefaultNamespace:    namespace,
		EnableUI:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain HTTP, on loopback
		HideLogs:            true,
		DisableNewsFetch:    true,
	}))
	stopped := make(chan error, 1)
	go func() { stopped <- s.ui.Start() }()
	for {
		err := get(ctx, s.UIURL()+"/healthz")
		if err == nil {
			return nil
		}
		select {
		case err := <-stopped:
			return fmt.Errorf("UI ended while starting: %w", errors.Join(err, ctx.Err()))
		case <-ctx.Done():
			return fmt.Errorf("wait for the UI: %w", errors.Join(ctx.Err(), err))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return nil
}
