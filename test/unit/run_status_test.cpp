#include "openwop/run_status.h"

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.h"

using namespace openwop;

namespace {

using enum RunStatus;

constexpr RunStatus kAllStatuses[] = {pending,          running,   paused, waiting_approval, waiting_input,
                                      waiting_external, completed, failed, cancelled};

/// Protocol 01 §11.3, row by row; what is not here is forbidden.
std::map<std::pair<RunStatus, RunTrigger>, RunStatus> expected_transitions() {
  using enum RunTrigger;
  std::map<std::pair<RunStatus, RunTrigger>, RunStatus> table = {
      {{pending, start}, running},
      {{pending, RunTrigger::cancel}, cancelled},
      {{pending, fail}, failed},
      {{running, suspend_approval}, waiting_approval},
      {{running, suspend_input}, waiting_input},
      {{running, suspend_external}, waiting_external},
      {{running, pause}, paused},
      {{running, complete}, completed},
      {{running, fail}, failed},
      {{running, RunTrigger::cancel}, cancelled},
      {{running, progress}, running},
      {{paused, resume}, running},
      {{paused, RunTrigger::cancel}, cancelled},
      // "Recovery after a crash does not change the status." A takeover's event is run.resumed, so a paused run has
      // none.
      {{pending, take_over}, pending},
      {{running, take_over}, running},
  };
  for (const RunStatus waiting : {waiting_approval, waiting_input, waiting_external}) {
    table[{waiting, resolve}] = running;
    table[{waiting, fail}] = failed;
    table[{waiting, RunTrigger::cancel}] = cancelled;
    table[{waiting, take_over}] = waiting;
    // Other branches go on while one waits: a vote or progress changes nothing, a further suspension is shown.
    table[{waiting, progress}] = waiting;
    table[{waiting, suspend_approval}] = waiting_approval;
    table[{waiting, suspend_input}] = waiting_input;
    table[{waiting, suspend_external}] = waiting_external;
  }
  return table;
}

}  // namespace

TEST_CASE("every status and trigger leads where the protocol's table says, or nowhere") {
  const auto expected = expected_transitions();
  for (const RunStatus from : kAllStatuses) {
    for (std::size_t i = 0; i < kRunTriggerCount; ++i) {
      const auto trigger = static_cast<RunTrigger>(i);
      INFO(status_name(from) << " and trigger " << i);
      const auto row = expected.find({from, trigger});
      const auto found = next_status(from, trigger);
      CHECK(found == (row == expected.end() ? std::nullopt : std::optional(row->second)));
    }
  }
}

TEST_CASE("nothing leaves a terminal status") {
  for (const RunStatus from : {completed, failed, cancelled}) {
    CHECK(is_terminal(from));
    for (std::size_t i = 0; i < kRunTriggerCount; ++i) CHECK_FALSE(next_status(from, static_cast<RunTrigger>(i)));
  }
}

TEST_CASE("statuses have their wire names, both ways") {
  const std::vector<std::string_view> names = {"pending",          "running",       "paused",
                                               "waiting-approval", "waiting-input", "waiting-external",
                                               "completed",        "failed",        "cancelled"};
  REQUIRE(names.size() == kRunStatusCount);
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK(status_name(kAllStatuses[i]) == names[i]);
    CHECK(status_of(names[i]) == kAllStatuses[i]);
  }
  for (const char* wrong : {"", "Pending", "cancelling", "waiting_approval", "waiting", "done"})
    CHECK_FALSE(status_of(wrong));
}

TEST_CASE("waiting and terminal statuses are told apart") {
  for (const RunStatus status : kAllStatuses) {
    CHECK(is_waiting(status) == status_name(status).starts_with("waiting-"));
    CHECK(is_terminal(status) == (status == completed || status == failed || status == cancelled));
  }
}
