#include "stores/postgres/connection.h"

#include <poll.h>

#include <array>
#include <cerrno>

namespace openwop::pg {
namespace {

/// Settings without which the store is as right, only slower or later to notice. Engines that do not know one are left
/// without it.
constexpr std::array kAdvisorySettings = {
    // Every statement reaches its rows through the primary key. A plan made while the table was small, and kept, must
    // do the same when it is large.
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
    // A host that died in the middle of a transaction gives up its locks after half a minute, not two hours.
    "SET tcp_keepalives_idle = 15",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
};

/// A database whose default is not to wait for the disk would break Durability::sync; a stricter default is kept.
constexpr const char* kSyncCommits =
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

bool succeeded(const PGresult* result) {
  switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE: return true;
    default: return false;
  }
}

}  // namespace

std::int64_t int8_field(const PGresult& result, int row, int column) {
  std::uint64_t value = 0;
  for (const char byte : field(result, row, column)) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

Connection::Opened Connection::open(const PostgresOptions& options) {
  const std::string connect_timeout = std::to_string(options.connect_timeout_s);
  const std::string user_timeout = std::to_string(options.network_timeout_ms);
  // The later ones win: the connection string may say otherwise.
  const std::array<const char*, 5> names = {"connect_timeout", "tcp_user_timeout", "fallback_application_name",
                                            "dbname", nullptr};
  const std::array<const char*, 5> values = {connect_timeout.c_str(), user_timeout.c_str(), "openwop",
                                             options.dsn.c_str(), nullptr};
  ConnectionHandle handle(PQconnectdbParams(names.data(), values.data(), 1));
  if (!handle) return SqlFailure{FailureKind::final, "out of memory"};
  if (PQstatus(handle.get()) != CONNECTION_OK) return failure_of({}, PQerrorMessage(handle.get()));
  // What an old server has to say about a setting is nobody's output.
  PQsetNoticeProcessor(
      handle.get(), [](void*, const char*) {}, nullptr);
  std::unique_ptr<Connection> connection(new Connection(std::move(handle), options.network_timeout_ms));
  std::string needed = "SET statement_timeout = " + std::to_string(options.statement_timeout_ms);
  if (auto set = connection->execute(needed); set.failure) return *std::move(set.failure);
  if (auto set = connection->execute(kSyncCommits); set.failure) return *std::move(set.failure);
  for (const char* setting : kAdvisorySettings) {
    auto set = connection->execute(setting);
    if (set.failure && set.failure->kind == FailureKind::connection) return *std::move(set.failure);
  }
  return connection;
}

Answers Connection::execute(const std::string& sql) {
  Answers answers;
  bool alive = PQsendQuery(handle_.get(), sql.c_str()) == 1 && flush();
  while (alive) {
    alive = wait_for_result();
    if (!alive) break;
    ResultHandle result(PQgetResult(handle_.get()));
    if (!result) return answers;
    note_failure(result.get(), answers.failure);
    answers.results.push_back(std::move(result));
  }
  answers.failure = lost();
  return answers;
}

std::optional<SqlFailure> Connection::prepare() {
  if (PQenterPipelineMode(handle_.get()) != 1 || PQsetnonblocking(handle_.get(), 1) != 0) return lost();
  for (const StatementText& text : kStatements) {
    if (PQsendPrepare(handle_.get(), text.name, text.sql, 0, nullptr) != 1) return lost();
  }
  if (PQpipelineSync(handle_.get()) != 1 || !flush()) return lost();
  std::optional<SqlFailure> failure;
  for (std::size_t i = 0; i < kStatements.size(); ++i) {
    const auto answer = take_answer({});
    if (!answer) return lost();
    note_failure(answer.get(), failure);
  }
  if (!take_sync()) return lost();
  return failure;
}

Answers Connection::run(std::span<const Call> calls, const RowSink& sink) {
  Answers answers;
  if (!queue(calls) || !flush()) {
    answers.failure = lost();
    return answers;
  }
  for (; forgotten_ > 0; --forgotten_) {
    if (!take_answer({}) || !take_sync()) {
      answers.failure = lost();
      return answers;
    }
  }
  answers.results.reserve(calls.size());
  for (std::size_t i = 0; i < calls.size(); ++i) {
    auto answer = take_answer(sink);
    if (!answer) {
      answers.failure = lost();
      return answers;
    }
    note_failure(answer.get(), answers.failure);
    if (!answers.failure) answers.results.push_back(std::move(answer));
  }
  if (!take_sync()) answers.failure = lost();
  return answers;
}

void Connection::send_and_forget(Call call) {
  // A failure shows in the next run().
  if (queue(std::span<const Call>(&call, 1))) ++forgotten_;
  static_cast<void>(PQflush(handle_.get()));
}

bool Connection::queue(std::span<const Call> calls) {
  for (const Call& call : calls) {
    static const Parameters kNone;
    const Parameters& parameters = call.parameters != nullptr ? *call.parameters : kNone;
    constexpr int kBinaryResult = 1;
    if (PQsendQueryPrepared(handle_.get(), text_of(call.statement).name, parameters.count(), parameters.values(),
                            parameters.lengths(), parameters.formats(), kBinaryResult) != 1) {
      return false;
    }
  }
  return PQpipelineSync(handle_.get()) == 1;
}

bool Connection::flush() {
  while (true) {
    const int left = PQflush(handle_.get());
    if (left == 0) return true;
    // The server may itself wait for us to read before it reads on.
    if (left < 0 || !wait_for_socket(POLLIN | POLLOUT)) return false;
  }
}

bool Connection::wait_for_socket(short events) {
  pollfd socket{PQsocket(handle_.get()), events, 0};
  int ready = ::poll(&socket, 1, network_timeout_ms_);
  while (ready < 0 && errno == EINTR) ready = ::poll(&socket, 1, network_timeout_ms_);
  timed_out_ = ready == 0;
  if (ready <= 0) return false;
  return (socket.revents & ~POLLOUT) == 0 || PQconsumeInput(handle_.get()) == 1;
}

bool Connection::wait_for_result() {
  while (PQisBusy(handle_.get()) != 0) {
    if (!wait_for_socket(POLLIN)) return false;
  }
  return true;
}

ResultHandle Connection::take_answer(const RowSink& sink) {
  if (sink) PQsetSingleRowMode(handle_.get());
  ResultHandle answer;
  while (wait_for_result()) {
    ResultHandle next(PQgetResult(handle_.get()));
    // Null ends the answer to a statement; before any result it says that there is no more to come.
    if (!next) return answer;
    if (PQresultStatus(next.get()) == PGRES_SINGLE_TUPLE) {
      sink(*next);
    } else {
      answer = std::move(next);
    }
  }
  return nullptr;
}

bool Connection::take_sync() {
  if (!wait_for_result()) return false;
  const ResultHandle sync(PQgetResult(handle_.get()));
  return PQresultStatus(sync.get()) == PGRES_PIPELINE_SYNC;
}

void Connection::note_failure(const PGresult* result, std::optional<SqlFailure>& failure) {
  if (failure || succeeded(result)) return;
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  failure = failure_of(state != nullptr ? state : "", primary != nullptr ? primary : PQresultErrorMessage(result));
  if (failure->kind == FailureKind::connection) usable_ = false;
}

SqlFailure Connection::lost() {
  usable_ = false;
  if (timed_out_) return {FailureKind::connection, "the database does not answer"};
  return failure_of({}, PQerrorMessage(handle_.get()));
}

}  // namespace openwop::pg
