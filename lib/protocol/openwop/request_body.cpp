#include "protocol/openwop/request_body.h"

#include <algorithm>
#include <optional>
#include <string>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/text_checks.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxNamedBytes = 64;
constexpr std::size_t kMaxReasonCharacters = 1024;

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](char a, char b) { return http::NameLess::lower(a) == http::NameLess::lower(b); });
}

// An absent Content-Type is taken for JSON, the only thing this surface reads.
bool is_json(const http::Headers& headers) {
  const auto type = http::header(headers, "Content-Type");
  if (!type) return true;
  std::string_view essence = type->substr(0, type->find(';'));
  while (!essence.empty() && essence.back() == ' ') essence.remove_suffix(1);
  return equals_ignoring_case(essence, "application/json");
}

}  // namespace

Result<std::string_view> object_body(const SurfaceParts& surface, const Call& call) {
  const std::string_view body = call.request.body;
  if (!is_json(call.request.headers)) {
    return Error{ErrorCode::unsupported_media_type, "the body has to be application/json"};
  }
  const json::Limits limits{.max_bytes = surface.options.max_request_body_bytes,
                            .max_depth = surface.options.max_json_depth};
  if (auto checked = json::check(body, limits); !checked) return std::move(checked).error();
  if (json::kind(body) != json::Kind::object) {
    return Error{ErrorCode::validation_error, "the body has to be a JSON object"};
  }
  return body;
}

Result<std::string_view> optional_object_body(const SurfaceParts& surface, const Call& call) {
  if (call.request.body.empty()) return std::string_view("{}");
  return object_body(surface, call);
}

Status require_members(std::string_view object, std::initializer_list<std::string_view> names) {
  std::optional<std::string> unknown;
  json::for_each_member(object, [&](std::string_view raw_key, std::string_view) {
    const std::string name = json::unescape(raw_key);
    if (std::find(names.begin(), names.end(), name) == names.end()) unknown = name.substr(0, kMaxNamedBytes);
    return !unknown;
  });
  if (!unknown) return {};
  const bool can_be_named = !unknown->empty() && is_plain_text(*unknown);
  return invalid_field(can_be_named ? *unknown : "a member", "is not a member of this request");
}

Result<std::string> reason_of(std::string_view object) {
  const auto raw = json::member(object, "reason");
  if (!raw) return std::string();
  auto reason = json::as_string(*raw);
  if (!reason || count_characters(*reason) > kMaxReasonCharacters) {
    return invalid_field("reason", "has to be a string of at most 1024 characters");
  }
  return *std::move(reason);
}

}  // namespace openwop::wire
