// Other regions, each a server or cluster with a store of its own (openwop/protocol/region_link.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config.h"
#include "openwop/protocol/region_link.h"

namespace refserver {

/// Reads one of the options region, region-peer and region-key. Errors: validation_error, never with a key in it.
[[nodiscard]] openwop::Status read_region(std::string_view name, const std::vector<std::string>& values,
                                          RegionConfig& config);

/// Errors: validation_error when the options do not go together.
[[nodiscard]] openwop::Status check_regions(const RegionConfig& config);

/// Null where no region is named.
[[nodiscard]] openwop::Result<std::shared_ptr<openwop::RegionLink>> open_regions(
    const Config& config, std::shared_ptr<openwop::Store> store, std::shared_ptr<openwop::MetricSink> metrics);

}  // namespace refserver
