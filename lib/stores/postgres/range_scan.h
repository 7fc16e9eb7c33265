// A scan in pages, all of one snapshot.
#pragma once

#include <optional>

#include "stores/postgres/connection.h"

namespace openwop::pg {

/// Visits the rows of a range that is not inverted. A failure before the first row may be tried again; later ones are
/// of kind `final`.
[[nodiscard]] std::optional<SqlFailure> scan_range(Connection& connection, const ScanRange& range,
                                                   const RowVisitor& visit, std::size_t max_page_rows);

}  // namespace openwop::pg
