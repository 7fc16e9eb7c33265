#include "stores/postgres/store_lock.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace openwop::pg {

namespace {

/// The server may take a moment to see that a process has died.
constexpr int kTries = 20;
constexpr std::chrono::milliseconds kPause{100};

void pause() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, kPause);
}

}  // namespace

Result<std::unique_ptr<Connection>> lock_store(const PostgresOptions& options) {
  if (options.sharing == PostgresSharing::unguarded) return std::unique_ptr<Connection>();
  auto opened = Connection::open(options);
  if (auto* failure = std::get_if<SqlFailure>(&opened)) return to_error(*failure, "open of the database");
  auto connection = std::get<std::unique_ptr<Connection>>(std::move(opened));
  const std::string kind = options.sharing == PostgresSharing::shared ? "_shared" : "";
  // One lock for each schema; another one than that of upgrades.
  const std::string sql =
      "SELECT pg_try_advisory_lock" + kind + "(hashtext('openwop engines ' || current_schema()))::text";
  for (int i = 0; i < kTries; ++i) {
    if (i > 0) pause();
    auto answers = connection->execute(sql);
    if (answers.failure) return to_error(*answers.failure, "lock of the database");
    if (field(*answers.results.front(), 0, 0) == "true") return connection;
  }
  return Error{ErrorCode::store_locked, options.sharing == PostgresSharing::shared
                                            ? "a host that is in no cluster has the database open"
                                            : "another host has the database open"};
}

}  // namespace openwop::pg
