package receiver

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// result is what became of a post.
type result int

const (
	resultStored      result = iota // on disk and answered 200
	resultFull                      // 503: the bus or the spool has no room
	resultUnavailable               // 503: the bus cannot be reached
	resultBroken                    // the upload broke off, or the bridge went away
	resultTooLarge                  // 413: above MaxBody
	results
)

func (r result) String() string {
	return [results]string{"stored", "full", "unavailable", "broken", "too_large"}[r]
}

type metrics struct {
	posts        *prometheus.CounterVec
	bytes        *prometheus.CounterVec
	lastPost     *prometheus.GaugeVec
	seconds      prometheus.Histogram
	refused      *prometheus.CounterVec
	conns        prometheus.Gauge
	connsRefused *prometheus.CounterVec
}

// sourceCounters are the metrics of one source, looked up once.
type sourceCounters struct {
	posts    [results]prometheus.Counter
	bytes    prometheus.Counter
	lastPost func(time.Time)
}

func newMetrics(reg prometheus.Registerer) *metrics {
	bridge := []string{"cms_cluster", "call_bridge"}
	m := &metrics{
		posts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_receiver_posts_total",
			Help: "Bodies posted by a Call Bridge, by result: stored, full, unavailable, broken, too_large.",
		}, append(bridge, "result")),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_receiver_bytes_total",
			Help: "Bytes of the bodies that were stored.",
		}, bridge),
		lastPost: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bridgewatch_receiver_last_post_timestamp_seconds",
			Help: "When a body of the Call Bridge was last stored; absent before the first.",
		}, bridge),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bridgewatch_receiver_post_duration_seconds",
			Help:    "Time from the header of a post to its answer, for those stored.",
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_receiver_refused_requests_total",
			Help: "Requests answered 404, by reason: path, token, method, address.",
		}, []string{"reason"}),
		conns: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bridgewatch_receiver_connections",
			Help: "Open connections.",
		}),
		connsRefused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridgewatch_receiver_refused_connections_total",
			Help: "Connections closed as they came, by reason: total, per_address, address.",
		}, []string{"reason"}),
	}
	// Series that are there from the start let increase() see their first event.
	for _, reason := range []string{"path", "token", "method", "address"} {
		m.refused.WithLabelValues(reason)
	}
	for _, reason := range []string{"total", "per_address", "address"} {
		m.connsRefused.WithLabelValues(reason)
	}
	if reg != nil {
		reg.MustRegister(m.posts, m.bytes, m.lastPost, m.seconds, m.refused, m.conns, m.connsRefused)
	}
	return m
}

// of gives the metrics of a source. Its last post has no value, and so no series, until there is one.
func (m *metrics) of(s Source) sourceCounters {
	c := sourceCounters{
		bytes: m.bytes.WithLabelValues(s.Cluster, s.Name),
		lastPost: func(t time.Time) {
			m.lastPost.WithLabelValues(s.Cluster, s.Name).Set(float64(t.UnixMilli()) / 1000)
		},
	}
	for r := range results {
		c.posts[r] = m.posts.WithLabelValues(s.Cluster, s.Name, r.String())
	}
	return c
}

// sampledLog writes a frequent line at most once a second, with the number of those left out: strangers must not fill the log.
type sampledLog struct {
	next    atomic.Int64 // Unix nanoseconds before which lines are only counted
	skipped atomic.Int64
}

func (l *sampledLog) warn(log *slog.Logger, msg string, args ...any) {
	now, next := time.Now().UnixNano(), l.next.Load()
	if now < next || !l.next.CompareAndSwap(next, now+int64(time.Second)) {
		l.skipped.Add(1)
		return
	}
	log.Warn(msg, append(args, "left_out", l.skipped.Swap(0))...)
}
