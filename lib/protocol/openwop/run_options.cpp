#include "protocol/openwop/run_options.h"

#include <algorithm>
#include <array>
#include <limits>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/mock_provider.h"
#include "protocol/openwop/text_checks.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxTags = 100;
constexpr std::size_t kMaxTagCharacters = 256;
constexpr std::size_t kMaxMetadataBytes = 8192;
constexpr std::size_t kMaxMetadataDepth = 4;

enum class OptionType : std::uint8_t { integer_from_one, number, text, string_map, verbosity };

struct ReservedOption {
  std::string_view name;
  OptionType type;
  double max = 0;  // of a number; the minimum is 0
};

// Protocol 01 §10.2. `mockProvider` and `ai` are objects with rules of their own.
constexpr std::array kReservedOptions = {
    ReservedOption{"recursionLimit", OptionType::integer_from_one},
    ReservedOption{"model", OptionType::text},
    ReservedOption{"temperature", OptionType::number, 2},
    ReservedOption{"maxTokens", OptionType::integer_from_one},
    ReservedOption{"promptOverrides", OptionType::string_map},
    ReservedOption{"escalationThreshold", OptionType::number, 1},
    ReservedOption{"reasoningVerbosity", OptionType::verbosity},
};

Error invalid_option(std::string_view key, std::string_view raw, std::string_view message) {
  Error error{ErrorCode::validation_error, "configurable." + std::string(key) + " " + std::string(message)};
  json::ObjectWriter(error.details).string("key", key);
  // Numbers are safe to repeat; text may be anything, secrets included.
  if (json::kind(raw) == json::Kind::number && raw.size() <= 32)
    error.details = with_detail(error.details, "value", raw);
  return error;
}

Error out_of_range(std::string_view key, std::string_view raw, std::string_view min, std::string_view max) {
  const std::string upper = max.empty() ? std::string() : " to " + std::string(max);
  Error error = invalid_option(key, raw, "has to be a number from " + std::string(min) + upper);
  error.details = with_detail(error.details, "min", min);
  if (!max.empty()) error.details = with_detail(error.details, "max", max);
  return error;
}

bool is_string_map(std::string_view raw) {
  bool all_strings = json::kind(raw) == json::Kind::object;
  json::for_each_member(raw, [&](std::string_view, std::string_view value) {
    all_strings = json::kind(value) == json::Kind::string;
    return all_strings;
  });
  return all_strings;
}

Status check_option(const ReservedOption& option, std::string_view raw) {
  switch (option.type) {
    case OptionType::integer_from_one:
      // Above the host's ceiling is no error: the engine clamps (trap T-7).
      if (json::as_int(raw).value_or(0) >= 1) return {};
      return out_of_range(option.name, raw, "1", "");
    case OptionType::number: {
      const auto value = json::as_number(raw);
      if (value && *value >= 0 && *value <= option.max) return {};
      return out_of_range(option.name, raw, "0", option.max == 1 ? "1" : "2");
    }
    case OptionType::text:
      if (const auto text = json::as_string(raw); text && !text->empty()) return {};
      return invalid_option(option.name, raw, "has to be a string that is not empty");
    case OptionType::string_map:
      if (is_string_map(raw)) return {};
      return invalid_option(option.name, raw, "has to be an object of strings");
    case OptionType::verbosity:
      if (raw == R"("summary")" || raw == R"("full")" || raw == R"("off")") return {};
      return invalid_option(option.name, raw, "has to be summary, full or off");
  }
  return {};
}

bool is_listed(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Protocol 01 §7.5, §10.2. A reference to a credential is opaque, and never repeated.
Status check_ai(std::string_view raw, const AdvertisedProviders& providers) {
  if (json::kind(raw) != json::Kind::object) return invalid_option("ai", raw, "has to be an object");
  for (const std::string_view name : {"provider", "model", "credentialRef"}) {
    const auto value = json::member(raw, name);
    const auto text = value ? json::as_string(*value) : std::nullopt;
    if (value && (!text || text->empty())) {
      return invalid_option("ai." + std::string(name), *value, "has to be a string that is not empty");
    }
  }
  const auto named = json::member(raw, "provider");
  if (!named) return {};
  const std::string provider = json::as_string(*named).value_or("");
  if (!is_listed(providers.supported, provider)) {
    return invalid_option("ai.provider", "null", "names no provider that this host supports");
  }
  if (!json::member(raw, "credentialRef") || is_listed(providers.byok, provider)) return {};
  Error error{ErrorCode::credential_forbidden, "the provider takes no credentials of callers"};
  json::ObjectWriter(error.details).string("provider", provider);
  return error;
}

// `ai.provider` as a flat name would pass for a host's own option and have no effect.
Status check_namespace(std::string_view configurable) {
  Status status;
  json::for_each_member(configurable, [&](std::string_view raw_key, std::string_view) {
    const std::string name = json::unescape(raw_key);
    if (name.starts_with("ai.")) status = invalid_option(clipped(name, 64), "null", "has to be a member of `ai`");
    return status.ok();
  });
  return status;
}

std::size_t depth_of(std::string_view raw) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '"') {
      i = json::detail::skip_string(raw, i) - 1;
    } else if (raw[i] == '{' || raw[i] == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (raw[i] == '}' || raw[i] == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Status check_configurable(std::string_view configurable, const ApiKey& key, const SurfaceOptions& options) {
  if (json::kind(configurable) != json::Kind::object) return invalid_field("configurable", "has to be an object");
  // A forbidden option is refused as such, whatever else is wrong.
  if (const auto mock = json::member(configurable, "mockProvider"); mock) {
    if (auto checked = check_mock_provider(*mock, key, options.mock_providers); !checked) return checked;
  }
  if (const auto ai = json::member(configurable, "ai"); ai) {
    if (auto checked = check_ai(*ai, options.ai_providers); !checked) return checked;
  }
  if (auto checked = check_namespace(configurable); !checked) return checked;
  for (const ReservedOption& option : kReservedOptions) {
    const auto raw = json::member(configurable, option.name);
    if (!raw) continue;
    if (auto checked = check_option(option, *raw); !checked) return checked;
  }
  return {};
}

Result<std::vector<std::string>> read_tags(std::string_view raw) {
  if (json::kind(raw) != json::Kind::array) return invalid_field("tags", "has to be an array of strings");
  std::vector<std::string> tags;
  std::optional<Error> problem;
  json::for_each_element(raw, [&](std::string_view element) {
    auto tag = json::as_string(element);
    const std::size_t characters = tag ? count_characters(*tag) : 0;
    if (characters < 1 || characters > kMaxTagCharacters) {
      problem = invalid_field("tags." + std::to_string(tags.size()), "has to be a string of 1 to 256 characters");
    } else if (tags.size() == kMaxTags) {
      problem = invalid_field("tags", "has more than 100 entries");
    } else {
      tags.push_back(*std::move(tag));
    }
    return !problem.has_value();
  });
  if (problem) return *std::move(problem);
  return tags;
}

Status check_metadata(std::string_view raw) {
  if (json::kind(raw) != json::Kind::object) return invalid_field("metadata", "has to be an object");
  if (raw.size() > kMaxMetadataBytes) return invalid_field("metadata", "is larger than 8192 bytes");
  if (depth_of(raw) > kMaxMetadataDepth) return invalid_field("metadata", "is nested deeper than 4 levels");
  return {};
}

}  // namespace openwop::wire
