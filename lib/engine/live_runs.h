// How many runs have not ended, without reading those that have.
#pragma once

#include <map>
#include <string>

#include "openwop/result.h"
#include "openwop/store.h"

namespace openwop::runtime {

/// Tenant -> live runs, from the listing index. Errors: those of the store.
[[nodiscard]] Result<std::map<std::string, std::size_t>> count_live_runs(const Store& store);

}  // namespace openwop::runtime
