// Ways to break the engine on purpose, each of which the simulation has to notice (test/mutation). Only objects that
// are compiled with OPENWOP_TEST_MUTATION know them; in the library mutated() is false at compile time.
#pragma once

#include <cstdint>

namespace openwop::runtime {

enum class Mutation : std::uint8_t {
  none,
  early_answer,   // a create is acknowledged although its commit has failed
  lost_link,      // a turn is appended behind a commit of its own that may not be there
  repeated_step,  // a step does not look whether its outcome is on record
  stale_timer,    // the row of a timer that has moved stays
  early_handler,  // handlers start before the commit of their node.started
};

#ifdef OPENWOP_TEST_MUTATION
inline namespace breakable {
extern Mutation active_mutation;
inline bool mutated(Mutation which) { return active_mutation == which; }
}  // namespace breakable
#else
constexpr bool mutated(Mutation /*which*/) { return false; }
#endif

}  // namespace openwop::runtime
