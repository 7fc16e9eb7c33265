#include "connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace refserver {

namespace {

constexpr std::size_t kFlushAt = 64 * 1024;
thread_local Connection* current_connection = nullptr;

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

bool poll_for(int socket, short events, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    pollfd entry{socket, events, 0};
    const int ready = ::poll(&entry, 1, milliseconds_until(deadline));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

}  // namespace

Connection::Connection(int socket, const ConnectionLimits& limits) : socket_(socket), limits_(limits) {
  current_connection = this;
}

Connection::~Connection() {
  current_connection = nullptr;
  if (socket_ < 0) return;
  if (flush()) linger();
  ::close(socket_);
}

Connection* Connection::current() { return current_connection; }

bool Connection::wait_for_request() {
  if (!flush() || closes()) return false;
  if (!is_readable() && !poll_for(socket_, POLLIN, std::chrono::steady_clock::now() + limits_.idle)) return false;
  deadline_ = std::chrono::steady_clock::now() + limits_.header;
  header_bytes_ = 0;
  in_headers_ = true;
  return fill(deadline_);
}

void Connection::begin_body() {
  in_headers_ = false;
  deadline_ = std::chrono::steady_clock::now() + limits_.body;
}

bool Connection::flush() {
  std::size_t sent = 0;
  while (!failed_ && sent < output_.size()) {
    const ssize_t count = ::send(socket_, output_.data() + sent, output_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      failed_ = !poll_for(socket_, POLLOUT, std::chrono::steady_clock::now() + limits_.write);
    } else if (errno != EINTR) {
      failed_ = true;
    }
  }
  output_.clear();
  return !failed_;
}

int Connection::release() { return std::exchange(socket_, -1); }

bool Connection::is_readable() const { return input_at_ < input_end_; }

// There is input, now or before the deadline.
bool Connection::fill(TimePoint deadline) {
  if (is_readable()) return true;
  for (;;) {
    const ssize_t count = ::recv(socket_, input_.data(), input_.size(), MSG_DONTWAIT);
    if (count > 0) {
      input_at_ = 0;
      input_end_ = static_cast<std::size_t>(count);
      return true;
    }
    if (count == 0) return false;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (!poll_for(socket_, POLLIN, deadline)) {
      timed_out_ = true;
      return false;
    }
  }
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
  ::shutdown(socket_, SHUT_WR);
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
