// What a run's AI calls cost (protocol 02 §12.6): the record of one node, the sanitizer in front of it, and the roll-up
// of a run (RunSnapshot.metrics.openwopCost). A run without records has no roll-up: absent is not zero.
//
// Thread-safety: plain values and free functions.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/json.h"
#include "openwop/redaction.h"

namespace openwop {

/// What is known of one node's calls; what is not known is left out, never guessed.
struct CostRecord {
  std::optional<std::int64_t> tokens_input = {};
  std::optional<std::int64_t> tokens_output = {};
  std::optional<double> usd = {};
  std::string provider = {};
  std::string model = {};
  std::optional<std::int64_t> duration_ms = {};

  [[nodiscard]] bool empty() const {
    return !tokens_input && !tokens_output && !usd && provider.empty() && model.empty() && !duration_ms;
  }

  /// The closed shape of the roll-up.
  [[nodiscard]] std::string to_json() const {
    std::string out;
    {
      json::ObjectWriter object(out);
      if (usd) object.raw("usd", json::write(json::Value(*usd)));
      if (tokens_input || tokens_output) {
        json::ObjectWriter tokens(object.value_of("tokens"));
        if (tokens_input) tokens.integer("input", *tokens_input);
        if (tokens_output) tokens.integer("output", *tokens_output);
      }
      if (!model.empty()) object.string("model", model);
      if (!provider.empty()) object.string("provider", provider);
      if (duration_ms) object.integer("duration_ms", *duration_ms);
    }
    return out;
  }

  /// Reads what to_json() wrote; members of other types are passed over.
  [[nodiscard]] static CostRecord from_json(std::string_view raw);
};

namespace detail {

/// A count: a number of at least 0, its fraction cut off.
inline std::optional<std::int64_t> cost_count(std::optional<std::string_view> raw) {
  if (!raw || json::kind(*raw) != json::Kind::number) return std::nullopt;
  if (const auto whole = json::as_int(*raw)) return *whole < 0 ? std::nullopt : whole;
  constexpr double kMax = 9'007'199'254'740'992.0;  // where doubles stop holding every integer
  const auto number = json::as_number(*raw);
  if (!number || !std::isfinite(*number) || *number < 0 || *number > kMax) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

inline std::optional<double> cost_amount(std::optional<std::string_view> raw) {
  const auto number = raw && json::kind(*raw) == json::Kind::number ? json::as_number(*raw) : std::nullopt;
  return number && std::isfinite(*number) && *number >= 0 ? number : std::nullopt;
}

/// A short name; what looks like a secret is none.
inline std::string cost_name(std::optional<std::string_view> raw) {
  constexpr std::size_t kMaxNameBytes = 256;
  auto text = raw ? json::as_string(*raw) : std::nullopt;
  return text && text->size() <= kMaxNameBytes && !scrub_text(*text) ? std::move(*text) : std::string();
}

inline std::int64_t saturated_sum(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

}  // namespace detail

inline CostRecord CostRecord::from_json(std::string_view raw) {
  CostRecord record;
  const auto tokens = json::member(raw, "tokens").value_or("{}");
  record.tokens_input = detail::cost_count(json::member(tokens, "input"));
  record.tokens_output = detail::cost_count(json::member(tokens, "output"));
  record.usd = detail::cost_amount(json::member(raw, "usd"));
  record.provider = detail::cost_name(json::member(raw, "provider"));
  record.model = detail::cost_name(json::member(raw, "model"));
  record.duration_ms = detail::cost_count(json::member(raw, "duration_ms"));
  return record;
}

/// The record in cost attributes as a node gives them: only the names of the protocol's list count, and only values of
/// their type; everything else is dropped, whatever it is called.
inline CostRecord sanitize_cost(std::string_view attributes) {
  CostRecord record;
  record.tokens_input = detail::cost_count(json::member(attributes, "openwop.cost.tokens.input"));
  record.tokens_output = detail::cost_count(json::member(attributes, "openwop.cost.tokens.output"));
  record.usd = detail::cost_amount(json::member(attributes, "openwop.cost.usd"));
  // An amount in another currency is no amount in dollars.
  const auto currency = json::member(attributes, "openwop.cost.currency");
  if (currency && json::as_string(*currency) != "USD") record.usd.reset();
  record.provider = detail::cost_name(json::member(attributes, "openwop.cost.provider"));
  return record;
}

/// Sums of a run; the last call's model and provider.
class RunCost {
 public:
  void add(const CostRecord& record) {
    const auto sum = [](std::optional<std::int64_t>& total, const std::optional<std::int64_t>& part) {
      if (part) total = detail::saturated_sum(total.value_or(0), *part);
    };
    sum(total_.tokens_input, record.tokens_input);
    sum(total_.tokens_output, record.tokens_output);
    sum(total_.duration_ms, record.duration_ms);
    if (record.usd && std::isfinite(total_.usd.value_or(0) + *record.usd))
      total_.usd = total_.usd.value_or(0) + *record.usd;
    if (!record.provider.empty()) total_.provider = record.provider;
    if (!record.model.empty()) total_.model = record.model;
  }
  /// Nothing has been recorded.
  [[nodiscard]] bool empty() const { return total_.empty(); }
  [[nodiscard]] const CostRecord& total() const { return total_; }

 private:
  CostRecord total_ = {};
};

}  // namespace openwop
