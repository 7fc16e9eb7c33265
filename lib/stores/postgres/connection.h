// One connection to the database.
//
// It begins in plain mode, for what is done once (settings, migrations, LISTEN). prepare() prepares kStatements and
// turns to pipeline mode, in which run() sends any number of statements and then takes their answers: one round trip.
//
// Not thread-safe. Once it is not usable() it is to be destroyed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "openwop/postgres_store.h"
#include "stores/postgres/libpq_handles.h"
#include "stores/postgres/parameters.h"
#include "stores/postgres/sql_failure.h"
#include "stores/postgres/statements.h"

namespace openwop::pg {

struct Call {
  Statement statement;
  /// Null: none.
  const Parameters* parameters = nullptr;
};

struct Answers {
  /// One for each call, up to the first that failed.
  std::vector<ResultHandle> results;
  std::optional<SqlFailure> failure;
};

/// Takes each row as it arrives; the result has it as its only row.
using RowSink = std::function<void(const PGresult&)>;

class Connection {
 public:
  using Opened = std::variant<std::unique_ptr<Connection>, SqlFailure>;
  [[nodiscard]] static Opened open(const PostgresOptions& options);

  /// Plain mode: one statement without parameters.
  [[nodiscard]] Answers execute(const std::string& sql);

  [[nodiscard]] std::optional<SqlFailure> prepare();

  /// Pipeline mode. After a failure of another kind than `connection` the transaction that the calls began, if any,
  /// is still to be rolled back.
  [[nodiscard]] Answers run(std::span<const Call> calls, const RowSink& sink = {});

  /// Pipeline mode: sends a call whose answer does not matter; the next run() takes it.
  void send_and_forget(Call call);

  /// False once the server was lost or has not answered in time.
  [[nodiscard]] bool usable() const { return usable_; }

  [[nodiscard]] PGconn* raw() { return handle_.get(); }

 private:
  Connection(ConnectionHandle handle, int network_timeout_ms)
      : handle_(std::move(handle)), network_timeout_ms_(network_timeout_ms) {}

  bool queue(std::span<const Call> calls);
  bool flush();
  bool wait_for_socket(short events);
  bool wait_for_result();
  /// The answer to one statement; null after a failure of the connection.
  ResultHandle take_answer(const RowSink& sink);
  bool take_sync();
  void note_failure(const PGresult* result, std::optional<SqlFailure>& failure);
  SqlFailure lost();

  ConnectionHandle handle_;
  int network_timeout_ms_;
  std::size_t forgotten_ = 0;
  bool timed_out_ = false;
  bool usable_ = true;
};

/// The bytes of a field of a binary result.
inline std::string_view field(const PGresult& result, int row, int column) {
  return {PQgetvalue(&result, row, column), static_cast<std::size_t>(PQgetlength(&result, row, column))};
}

/// A bigint of a binary result.
[[nodiscard]] std::int64_t int8_field(const PGresult& result, int row, int column);

}  // namespace openwop::pg
