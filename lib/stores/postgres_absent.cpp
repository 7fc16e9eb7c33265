// Stands for the PostgreSQL store in a build without libpq.
#include "openwop/postgres_store.h"

namespace openwop {

Result<std::unique_ptr<Store>> open_postgres_store(const PostgresOptions& options) {
  static_cast<void>(options);
  return Error{ErrorCode::not_implemented, "this build has no PostgreSQL store (OPENWOP_WITH_POSTGRES)"};
}

}  // namespace openwop
