#include "ui.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "ui_files.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
namespace http = openwop::http;

namespace {

constexpr std::string_view kRoot = "/ui";
constexpr std::string_view kIndex = "index.html";

// Nothing from anywhere else, nothing inline, no frame around it. Trusted types make the browser refuse every way of
// turning text into markup or script, should the page's code ever try one.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'";

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kTypes = {{
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
}};

std::string_view type_of(std::string_view name) {
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

const UiFile* find_file(std::string_view name) {
  const auto files = ui_files();
  const auto at = std::find_if(files.begin(), files.end(), [&](const UiFile& file) { return file.name == name; });
  return at == files.end() ? nullptr : &*at;
}

/// `If-None-Match: *`, or a list of tags. Weak ones match too (RFC 9110 §13.1.2).
bool has_tag(const http::Headers& headers, std::string_view tag) {
  const auto [first, last] = headers.equal_range("If-None-Match");
  return std::any_of(first, last, [&](const auto& entry) {
    return entry.second == "*" || entry.second.find(tag) != std::string::npos;
  });
}

void add_protections(http::Headers& headers) {
  headers.emplace("Content-Security-Policy", kContentSecurityPolicy);
  headers.emplace("X-Content-Type-Options", "nosniff");
  headers.emplace("X-Frame-Options", "DENY");
  headers.emplace("Referrer-Policy", "no-referrer");
  headers.emplace("Cross-Origin-Opener-Policy", "same-origin");
  headers.emplace("Cross-Origin-Resource-Policy", "same-origin");
}

http::Response file_response(const UiFile& file, const http::Headers& asked) {
  const std::string tag = "\"" + std::string(file.digest.substr(0, 32)) + "\"";
  http::Response response;
  add_protections(response.headers);
  response.headers.emplace("ETag", tag);
  // Kept, but asked for each time: a new server has new files under the old names.
  response.headers.emplace("Cache-Control", "no-cache");
  if (has_tag(asked, tag)) {
    response.status = 304;
    return response;
  }
  response.headers.emplace("Content-Type", type_of(file.name));
  response.body = file.text;
  return response;
}

}  // namespace

std::optional<http::Response> Ui::answer(const http::Request& request) const {
  std::string_view path = request.target;
  path = path.substr(0, path.find_first_of("?#"));
  if (!path.starts_with(kRoot)) return std::nullopt;
  path.remove_prefix(kRoot.size());
  if (!path.empty() && !path.starts_with('/')) return std::nullopt;

  const auto refusal = [&](ErrorCode code, std::string message) {
    http::Response response = surface_.refuse(Error{code, std::move(message)});
    add_protections(response.headers);
    return response;
  };
  const UiFile* file = find_file(path.size() <= 1 ? kIndex : path.substr(1));
  if (file == nullptr) return refusal(ErrorCode::not_found, "no such file of the timeline page");
  if (request.method != "GET" && request.method != "HEAD") {
    http::Response response = refusal(ErrorCode::method_not_allowed, "this path takes GET, HEAD only");
    response.headers.emplace("Allow", "GET, HEAD");
    return response;
  }
  return file_response(*file, request.headers);
}

}  // namespace refserver
