// The hash chain of the audit log, read once from its first entry to its last.
#pragma once

#include <cstdint>
#include <string>

#include "maintenance/findings.h"

namespace openwop::maintenance {

/// Gives the number of entries. Errors: store errors, validation_error.
[[nodiscard]] Result<std::uint64_t> check_audit_chain(const StoreCheckOptions& options, Findings& findings);

}  // namespace openwop::maintenance
