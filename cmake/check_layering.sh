#!/usr/bin/env bash
# Fails when a file includes something above or beside its room, when a public header is in no room, or when the library
# reads a clock, draws randomness or sleeps outside the few files that supply the injected defaults.
#
#   check_layering.sh [source-dir]
set -euo pipefail

cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

# The rooms, bottom to top: <room> <split|whole> <files and folders>. Every public header is listed; a folder ends in
# '/'. In a split room the subfolders are alternatives: each may use the room's own files, never a sibling's.
rooms() {
  local p=include/openwop
  echo "foundation whole lib/foundation/ openwop/embedded_schemas.h" \
    $p/{result,json,bytes,hex,ids,clock,time,hash,executor,http_client,redaction,cost,trace_context,random_text,canonical_json}.h $p/detail/{secret_shapes,json_dom}.h
  echo "net whole lib/net/ $p/net.h"
  echo "store split lib/stores/" $p/{store,memory_store,rocksdb_store,postgres_store}.h
  # An event is the log's record, so it lives with the log; what events mean is the room above.
  echo "durable whole lib/durable/" $p/{event,log,log_origin,ledger,lease,timer}.h
  echo "workflow whole lib/workflow/" \
    $p/{interrupt,interrupt_token,expression,workflow,workflow_parse,workflow_check,workflow_graph,workflow_problems,agents,agent_state,child_run,reducers,run_status,run_command,run_state,run_fold,run_decide,sensitive_values}.h \
    $p/detail/{decision_events,fold_parts}.h $p/detail/{expression_{value,lexer,program,parser,functions,machine},workflow_{fields,reader},regex}.h
  echo "nodes whole lib/nodes/" $p/{node,ai_provider,memory_backend,secret_source}.h
  echo "engine whole lib/engine/" $p/{engine,engine_options,cluster,run_observer,run_fork,run_diff}.h
  echo "testing whole lib/testing/ $p/testing.h $p/testing/"
  echo "webhooks whole lib/webhooks/" $p/{webhooks,interrupt_callbacks}.h
  echo "audit whole lib/audit/" $p/audit_log.h
  echo "telemetry whole lib/telemetry/" $p/{telemetry,metric_registry,otlp_exporter,run_telemetry}.h
  echo "protocol split lib/protocol/ $p/protocol/"
  echo "maintenance whole lib/maintenance/" $p/{store_check,run_archive}.h
  echo "examples split examples/"
}

# Files that may read the real clock, real randomness or sleep: they are the defaults that hosts and tests replace.
real_world=(include/openwop/clock.h include/openwop/ids.h lib/foundation/)

real_world_calls='(system_clock|steady_clock|high_resolution_clock)::now|random_device|sleep_(for|until)|[^[:alnum:]_]s?rand[[:space:]]*[(]'

# Nothing in the library but lib/net/ knows sockets, and nothing an HTTP server: surfaces map plain requests to plain
# responses.
socket_headers='^(httplib[.]h|sys/socket[.]h|sys/un[.]h|netinet/|arpa/inet[.]h|netdb[.]h|(boost/)?asio|boost/beast)'

mapfile -t files < <(find include lib examples -type f \( -name '*.h' -o -name '*.cpp' \) 2>/dev/null | LC_ALL=C sort)
[ ${#files[@]} -gt 0 ] || { echo "layering: no files under $PWD" >&2; exit 1; }

awk -v rooms="$(rooms)" -v real_world="${real_world[*]}" -v real_world_calls="$real_world_calls" \
    -v socket_headers="$socket_headers" '
  BEGIN {
    room_count = split(rooms, lines, "\n")
    for (level = 1; level <= room_count; level++) {
      n = split(lines[level], words, " ")
      name[level] = words[1]
      is_split[level] = (words[2] == "split")
      for (i = 3; i <= n; i++) level_of[words[i]] = level
    }
    real_count = split(real_world, real, " ")
    for (i = 1; i < ARGC; i++) {
      exists[ARGV[i]] = 1
      if (owner(ARGV[i]) == "") {
        print ARGV[i] ": is in no room; list it at the top of cmake/check_layering.sh"
        failures++
      }
    }
  }

  function fail(message) {
    printf "%s:%d: %s\n", FILENAME, FNR, message
    failures++
  }

  # The table entry that claims a path: its own name, or the longest folder above it. Empty when there is none.
  function owner(path) {
    if (path in level_of) return path
    while (sub(/[^\/]*\/?$/, "", path) && path != "") if (path in level_of) return path
    return ""
  }

  # Within its room, the subfolder a path lies in. Empty for the files of the room itself.
  function part(path, entry,   rest) {
    if (entry !~ /\/$/) return ""
    rest = substr(path, length(entry) + 1)
    return rest ~ /\// ? substr(rest, 1, index(rest, "/") - 1) : ""
  }

  # The file that an include names, relative to the source folder. Empty for headers that are not ours.
  function resolve(include, quoted,   near) {
    if (include == "openwop/embedded_schemas.h") return include  # generated
    if (include ~ /^openwop\//) return "include/" include
    if (!quoted) return ""
    near = FILENAME
    sub(/[^\/]*$/, "", near)
    near = near include
    while (near ~ /[^\/]+\/\.\.\//) sub(/[^\/]+\/\.\.\//, "", near)
    if (near in exists) return near
    if (("lib/" include) in exists) return "lib/" include
    return ""
  }

  FNR == 1 {
    in_comment = 0
    mine = owner(FILENAME)
    level = mine == "" ? 0 : level_of[mine]
    mine_part = part(FILENAME, mine)
    is_library = FILENAME !~ /^examples\//
    may_touch_world = !is_library
    for (i = 1; i <= real_count; i++) if (index(FILENAME, real[i]) == 1) may_touch_world = 1
  }

  {
    # Comments may name anything.
    line = $0
    if (in_comment) {
      if (!match(line, /\*\//)) next
      line = substr(line, RSTART + 2)
      in_comment = 0
    }
    while (match(line, /\/\*/)) {
      before = substr(line, 1, RSTART - 1)
      rest = substr(line, RSTART + 2)
      # "/*" after "//" opens nothing.
      if (before ~ /\/\//) break
      if (match(rest, /\*\//)) { line = before " " substr(rest, RSTART + 2) }
      else { line = before; in_comment = 1; break }
    }
    sub(/\/\/.*/, "", line)
  }

  level && line ~ /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    quoted = line ~ /include[ \t]*"/
    include = line
    sub(/^[^<"]*[<"]/, "", include)
    sub(/[>"].*$/, "", include)

    if (is_library && FILENAME !~ /^lib\/net\// && include ~ socket_headers) fail("the library knows no sockets: " include)

    target = resolve(include, quoted)
    if (target == "") next
    theirs = owner(target)
    if (theirs == "") { fail("includes " include ", which is in no room"); next }
    their_level = level_of[theirs]
    their_part = part(target, theirs)

    if (FILENAME ~ /^include\// && target !~ /^include\//)
      fail("a public header includes the private " include)
    if (their_level > level)
      fail(name[level] " includes " include " of the room above, " name[their_level])
    else if (their_level == level && is_split[level] && mine_part != "" && their_part != "" && mine_part != their_part)
      fail(name[level] "/" mine_part " includes " include " of its sibling " their_part)
  }

  !may_touch_world && (" " line) ~ real_world_calls {
    fail("takes time, randomness or sleep from the process; they are injected")
  }

  END {
    if (failures) { printf "layering: %d problem(s)\n", failures; exit 1 }
    printf "layering: %d files, no upward include\n", ARGC - 1
  }
' "${files[@]}"
