#!/usr/bin/env bash
# Shows by a trace of system calls that a body is synced to the disk between its arrival and its 200: what no kill -9 can show, since the page cache
# survives that. Needs strace (apt-get install strace).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v strace >/dev/null || { echo "strace is not installed: apt-get install strace" >&2; exit 1; }
exec "${GO:-go}" test ./cdr/receiver -count=1 -v -run '^TestSyncBeforeAnswer$'
