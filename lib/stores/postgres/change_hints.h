// Tells other store objects on the database of this one's commits, and listens for theirs.
//
// One thread with a connection of its own. NOTIFY is not part of the commits: a transaction with a NOTIFY holds a lock
// of the whole database server until its end, and commits would go one after the other. After a commit the thread sends
// one, at most one in `hint_interval_ms`. Where LISTEN is off or not known to the database, it looks at the counters of
// the slots instead, which every commit moves. Without commits and hints the thread sleeps.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "stores/postgres/connection.h"

namespace openwop::pg {

class ChangeHints {
 public:
  ChangeHints(const PostgresOptions& options, const std::string& store_id);
  ChangeHints(const ChangeHints&) = delete;
  ChangeHints& operator=(const ChangeHints&) = delete;
  ~ChangeHints();

  void set_callback(std::function<void()> callback);
  void note_commit();

 private:
  /// A pipe that interrupts the thread's wait.
  class Waker {
   public:
    Waker();
    Waker(const Waker&) = delete;
    Waker& operator=(const Waker&) = delete;
    ~Waker();
    void wake() const;
    void clear() const;
    [[nodiscard]] int descriptor() const { return read_end_; }

   private:
    int read_end_ = -1;
    int write_end_ = -1;
  };

  void work();
  bool connect();
  void look();
  bool take_notifications();
  bool tell_others();
  bool look_at_slots(bool& changed);
  void call_back();
  void wait(int socket, int timeout_ms);
  void pause(int duration_ms);

  const PostgresOptions options_;
  const std::string store_id_;

  std::mutex callback_mutex_;
  std::function<void()> callback_;
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  std::atomic<bool> stopping_{false};
  /// Commits that others have not been told of.
  std::atomic<bool> committed_{false};
  std::atomic<bool> listening_{false};
  Waker waker_;

  // What follows belongs to the thread.
  std::unique_ptr<Connection> connection_;
  std::string slots_seen_;
  int failures_ = 0;

  std::thread thread_;
};

}  // namespace openwop::pg
