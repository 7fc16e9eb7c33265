// Events appended per second, against RocksDB without us and against the disk without RocksDB.
#include <fmt/core.h>

#include "append_sides.h"
#include "rig.h"

using namespace openwop;
using namespace openwop::bench;

namespace {

constexpr std::size_t kFileGroup = 64;

void add_sides() {
  for (const std::size_t runs : {std::size_t{1}, std::size_t{64}}) {
    add_rate(fmt::format("async/ours/{}", runs), [=] { return append_ours(Durability::async, runs); });
    add_rate(fmt::format("async/raw/{}", runs), [=] { return append_raw(Durability::async, runs); });
    add_rate(fmt::format("sync/waiting/{}", runs), [=] { return append_ours_waiting(Durability::sync, runs); });
  }
  for (const std::size_t runs : {std::size_t{1}, std::size_t{8}, std::size_t{64}}) {
    add_rate(fmt::format("sync/ours/{}", runs), [=] { return append_ours(Durability::sync, runs); });
    add_rate(fmt::format("sync/raw/{}", runs), [=] { return append_raw_threads(Durability::sync, runs); });
  }
  add_rate("file", [] { return append_file(kFileGroup); });
}

std::vector<Row> rows() {
  const std::string put = "RocksDB Put, 1 thread";
  return {{.what = "append, async, 1 run in flight",
           .figure = "async/ours/1",
           .against = "async/raw/1",
           .against_name = put,
           .aim_ratio = 0.8},
          {.what = "append, async, 64 runs in flight",
           .figure = "async/ours/64",
           .against = "async/raw/64",
           .against_name = put,
           .aim_ratio = 2},
          {.what = "append, sync, 1 run in flight",
           .figure = "sync/ours/1",
           .against = "sync/raw/1",
           .against_name = put,
           .aim_ratio = 0.9},
          {.what = "append, sync, 8 runs in flight",
           .figure = "sync/ours/8",
           .against = "sync/raw/8",
           .against_name = "RocksDB Put, 8 threads"},
          {.what = "append, sync, 64 runs in flight",
           .figure = "sync/ours/64",
           .against = "sync/raw/64",
           .against_name = "RocksDB Put, 64 threads",
           .aim_ratio = 4},
          {.what = "append, sync, 64 runs in flight",
           .figure = "sync/ours/64",
           .against = "file",
           .against_name = "write+fdatasync of 64",
           .aim_ratio = 0.5},
          {.what = "append, sync, 1 thread in commit_and_wait",
           .figure = "sync/waiting/1",
           .against = "sync/raw/1",
           .against_name = put},
          {.what = "append, sync, 64 threads in commit_and_wait",
           .figure = "sync/waiting/64",
           .against = "sync/raw/64",
           .against_name = "RocksDB Put, 64 threads"}};
}

}  // namespace

int main(int argc, char** argv) { return run_benchmarks(argc, argv, add_sides, rows); }
