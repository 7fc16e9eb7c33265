// HTTP as plain values: what a wire surface takes and gives. No sockets: a host mounts a surface in the HTTP server it
// already has (examples/refserver shows one mount in full).
//
//   Reply reply = surface.handle(request);
//   if (auto* response = std::get_if<Response>(&reply)) send(*response);
//   else pump(*std::get<std::unique_ptr<EventStream>>(reply));
//
// Thread-safety: Request and Response are plain values. An EventStream is pulled by one thread at a time; only cancel()
// may be called from another.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace openwop::http {

/// Orders header names without regard to ASCII case.
struct NameLess {
  using is_transparent = void;
  static constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
  bool operator()(std::string_view left, std::string_view right) const {
    return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end(),
                                        [](char a, char b) { return lower(a) < lower(b); });
  }
};

/// Header name -> value; a name may occur more than once.
using Headers = std::multimap<std::string, std::string, NameLess>;

/// The first value of a header, or nothing.
inline std::optional<std::string_view> header(const Headers& headers, std::string_view name) {
  const auto at = headers.find(name);
  if (at == headers.end()) return std::nullopt;
  return std::string_view(at->second);
}

struct Request {
  std::string method = "GET";
  /// Path and query exactly as they came, percent-encoding included: `/v1/runs/x/events?streamMode=debug`.
  std::string target = "/";
  Headers headers = {};
  std::string body = {};
};

struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = {};
};

/// What an EventStream has to say at one moment.
struct StreamFrame {
  enum class Kind : std::uint8_t {
    bytes,  // send `bytes` and flush
    idle,   // nothing came within the wait; ask again
    end,    // the stream is over; close it properly
  };
  Kind kind = Kind::idle;
  std::string bytes = {};
};

/// A response without end in sight, pulled by its host: what is not asked for is not made, so a slow reader costs
/// nothing but the place where it stands. Destroy it before the surface that gave it.
class EventStream {
 public:
  virtual ~EventStream() = default;

  /// Status and headers to send before the first frame; the body is empty.
  [[nodiscard]] virtual const Response& head() const = 0;

  /// What comes next; waits for it at most `max_wait_ms`, and with 0 not at all. Includes keep-alive comments, which
  /// are made only inside a wait. After `end` it gives `end` for ever.
  [[nodiscard]] virtual StreamFrame next(std::int64_t max_wait_ms) = 0;

  // ---- for a host that waits by itself, for many streams on one thread ----

  /// Called when next() may have more to say than before, from any thread, perhaps with the lock of whoever has it to
  /// say: it must be quick and must not call back. Set it before the first next(); one call may still be under way when
  /// the stream is destroyed.
  virtual void on_ready(std::function<void()> callback) = 0;
  /// How long the host may sleep unless on_ready() calls: until a batch or a keep-alive comment is due.
  [[nodiscard]] virtual std::int64_t due_in_ms() const = 0;
  /// As next(0), for a host that has slept `waited_ms` since the last call.
  [[nodiscard]] virtual StreamFrame next_after(std::int64_t waited_ms) = 0;

  /// Ends the stream: a next() that waits, and every later one, gives `end`. For a client that has gone, from any
  /// thread.
  virtual void cancel() = 0;
};

using Reply = std::variant<Response, std::unique_ptr<EventStream>>;

}  // namespace openwop::http
