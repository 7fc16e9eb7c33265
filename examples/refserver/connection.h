// One client connection: a channel with buffers and deadlines, as the stream that cpp-httplib reads requests from and
// writes responses to. httplib's own stream bounds each read only, so a client that sends a byte now and then could
// hold a thread for ever; here a whole request has a deadline.
//
// Lives on its connection's thread.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "channel.h"

namespace refserver {

struct ConnectionLimits {
  std::chrono::milliseconds handshake{10'000};  // of TLS
  std::chrono::milliseconds idle{30'000};       // between requests
  std::chrono::milliseconds header{10'000};     // from the first byte of a request to the end of its headers
  std::chrono::milliseconds body{30'000};       // from there to the end of the body
  std::chrono::milliseconds write{20'000};      // for the client to take some of what is sent
  std::size_t max_header_bytes = 32'768;        // request line and headers
};

class Connection final : public httplib::Stream {
 public:
  Connection(Channel channel, const ConnectionLimits& limits);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() override;

  /// The connection whose request this thread serves.
  [[nodiscard]] static Connection* current();

  /// Carries out the handshake, if there is one to do; false when there is nobody to talk to.
  [[nodiscard]] bool open();
  /// Why open() said no.
  [[nodiscard]] const Channel& channel() const { return channel_; }

  /// Sends what is buffered, then waits for the next request; false when none comes.
  [[nodiscard]] bool wait_for_request();
  /// The request's headers are in; its body has a time of its own.
  void begin_body();
  /// Sends what is buffered; false when the client does not take it.
  bool flush();

  /// Nothing that is written from now on is sent: the answer goes out by other means. The channel is taken by
  /// release(). `take` will get the channel when the request is done with.
  void detach(std::function<void(Channel)> take) { take_ = std::move(take); }
  [[nodiscard]] bool detached() const { return static_cast<bool>(take_); }
  /// Who gets the channel that release() gives up.
  [[nodiscard]] std::function<void(Channel)> taker() { return std::move(take_); }
  [[nodiscard]] Channel release() { return std::move(channel_); }
  /// Input is here already that belongs to a later request.
  [[nodiscard]] bool has_input() const { return is_readable(); }

  /// No further request is read from this connection.
  void close_after_response() { close_after_response_ = true; }
  [[nodiscard]] bool closes() const { return close_after_response_ || failed_; }
  [[nodiscard]] bool headers_too_large() const { return headers_too_large_; }
  [[nodiscard]] bool timed_out() const { return timed_out_; }

  [[nodiscard]] bool is_readable() const override;
  [[nodiscard]] bool is_writable() const override { return !failed_; }
  ssize_t read(char* data, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return channel_.socket(); }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  bool fill(TimePoint deadline);
  void linger();

  Channel channel_;
  const ConnectionLimits& limits_;
  std::array<char, 16'384> input_;
  std::size_t input_at_ = 0;
  std::size_t input_end_ = 0;
  std::string output_;
  TimePoint deadline_{};
  std::size_t header_bytes_ = 0;
  bool in_headers_ = false;
  bool headers_too_large_ = false;
  bool timed_out_ = false;
  bool failed_ = false;
  bool close_after_response_ = false;
  std::function<void(Channel)> take_;
};

}  // namespace refserver
