// Keeps those apart who may not be on one database at the same time (PostgresOptions::sharing): an advisory lock of a
// connection that does nothing else. The database releases it when the process dies, however it dies.
#pragma once

#include <memory>

#include "openwop/result.h"
#include "stores/postgres/connection.h"

namespace openwop::pg {

/// The connection that has the lock; null where none is asked for. Errors: store_locked; store_io_error.
[[nodiscard]] Result<std::unique_ptr<Connection>> lock_store(const PostgresOptions& options);

}  // namespace openwop::pg
