// The header row of a run's log: what was fixed at creation, as one JSON object.
#pragma once

#include "openwop/engine.h"

namespace openwop::runtime {

[[nodiscard]] std::string encode_header(const RunHeader& header);
/// Errors: store_corrupt.
[[nodiscard]] Result<RunHeader> decode_header(std::string_view row);

/// The state before the first event: the variables as they were created.
[[nodiscard]] RunState initial_state(const RunHeader& header);

}  // namespace openwop::runtime
