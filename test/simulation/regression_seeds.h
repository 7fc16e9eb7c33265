// Seeds that once broke an invariant. They run first, whatever the number of seeds.
#pragma once

#include <array>
#include <cstdint>

namespace openwop::test {

inline constexpr std::array<std::uint64_t, 1> kRegressionSeeds = {0};

}  // namespace openwop::test
