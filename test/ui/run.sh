#!/usr/bin/env bash
# Tests the timeline page in headless Chromium. Needs chromium, node (18 or newer) and npm, which installs what
# package-lock.json names into the build folder. Without them: a failure when CI is set, a loud skip (77) otherwise.
#
#   run.sh BUILD_DIR [PICTURE.png]
set -euo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build_dir=$(cd "$1" && pwd)
picture=${2:+$(realpath -m "$2")}
work_dir=$build_dir/ui-test

give_up() {
  echo "the timeline page is NOT TESTED: $1" >&2
  [ -z "${CI:-}" ] || exit 1
  exit 77
}

chromium=$(command -v chromium || command -v chromium-browser || true)
[ -n "$chromium" ] || give_up "there is no chromium; on Debian: apt-get install chromium nodejs npm"
command -v node >/dev/null || give_up "there is no node; on Debian: apt-get install nodejs npm"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || give_up "node is older than 18"

mkdir -p "$work_dir"
if ! cmp -s "$source_dir/test/ui/package-lock.json" "$work_dir/installed-lock.json"; then
  command -v npm >/dev/null || give_up "there is no npm; on Debian: apt-get install npm"
  cp "$source_dir/test/ui/package.json" "$source_dir/test/ui/package-lock.json" "$work_dir/"
  (cd "$work_dir" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) ||
    { cat "$work_dir/npm.log" >&2; give_up "npm ci failed"; }
  cp "$source_dir/test/ui/package-lock.json" "$work_dir/installed-lock.json"
fi

# Imports are resolved from where a file lies, so the tests go beside what they import.
cp "$source_dir"/test/ui/*.mjs "$work_dir/"
cd "$work_dir"
rm -f failed-*.png
exec node timeline_test.mjs "$build_dir/bin/openwop-refserver" "$source_dir" "$chromium" ${picture:+"$picture"}
