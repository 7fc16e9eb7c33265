// PostgresServer: a private PostgreSQL server in a temporary folder, reached by a socket there. It runs as an
// unprivileged user, has no port, and ends with this process at the latest.
//
// What it is not for: power loss. It does not sync, so that tests are fast.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace openwop::test {

class PostgresServer {
 public:
  /// Debian keeps the programs out of PATH. False: none is installed; then a test run by CI has to fail, others say so.
  [[nodiscard]] static bool installed();
  /// The one that the tests of this process share.
  [[nodiscard]] static PostgresServer& shared();

  PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  void start();
  enum class Stop { fast, immediate };
  /// `immediate` is a crash: no connection is told, nothing is flushed.
  void stop(Stop how);
  /// Suspends all of its processes: connections stay, nothing answers. And lets them go on.
  void freeze();
  void thaw();

  /// A connection string for a new schema, so that tests share the server and nothing else.
  [[nodiscard]] std::string new_schema();
  /// For a schema, by the socket in this folder instead of the server's own.
  [[nodiscard]] std::string dsn(const std::string& schema, const std::string& socket_folder = {}) const;
  [[nodiscard]] std::string last_schema() const { return "s" + std::to_string(schemas_); }
  [[nodiscard]] std::string socket_path() const;

  /// What psql prints for a statement: columns by '|', rows by lines.
  std::string sql(const std::string& statement) const;

 private:
  [[nodiscard]] bool answers() const;

  TempDir folder_;
  pid_t pid_ = -1;
  int schemas_ = 0;
};

}  // namespace openwop::test
