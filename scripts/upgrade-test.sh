#!/usr/bin/env bash
# Rehearses an upgrade from an earlier commit (the newest tag before this one; without tags, the commit before) to the work tree:
#   1. the earlier program writes a data folder: a demo with a day of history;
#   2. this program brings it up to date, makes all facts anew from the raw bodies, and answers for every view what the earlier one answered;
#   3. both side by side on one NATS server, one after the other killed, lose nothing (TestInstanceKilled).
# Usage: upgrade-test.sh [COMMIT]. Exit status 1 where anything differs.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
from=${1:-$(git describe --tags --abbrev=0 HEAD^ 2>/dev/null || git rev-parse HEAD^)}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/source" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add -q --detach "$work/source" "$from"
(cd "$work/source" && go build -o "$work/old" ./cmd/bridgewatch)
go build -o "$work/new" ./cmd/bridgewatch
echo "upgrade from $(git log -1 --format='%h %s' "$from") to $(git describe --always --dirty)"

"$work/old" --log-level error demo --for 45s --speed 30 --seed 5 --backfill 1d --data "$work/data" > "$work/demo.log"
config=$work/data/bridgewatch.yml
sql() { "$work/$1" --log-level error sql -c "$config" "$2"; }

# One row a view: how many rows, and a hash over all columns that the earlier version has. Views with parameters are left out, and what goes on by itself.
question=$(sql old "SELECT arrayStringConcat(groupArray('SELECT \\'' || table || '\\' AS view, count() AS rows, sum(cityHash64(toString(tuple(' || columns || ')))) AS hash FROM bridgewatch.' || table), ' UNION ALL ') || ' FORMAT TSVRaw'
  FROM (SELECT table, arrayStringConcat(groupArray('\`' || name || '\`'), ', ') AS columns FROM system.columns
    WHERE database = 'bridgewatch' AND table IN (SELECT name FROM system.tables WHERE database = 'bridgewatch' AND engine = 'View' AND create_table_query NOT LIKE '%{%:%}%')
    GROUP BY table ORDER BY table) FORMAT TSVRaw")
replay() { "$work/$1" --log-level error replay -c "$config" --from 2000-01-01 --to 2100-01-01; }
replay old > "$work/replay.before" # and what still lay on the bus is stored
sql old "$question" | sort > "$work/before.tsv"
sql old "SELECT version_id FROM goose_db_version ORDER BY version_id FORMAT TSV" > "$work/schema.before"

replay new > "$work/replay.log" # it migrates first
sql new "$question" | sort > "$work/after.tsv"
sql new "SELECT version_id FROM goose_db_version ORDER BY version_id FORMAT TSV" > "$work/schema.after"

echo "schema      $(sort -u "$work/schema.before" | wc -l) migrations before, $(sort -u "$work/schema.after" | wc -l) after"
echo "replay      $(tail -n 1 "$work/replay.log")"
echo "views       $(wc -l < "$work/before.tsv"), with $(awk '{n += $2} END {print n}' "$work/before.tsv") rows"
status=0
if diff "$work/before.tsv" "$work/after.tsv" > "$work/difference"; then
  echo "differences none"
else
  echo "differences (view, rows, hash; < before, > after):"
  cat "$work/difference"
  status=1
fi
if [ "${UPGRADE_SIDE_BY_SIDE:-yes}" = yes ]; then
  BRIDGEWATCH_E2E_ROUNDS=2 BRIDGEWATCH_E2E_OLD="$work/old" go test ./internal/app -count=1 -timeout 20m -run TestInstanceKilled -v | grep -E 'round|---|FAIL|^ok' || status=1
fi
exit $status
