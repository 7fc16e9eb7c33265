// What the server does to a store instead of serving it: check, rebuild, export, import. A check and a rebuild print
// one line of JSON on stdout for each finding or change, and a last one with the counts.
#pragma once

#include "config.h"

namespace refserver {

/// Exit code: 0 when all is sound, 1 when it is not, or the store cannot be read; what went wrong goes to stderr.
[[nodiscard]] int verify_store(const std::string& store);
[[nodiscard]] int rebuild_store(const std::string& store);
/// The run as a file on stdout, and a run from such a file on stdin (openwop/run_archive.h).
[[nodiscard]] int export_run(const std::string& store, const std::string& run);
[[nodiscard]] int import_run(const std::string& store);

}  // namespace refserver
