#include "stream_pump.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <utility>

namespace refserver {

namespace http = openwop::http;

namespace {
constexpr std::uint64_t kInbox = 0;
/// What is sent to one client before the others get their turn.
constexpr std::size_t kBytesPerTurn = std::size_t{256} << 10;
}  // namespace

/// What other threads have for the pump.
struct StreamPump::Inbox {
  std::mutex mutex;
  std::condition_variable emptied;
  std::vector<Job> jobs;
  std::set<std::uint64_t> ready;
  std::size_t open = 0;
  bool stop = false;
  int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

  ~Inbox() { ::close(event); }
  void ring() const { ::eventfd_write(event, 1); }
  void mark_ready(std::uint64_t id) {
    {
      const std::lock_guard lock(mutex);
      if (!ready.insert(id).second) return;
    }
    ring();
  }
};

StreamPump::StreamPump(std::chrono::milliseconds write_limit)
    : write_limit_(write_limit), epoll_(::epoll_create1(EPOLL_CLOEXEC)), inbox_(std::make_shared<Inbox>()) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kInbox;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, inbox_->event, &event);
  thread_ = std::thread(&StreamPump::run, this);
}

StreamPump::~StreamPump() {
  stop();
  ::close(epoll_);
}

void StreamPump::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->stop = true;
  }
  inbox_->ring();
  thread_.join();
  // What came in too late.
  receive_late();
}

void StreamPump::receive_late() {
  const std::lock_guard lock(inbox_->mutex);
  inbox_->jobs.clear();
}

void StreamPump::take(Job job) {
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->jobs.push_back(std::move(job));
    ++inbox_->open;
  }
  inbox_->ring();
}

std::size_t StreamPump::size() const {
  const std::lock_guard lock(inbox_->mutex);
  return inbox_->open;
}

void StreamPump::drain(std::chrono::milliseconds at_most) {
  {
    std::unique_lock lock(inbox_->mutex);
    inbox_->emptied.wait_for(lock, at_most, [this] { return inbox_->open == 0; });
  }
  stop();
}

void StreamPump::run() {
  for (;;) {
    std::array<epoll_event, 128> events{};
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms());
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == kInbox) continue;
      const auto at = clients_.find(event.data.u64);
      if (at == clients_.end()) continue;
      const bool gone = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
      if (gone || !step(at->second)) {
        finish(at->first, false);
      } else {
        schedule(at->first, at->second);
      }
    }
    receive();
    {
      const std::lock_guard lock(inbox_->mutex);
      if (inbox_->stop) break;
    }
    // Batch windows, keep-alives, and clients that take nothing. What becomes due meanwhile has its turn after the
    // others.
    const auto now = Clock::now();
    for (auto at = due_.begin(); at != due_.end() && at->first < now; at = due_.begin()) {
      const std::uint64_t id = at->second;
      Client& client = clients_.at(id);
      if (client.blocked || !step(client)) {
        finish(id, false);
      } else {
        schedule(id, client);
      }
    }
  }
  while (!clients_.empty()) finish(clients_.begin()->first, false);
}

