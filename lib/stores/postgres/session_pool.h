// The connections of one store object, and what is known about its commits in doubt.
//
// A session is a place for a connection and the slot of its commits (statements.h): connections come and go, the slot
// stays. A commit is in doubt when its connection dropped before the answer: it may be in, it may fail, and a server
// process may still be at work on it. Before any call is served on any connection of this store, doubts are settled: so
// what a caller reads after store_io_error is final.
//
// Thread-safe; a Session belongs to the holder of its Lease.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "stores/postgres/connection.h"

namespace openwop::pg {

struct Session {
  std::unique_ptr<Connection> connection;
  std::int64_t slot = 0;
  /// Number of the slot's last commit that this session knows of.
  std::int64_t commits = 0;
};

/// A commit whose answer was lost.
struct Doubt {
  std::int64_t slot;
  std::int64_t commit;
};

class SessionPool {
 public:
  SessionPool(const PostgresOptions& options, std::string store_id);

  /// Gives its session back.
  class Lease {
   public:
    Lease(SessionPool& pool, std::unique_ptr<Session> session) : pool_(&pool), session_(std::move(session)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (session_) pool_->give_back(std::move(session_));
    }
    Session* operator->() { return session_.get(); }
    Session& operator*() { return *session_; }

   private:
    SessionPool* pool_;
    std::unique_ptr<Session> session_;
  };

  /// Waits while all are in use. Errors: store_io_error.
  [[nodiscard]] Result<Lease> acquire();

  /// Connects the session if it is not, and settles what doubts there are.
  [[nodiscard]] std::optional<SqlFailure> make_ready(Session& session);

  /// Looks a commit up, and makes sure that it does not take effect any more if it has not. True: it has.
  [[nodiscard]] std::variant<bool, SqlFailure> settle(Connection& connection, Doubt doubt);

  /// For a commit that cannot be looked up now: the session gets a new slot.
  void leave_in_doubt(Session& session, std::int64_t commit);

  /// Whether a call that has failed so often may be tried again; if so, waits as long as it has to before that.
  [[nodiscard]] bool may_repeat(int attempts, FailureKind kind);

  /// The parameters that name a slot.
  void name_slot(Parameters& parameters, std::int64_t slot) const { parameters.bytes(store_id_).int8(slot); }

  [[nodiscard]] const PostgresOptions& options() const { return options_; }
  [[nodiscard]] const std::string& store_id() const { return store_id_; }

 private:
  void give_back(std::unique_ptr<Session> session);
  std::optional<SqlFailure> connect(Session& session);
  std::optional<SqlFailure> settle_doubts(Connection& connection);

  const PostgresOptions options_;
  const std::string store_id_;
  /// The last call could not reach the database, nor has one since.
  std::atomic<bool> away_{false};
  std::atomic<std::size_t> doubt_count_{0};

  std::mutex mutex_;
  /// A session is free, or has connected after a while without.
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Session>> idle_;
  std::size_t made_ = 0;
  std::uint64_t reconnects_ = 0;
  std::int64_t last_slot_ = 0;

  std::mutex doubt_mutex_;
  std::vector<Doubt> doubts_;
};

}  // namespace openwop::pg
