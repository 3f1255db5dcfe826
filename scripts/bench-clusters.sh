#!/usr/bin/env bash
# 1, 10, 50 and 100 simulated clusters of 8 bridges with hardly any meetings, polled by one collector: series, memory, processor and scrape, and where it bends.
# The simulator is a process of its own on the same processors. CLUSTERS names other sizes, SECONDS_EACH how long each is measured.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-60}
tick=$(getconf CLK_TCK)
dir=$(mktemp -d)
stop() { kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; }
trap 'stop; rm -rf "$dir"' EXIT
used() { awk '{print $14 + $15}' "/proc/$1/stat"; }
echo "clusters bridges up series series/bridge resident_MiB KiB/bridge core_% requests/s ms_cpu/request scrape_ms scrape_MB simulator_core_%"
for clusters in ${CLUSTERS:-1 10 50 100}; do
  bridges=$((clusters * 8))
  rm -rf "${dir:?}"/*
  ./bin/cmssim --clusters "$clusters" --bridges 8 --volume 0.02 --preroll 10m --control 127.0.0.1:18990 --cdr-listen 127.0.0.1:18991 --write-config "$dir/bridgewatch.yml" >"$dir/sim.log" 2>&1 &
  simulator=$!
  for _ in $(seq 300); do [ -s "$dir/bridgewatch.yml" ] && break; sleep 0.2; done
  sed -i 's/poll_interval: .*/poll_interval: 30s/; s/^http:.*/http: {listen: "127.0.0.1:18992"}/' "$dir/bridgewatch.yml"
  ./bin/bridgewatch serve -c "$dir/bridgewatch.yml" --role collect >"$dir/serve.log" 2>&1 &
  pid=$!
  for _ in $(seq 300); do curl -sf http://127.0.0.1:18992/-/healthy >/dev/null && break; sleep 0.2; done
  sleep 90 # the first round reads everything
  asked() { curl -s http://127.0.0.1:18990/bridges | python3 -c 'import json,sys; print(sum(sum((b["API"]["Requests"] or {}).values()) for b in json.load(sys.stdin)))'; }
  c0=$(used $pid) s0=$(used $simulator) r0=$(asked)
  sleep "$seconds"
  c1=$(used $pid) s1=$(used $simulator) r1=$(asked)
  scrape=$(for _ in 1 2 3 4 5; do curl -s -o "$dir/metrics" -w '%{time_total}\n' http://127.0.0.1:18992/metrics; done | sort -n | sed -n 3p)
  up=$(grep -c '^cms_call_bridge_up{.*} 1' "$dir/metrics" || true)
  series=$(grep -vc '^#' "$dir/metrics")
  awk -v n="$clusters" -v b=$bridges -v up="$up" -v series="$series" -v rss="$(awk '/VmRSS/{print $2}' /proc/$pid/status)" -v cpu=$((c1 - c0)) -v sim=$((s1 - s0)) \
    -v req=$((r1 - r0)) -v tick="$tick" -v s="$seconds" -v scrape="$scrape" -v bytes="$(stat -c %s "$dir/metrics")" \
    'BEGIN{printf "%d %d %d %d %.0f %.0f %.0f %.1f %.1f %.2f %.0f %.2f %.1f\n", n, b, up, series, series/b, rss/1024, rss/b, 100*cpu/tick/s, req/s, req ? 1000*cpu/tick/req : 0, 1000*scrape, bytes/1e6, 100*sim/tick/s}'
  stop
done
