package bus

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	published *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	errors    *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	pending   *prometheus.GaugeVec
	pendBytes *prometheus.GaugeVec
	budget    *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_bus_published_total",
			Help: "Bodies, rows or dead letters that the broker acknowledged.",
		}, []string{"stream"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_bus_published_bytes_total",
			Help: "Bytes of the messages that the broker acknowledged.",
		}, []string{"stream"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_bus_publish_errors_total",
			Help: "Publishes that were not acknowledged, by reason: full, unavailable, canceled, invalid.",
		}, []string{"stream", "reason"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bridgewatch_bus_publish_duration_seconds",
			Help:    "Time from sending a message to the acknowledgement of its synced write.",
			Buckets: []float64{0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}, []string{"stream"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bridgewatch_bus_pending_messages",
			Help: "Messages in the stream that the writer has not acknowledged yet.",
		}, []string{"stream"}),
		pendBytes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bridgewatch_bus_pending_bytes",
			Help: "Bytes on disk of the messages that the writer has not acknowledged yet.",
		}, []string{"stream"}),
		budget: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bridgewatch_bus_budget_bytes",
			Help: "Bytes at which the stream refuses more.",
		}, []string{"stream"}),
	}
	// Series that are there from the start let increase() see their first event.
	for _, s := range Streams() {
		m.published.WithLabelValues(string(s))
		m.bytes.WithLabelValues(string(s))
		for _, reason := range []string{"full", "unavailable", "canceled", "invalid"} {
			m.errors.WithLabelValues(string(s), reason)
		}
	}
	if reg != nil {
		reg.MustRegister(m.published, m.bytes, m.errors, m.seconds, m.pending, m.pendBytes, m.budget)
	}
	return m
}

func (m *metrics) stored(s Stream, n, size int, took time.Duration) {
	m.published.WithLabelValues(string(s)).Add(float64(n))
	m.bytes.WithLabelValues(string(s)).Add(float64(size))
	m.seconds.WithLabelValues(string(s)).Observe(took.Seconds())
}

func (m *metrics) failed(s Stream, err error) {
	reason := "invalid"
	switch {
	case errors.Is(err, ErrFull):
		reason = "full"
	case errors.Is(err, ErrUnavailable):
		reason = "unavailable"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		reason = "canceled"
	}
	m.errors.WithLabelValues(string(s), reason).Inc()
}

func (m *metrics) backlog(all map[Stream]Stats) {
	for name, s := range all {
		m.pending.WithLabelValues(string(name)).Set(float64(s.Messages))
		m.pendBytes.WithLabelValues(string(name)).Set(float64(s.Bytes))
		m.budget.WithLabelValues(string(name)).Set(float64(s.Budget))
	}
}
