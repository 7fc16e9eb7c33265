#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages that a task needs and that are missing; does nothing when none is.
#
#   install-deps.sh run        build and start the reference server
#   install-deps.sh test       run + tests and benchmarks (default)
#   install-deps.sh lint       clang-format and clang-tidy
#   install-deps.sh all
set -euo pipefail

run=(g++ make cmake ninja-build pkg-config
  librocksdb-dev libsimdjson-dev rapidjson-dev libvalijson-dev libcpp-httplib-dev libfmt-dev libre2-dev libssl-dev
  libcurl4-openssl-dev libpq-dev)
tests=(build-essential ccache catch2 libbenchmark-dev curl openssl postgresql)
lint=(clang clang-format clang-tidy)

# The tests of the timeline page. Elsewhere than on Debian these packages are not what they are called, or not there;
# what is installed already may come from anywhere.
if [ -r /etc/os-release ] && [ "$(. /etc/os-release && echo "${ID:-}")" = debian ]; then
  command -v chromium >/dev/null || tests+=(chromium)
  command -v node >/dev/null || tests+=(nodejs)
  command -v npm >/dev/null || tests+=(npm)
fi

case "${1:-test}" in
  run) wanted=("${run[@]}") ;;
  test) wanted=("${run[@]}" "${tests[@]}") ;;
  lint) wanted=("${run[@]}" "${tests[@]}" "${lint[@]}") ;;
  format) wanted=(clang-format) ;;
  all) wanted=("${run[@]}" "${tests[@]}" "${lint[@]}") ;;
  *) echo "usage: $0 [run|test|lint|format|all]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  # Another distribution: the names differ, and the configure step says what it cannot find.
  echo "not Debian or Ubuntu; make sure that you have the equivalents of: ${wanted[*]}" >&2
  exit 0
fi

installed=$(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null |
  awk '$2 == "installed" { print $1 }') || true
missing=()
for package in "${wanted[@]}"; do
  grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n env)
elif command -v sudo >/dev/null && [ -t 0 ]; then
  as_root=(sudo env)
else
  echo "these packages are missing and installing them needs root: ${missing[*]}" >&2
  echo "as root: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "installing: ${missing[*]}" >&2
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get update -q
"${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
