// Package api serves people and Prometheus over one HTTP listener: metrics, health, the JSON API with its OpenAPI document,
// runbooks and a landing page. It only reads, and never calls a Call Bridge.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/bridgewatch/bridgewatch/dashboards/report"
)

// Config is where and how the listener serves.
type Config struct {
	// Listen is the address for people and Prometheus, host:port.
	Listen string
	// WebConfig is the path of a Prometheus exporter-toolkit web configuration file (TLS, basic auth); empty for plain HTTP.
	WebConfig string
	// QueryTimeout bounds one API request; zero means 30 s.
	QueryTimeout time.Duration
}

// Deps are the readers behind the listener. Nil fields leave their paths out.
type Deps struct {
	// Store answers the queries of the API; it gives nil for as long as the store cannot be reached.
	Store func() Store
	// Live is the picture that events give of this moment; nil where they are not followed.
	Live Live
	// Metrics serves /metrics.
	Metrics http.Handler
	// Runbooks serves /runbooks/.
	Runbooks http.Handler
	// Readiness says what is not ready, an empty slice when all is, and what this instance holds.
	Readiness func() (missing []string, holds map[string][]string)
	// Bridges are the configured bridges, which are listed even where nothing is known of them.
	Bridges []BridgeName
	// Pools are the license pools that can be asked about.
	Pools []report.Pool
	// Listener is an open listener to serve on, for a caller that needs the port before Run; nil opens Config.Listen.
	Listener net.Listener
	Log      *slog.Logger
}

// BridgeName is a bridge by its names in the configuration.
type BridgeName struct{ Cluster, Bridge string }

// Server is the listener for people and Prometheus.
type Server struct {
	cfg   Config
	deps  Deps
	ready chan struct{}

	records *records // of live calls
}

// New makes a Server; it does nothing before Run.
func New(cfg Config, deps Deps) *Server {
	if cfg.QueryTimeout == 0 {
		cfg.QueryTimeout = 30 * time.Second
	}
	return &Server{cfg: cfg, deps: deps, ready: make(chan struct{}), records: newRecords(cfg.QueryTimeout)}
}

// Ready is closed once the listener is open.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends, then lets requests under way finish for a moment.
func (s *Server) Run(ctx context.Context) error {
	if err := web.Validate(s.cfg.WebConfig); err != nil {
		return fmt.Errorf("http.web_config %s: %w", s.cfg.WebConfig, err)
	}
	listener := s.deps.Listener
	if listener == nil {
		var err error
		if listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen); err != nil {
			return fmt.Errorf("http.listen: %w", err)
		}
	}
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.deps.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		served <- web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &s.cfg.WebConfig}, s.deps.Log)
	}()
	close(s.ready)
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.cfg.Listen, err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down %s: %w", s.cfg.Listen, err)
	}
	return ctx.Err()
}
