#!/usr/bin/env bash
# Fails when the systemd unit of examples/refserver/deploy does not verify, or lets its service do more than it should.
# Exits 77 where there is no systemd-analyze.
#
#   check_deploy.sh [source-dir]
set -euo pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
command -v systemd-analyze >/dev/null || { echo "deploy: no systemd-analyze here, skipped" >&2; exit 77; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# The program need not be installed for the rest of the unit to be right.
sed "s#^ExecStart=/usr/local/bin/openwop-refserver#ExecStart=$(command -v true)#" \
  examples/refserver/deploy/openwop-refserver.service >"$folder/openwop-refserver.service"
told=$(systemd-analyze verify --man=no "$folder/openwop-refserver.service" 2>&1) || { echo "$told" >&2; exit 1; }
[ -z "$told" ] || { echo "$told" >&2; exit 1; }

# From 0 (locked up) to 10 (all rights), times 10. Older versions cannot judge a file.
if systemd-analyze --help | grep -q -- --threshold; then
  systemd-analyze security --offline=true --threshold=20 "$folder/openwop-refserver.service" | tail -n 1
fi
