#!/bin/sh
# Runs every benchmark and prints one Markdown table.
#
#   benchmarks/run.sh [BIN_DIR] [--quick]
#
# BIN_DIR holds the programs (default: build/release/bin). Data goes to a temporary folder beside it, on the same disk,
# and is removed at the end. Progress and single measurements go to stderr.
set -eu

. "$(dirname "$0")/arguments.sh"

data=$(mktemp -d "$bin/../bench-data.XXXXXX")
trap 'rm -rf "$data"' EXIT
trap 'exit 130' INT TERM

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
filesystem=$(df -T "$data" | awk 'NR == 2 {print $2}')
[ "$filesystem" != tmpfs ] || echo "warning: $data is in memory, so nothing here says anything about a disk" >&2

echo "- machine: $(nproc) cores, ${cpu:-unknown CPU}, Linux $(uname -r), $filesystem"
echo "- software: $("$bin/bench_append" --facts)"
echo "- load before: $(cut -d ' ' -f 1-3 /proc/loadavg)$([ -z "$quick" ] || echo ', --quick: the figures are rough')"
echo
awk 'BEGIN {
  format = "| %-58s | %11s | %-40s | %5s | %12s | %-3s |\n"
  printf format, "measured", "figure", "against", "ratio", "aim", "met"
  print "|:" dashes(59) "|" dashes(12) ":|:" dashes(41) "|" dashes(6) ":|" dashes(13) ":|:" dashes(4) "|"
}
function dashes(n,  out) { while (n-- > 0) out = out "-"; return out }'

for program in append noop_runs fold waiting_memory recovery; do
  echo "bench_$program" >&2
  "$bin/bench_$program" --data "$data" $quick
done
