// Seeds that once broke an invariant. They run first, whatever the number of seeds.
#pragma once

#include <array>
#include <cstdint>

namespace openwop::test {

inline constexpr std::array<std::uint64_t, 10> kRegressionSeeds = {
    152,  1123, 1577,  // a turn split over commits was lost with the acknowledgement of its first half
    2794, 2860,        // the way out of an inner loop was given up in the inner loop's first iteration
    3087, 3512, 5791,  // watchers were not told of events whose commit was not acknowledged
    29,   223,         // a cancel decided on rows behind a commit on its way forgot a handler, which then ran twice
};

}  // namespace openwop::test
