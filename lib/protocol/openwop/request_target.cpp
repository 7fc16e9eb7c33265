#include "protocol/openwop/request_target.h"

#include <charconv>
#include <limits>

#include "protocol/openwop/text_checks.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxParameters = 64;

Error malformed(std::string message) { return {ErrorCode::validation_error, std::move(message)}; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> percent_decode(std::string_view raw, std::string_view what) {
  const bool is_query = what == "query";
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '+' && is_query) {
      out += ' ';
    } else if (raw[i] != '%') {
      out += raw[i];
    } else {
      const int high = i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
      const int low = i + 2 < raw.size() ? hex_digit(raw[i + 2]) : -1;
      if (high < 0 || low < 0) return malformed("the " + std::string(what) + " has a broken percent-encoding");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (!is_plain_text(out)) {
    return malformed("the " + std::string(what) + " holds control characters or invalid UTF-8");
  }
  return out;
}

// RFC 9112 §3.2.2: a server accepts the absolute form too.
std::string_view without_authority(std::string_view raw) {
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!raw.starts_with(scheme)) continue;
    const auto path = raw.find('/', scheme.size());
    return path == std::string_view::npos ? std::string_view("/") : raw.substr(path);
  }
  return raw;
}

Status read_query(std::string_view raw, RequestTarget& target) {
  while (!raw.empty()) {
    const auto end = raw.find('&');
    const std::string_view pair = raw.substr(0, end);
    raw = end == std::string_view::npos ? std::string_view{} : raw.substr(end + 1);
    if (pair.empty()) continue;
    if (target.query.size() >= kMaxParameters) return malformed("the query has too many parameters");
    const auto equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), "query");
    if (!name) return std::move(name).error();
    auto value =
        percent_decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1), "query");
    if (!value) return std::move(value).error();
    // Of two values nobody could say which one was meant.
    if (target.parameter(*name)) return malformed("a query parameter is there more than once");
    target.query.emplace_back(*std::move(name), *std::move(value));
  }
  return {};
}

}  // namespace

std::optional<std::string_view> RequestTarget::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return std::string_view(value);
  }
  return std::nullopt;
}

Result<RequestTarget> parse_target(std::string_view raw) {
  raw = without_authority(raw);
  RequestTarget target;
  const auto question = raw.find('?');
  target.path = raw.substr(0, question);
  if (target.path.empty() || target.path.front() != '/') return malformed("the request target is not a path");
  if (!is_plain_text(target.path)) return malformed("the path holds control characters or invalid UTF-8");
  for (std::string_view rest = target.path.substr(1);;) {
    const auto slash = rest.find('/');
    target.segments.push_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest = rest.substr(slash + 1);
  }
  if (question != std::string_view::npos) {
    if (auto read = read_query(raw.substr(question + 1), target); !read) return std::move(read).error();
  }
  return target;
}

std::string percent_decoded(std::string_view raw) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const int high = raw[i] == '%' && i + 2 < raw.size() ? hex_digit(raw[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_digit(raw[i + 2]);
    out += low < 0 ? raw[i] : static_cast<char>(high * 16 + low);
    if (low >= 0) i += 2;
  }
  return out;
}

Result<std::string> decode_segment(std::string_view raw) { return percent_decode(raw, "path"); }

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> place_in_log(std::string_view text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  return digits && text.size() > 18 ? std::numeric_limits<std::int64_t>::max() : whole_number(text);
}

}  // namespace openwop::wire
