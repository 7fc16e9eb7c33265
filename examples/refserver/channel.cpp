#include "channel.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace refserver {

namespace {

Channel::State state_of_errno(Channel::State would_block) {
  return errno == EAGAIN || errno == EWOULDBLOCK ? would_block : Channel::State::failed;
}

}  // namespace

Channel::Channel(int socket, Session session) : socket_(socket), session_(std::move(session)) {
  const int flags = ::fcntl(socket_, F_GETFL);
  broken_ = !session_ || flags < 0 || ::fcntl(socket_, F_SETFL, flags | O_NONBLOCK) < 0 ||
            ::SSL_set_fd(session_.get(), socket_) != 1;
}

Channel::Channel(Channel&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      session_(std::move(other.session_)),
      handshaken_(other.handshaken_),
      broken_(other.broken_),
      got_http_(other.got_http_),
      failure_(std::move(other.failure_)) {}

Channel& Channel::operator=(Channel&& other) noexcept {
  Channel taken(std::move(other));
  std::swap(socket_, taken.socket_);
  std::swap(session_, taken.session_);
  std::swap(handshaken_, taken.handshaken_);
  std::swap(broken_, taken.broken_);
  std::swap(got_http_, taken.got_http_);
  std::swap(failure_, taken.failure_);
  return *this;
}

Channel::~Channel() {
  if (socket_ >= 0) ::close(socket_);
}

Channel::State Channel::handshake() {
  if (broken_) return State::failed;
  if (!session_ || handshaken_) return State::done;
  ::ERR_clear_error();
  const State state = judge(::SSL_accept(session_.get()));
  handshaken_ = state == State::done;
  if (state != State::failed) return state;
  const unsigned long error = ::ERR_peek_last_error();
  got_http_ = ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST;
  if (error == 0) return state;
  const char* const reason = ::ERR_reason_error_string(error);
  failure_ = reason == nullptr ? "unknown reason" : reason;
  if (const long verdict = ::SSL_get_verify_result(session_.get()); verdict != X509_V_OK) {
    failure_.append(": ").append(::X509_verify_cert_error_string(verdict));
  }
  return state;
}

Channel::Io Channel::receive(char* data, std::size_t size) {
  if (broken_) return {};
  if (session_) {
    std::size_t count = 0;
    ::ERR_clear_error();
    const State state = judge(::SSL_read_ex(session_.get(), data, size, &count));
    return {state, count};
  }
  ssize_t count = 0;
  do {
    count = ::recv(socket_, data, size, MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count > 0) return {State::done, static_cast<std::size_t>(count)};
  return {count == 0 ? State::ended : state_of_errno(State::wants_read)};
}

Channel::Io Channel::send(const char* data, std::size_t size) {
  if (broken_) return {};
  if (session_) {
    std::size_t count = 0;
    ::ERR_clear_error();
    const State state = judge(::SSL_write_ex(session_.get(), data, size, &count));
    return {state, count};
  }
  ssize_t count = 0;
  do {
    count = ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count > 0) return {State::done, static_cast<std::size_t>(count)};
  return {state_of_errno(State::wants_write)};
}

void Channel::end_output() {
  if (session_ && handshaken_ && !broken_) {
    ::ERR_clear_error();
    (void)::SSL_shutdown(session_.get());  // as far as there is room
  }
  ::shutdown(socket_, SHUT_WR);
}

void Channel::send_in_clear(std::string_view text) const {
  (void)::send(socket_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket_, SHUT_WR);
  // A close with unread input would reset the connection, and the client might lose the text.
  constexpr int kMaxReads = 16;
  std::array<char, 4096> ignored{};
  ssize_t count = 1;
  for (int i = 0; i < kMaxReads && count > 0; ++i) {
    count = ::recv(socket_, ignored.data(), ignored.size(), MSG_DONTWAIT);
  }
}

Channel::State Channel::judge(int result) {
  if (result > 0) return State::done;
  switch (::SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ: return State::wants_read;
    case SSL_ERROR_WANT_WRITE: return State::wants_write;
    case SSL_ERROR_ZERO_RETURN: return State::ended;
    default:
      // The session may not be used again, not even to say goodbye.
      broken_ = true;
      return State::failed;
  }
}

}  // namespace refserver
