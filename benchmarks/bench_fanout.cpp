// One run followed by many readers over HTTP: how long after its commit an event reaches them.
//
//   bench_fanout PORT KEY READERS [ROUNDS]
//
// Each round creates a run of "bench-hour", opens READERS streams of its events, and cancels it. An event's `timestamp`
// is that of its commit, so a reader's delay is what its clock says when the bytes arrive, less that; in milliseconds,
// as timestamps have no more. benchmarks/http.sh starts the server.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "openwop/clock.h"
#include "openwop/time.h"
#include "rig.h"

using openwop::bench::fail;

namespace {

struct Target {
  std::uint16_t port = 0;
  std::string key = {};
};

int connect_to(const Target& target) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(target.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE(*-reinterpret-cast): the interface of sockets
  if (socket < 0 || ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect; are enough open files allowed?");
  }
  return socket;
}

void send_request(int socket, const Target& target, std::string_view line, std::string_view headers,
                  std::string_view body = {}) {
  const std::string request =
      fmt::format("{} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n{}Content-Length: {}\r\n\r\n{}", line,
                  target.key, headers, body.size(), body);
  if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    fail("cannot send");
  }
}

/// What has come; empty when the other side has closed.
std::string receive(int socket) {
  std::array<char, 16'384> buffer;  // NOLINT(*-member-init): recv fills it
  const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
  return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string();
}

/// One short request on a connection of its own.
std::string call(const Target& target, std::string_view line, std::string_view body) {
  const int socket = connect_to(target);
  send_request(socket, target, line, "Content-Type: application/json\r\nConnection: close\r\n", body);
  std::string answer;
  for (std::string part = receive(socket); !part.empty(); part = receive(socket)) answer += part;
  ::close(socket);
  return answer;
}

/// The text behind `"name":"` up to the next quote.
std::string text_after(std::string_view text, std::string_view name) {
  const std::string start = fmt::format("\"{}\":\"", name);
  const auto at = text.find(start);
  if (at == std::string_view::npos) return {};
  const auto from = at + start.size();
  return std::string(text.substr(from, text.find('"', from) - from));
}

struct Reader {
  int socket = -1;
  std::string seen = {};
  double delay_ms = -1;
};

/// Reads from all until each has seen `what`; what comes behind it is kept too.
void read_until(std::vector<Reader>& readers, std::string_view what, bool measure) {
  std::vector<pollfd> waiting;
  waiting.reserve(readers.size());
  for (const Reader& reader : readers) waiting.push_back({reader.socket, POLLIN, 0});
  for (std::size_t left = readers.size(); left > 0;) {
    if (::poll(waiting.data(), waiting.size(), 10'000) <= 0) fail("nothing comes");
    const std::int64_t now_ms = openwop::SystemClock().now_ms();
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if ((waiting[i].revents & (POLLIN | POLLHUP)) == 0) continue;
      Reader& reader = readers[i];
      const std::string part = receive(reader.socket);
      if (part.empty()) fail("a stream has ended early");
      reader.seen += part;
      const auto at = reader.seen.find(what);
      if (at == std::string::npos) continue;
      if (measure) {
        const auto stamp = openwop::parse_rfc3339(text_after(reader.seen.substr(at), "timestamp"));
        if (!stamp) fail("an event without a timestamp");
        reader.delay_ms = static_cast<double>(now_ms - *stamp);
      }
      waiting[i].fd = -1;
      --left;
    }
  }
}

void one_round(const Target& target, std::size_t count, std::vector<double>& delays) {
  const std::string run = text_after(call(target, "POST /v1/runs", R"({"workflowId":"bench-hour"})"), "runId");
  if (run.empty()) fail("no run was created");
  std::vector<Reader> readers(count);
  for (Reader& reader : readers) {
    reader.socket = connect_to(target);
    send_request(reader.socket, target, fmt::format("GET /v1/runs/{}/events", run), "Accept: text/event-stream\r\n");
  }
  read_until(readers, "run.started", false);
  for (Reader& reader : readers) reader.seen.clear();
  static_cast<void>(call(target, fmt::format("POST /v1/runs/{}/cancel", run), "{}"));
  read_until(readers, "\"run.cancelled\"", true);
  for (const Reader& reader : readers) {
    delays.push_back(reader.delay_ms);
    ::close(reader.socket);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) fail("usage: bench_fanout PORT KEY READERS [ROUNDS]");
  const Target target{static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2]};
  const std::size_t readers = std::strtoul(argv[3], nullptr, 10);
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 5;
  std::vector<double> delays;
  for (int round = 0; round < rounds; ++round) one_round(target, readers, delays);
  std::sort(delays.begin(), delays.end());
  // The cases of benchmarks/http.sh read this line.
  fmt::print("{} {} {}\n", delays[delays.size() / 2], delays[delays.size() * 99 / 100], delays.back());
}
