#include "stores/postgres/change_hints.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace openwop::pg {
namespace {

struct FreeNotification {
  void operator()(PGnotify* notification) const { PQfreemem(notification); }
};

}  // namespace

ChangeHints::Waker::Waker() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
  read_end_ = ends[0];
  write_end_ = ends[1];
}

ChangeHints::Waker::~Waker() {
  if (read_end_ >= 0) ::close(read_end_);
  if (write_end_ >= 0) ::close(write_end_);
}

void ChangeHints::Waker::wake() const {
  // A full pipe wakes as well.
  [[maybe_unused]] const auto written = ::write(write_end_, "", 1);
}

void ChangeHints::Waker::clear() const {
  std::array<char, 256> bytes;
  while (::read(read_end_, bytes.data(), bytes.size()) > 0) {
  }
}

ChangeHints::ChangeHints(const PostgresOptions& options, const std::string& store_id)
    : options_(options), store_id_(store_id), thread_([this] { work(); }) {}

ChangeHints::~ChangeHints() {
  {
    const std::lock_guard lock(stop_mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  waker_.wake();
  thread_.join();
}

void ChangeHints::set_callback(std::function<void()> callback) {
  const std::lock_guard lock(callback_mutex_);
  callback_ = std::move(callback);
}

void ChangeHints::note_commit() {
  // Without LISTEN others see the slot; the thread has nothing to send.
  if (!committed_.exchange(true) && listening_) waker_.wake();
}

void ChangeHints::work() {
  while (!stopping_) {
    if (!connection_ && !connect()) {
      int pause_ms = options_.backoff_initial_ms;
      for (int i = 1; i < failures_ && pause_ms < options_.backoff_max_ms; ++i) pause_ms *= 2;
      pause(std::min(pause_ms, options_.backoff_max_ms));
      continue;
    }
    int timeout_ms = options_.hint_poll_ms;
    // Looked at after listening_ was set, so that a commit is either seen here or wakes the wait.
    if (listening_) timeout_ms = committed_ ? 0 : -1;
    wait(PQsocket(connection_->raw()), timeout_ms);
    if (!stopping_) look();
  }
}

bool ChangeHints::connect() {
  auto opened = Connection::open(options_);
  auto* connection = std::get_if<std::unique_ptr<Connection>>(&opened);
  if (connection == nullptr) return ++failures_, false;
  connection_ = std::move(*connection);
  listening_ = false;
  if (options_.listen) {
    const auto listened = connection_->execute("LISTEN openwop_rows");
    if (listened.failure && listened.failure->kind == FailureKind::connection) {
      // An engine that refuses LISTEN has a healthy connection still.
      if (PQstatus(connection_->raw()) != CONNECTION_OK) return connection_.reset(), ++failures_, false;
    }
    listening_ = !listened.failure;
  }
  if (!listening_) {
    bool changed = false;
    if (!look_at_slots(changed)) return connection_.reset(), ++failures_, false;
  }
  failures_ = 0;
  // What was committed while nobody listened.
  call_back();
  return true;
}

void ChangeHints::look() {
  bool changed = false;
  bool alive = true;
  if (listening_) {
    alive = PQconsumeInput(connection_->raw()) == 1;
    changed = take_notifications();
  } else {
    alive = look_at_slots(changed);
  }
  if (changed) call_back();
  if (alive && listening_ && committed_.exchange(false)) {
    alive = tell_others();
    if (alive) pause(options_.hint_interval_ms);
    // Arrived with the answer to NOTIFY: the socket will not become readable for these.
    if (alive && take_notifications()) call_back();
  }
  if (!alive) connection_.reset();
}

bool ChangeHints::take_notifications() {
  bool foreign = false;
  while (const std::unique_ptr<PGnotify, FreeNotification> notification{PQnotifies(connection_->raw())}) {
    foreign = foreign || store_id_ != notification->extra;
  }
  return foreign;
}

bool ChangeHints::tell_others() {
  const auto told = connection_->execute("NOTIFY openwop_rows, '" + store_id_ + "'");
  return !told.failure || PQstatus(connection_->raw()) == CONNECTION_OK;
}

bool ChangeHints::look_at_slots(bool& changed) {
  auto answers = connection_->execute("SELECT count(*), coalesce(sum(commits), 0) FROM openwop_slots WHERE store <> '" +
                                      store_id_ + "'");
  if (answers.failure) return false;
  const PGresult& row = *answers.results.front();
  auto seen = std::string(field(row, 0, 0)) + " " + std::string(field(row, 0, 1));
  changed = !slots_seen_.empty() && slots_seen_ != seen;
  slots_seen_ = std::move(seen);
  return true;
}

void ChangeHints::call_back() {
  // Held during the call: once set_callback() has returned, the callback before is not running any more.
  const std::lock_guard lock(callback_mutex_);
  if (callback_) callback_();
}

void ChangeHints::wait(int socket, int timeout_ms) {
  std::array<pollfd, 2> events = {pollfd{waker_.descriptor(), POLLIN, 0}, pollfd{socket, POLLIN, 0}};
  ::poll(events.data(), events.size(), timeout_ms);
  waker_.clear();
}

void ChangeHints::pause(int duration_ms) {
  std::unique_lock lock(stop_mutex_);
  stopped_.wait_for(lock, std::chrono::milliseconds(duration_ms), [this] { return stopping_.load(); });
}

}  // namespace openwop::pg
