#include "webhooks/webhook_url.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "openwop/json.h"
#include "webhooks/ip_address.h"

namespace openwop::webhooks {

namespace {

constexpr std::array<std::string_view, 2> kPrivateNames = {"localhost", "metadata"};
constexpr std::array<std::string_view, 5> kPrivateSuffixes = {".localhost", ".local", ".internal", ".cluster",
                                                              ".localdomain"};

Error malformed(std::string_view why) {
  Error error{ErrorCode::validation_error, "url " + std::string(why)};
  json::ObjectWriter(error.details).string("field", "url");
  return error;
}
Error rejected(std::string_view why) {
  Error error{ErrorCode::webhook_url_rejected, "url " + std::string(why)};
  json::ObjectWriter(error.details).string("field", "url");
  return error;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

/// A host whose last label is a number is an IPv4 address to every client, however it is spelt: 127.1, 0x7f000001,
/// 2130706433, 0177.0.0.1.
bool looks_like_ipv4(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') == std::string_view::npos ? 0 : host.rfind('.') + 1);
  if (last.starts_with("0x")) return std::all_of(last.begin() + 2, last.end(), is_hex);
  return !last.empty() && std::all_of(last.begin(), last.end(), is_digit);
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.find("..") != std::string_view::npos)
    return false;
  return std::all_of(host.begin(), host.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '.' || c == '_'; });
}

Status check_port(std::string_view text) {
  std::uint32_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = code == std::errc{} && end == text.data() + text.size() && text.size() <= 5;
  if (!whole || port == 0 || port > 65535) return malformed("has a port that is none");
  return {};
}

Result<WebhookUrl> parse_host(std::string_view authority) {
  WebhookUrl url;
  std::string_view rest;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return malformed("has no valid host");
    url.host = lower(authority.substr(1, end - 1));
    url.is_address = true;
    if (!parse_ipv6(url.host)) return malformed("has no valid host");
    rest = authority.substr(end + 1);
  } else {
    const auto colon = authority.find(':');
    url.host = lower(authority.substr(0, colon));
    if (url.host.ends_with('.')) url.host.pop_back();
    if (!is_host_name(url.host)) return malformed("has no valid host");
    url.is_address = looks_like_ipv4(url.host);
    rest = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
  }
  if (!rest.empty()) {
    if (!rest.starts_with(':')) return malformed("has no valid host");
    if (auto port = check_port(rest.substr(1)); !port) return std::move(port).error();
  }
  return url;
}

bool is_private_name(std::string_view host) {
  return std::find(kPrivateNames.begin(), kPrivateNames.end(), host) != kPrivateNames.end() ||
         std::any_of(kPrivateSuffixes.begin(), kPrivateSuffixes.end(),
                     [&](std::string_view suffix) { return host.ends_with(suffix); });
}

}  // namespace

Result<WebhookUrl> check_webhook_url(std::string_view url, const WebhookOptions& options) {
  if (url.size() > options.max_url_bytes) {
    return malformed("is longer than max_url_bytes = " + std::to_string(options.max_url_bytes));
  }
  const bool printable = std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7F && c != '\\'; });
  if (!printable) return malformed("holds a character that no URL has");
  const auto colon = url.find("://");
  if (colon == std::string_view::npos) return malformed("has to be an absolute https URL");
  const std::string scheme = lower(url.substr(0, colon));
  const bool is_scheme = !scheme.empty() && std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
  if (!is_scheme) return malformed("has to be an absolute https URL");
  const std::string_view behind = url.substr(colon + 3);
  const std::string_view authority = behind.substr(0, behind.find_first_of("/?#"));
  const bool has_http = scheme == "http" && options.allow_private;
  if (scheme != "https" && !has_http) return rejected("has to begin with https://");
  if (authority.find('@') != std::string_view::npos) return rejected("must not hold credentials");
  auto host = parse_host(authority);
  if (!host || options.allow_private) return host;
  if (host->is_address && !is_public_address(host->host)) return rejected("does not point to a public address");
  if (is_private_name(host->host)) return rejected("does not point to a public host");
  return host;
}

Result<std::string> allowed_address(const WebhookUrl& url, const WebhookOptions& options) {
  if (options.allow_private) return std::string();
  if (url.is_address) {
    if (!is_public_address(url.host)) return rejected("does not point to a public address");
    return url.host;
  }
  auto addresses = options.resolver->resolve(url.host, options.resolve_timeout_ms);
  if (!addresses) return std::move(addresses).error();
  // One private address among public ones is enough: which of them a client takes is chance.
  if (!std::all_of(addresses->begin(), addresses->end(), is_public_address) || addresses->empty()) {
    return rejected("does not point to a public address");
  }
  return std::move(addresses->front());
}

}  // namespace openwop::webhooks
