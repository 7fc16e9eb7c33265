#!/bin/bash
# Measures the reference server over HTTP with wrk, which runs on the same cores: RocksDB, sync, data on the disk that
# holds BIN_DIR. Prints a Markdown table.
#
#   benchmarks/http.sh [BIN_DIR] [--quick]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
. "$here/arguments.sh"
bin=$(cd "$bin" && pwd)
command -v wrk >/dev/null || { echo "$0 needs wrk (Debian package wrk)" >&2; exit 1; }
rounds=5 seconds=4
[ -z "$quick" ] || rounds=2 seconds=1

data=$(mktemp -d "$bin/../bench-http.XXXXXX")
server=
finish() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  rm -rf "$data"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir "$data/workflows"
cp "$here"/http/*.json "$data/workflows/"
"$bin/openwop-refserver" --listen 127.0.0.1:0 --store "rocksdb:$data/store" --workflows "$data/workflows" \
  --api-key bench-key --audit-log off --log-level error --max-connections 1024 >"$data/ready" 2>"$data/log" &
server=$!
until grep -q listening "$data/ready"; do kill -0 "$server"; sleep 0.05; done
url=$(sed -n 's/.*"listening":"\([^"]*\)".*/\1/p' "$data/ready")
OPENWOP_BENCH_RUN=$(curl -fsS -H 'Authorization: Bearer bench-key' -H 'Content-Type: application/json' \
  -d '{"workflowId":"bench-noop"}' "$url/v1/runs" | sed -n 's/.*"runId":"\([^"]*\)".*/\1/p')
export OPENWOP_BENCH_RUN

# One measurement: rate, median and 99th percentile; an answer that is no 2xx ends the benchmark.
measure() { # script connections
  local out
  out=$(wrk -t 1 -c "$2" -d "${seconds}s" --latency -s "$here/http/$1.lua" "$url/v1/runs")
  if grep -qE 'Non-2xx|Socket errors' <<<"$out"; then echo "$out" >&2; exit 1; fi
  awk '/Requests\/sec/ {rate = $2} $1 == "50%" {p50 = $2} $1 == "99%" {p99 = $2} END {print rate, p50, p99}' <<<"$out"
}

# The best of the rounds, in which the cases take turns.
cases="create:8 create:50 read:8 read:50"
for ((round = 0; round < rounds; round++)); do
  for case in $cases; do
    measure "${case%:*}" "${case#*:}" >>"$data/$case"
    echo "$case $(tail -1 "$data/$case")" >&2
  done
done

ulimit -n "$(ulimit -Hn)"
for readers in 1 1000; do
  "$bin/bench_fanout" "${url##*:}" bench-key "$readers" $((rounds * (readers == 1 ? 40 : 1))) >"$data/fanout:$readers"
done

echo "- machine: $(nproc) cores, Linux $(uname -r), $(df -T "$data" | awk 'NR == 2 {print $2}'); wrk on the same cores"
echo "- load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
echo
row() { # case, words, aim
  sort -rn "$data/$1" | head -1 | awk -v what="$2" -v aim="$3" '{
    met = aim == "" ? "" : ($1 >= aim ? "yes" : "no")
    printf "| %s | %d /s | %s | %s | %s | %s |\n", what, $1, $2, $3, aim == "" ? "" : ">= " aim " /s", met}'
}
echo "| measured | figure | median | 99 % | aim | met |"
echo "|:--|--:|--:|--:|--:|:--|"
row create:8 "create to completed, sync, 8 connections" 14000
row create:50 "create to completed, sync, 50 connections" ""
row read:8 "read a run, 8 connections" 40000
row read:50 "read a run, 50 connections" ""
fanout() { # readers
  read -r p50 p99 last <"$data/fanout:$1"
  echo "| event to $1 reader(s) over SSE, from its commit; at most $last ms | | $p50 ms | $p99 ms | <= 500 ms | $(
    awk -v p99="$p99" 'BEGIN {print p99 <= 500 ? "yes" : "no"}') |"
}
fanout 1
fanout 1000
