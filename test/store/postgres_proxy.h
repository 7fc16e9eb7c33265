// PostgresProxy: stands between a store and the server, and loses what a test wants lost.
//
// Only commits are lost: a message with the name of the statement that begins one, on a connection that is prepared.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/postgres_server.h"

namespace openwop::test {

enum class Loses : std::uint8_t {
  nothing,
  /// The commit does not reach the server.
  request,
  /// The commit is carried out; its answer does not come.
  answer,
  /// The commit is kept back, and reaches the server with deliver().
  until_delivered,
};

class PostgresProxy {
 public:
  explicit PostgresProxy(const PostgresServer& server);
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;
  ~PostgresProxy();

  /// Folder of the socket, for the connection string.
  [[nodiscard]] std::string folder() const { return folder_.path().string(); }

  /// What happens to the next commit, and only to that.
  void lose_next(Loses what) { loses_ = what; }
  [[nodiscard]] bool lost() const { return loses_ == Loses::nothing; }
  /// Whether new connections get through.
  void let_in(bool open) { open_ = open; }
  /// Sends the commit that was kept back; what the server says to it.
  [[nodiscard]] std::string deliver();

 private:
  void accept_all();
  void pump(int client);
  void handle_commit(Loses what, const std::string& bytes, int client, int server);

  TempDir folder_;
  std::string server_path_;
  int listener_ = -1;
  std::atomic<Loses> loses_{Loses::nothing};
  std::atomic<bool> open_{true};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::thread> pumps_;
  std::string kept_;
  int kept_server_ = -1;
  std::thread acceptor_;
};

}  // namespace openwop::test
