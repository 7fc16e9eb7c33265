// What the server does to a store instead of serving it: check, rebuild. One line of JSON on stdout for each finding or
// change, and a last one with the counts.
#pragma once

#include "config.h"

namespace refserver {

/// Exit code: 0 when all is sound, 1 when it is not, or the store cannot be read; what went wrong goes to stderr.
[[nodiscard]] int verify_store(const std::string& store);
[[nodiscard]] int rebuild_store(const std::string& store);

}  // namespace refserver
