// A key as two columns: `scope`, its first 17 bytes, and `rest`.
//
// 17 bytes are a letter and a run id, the beginning of nearly every key that the engine writes for a run. A database
// that spreads a table over partitions or hosts by `scope` so keeps a run's log in one place, and spreads the runs. The
// split loses no order: both parts compared one after the other are compared as the whole key.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "openwop/store.h"

namespace openwop::pg {

inline constexpr std::size_t kScopeBytes = 17;

struct ScopedKey {
  std::string_view scope;
  std::string_view rest;
};

inline ScopedKey split(std::string_view key) {
  if (key.size() <= kScopeBytes) return {key, {}};
  return {key.substr(0, kScopeBytes), key.substr(kScopeBytes)};
}

/// True if every key of the range has the scope of its begin, so that one partition has them all.
inline bool lies_in_one_scope(std::string_view begin, std::string_view end) {
  if (begin.size() < kScopeBytes || end.empty()) return false;
  const auto scope = split(begin).scope;
  return split(end).scope == scope || end == prefix_end(scope);
}

}  // namespace openwop::pg
