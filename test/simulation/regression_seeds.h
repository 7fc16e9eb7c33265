// Seeds that once broke an invariant. They run first, whatever the number of seeds.
#pragma once

#include <array>
#include <cstdint>

namespace openwop::test {

inline constexpr std::array<std::uint64_t, 12> kRegressionSeeds = {
    152,  1123, 1577,  // a turn split over commits was lost with the acknowledgement of its first half
    2794, 2860,        // the way out of an inner loop was given up in the inner loop's first iteration
    3087, 3512, 5791,  // watchers were not told of events whose commit was not acknowledged
    29,   2281,        // a turn decided on rows behind a commit on its way forgot a handler, which then ran twice
    3909,              // a turn that changed nothing, on such rows, started a handler again
    1378,              // an engine that did not open ran handlers on its way out
};

/// The same, of worlds with Extras::all.
inline constexpr std::array<std::uint64_t, 10> kLaterRegressionSeeds = {
    434,          // a parent whose commit was refused took the notice of its child's end away, and never learnt of it
    234,          // a read that failed while a child was to be started failed the parent's node for good
    7522,  9780,  // a commit that took an order or a notice away was lost: who was told again found no row, and no run
    2071,  4454, 8437,  // of two refused turns one was tried again, and started a handler that the other was to stop
    4996,  9565,        // an answer to what a node had asked before its loop began again broke the run
    14571,              // of two failed turns the second gave back a handler that the first had never started
};

}  // namespace openwop::test
