// What the tests of the PostgreSQL store share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "openwop/postgres_store.h"
#include "store/store_backends.h"
#include "support/postgres_server.h"

namespace openwop::test {

/// False where no PostgreSQL is installed: the test ends, and says so; under CI it fails.
inline bool have_postgres() {
  if (PostgresServer::installed()) return true;
  if (std::getenv("CI") != nullptr) FAIL("no PostgreSQL server programs are installed");
  WARN("NOT TESTED: no PostgreSQL server programs are installed");
  return false;
}

/// Patience that a test can wait for.
inline PostgresOptions quick(std::string dsn) {
  return {.dsn = std::move(dsn),
          .acquire_timeout_ms = 2'000,
          .connect_timeout_s = 2,
          .network_timeout_ms = 1'000,
          .max_attempts = 4,
          .backoff_initial_ms = 5,
          .backoff_max_ms = 50,
          .change_hints = false};
}

inline std::unique_ptr<Store> open_quick(const PostgresOptions& options) {
  auto opened = open_postgres_store(options);
  if (!opened) FAIL(opened.error().message);
  return *std::move(opened);
}

inline Transaction create_of(std::string_view key, std::string_view value) {
  auto transaction = put_of(key, value);
  transaction.require_absent(key);
  return transaction;
}

inline bool comes_true(const std::function<bool()>& condition, int timeout_ms = 10'000) {
  for (int waited_ms = 0; waited_ms < timeout_ms; waited_ms += 5) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

}  // namespace openwop::test
