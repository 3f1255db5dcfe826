#!/usr/bin/env bash
# Installs libchdb into CACHE/VERSION: npm ci into a folder of its own, then one rename, so that an interrupted or a second, simultaneous
# run leaves nothing half-made. Usage: install.sh CACHE VERSION
set -euo pipefail
cache=$1 version=$2
here=$(cd "$(dirname "$0")" && pwd)
command -v npm >/dev/null || { echo "npm is needed to fetch the embedded ClickHouse; install it, or set clickhouse.url to a server of yours" >&2; exit 1; }
mkdir -p "$cache"
work=$(mktemp -d "$cache/.install.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$work"/
echo "fetching the embedded ClickHouse $version …"
(cd "$work" && npm ci --no-audit --no-fund --loglevel=error)
library=$(find "$work/node_modules" -name 'libchdb.so' -o -name 'libchdb.dylib' | head -n 1)
[ -n "$library" ] || { echo "the package for this platform has no library; see storage/engine/npm/package.json" >&2; exit 1; }
mkdir "$work/done"
mv "$library" "$work/done/libchdb.so"
mv -T "$work/done" "$cache/$version" 2>/dev/null || mv "$work/done" "$cache/$version" 2>/dev/null || [ -f "$cache/$version/libchdb.so" ]
echo "installed in $cache/$version"
