// Server: the reference server as a process of its own, for one test. ServerOptions say how it starts; the destructor
// kills what still runs. What get() and post() give is held against the OpenAPI document (wire_contract.h).
#pragma once

#include <httplib.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/temp_dir.h"

namespace openwop::test {

/// The key that servers are started with unless `arguments` has one.
inline constexpr const char* kServerKey = "wire-key";

/// What a call got: status 0 when there was no answer.
struct Answer {
  int status = 0;
  std::string body = {};
  httplib::Headers headers = {};

  /// A member of the body at a path of names, as text: strings without quotes, everything else raw; "" when absent.
  [[nodiscard]] std::string at(std::initializer_list<std::string_view> path) const;
  [[nodiscard]] std::string header(const std::string& name) const;
};

class Server {
 public:
  /// Starts openwop-refserver on a free port with these arguments and waits until it is ready.
  explicit Server(std::vector<std::string> arguments = {"--store", "memory"});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// True if it said that it listens.
  [[nodiscard]] bool ready() const { return port_ > 0; }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The exit code, once it ends by itself; -1 when it does not within the time.
  [[nodiscard]] int wait_for_exit(int timeout_ms = 10'000);
  /// SIGTERM, then wait_for_exit.
  [[nodiscard]] int terminate();
  void kill();
  /// What it wrote to stderr so far, and to stdout.
  [[nodiscard]] std::string log() const;
  [[nodiscard]] std::string output() const;

  [[nodiscard]] std::unique_ptr<httplib::Client> client(const std::string& key = kServerKey) const;
  [[nodiscard]] Answer get(const std::string& target, httplib::Headers headers = {},
                           const std::string& key = kServerKey) const;
  [[nodiscard]] Answer post(const std::string& target, const std::string& body, httplib::Headers headers = {},
                            const std::string& key = kServerKey) const;

  /// Any method; `body` empty: none is sent.
  [[nodiscard]] Answer send(const std::string& method, const std::string& target, const std::string& body = {},
                            httplib::Headers headers = {}, const std::string& key = kServerKey) const;

  /// Creates a run and gives its id; "" when it was refused.
  [[nodiscard]] std::string create_run(const std::string& workflow_id, const std::string& inputs = "{}") const;
  /// The run's snapshot once it has ended, or as it is when the time is over.
  [[nodiscard]] Answer wait_for_end(const std::string& run_id, int timeout_ms = 10'000) const;

  /// Sends raw bytes, ends its side when told so, and gives what comes back until the server closes.
  enum class After { keep_open, shut_down };
  [[nodiscard]] std::string raw(std::string_view bytes, After after, int timeout_ms = 5'000) const;
  /// A connected socket; the caller closes it.
  [[nodiscard]] int connect() const;

 private:
  TempDir files_;
  pid_t pid_ = -1;
  int exit_code_ = -1;
  int port_ = 0;
};

/// A port that was free a moment ago: for servers that have to know one another's before they start. 0 = none.
[[nodiscard]] int free_port();

/// Asks again until the answer is yes, for at most twenty seconds. Each question is a round trip, which paces the loop.
template <class Question>
bool eventually(Question&& question) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (question()) return true;
  }
  return false;
}

/// test/wire/workflows.
[[nodiscard]] std::string wire_workflows();

}  // namespace openwop::test
