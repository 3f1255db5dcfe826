#!/bin/sh
# Runs every query of every panel against a demo and a Prometheus that scrapes it; writes docs/dashboards.md.
# Needs: bin/bridgewatch, prometheus. Takes SECONDS_TO_FILL (default 240) seconds, and port 19090 besides the demo's.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
pids=""
trap 'for p in $pids; do kill "$p" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT INT TERM

./bin/bridgewatch demo --for 1h --bridges 3 --data "$work/data" >"$work/demo.log" 2>&1 &
pids="$!"
mkdir "$work/rules"
cp alerts/rules/*.yml "$work/rules"
cat >"$work/prometheus.yml" <<CONFIG
global: {scrape_interval: 5s, evaluation_interval: 15s}
rule_files: ["$work/rules/*.yml"]
scrape_configs: [{job_name: bridgewatch, static_configs: [{targets: ["127.0.0.1:8800"]}]}]
CONFIG
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address=127.0.0.1:19090 >"$work/prometheus.log" 2>&1 &
pids="$pids $!"
sleep "${SECONDS_TO_FILL:-240}"
BRIDGEWATCH_TEST_PROMETHEUS_URL=http://127.0.0.1:19090 BRIDGEWATCH_TEST_DASHBOARD_CLICKHOUSE_URL=http://127.0.0.1:8802 \
	go test ./dashboards/grafana -count=1 -run TestLive -update
