#include "protocol/openwop/mock_provider.h"

#include <algorithm>
#include <optional>

#include "openwop/ai_provider.h"
#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/text_checks.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxIdCharacters = 128;
Error invalid(std::string_view key, std::string_view message) {
  Error error{ErrorCode::validation_error, "configurable." + std::string(key) + " " + std::string(message)};
  json::ObjectWriter(error.details).string("key", key);
  return error;
}

Error refusal(ErrorCode code, std::string_view message, const std::optional<std::string>& requested,
              const std::vector<std::string>& supported) {
  Error error{code, std::string(message)};
  json::ObjectWriter details(error.details);
  std::string& list = details.value_of("supportedProviders");
  list += '[';
  for (std::size_t i = 0; i < supported.size(); ++i) {
    if (i > 0) list += ',';
    json::append_quoted(list, supported[i]);
  }
  list += ']';
  if (requested) details.string("requestedProvider", *requested);
  return error;
}

}  // namespace

Status check_mock_provider(std::string_view raw, const ApiKey& key, const std::vector<std::string>& supported) {
  const auto id = json::kind(raw) == json::Kind::object ? json::member(raw, "id") : std::nullopt;
  auto name = id ? json::as_string(*id) : std::nullopt;
  if (name && (name->empty() || count_characters(*name) > kMaxIdCharacters)) name.reset();
  if (!key.test)
    return refusal(ErrorCode::mock_provider_forbidden, "mock providers are for test keys", name, supported);
  if (!name) return invalid("mockProvider", "has to be an object with an id of 1 to 128 characters");
  bool closed = true;
  json::for_each_member(raw, [&](std::string_view member, std::string_view value) {
    closed = json::key_is(member, "id") || (json::key_is(member, "config") && json::kind(value) == json::Kind::object);
    return closed;
  });
  if (!closed) return invalid("mockProvider", "takes an id and an object config only");
  if (std::find(supported.begin(), supported.end(), *name) == supported.end()) {
    return refusal(ErrorCode::unsupported_mock_provider, "this host has no mock provider of that id", name, supported);
  }
  return check_mock_config(*name, json::member(raw, "config").value_or("{}"));
}

}  // namespace openwop::wire
