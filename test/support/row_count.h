// How many rows of a store begin with a prefix.
#pragma once

#include <cstddef>
#include <string>

#include "openwop/store.h"
#include "support/catch.h"

namespace openwop::test {

inline std::size_t row_count(const Store& store, const std::string& prefix) {
  std::size_t rows = 0;
  const auto scanned = store.scan({prefix, prefix_end(prefix)}, [&](std::string_view, std::string_view) {
    ++rows;
    return true;
  });
  REQUIRE(scanned.ok());
  return rows;
}

}  // namespace openwop::test
