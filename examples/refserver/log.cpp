#include "log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>

#include "openwop/clock.h"
#include "openwop/json.h"
#include "openwop/redaction.h"
#include "openwop/time.h"

namespace refserver {

namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};
std::atomic<LogLevel> lowest_level = LogLevel::info;
std::mutex one_line_at_a_time;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;  // nobody listens: nothing to be done about it
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void set_log_level(LogLevel level) { lowest_level = level; }
LogLevel log_level() { return lowest_level; }

void log(LogLevel level, std::string_view message, std::string_view fields) {
  if (level < lowest_level) return;
  std::string line;
  {
    openwop::json::ObjectWriter object(line);
    object.string("time", openwop::format_rfc3339(openwop::SystemClock().now_ms()));
    object.string("level", kLevelNames[static_cast<std::size_t>(level)]);
    object.string("msg", message);
    openwop::json::for_each_member(fields, [&](std::string_view key, std::string_view value) {
      object.raw_member(openwop::json::unescape(key), value);
      return true;
    });
  }
  openwop::redact_json(line);
  line += '\n';
  const std::lock_guard lock(one_line_at_a_time);
  write_all(line);
}

std::string text_fields(std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  std::string out;
  {
    openwop::json::ObjectWriter object(out);
    for (const auto& [key, value] : members) object.string(key, value);
  }
  return out;
}

}  // namespace refserver
