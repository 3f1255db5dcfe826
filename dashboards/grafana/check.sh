#!/bin/sh
# Runs every query of every panel against a demo and a Prometheus that scrapes it; writes docs/dashboards.md.
# Needs: bin/bridgewatch, prometheus. Takes SECONDS_TO_FILL (default 360: bridges log their figures every five minutes) seconds, and port 19090 (PROMETHEUS_PORT).
# DEMO_FLAGS go to the demo. DRAW is a command that is run with both running, for pictures: it gets the addresses of Prometheus and ClickHouse.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
pids=""
trap 'for p in $pids; do kill "$p" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT INT TERM

# shellcheck disable=SC2086 # flags are words
./bin/bridgewatch demo --for 2h --bridges 3 --data "$work/data" ${DEMO_FLAGS:-} >"$work/demo.log" 2>&1 &
pids="$!"
address() { sed -n "s#^ *$1  *http://\([^/]*\)/.*#\1#p" "$work/demo.log"; }
for _ in $(seq 120); do
	[ -n "$(address metrics)" ] && break
	sleep 1
done
[ -n "$(address metrics)" ] || { cat "$work/demo.log" >&2; exit 1; }
mkdir "$work/rules"
cp alerts/rules/*.yml "$work/rules"
cat >"$work/prometheus.yml" <<CONFIG
global: {scrape_interval: 5s, evaluation_interval: 15s}
rule_files: ["$work/rules/*.yml"]
scrape_configs: [{job_name: bridgewatch, static_configs: [{targets: ["$(address metrics)"]}]}]
CONFIG
prometheus=127.0.0.1:${PROMETHEUS_PORT:-19090}
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address="$prometheus" >"$work/prometheus.log" 2>&1 &
pids="$pids $!"
sleep "${SECONDS_TO_FILL:-360}"
status=0
BRIDGEWATCH_TEST_PROMETHEUS_URL=http://$prometheus BRIDGEWATCH_TEST_DASHBOARD_CLICKHOUSE_URL=http://$(address ClickHouse) \
	go test ./dashboards/grafana -count=1 -run TestLive -update || status=$?
if [ -n "${DRAW:-}" ]; then
	$DRAW "http://$prometheus" "http://$(address ClickHouse)"
fi
exit "$status"
