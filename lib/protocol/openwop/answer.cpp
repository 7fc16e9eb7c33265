#include "protocol/openwop/answer.h"

#include <algorithm>

#include "openwop/json.h"
#include "openwop/redaction.h"

namespace openwop::wire {

http::Response json_response(int status, std::string body) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

http::Response error_response(const Error& error) {
  std::string body;
  {
    json::ObjectWriter envelope(body);
    envelope.string("error", error_name(error.code));
    envelope.string("message", error.message.empty() ? error_name(error.code) : std::string_view(error.message));
    if (!error.details.empty()) envelope.raw("details", error.details);
  }
  // Whatever of the request a message quotes, no secret comes back.
  redact_json(body);
  http::Response response = json_response(http_status(error.code), std::move(body));
  if (const auto seconds = json::member(error.details, "retryAfter")) {
    response.headers.emplace("Retry-After", std::string(*seconds));
  } else if (const auto ms = json::member(error.details, "retryAfterMs")) {
    const std::int64_t seconds_up = (json::as_int(*ms).value_or(0) + 999) / 1000;
    response.headers.emplace("Retry-After", std::to_string(std::max<std::int64_t>(seconds_up, 1)));
  }
  if (response.status == 401) response.headers.emplace("WWW-Authenticate", "Bearer");
  return response;
}

std::string with_detail(std::string_view details, std::string_view key, std::string_view raw_value) {
  std::string out;
  {
    json::ObjectWriter object(out);
    json::for_each_member(details, [&](std::string_view raw_key, std::string_view value) {
      if (!json::key_is(raw_key, key)) object.raw_member(json::unescape(raw_key), value);
      return true;
    });
    object.raw(key, raw_value);
  }
  return out;
}

Error invalid_field(std::string_view field, std::string_view message) {
  Error error{ErrorCode::validation_error, std::string(field).append(" ").append(message)};
  json::ObjectWriter(error.details).string("field", field);
  return error;
}

}  // namespace openwop::wire
