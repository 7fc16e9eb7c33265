// A rig whose runs are forked, and ways to compare a fork with its source.
#pragma once

#include "support/engine_rig.h"

namespace openwop::test {

struct ForkEngineRig : EngineRig {
  Result<CreatedRun> try_fork(const RunId& source, std::uint64_t from, ForkMode mode) {
    ForkRun request;
    request.source_run = source;
    request.from_sequence = from;
    request.mode = mode;
    return engine->fork_run(std::move(request));
  }
  RunId fork(const RunId& source, std::uint64_t from, ForkMode mode) {
    auto forked = try_fork(source, from, mode);
    INFO((forked.ok() ? std::string() : forked.error().message));
    REQUIRE(forked.ok());
    CHECK(forked->status == RunStatus::pending);
    tick();
    return forked->run_id;
  }
  RunId replay(const RunId& source, std::uint64_t from = 0) { return fork(source, from, ForkMode::replay); }
  RunId branch(const RunId& source, std::uint64_t from) { return fork(source, from, ForkMode::branch); }

  /// Type, node and payload of each event, a line each.
  [[nodiscard]] Lines story(const RunId& run, std::uint64_t from = 0) const {
    Lines lines;
    for (const Seen& event : events(run)) {
      if (event.sequence >= from) lines.push_back(event.type + " " + event.node + " " + event.payload);
    }
    return lines;
  }
  [[nodiscard]] std::uint64_t length(const RunId& run) const { return view(run).state.next_sequence; }
  /// The payload of the only replay.diverged, or nothing.
  [[nodiscard]] std::string divergence(const RunId& run) const {
    std::string payload;
    for (const Seen& event : events(run)) {
      if (event.type != "replay.diverged") continue;
      CHECK(payload.empty());
      payload = event.payload;
    }
    return payload;
  }
  [[nodiscard]] static std::string member(const std::string& object, std::string_view name) {
    const auto raw = json::member(object, name);
    return raw ? std::string(*raw) : std::string();
  }
};

}  // namespace openwop::test
