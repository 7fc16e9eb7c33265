// The bytes of one client, in clear or under TLS. Nothing here waits: a call that cannot go on says what it needs of
// the socket, and its caller polls, with whatever deadline it has. So the threads of requests and the pump of streams
// share it.
//
// Owns the socket, and closes it. One thread at a time; it moves between threads with its owner.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace refserver {

class Channel {
 public:
  enum class State : std::uint8_t {
    done,
    wants_read,   // again once the socket has input
    wants_write,  // again once it has room
    ended,        // the client has said that nothing more comes
    failed,       // the connection is of no more use
  };
  struct Io {
    State state = State::failed;
    std::size_t bytes = 0;  // with `done` only, and then not 0
  };
  using Session = std::unique_ptr<SSL, decltype(&::SSL_free)>;

  /// No client.
  Channel() = default;
  /// In clear.
  explicit Channel(int socket) : socket_(socket) {}
  /// Under TLS, with the handshake still to come. Makes the socket non-blocking.
  Channel(int socket, Session session);
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  ~Channel();

  [[nodiscard]] int socket() const { return socket_; }

  /// `done` at once when there is no handshake left to do.
  [[nodiscard]] State handshake();
  /// Why the handshake failed, for the log; empty: the client went away.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  /// The client, which should have begun a handshake, has sent an HTTP request in clear.
  [[nodiscard]] bool got_http() const { return got_http_; }

  [[nodiscard]] Io receive(char* data, std::size_t size);
  [[nodiscard]] Io send(const char* data, std::size_t size);
  /// Tells the client that nothing more comes.
  void end_output();
  /// Past TLS, and as far as there is room: for a client that cannot speak it.
  void send_in_clear(std::string_view text) const;

 private:
  [[nodiscard]] State judge(int result);

  int socket_ = -1;
  Session session_{nullptr, &::SSL_free};
  bool handshaken_ = false;
  bool broken_ = false;
  bool got_http_ = false;
  std::string failure_;
};

}  // namespace refserver
