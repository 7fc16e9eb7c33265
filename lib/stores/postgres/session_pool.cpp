#include "stores/postgres/session_pool.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace openwop::pg {

SessionPool::SessionPool(const PostgresOptions& options, std::string store_id)
    : options_(options), store_id_(std::move(store_id)) {}

Result<SessionPool::Lease> SessionPool::acquire() {
  std::unique_lock lock(mutex_);
  const auto available = [this] {
    return !idle_.empty() || made_ < std::max<std::size_t>(options_.max_connections, 1);
  };
  if (!changed_.wait_for(lock, std::chrono::milliseconds(options_.acquire_timeout_ms), available)) {
    return Error{ErrorCode::store_io_error, "all connections to the database are in use (max_connections)"};
  }
  if (!idle_.empty()) {
    // The one used last: the others may be closed for good by a server that limits idle ones.
    auto session = std::move(idle_.back());
    idle_.pop_back();
    return Lease(*this, std::move(session));
  }
  ++made_;
  auto session = std::make_unique<Session>();
  session->slot = ++last_slot_;
  return Lease(*this, std::move(session));
}

void SessionPool::give_back(std::unique_ptr<Session> session) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(session));
  changed_.notify_one();
}

std::optional<SqlFailure> SessionPool::make_ready(Session& session) {
  if (!session.connection) {
    if (auto failure = connect(session)) return failure;
  }
  if (doubt_count_.load() == 0) return std::nullopt;
  auto failure = settle_doubts(*session.connection);
  if (failure && !session.connection->usable()) session.connection.reset();
  return failure;
}

std::optional<SqlFailure> SessionPool::connect(Session& session) {
  auto opened = Connection::open(options_);
  if (auto* failure = std::get_if<SqlFailure>(&opened)) return std::move(*failure);
  auto connection = std::move(std::get<std::unique_ptr<Connection>>(opened));
  if (auto failure = connection->prepare()) return failure;
  session.connection = std::move(connection);
  away_ = false;
  const std::lock_guard lock(mutex_);
  ++reconnects_;
  changed_.notify_all();
  return std::nullopt;
}

std::variant<bool, SqlFailure> SessionPool::settle(Connection& connection, Doubt doubt) {
  Parameters parameters;
  name_slot(parameters, doubt.slot);
  parameters.int8(doubt.commit);
  const std::array calls = {Call{Statement::settle_slot, &parameters}};
  auto answers = connection.run(calls);
  if (answers.failure) return *std::move(answers.failure);
  return int8_field(*answers.results.front(), 0, 0) == doubt.commit;
}

std::optional<SqlFailure> SessionPool::settle_doubts(Connection& connection) {
  // Held across the round trips: a call that comes meanwhile must not pass by a doubt that is not settled.
  const std::lock_guard lock(doubt_mutex_);
  while (!doubts_.empty()) {
    auto settled = settle(connection, doubts_.back());
    if (auto* failure = std::get_if<SqlFailure>(&settled)) return std::move(*failure);
    doubts_.pop_back();
    doubt_count_ = doubts_.size();
  }
  return std::nullopt;
}

void SessionPool::leave_in_doubt(Session& session, std::int64_t commit) {
  {
    const std::lock_guard lock(doubt_mutex_);
    doubts_.push_back({session.slot, commit});
    doubt_count_ = doubts_.size();
  }
  const std::lock_guard lock(mutex_);
  session.slot = ++last_slot_;
  session.commits = 0;
}

bool SessionPool::may_repeat(int attempts, FailureKind kind) {
  if (kind != FailureKind::connection && kind != FailureKind::repeat) return false;
  const bool lost = kind == FailureKind::connection;
  if (attempts >= options_.max_attempts || (lost && away_)) {
    if (lost) away_ = true;
    return false;
  }
  std::int64_t pause_ms = options_.backoff_initial_ms;
  for (int i = 1; i < attempts && pause_ms < options_.backoff_max_ms; ++i) pause_ms *= 2;
  pause_ms = std::min<std::int64_t>(pause_ms, options_.backoff_max_ms);
  std::unique_lock lock(mutex_);
  const auto before = reconnects_;
  // Whoever sees the database come back wakes the others.
  changed_.wait_for(lock, std::chrono::milliseconds(pause_ms), [&] { return lost && reconnects_ != before; });
  return true;
}

}  // namespace openwop::pg
