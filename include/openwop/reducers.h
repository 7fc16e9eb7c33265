// Reducers: how a write joins the value of a channel (protocol 02 §8.2). Pure functions over serialized JSON; live
// execution, recovery and readers fold with the same ones. Times come from the write event, never from a clock, so a
// replay drops exactly the entries that the original dropped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/json.h"
#include "openwop/workflow.h"

namespace openwop {

struct ChannelWriteRule {
  Reducer reducer = Reducer::append;
  std::int64_t ttl_ms = 0;    // 0 = none
  std::int64_t max_size = 0;  // 0 = unbounded
  /// Entries are kept as {"value":…,"_ts":…}: what core.channelWrite leaves in an undeclared channel.
  bool stamped = false;
};

inline constexpr std::pair<Reducer, std::string_view> kReducerNames[] = {
    {Reducer::replace, "replace"}, {Reducer::append, "append"}, {Reducer::merge, "merge"},
    {Reducer::counter, "counter"}, {Reducer::votes, "votes"},   {Reducer::feedback, "feedback"},
    {Reducer::message, "message"},
};

/// The reducer a name stands for; `vendor.<org>.<name>` is Reducer::vendor (folds as replace); nothing if unknown.
inline std::optional<Reducer> reducer_of(std::string_view name) {
  for (const auto& [reducer, known] : kReducerNames) {
    if (known == name) return reducer;
  }
  if (name.starts_with("vendor.")) return Reducer::vendor;
  return std::nullopt;
}

/// What a channel holds that nobody has written; nothing where only a write says what it is.
constexpr std::optional<std::string_view> empty_value(Reducer reducer) {
  switch (reducer) {
    case Reducer::append:
    case Reducer::votes:
    case Reducer::feedback:
    case Reducer::message: return "[]";
    case Reducer::merge: return "{}";
    case Reducer::counter: return "0";
    case Reducer::replace:
    case Reducer::vendor: break;
  }
  return std::nullopt;
}

/// When each entry of a channel's array was written, in the array's order.
using EntryTimes = std::vector<std::int64_t>;

namespace detail {

struct StampedEntry {
  std::string_view raw;
  std::int64_t written_ms = 0;
};

/// The entries of an array with their times; an entry older than the record of times never expires.
inline std::vector<StampedEntry> entries_of(std::string_view array, const EntryTimes* times) {
  std::vector<StampedEntry> entries;
  json::for_each_element(array, [&](std::string_view item) {
    entries.push_back({item, std::numeric_limits<std::int64_t>::max()});
    return true;
  });
  if (times == nullptr) return entries;
  for (std::size_t i = 1; i <= std::min(entries.size(), times->size()); ++i) {
    entries[entries.size() - i].written_ms = (*times)[times->size() - i];
  }
  return entries;
}

/// Collects the kept entries of an array, appends `entry`, and bounds the result.
inline std::string append_entry(std::string_view array, const StampedEntry& entry, std::int64_t max_size,
                                EntryTimes* times, const std::function<bool(const StampedEntry&)>& keep) {
  std::vector<StampedEntry> entries = entries_of(array, times);
  std::erase_if(entries, [&](const StampedEntry& item) { return !keep(item); });
  entries.push_back(entry);
  std::size_t first = 0;
  if (max_size > 0 && entries.size() > static_cast<std::size_t>(max_size)) {
    first = entries.size() - static_cast<std::size_t>(max_size);
  }
  std::string out = "[";
  for (std::size_t i = first; i < entries.size(); ++i) {
    if (i > first) out += ',';
    out += entries[i].raw;
  }
  out += ']';
  if (times != nullptr) {
    times->clear();
    for (std::size_t i = first; i < entries.size(); ++i) times->push_back(entries[i].written_ms);
  }
  return out;
}

inline std::string merge_objects(std::string_view base, std::string_view over) {
  std::string out;
  {
    json::ObjectWriter object(out);
    json::for_each_member(base, [&](std::string_view key, std::string_view value) {
      const std::string name = json::unescape(key);
      if (!json::member(over, name)) object.raw_member(name, value);
      return true;
    });
    json::for_each_member(over, [&](std::string_view key, std::string_view value) {
      object.raw_member(json::unescape(key), value);
      return true;
    });
  }
  return out;
}

inline std::string add_numbers(std::string_view base, std::string_view delta) {
  const auto a = json::as_int(base);
  const auto b = json::as_int(delta);
  std::int64_t sum = 0;
  if (a && b && !__builtin_add_overflow(*a, *b, &sum)) return std::to_string(sum);
  const double total = json::as_number(base).value_or(0) + json::as_number(delta).value_or(0);
  // JSON has no infinity.
  constexpr double kMax = std::numeric_limits<double>::max();
  return json::write(json::Value(std::clamp(total, -kMax, kMax)));
}

/// Equal as raw tokens, or as strings whose escapes differ.
inline bool same_id(std::string_view left, std::string_view right) {
  if (left == right) return true;
  if (left.find('\\') == std::string_view::npos && right.find('\\') == std::string_view::npos) return false;
  const auto a = json::as_string(left);
  return a && a == json::as_string(right);
}

inline std::string_view voter_of(std::string_view vote) {
  if (const auto user = json::member(vote, "userId")) return *user;
  return json::member(vote, "voter").value_or(std::string_view{});
}

}  // namespace detail

/// Checks a write before it becomes an event. Errors: validation_error.
inline Status check_channel_write(Reducer reducer, std::string_view value, std::int64_t max_size) {
  const auto refuse = [](std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; };
  switch (reducer) {
    case Reducer::merge:
      if (json::kind(value) != json::Kind::object) return refuse("a merge channel takes objects");
      break;
    case Reducer::counter:
      if (json::kind(value) != json::Kind::number) return refuse("a counter channel takes numbers");
      break;
    case Reducer::message:
      if (json::kind(json::member(value, "messageId").value_or("null")) != json::Kind::string) {
        return refuse("a message channel takes objects with a messageId");
      }
      break;
    case Reducer::votes:
      if (detail::voter_of(value).empty()) return refuse("a votes channel takes objects with a userId");
      break;
    case Reducer::replace:
    case Reducer::append:
    case Reducer::feedback:
    case Reducer::vendor: break;
  }
  const bool bounded_by_entries = reducer == Reducer::append || reducer == Reducer::votes ||
                                  reducer == Reducer::feedback || reducer == Reducer::message;
  if (!bounded_by_entries && max_size > 0 && value.size() > static_cast<std::size_t>(max_size)) {
    return refuse("the value is larger than the channel's maxSize");
  }
  return {};
}

/// The channel's value after a write. `current` is empty when nothing was written before. Entries expire by the time of
/// their own write (protocol 02 §8.7): stamped entries carry it, `times` holds it for all others and is kept up to
/// date; without `times` they expire by their member `timestamp`, if they have one.
inline std::string reduce(const ChannelWriteRule& rule, std::string_view current, std::string_view value,
                          std::int64_t written_ms, EntryTimes* times = nullptr) {
  const auto alive = [&](const detail::StampedEntry& entry) {
    if (rule.ttl_ms <= 0) return true;
    if (!rule.stamped && times != nullptr) return entry.written_ms >= written_ms - rule.ttl_ms;
    const auto stamp = json::member(entry.raw, rule.stamped ? "_ts" : "timestamp");
    const auto at = stamp ? json::as_int(*stamp) : std::nullopt;
    return !at || *at >= written_ms - rule.ttl_ms;
  };
  switch (rule.reducer) {
    case Reducer::replace:
    case Reducer::vendor: return std::string(value);
    case Reducer::append:
    case Reducer::feedback: {
      std::string entry(value);
      if (rule.stamped) {
        entry.clear();
        json::ObjectWriter(entry).raw("value", value).integer("_ts", written_ms);
      }
      return detail::append_entry(current, {entry, written_ms}, rule.max_size, times, alive);
    }
    case Reducer::votes:
      return detail::append_entry(
          current, {value, written_ms}, rule.max_size, times, [&](const detail::StampedEntry& item) {
            return alive(item) && !detail::same_id(detail::voter_of(item.raw), detail::voter_of(value));
          });
    case Reducer::message: {
      const auto id = json::member(value, "messageId").value_or("null");
      bool present = false;
      json::for_each_element(current, [&](std::string_view item) {
        present = present || detail::same_id(json::member(item, "messageId").value_or(""), id);
        return !present;
      });
      if (present) return std::string(current);
      return detail::append_entry(current, {value, written_ms}, rule.max_size, times,
                                  [](const detail::StampedEntry&) { return true; });
    }
    case Reducer::merge: return detail::merge_objects(current.empty() ? "{}" : current, value);
    case Reducer::counter: return detail::add_numbers(current.empty() ? "0" : current, value);
  }
  return std::string(value);
}

}  // namespace openwop
