// OPENWOP_SIM_TRACE=1 with OPENWOP_SIM_SEED=n shows what happens in a world, line by line, on stderr.
#pragma once

#include <cstdlib>
#include <iostream>

namespace openwop::test {

inline bool tracing() {
  static const bool on = std::getenv("OPENWOP_SIM_TRACE") != nullptr;
  return on;
}

template <class... Parts>
void trace(const Parts&... parts) {
  if (!tracing()) return;
  ((std::cerr << parts), ...);
  std::cerr << "\n";
}

}  // namespace openwop::test
