#!/usr/bin/env bash
# Fails when docs/conformance.md or SECURITY.md names a test that does not exist. In their tables, text in double quotes
# is a test's name.
#
#   check_conformance.sh [source-dir]
set -euo pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

# The names of all test cases, one a line; a name may be split over several literals.
test_names() {
  cat test/*/*_test.cpp | tr '\n' ' ' | grep -oE 'TEST_CASE\( *("[^"]*" *)+' | sed -E 's/^TEST_CASE\( *"//; s/" *"//g; s/" *$//'
}

missing=$(grep -h '^|' docs/conformance.md SECURITY.md | grep -oE '"[^"]+"' | tr -d '"' | LC_ALL=C sort -u |
  LC_ALL=C comm -23 - <(test_names | LC_ALL=C sort -u))
if [ -n "$missing" ]; then
  echo "docs/conformance.md or SECURITY.md names tests that do not exist:" >&2
  sed 's/^/  /' <<<"$missing" >&2
  exit 1
fi
echo "conformance: $(grep '^|' docs/conformance.md | grep -coE '"[^"]+"') rows with tests that exist"
