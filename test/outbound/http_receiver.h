// A real HTTP server on a free port of this machine, for what the library sends.
#pragma once

#include <httplib.h>

#include <string>
#include <thread>

#include "support/catch.h"

namespace openwop::test {

class HttpReceiver {
 public:
  HttpReceiver() : port_(server.bind_to_any_port("127.0.0.1")) { REQUIRE(port_ > 0); }
  HttpReceiver(const HttpReceiver&) = delete;
  HttpReceiver& operator=(const HttpReceiver&) = delete;
  ~HttpReceiver() {
    server.stop();
    if (thread_.joinable()) thread_.join();
  }
  /// After the handlers have been set.
  void start() {
    thread_ = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();
  }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }

  httplib::Server server;

 private:
  int port_;
  std::thread thread_;
};

}  // namespace openwop::test
