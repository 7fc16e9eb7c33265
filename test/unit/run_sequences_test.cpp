// Properties of random command sequences: whatever is asked of a run, in whatever order.
#include <string>
#include <vector>

#include "unit/run_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

constexpr std::uint32_t kSeeds = 4000;

/// Everything in a state but times, sequences and what is counted in them.
std::string without_times(const RunState& state) {
  std::string out = std::string(status_name(state.status)) + "|" + std::to_string(state.node_executions);
  const auto list = [&out](const auto& map) {
    out += "\n";
    for (const auto& [name, value] : map) out += name + "=" + value + ";";
  };
  for (const auto& [id, node] : state.nodes) {
    out += "\n" + id + " " + std::string(node_status_name(node.status)) + " " + std::to_string(node.attempt) + " " +
           std::to_string(node.iteration) + (node.triggered ? " triggered " : " ") + node.outputs + node.error;
    for (const auto edge : node.live_edges) out += " " + std::to_string(edge);
    out += " " + std::to_string(node.due_ms);
  }
  list(state.variables);
  list(state.channels);
  for (const auto& [edge, times] : state.loopbacks) out += std::to_string(edge) + "x" + std::to_string(times) + ";";
  return out + state.outputs + state.error;
}

RunState folded(const std::vector<Event>& events) {
  RunState state;
  for (std::size_t i = 0; i < events.size(); ++i) fold(state, view_of(events[i], i));
  return state;
}

RunRig random_run(std::uint32_t seed, std::size_t commands = 60) {
  RandomCommands random(seed);
  RunRig rig;
  for (std::size_t i = 0; i < commands; ++i) {
    static_cast<void>(rig.give(random.next()).ok());
    rig.wait(static_cast<std::int64_t>(random.below(40)));
  }
  return rig;
}

}  // namespace

TEST_CASE(
    "no sequence of commands yields an event after a terminal one, a late or second run.started, or a bad payload") {
  std::size_t ended = 0;
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    INFO("seed " << seed);
    const RunRig rig = random_run(seed);
    for (std::size_t i = 0; i < rig.events.size(); ++i) {
      const Event& event = rig.events[i];
      if (event.type == EventType::run_started) REQUIRE(i == 0);
      if (i == 0) REQUIRE((event.type == EventType::run_started || is_terminal(event.type)));
      if (is_terminal(event.type)) REQUIRE(i + 1 == rig.events.size());
      REQUIRE(event_problem(event) == "");
    }
    REQUIRE(rig.state.next_sequence == rig.events.size());
    if (!is_terminal(rig.state.status)) continue;
    ++ended;
    REQUIRE(is_terminal(rig.last().type));
    REQUIRE(rig.state.ended_ms == rig.last().time_ms);
    for (const auto& [id, node] : rig.state.nodes) REQUIRE_FALSE(is_in_flight(node.status));
  }
  // The sequences are worth something: many runs end, many do not.
  CHECK(ended > kSeeds / 10);
  CHECK(ended < kSeeds * 9 / 10);
}

TEST_CASE("a run that is not paused waits exactly while a node is suspended, as the latest of them does") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    INFO("seed " << seed);
    RandomCommands random(seed);
    RunRig rig;
    for (int i = 0; i < 60; ++i) {
      static_cast<void>(rig.give(random.next()).ok());
      const NodeState* latest = nullptr;
      for (const auto& [id, node] : rig.state.nodes) {
        if (node.status != NodeStatus::suspended) continue;
        if (latest == nullptr || node.suspended_at > latest->suspended_at) latest = &node;
      }
      // A pause that was promised while a node worked takes effect although another one waits.
      if (rig.state.status == RunStatus::paused) continue;
      if (latest != nullptr) {
        REQUIRE(rig.state.status == latest->waits_as);
      } else {
        REQUIRE_FALSE(is_waiting(rig.state.status));
      }
    }
  }
}

TEST_CASE("a pause and its resume leave the state as if neither had happened") {
  std::size_t inserted = 0;
  for (std::uint32_t seed = 0; seed < kSeeds / 4; ++seed) {
    const RunRig rig = random_run(seed);
    const std::string expected = without_times(rig.state);
    RunState state;
    for (std::size_t at = 0; at < rig.events.size(); ++at) {
      fold(state, view_of(rig.events[at], at));
      if (state.status != RunStatus::running) continue;
      std::vector<Event> events = rig.events;
      const std::int64_t now = events[at].time_ms;
      const auto behind = events.begin() + static_cast<std::ptrdiff_t>(at) + 1;
      events.insert(behind,
                    {Event{.type = EventType::run_paused, .time_ms = now, .payload = R"({"drainPolicy":"immediate"})"},
                     Event{.type = EventType::run_resumed, .time_ms = now}});
      INFO("seed " << seed << " after event " << at);
      REQUIRE(without_times(folded(events)) == expected);
      ++inserted;
    }
  }
  CHECK(inserted > 1000);
}

TEST_CASE("waited time is the time a run stood still, whatever happened in between") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    INFO("seed " << seed);
    const RunRig rig = random_run(seed);
    RunState state;
    std::int64_t stood_still = 0;
    for (std::size_t i = 0; i < rig.events.size(); ++i) {
      const bool stopped = is_waiting(state.status) || state.status == RunStatus::paused;
      if (stopped) stood_still += rig.events[i].time_ms - rig.events[i - 1].time_ms;
      fold(state, view_of(rig.events[i], i));
      const bool still_stopped = is_waiting(state.status) || state.status == RunStatus::paused;
      const std::int64_t open = still_stopped ? state.changed_ms - state.waiting_since_ms : 0;
      REQUIRE(state.waited_ms + open == stood_still);
    }
  }
}

TEST_CASE("extra members, newer schema versions and unknown events fold to the same state") {
  for (std::uint32_t seed = 0; seed < kSeeds / 4; ++seed) {
    const RunRig rig = random_run(seed);
    std::vector<Event> events;
    for (Event event : rig.events) {
      event.schema_version = 99;
      for (std::string* object : {&event.payload, &event.hidden}) {
        if (object->empty()) continue;
        const char* const comma = *object == "{}" ? "" : ",";
        object->insert(1, std::string(R"( "zz" : {"edges":[9],"nodeId":"zz","a":[1,"}"]} )") + comma);
        object->insert(object->size() - 1, R"(,"newer":null)");
      }
      const std::int64_t now = event.time_ms;
      events.push_back(std::move(event));
      events.push_back(Event{.type = EventType::unknown,
                             .time_ms = now,
                             .node_id = "zz",
                             .payload = "null",
                             .hidden = "[1]",
                             .unknown_name = "acme.billing.charged"});
    }
    INFO("seed " << seed);
    REQUIRE(without_times(folded(events)) == without_times(rig.state));
  }
}

TEST_CASE("the same events always fold to the same state") {
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    const RunRig rig = random_run(seed);
    REQUIRE(without_times(folded(rig.events)) == without_times(rig.state));
  }
}