int StreamPump::wait_ms() const {
  if (due_.empty()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_.begin()->first - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

void StreamPump::receive() {
  std::vector<Job> jobs;
  std::set<std::uint64_t> ready;
  eventfd_t ignored = 0;
  ::eventfd_read(inbox_->event, &ignored);
  {
    const std::lock_guard lock(inbox_->mutex);
    jobs.swap(inbox_->jobs);
    ready.swap(inbox_->ready);
  }
  for (Job& job : jobs) add(std::move(job));
  for (const std::uint64_t id : ready) {
    const auto at = clients_.find(id);
    if (at == clients_.end() || at->second.blocked) continue;
    if (step(at->second)) {
      schedule(id, at->second);
    } else {
      finish(id, false);
    }
  }
}

void StreamPump::add(Job job) {
  const std::uint64_t id = next_id_++;
  Client& client = clients_[id];
  client.job = std::move(job);
  client.output = std::move(client.job.head);
  client.idle_since = Clock::now();
  epoll_event event{};
  event.events = EPOLLRDHUP;
  event.data.u64 = id;
  const bool watched = ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client.job.channel.socket(), &event) == 0;
  client.job.stream->on_ready([inbox = std::weak_ptr<Inbox>(inbox_), id] {
    if (const auto alive = inbox.lock()) alive->mark_ready(id);
  });
  // After the callback is set, so that nothing between the two is missed.
  if (watched && step(client)) {
    schedule(id, client);
  } else {
    finish(id, false);
  }
}

bool StreamPump::step(Client& client) {
  if (!send(client)) return false;
  const auto now = Clock::now();
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - client.idle_since);
  std::int64_t waited_ms = waited.count();
  client.idle_since += waited;
  std::size_t bytes = 0;
  client.more = false;
  while (!client.blocked && !client.ended) {
    http::StreamFrame frame = client.job.stream->next_after(std::exchange(waited_ms, 0));
    if (frame.kind == http::StreamFrame::Kind::idle) break;
    if (frame.kind == http::StreamFrame::Kind::end) {
      client.ended = true;
      if (client.job.chunked) client.output += "0\r\n\r\n";
    } else if (client.job.chunked) {
      std::array<char, 20> size{};
      const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", frame.bytes.size());
      client.output.append(size.data(), static_cast<std::size_t>(length)).append(frame.bytes).append("\r\n");
    } else {
      client.output += frame.bytes;
    }
    bytes += frame.bytes.size();
    if (!send(client)) return false;
    client.more = bytes >= kBytesPerTurn;
    if (client.more) break;
  }
  return true;
}

bool StreamPump::send(Client& client) {
  client.blocked = false;
  while (client.sent < client.output.size()) {
    const Channel::Io io =
        client.job.channel.send(client.output.data() + client.sent, client.output.size() - client.sent);
    client.sent += io.bytes;
    client.waits_for_input = io.state == Channel::State::wants_read;
    client.blocked = client.waits_for_input || io.state == Channel::State::wants_write;
    if (client.blocked) return true;
    if (io.state != Channel::State::done) return false;
  }
  // An idle client keeps no buffer.
  client.output = {};
  client.sent = 0;
  return true;
}

// When the client is looked at again by itself; and whether its socket is watched for room.
void StreamPump::schedule(std::uint64_t id, Client& client) {
  if (client.ended && !client.blocked) return finish(id, true);
  if (client.due != Clock::time_point{}) due_.erase({client.due, id});
  const auto now = Clock::now();
  epoll_event event{};
  event.events = EPOLLRDHUP;
  if (client.blocked) event.events |= client.waits_for_input ? EPOLLIN : EPOLLOUT;
  event.data.u64 = id;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, client.job.channel.socket(), &event);
  constexpr std::int64_t kFarMs = 3'600'000;
  const std::int64_t due_ms = client.more ? 0 : std::clamp<std::int64_t>(client.job.stream->due_in_ms(), 0, kFarMs);
  client.due = now + (client.blocked ? write_limit_ : std::chrono::milliseconds(due_ms));
  due_.insert({client.due, id});
}

void StreamPump::finish(std::uint64_t id, bool ended_well) {
  const auto at = clients_.find(id);
  if (at == clients_.end()) return;
  Client client = std::move(at->second);
  if (client.due != Clock::time_point{}) due_.erase({client.due, id});
  clients_.erase(at);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, client.job.channel.socket(), nullptr);
  client.job.stream.reset();
  if (ended_well && client.job.done) {
    client.job.done(std::move(client.job.channel));
  } else if (ended_well) {
    client.job.channel.end_output();
  }
  client.job.channel = {};
  const std::lock_guard lock(inbox_->mutex);
  if (--inbox_->open == 0) inbox_->emptied.notify_all();
}

}  // namespace refserver
