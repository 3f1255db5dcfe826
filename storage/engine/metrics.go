package engine

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	up       prometheus.Gauge
	restarts prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bridgewatch_engine_up", Help: "Whether the embedded ClickHouse answers."}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bridgewatch_engine_restarts_total", Help: "How often the embedded ClickHouse died and was started again."}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.up), reg.Register(m.restarts))
}
