// Carries out the plan of a group: one pipeline, one database transaction, one round trip.
#pragma once

#include <cstdint>
#include <variant>

#include "stores/postgres/group_plan.h"
#include "stores/postgres/session_pool.h"

namespace openwop::pg {

/// `refused`: some precondition of the plan does not hold, and nothing was written.
enum class Written : std::uint8_t { committed, refused };

/// On a ready session. A commit in doubt is settled first, on a new connection, for as long as the session's attempts
/// last; so a failure of the kinds `repeat` and `connection` has written nothing. One of kind `final` may have.
[[nodiscard]] std::variant<Written, SqlFailure> write_plan(SessionPool& pool, Session& session, const GroupPlan& plan,
                                                           Durability durability);

/// The rows of these keys as they are now, absent ones included.
[[nodiscard]] std::variant<KnownRows, SqlFailure> read_rows(Connection& connection,
                                                            const std::vector<std::string_view>& keys);

}  // namespace openwop::pg
