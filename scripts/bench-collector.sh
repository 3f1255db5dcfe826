#!/usr/bin/env bash
# A collector alone with 24 simulated bridges of another process: processor, memory, requests in flight, scrape; then with one bridge dead and one hanging.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-180}
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT
./bin/cmssim --bridges 24 --preroll 30m --control 127.0.0.1:18990 --cdr-listen 127.0.0.1:18991 --write-config "$dir/bridgewatch.yml" >"$dir/sim.log" 2>&1 &
for _ in $(seq 100); do [ -s "$dir/bridgewatch.yml" ] && break; sleep 0.2; done
sed -i 's/poll_interval: .*/poll_interval: 30s/' "$dir/bridgewatch.yml"
grep -q '^http:' "$dir/bridgewatch.yml" && sed -i 's/^http:.*/http: {listen: "127.0.0.1:18992"}/' "$dir/bridgewatch.yml" || echo 'http: {listen: "127.0.0.1:18992"}' >>"$dir/bridgewatch.yml"
./bin/bridgewatch serve -c "$dir/bridgewatch.yml" --role collect >"$dir/serve.log" 2>&1 &
pid=$!
for _ in $(seq 100); do curl -sf http://127.0.0.1:18992/metrics >/dev/null && break; sleep 0.2; done
sleep 60 # the first round reads everything
tick=$(getconf CLK_TCK)
used() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
measure() {
  local from to
  from=$(used); sleep "$seconds"; to=$(used)
  awk -v what="$1" -v ticks=$((to - from)) -v tick="$tick" -v s="$seconds" -v rss="$(awk '/VmRSS/{print $2}' "/proc/$pid/status")" \
    'BEGIN{printf "%s: %.2f %% of one core, %.0f MiB resident\n", what, 100 * ticks / tick / s, rss / 1024}'
}
measure "24 bridges, 30 s"
for _ in 1 2 3 4 5; do curl -s -o "$dir/metrics" -w 'scrape: %{time_total} s, %{size_download} bytes\n' http://127.0.0.1:18992/metrics; done | sort | tail -3
grep -c '^cms_call_bridge_up{.*} 1' "$dir/metrics" | sed 's/$/ bridges up/'
control=http://127.0.0.1:18990
stats() { curl -s $control/bridges | python3 -c '
import json, sys
b = json.load(sys.stdin)
print(max(x["API"]["MaxInFlight"] for x in b), *(sum(x["API"]["Requests"].values()) for x in b[2:]))'; }
read -r in_flight _ < <(stats)
echo "requests in flight at one bridge: never more than $in_flight"
mapfile -t names < <(curl -s $control/bridges | python3 -c 'import json, sys; [print(x["Name"]) for x in json.load(sys.stdin)]')
curl -sf -X PUT "$control/bridges/${names[0]}/faults" -d '{"Down":true}'
curl -sf -X PUT "$control/bridges/${names[1]}/faults" -d '{"Hang":true}'
sleep 90
before=$(stats); sleep 60; after=$(stats)
python3 - "$before" "$after" <<'P'
import sys
b, a = ([int(x) for x in t.split()[1:]] for t in sys.argv[1:])
made = [y - x for x, y in zip(b, a)]
print(f"one bridge dead, one hanging: the other {len(made)} answered {min(made)} to {max(made)} requests each in a minute")
P
curl -s http://127.0.0.1:18992/metrics | grep -c '^cms_call_bridge_up{.*} 1' | sed 's/$/ bridges up of 24/'
grep -c 'level=ERROR' "$dir/serve.log" | sed 's/$/ errors logged/' || true
