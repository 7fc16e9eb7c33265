#!/bin/bash
# Measures the PostgreSQL store on a private server, which it starts and stops: its defaults, with 256 MiB of buffers,
# reached by a local socket, data on the disk that holds BIN_DIR.
#
#   benchmarks/postgres.sh [BIN_DIR] [--quick]
set -euo pipefail

. "$(dirname "$0")/arguments.sh"
bin=$(cd "$bin" && pwd)

programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
programs=${programs:-$(dirname "$(command -v initdb)")}
# PostgreSQL refuses to run as root.
as=()
[ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups)

data=$(mktemp -d "$bin/../bench-postgres.XXXXXX")
socket=$(mktemp -d)
chmod 777 "$data" "$socket"
server=
finish() {
  [ -z "$server" ] || { kill -INT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  rm -rf "$data" "$socket"
}
trap finish EXIT
trap 'exit 130' INT TERM

"${as[@]}" "$programs/initdb" -D "$data/db" -U openwop -A trust --locale=C -E UTF8 >/dev/null
"${as[@]}" "$programs/postgres" -D "$data/db" -k "$socket" -c listen_addresses= -c shared_buffers=256MB \
  >"$data/log" 2>&1 &
server=$!
until "$programs/pg_isready" -q -h "$socket"; do sleep 0.1; done

sql() { "$programs/psql" -h "$socket" -U openwop -d postgres -X -A -t -c "$1"; }
export OPENWOP_BENCH_POSTGRES="host=$socket user=openwop dbname=postgres"

echo "- machine: $(nproc) cores, Linux $(uname -r), $(df -T "$data" | awk 'NR == 2 {print $2}')"
echo "- server: PostgreSQL $(sql 'SHOW server_version'), on the same machine"
echo "- load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
echo
"$bin/bench_postgres" --data "$data" $quick

# What a run of one node leaves in the database, in a schema with nothing else.
sql "CREATE SCHEMA sizes" >/dev/null
export OPENWOP_BENCH_POSTGRES="$OPENWOP_BENCH_POSTGRES options='-c search_path=sizes'"
wal=$(sql "SELECT pg_current_wal_lsn()")
"$bin/bench_postgres" --data "$data" $quick --benchmark_filter=noop/64 >/dev/null
echo
sql "WITH runs AS (SELECT count(*)::numeric AS n FROM sizes.openwop_rows
                   WHERE get_byte(scope, 0) = ascii('L') AND octet_length(scope) = 17 AND rest = '\\x00')
     SELECT format('- of %s runs each: %s rows, %s bytes with index, %s bytes of write-ahead log', n,
       round((SELECT count(*) FROM sizes.openwop_rows) / n, 1),
       round(pg_total_relation_size('sizes.openwop_rows') / n),
       round(pg_wal_lsn_diff(pg_current_wal_lsn(), '$wal') / n)) FROM runs"
