#include "stores/postgres/sql_failure.h"

#include <algorithm>
#include <array>

namespace openwop::pg {
namespace {

struct Rule {
  /// A whole SQLSTATE, or the class that its first two characters are.
  std::string_view state;
  FailureKind kind;
};

constexpr std::array kRules = {
    Rule{"08", FailureKind::connection},
    // completion unknown: an engine that cannot tell whether it committed
    Rule{"40003", FailureKind::connection},
    Rule{"40", FailureKind::repeat},
    Rule{"55P03", FailureKind::repeat},
    // shut down by an administrator, after a crash, or not up yet
    Rule{"57P01", FailureKind::connection},
    Rule{"57P02", FailureKind::connection},
    Rule{"57P03", FailureKind::connection},
    Rule{"57P05", FailureKind::connection},
    Rule{"53300", FailureKind::connection},
    // A connection that a failover left on a standby; a new one finds the primary.
    Rule{"25006", FailureKind::connection},
    // Prepared statements are gone or outdated: a new connection prepares them anew.
    Rule{"26000", FailureKind::connection},
    Rule{"0A000", FailureKind::connection},
    Rule{"23505", FailureKind::refused},
    Rule{"22012", FailureKind::refused},
};

}  // namespace

FailureKind kind_of(std::string_view sqlstate) {
  // Without a state the message is libpq's own: it lost the server.
  if (sqlstate.empty()) return FailureKind::connection;
  const auto* rule = std::find_if(kRules.begin(), kRules.end(),
                                  [&](const Rule& candidate) { return sqlstate.starts_with(candidate.state); });
  return rule == kRules.end() ? FailureKind::final : rule->kind;
}

SqlFailure failure_of(std::string_view sqlstate, std::string_view message) {
  while (message.ends_with('\n')) message.remove_suffix(1);
  // XX001, XX002: damaged table or index.
  const bool corrupt = sqlstate == "XX001" || sqlstate == "XX002";
  return {kind_of(sqlstate), std::string(message), corrupt};
}

Error to_error(const SqlFailure& failure, std::string_view doing) {
  const auto code = failure.corrupt ? ErrorCode::store_corrupt : ErrorCode::store_io_error;
  return Error{code, std::string(doing) + ": " + failure.message};
}

}  // namespace openwop::pg
