#include "connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace refserver {

namespace {

constexpr std::size_t kFlushAt = std::size_t{64} << 10;
thread_local Connection* current_connection = nullptr;

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

/// Waits for what the channel needs; false when it does not come in time, or never will.
bool wait_for(int socket, Channel::State needs, std::chrono::steady_clock::time_point deadline) {
  if (needs != Channel::State::wants_read && needs != Channel::State::wants_write) return false;
  for (;;) {
    pollfd entry{socket, needs == Channel::State::wants_read ? short{POLLIN} : short{POLLOUT}, 0};
    const int ready = ::poll(&entry, 1, milliseconds_until(deadline));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace

Connection::Connection(Channel channel, const ConnectionLimits& limits)
    : channel_(std::move(channel)), limits_(limits) {
  current_connection = this;
}

Connection::~Connection() {
  current_connection = nullptr;
  if (channel_.socket() >= 0 && flush()) linger();
}

Connection* Connection::current() { return current_connection; }

bool Connection::open() {
  const auto deadline = std::chrono::steady_clock::now() + limits_.handshake;
  Channel::State state = channel_.handshake();
  while (state != Channel::State::done && wait_for(channel_.socket(), state, deadline)) state = channel_.handshake();
  failed_ = state != Channel::State::done;
  return !failed_;
}

bool Connection::wait_for_request() {
  if (!flush() || closes() || !fill(std::chrono::steady_clock::now() + limits_.idle)) return false;
  deadline_ = std::chrono::steady_clock::now() + limits_.header;
  header_bytes_ = 0;
  in_headers_ = true;
  return true;
}

void Connection::begin_body() {
  in_headers_ = false;
  deadline_ = std::chrono::steady_clock::now() + limits_.body;
}

bool Connection::flush() {
  std::size_t sent = 0;
  while (!failed_ && sent < output_.size()) {
    const Channel::Io io = channel_.send(output_.data() + sent, output_.size() - sent);
    sent += io.bytes;
    failed_ = io.state != Channel::State::done &&
              !wait_for(channel_.socket(), io.state, std::chrono::steady_clock::now() + limits_.write);
  }
  output_.clear();
  return !failed_;
}

bool Connection::is_readable() const { return input_at_ < input_end_; }

// There is input, now or before the deadline.
bool Connection::fill(TimePoint deadline) {
  while (!is_readable()) {
    const Channel::Io io = channel_.receive(input_.data(), input_.size());
    if (io.state == Channel::State::done) {
      input_at_ = 0;
      input_end_ = io.bytes;
    } else if (io.state == Channel::State::ended || io.state == Channel::State::failed) {
      return false;
    } else if (!wait_for(channel_.socket(), io.state, deadline)) {
      timed_out_ = true;
      return false;
    }
  }
  return true;
}

ssize_t Connection::read(char* data, std::size_t size) {
  // What is buffered has to be out before we wait, `100 Continue` for one.
  if (!is_readable() && !flush()) return -1;
  if (!fill(deadline_)) return -1;
  const std::size_t count = std::min(size, input_end_ - input_at_);
  std::memcpy(data, input_.data() + input_at_, count);
  input_at_ += count;
  if (in_headers_) {
    header_bytes_ += count;
    headers_too_large_ = header_bytes_ > limits_.max_header_bytes;
    if (headers_too_large_) return -1;
  }
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* data, std::size_t size) {
  if (detached()) return static_cast<ssize_t>(size);
  output_.append(data, size);
  if (output_.size() >= kFlushAt && !flush()) return -1;
  return failed_ ? -1 : static_cast<ssize_t>(size);
}

// A close with unread input would reset the connection, and the client might lose the answer that is on its way.
void Connection::linger() {
  constexpr std::chrono::milliseconds kLinger{1'000};
  channel_.end_output();
  if (!closes()) return;
  const auto deadline = std::chrono::steady_clock::now() + kLinger;
  input_at_ = input_end_ = 0;
  while (fill(deadline) && std::chrono::steady_clock::now() < deadline) input_at_ = input_end_ = 0;
}

// Nothing here shows or judges addresses.
void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}
void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace refserver
