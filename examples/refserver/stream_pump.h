// Sends open streams: one thread for all of them, which sleeps until a stream has something to say, a client can take
// more, or a client has gone. A stream that waits costs its place in a few tables and a socket, no thread.
//
// Thread-safety: take() and size() from any thread; drain() once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "channel.h"
#include "openwop/protocol/http.h"

namespace refserver {

class StreamPump {
 public:
  /// `write_limit`: how long a client may take nothing of what there is for it.
  explicit StreamPump(std::chrono::milliseconds write_limit);
  StreamPump(const StreamPump&) = delete;
  StreamPump& operator=(const StreamPump&) = delete;
  ~StreamPump();

  struct Job {
    Channel channel = {};
    std::unique_ptr<openwop::http::EventStream> stream;
    /// Status line and headers.
    std::string head;
    /// Chunked coding (HTTP/1.1); otherwise the end of the connection is the end of the body.
    bool chunked = true;
    /// Gets the channel back when the stream has ended well; empty: it is closed.
    std::function<void(Channel)> done = {};
  };
  void take(Job job);

  /// Streams that are open.
  [[nodiscard]] std::size_t size() const;

  /// For streams that have been told to end: waits until they are out, at most that long, drops what is left, and ends
  /// the thread.
  void drain(std::chrono::milliseconds at_most);

 private:
  using Clock = std::chrono::steady_clock;
  struct Client {
    Job job;
    std::string output;
    std::size_t sent = 0;
    bool ended = false;
    bool blocked = false;          // until its socket is ready
    bool waits_for_input = false;  // blocked by TLS, which has to read before it can write
    bool more = false;             // its turn ended before its stream had
    Clock::time_point idle_since{};
    Clock::time_point due{};
  };
  struct Inbox;

  void stop();
  void receive_late();
  void run();
  void receive();
  void add(Job job);
  /// Sends what the stream has; false when the client is to be dropped.
  bool step(Client& client);
  bool send(Client& client);
  void schedule(std::uint64_t id, Client& client);
  void finish(std::uint64_t id, bool ended_well);
  [[nodiscard]] int wait_ms() const;

  const std::chrono::milliseconds write_limit_;
  int epoll_ = -1;
  /// Shared with the streams' callbacks, which may outlive the pump.
  std::shared_ptr<Inbox> inbox_;
  std::map<std::uint64_t, Client> clients_;
  std::set<std::pair<Clock::time_point, std::uint64_t>> due_;
  std::uint64_t next_id_ = 1;
  std::thread thread_;
};

}  // namespace refserver
