package subscriber

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a connection ended or did not come about: the closed set of the label reason.
const (
	reasonUnreachable = "unreachable" // no connection, or it broke
	reasonTLS         = "tls"
	reasonAuth        = "auth"        // the credentials were refused
	reasonBusy        = "busy"        // 503
	reasonUnsupported = "unsupported" // the release has no events
	reasonToken       = "token"       // no token in the answer, or another status
	reasonUpgrade     = "upgrade"     // the token or the upgrade was refused
	reasonClosed      = "closed"      // by the bridge, after a while
	reasonProtocol    = "protocol"    // what it sent cannot be understood, or was too large
	reasonUnanswered  = "unanswered"  // a request was not acknowledged in time, or not with success
	reasonOverrun     = "overrun"     // more came than we could look at or acknowledge
)

func reasons() []string {
	return []string{reasonUnreachable, reasonTLS, reasonAuth, reasonBusy, reasonUnsupported, reasonToken, reasonUpgrade, reasonClosed, reasonProtocol,
		reasonUnanswered, reasonOverrun}
}

// metrics are about the subscriber itself.
type metrics struct {
	messages, failures, rest *prometheus.CounterVec
	requests, oddities       *prometheus.CounterVec
	dropped                  prometheus.Counter
	subscriptions            *prometheus.GaugeVec
}

func newMetrics() metrics {
	bridge := []string{"cms_cluster", "call_bridge"}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append(bridge[:2:2], labels...))
	}
	return metrics{
		messages: counter("bridgewatch_events_messages_total", "Messages that bridges sent over the events WebSocket, each acknowledged."),
		requests: counter("bridgewatch_events_requests_total", "Requests sent over the events WebSocket: subscriptions, and probes after silence."),
		failures: counter("bridgewatch_events_connection_failures_total", "Events connections that ended or did not come about, by reason.", "reason"),
		oddities: counter("bridgewatch_events_oddities_total", "What came over the events WebSocket and does not fit what is known of the protocol: elements or entries that were left out, missing numbers, what is beyond limits.", "kind"),
		rest:     counter("bridgewatch_events_rest_lists_total", "Lists read over REST beside the events, by result.", "result"),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bridgewatch_events_rows_dropped_total", Help: "Rows of events that the bus did not take for so long that they were given up.",
		}),
		subscriptions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bridgewatch_events_calls_unsubscribed", Help: "Calls of the bridge whose participants do not come by events (above the ceiling, deferred or pending for long) and are read over REST.",
		}, bridge),
	}
}

func oddities() []string { return []string{"odd", "hole", "unknown", "ignored"} }

// prepare makes the series of a bridge, so that they are there with 0.
func (m metrics) prepare(cluster, bridge string) {
	m.messages.WithLabelValues(cluster, bridge)
	m.requests.WithLabelValues(cluster, bridge)
	for _, reason := range reasons() {
		m.failures.WithLabelValues(cluster, bridge, reason)
	}
	for _, kind := range oddities() {
		m.oddities.WithLabelValues(cluster, bridge, kind)
	}
	for _, result := range []string{"ok", "failed"} {
		m.rest.WithLabelValues(cluster, bridge, result)
	}
}

func (m metrics) register(to prometheus.Registerer) error {
	return errors.Join(to.Register(m.messages), to.Register(m.requests), to.Register(m.failures), to.Register(m.oddities), to.Register(m.rest),
		to.Register(m.dropped), to.Register(m.subscriptions))
}
