// Random: the only source of chance in a simulation. SplitMix64: small, and the same on every machine and in every
// standard library, so that a seed means one history everywhere.
//
// Thread-safety: none; a value of its owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace openwop::testing {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  /// 0 … bound - 1; 0 for a bound of 0.
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(next() % bound); }
  /// low … high, both inclusive.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::size_t>(high - low) + 1));
  }
  bool per_mille(std::size_t chances) { return below(1000) < chances; }
  bool percent(std::size_t chances) { return below(100) < chances; }
  template <class T>
  const T& pick(const std::vector<T>& values) {
    return values[below(values.size())];
  }
  /// A stream of its own: what one part draws does not shift what another part sees.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace openwop::testing
