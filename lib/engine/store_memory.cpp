#include "engine/store_memory.h"

#include <algorithm>

#include "openwop/bytes.h"
#include "openwop/hash.h"
#include "openwop/json.h"
#include "openwop/time.h"

namespace openwop {

std::string MemoryEntry::to_json() const {
  std::string out;
  {
    json::ObjectWriter object(out);
    object.string("id", id).string("content", content);
    std::string& list = object.value_of("tags");
    list += '[';
    for (std::size_t i = 0; i < tags.size(); ++i) {
      if (i > 0) list += ',';
      json::append_quoted(list, tags[i]);
    }
    list += ']';
    object.string("createdAt", format_rfc3339(created_ms));
    if (expires_ms != 0) object.string("expiresAt", format_rfc3339(expires_ms));
  }
  return out;
}

}  // namespace openwop

namespace openwop::runtime {

namespace {

constexpr std::size_t kMaxRefBytes = 256;
constexpr std::size_t kMaxIdBytes = 6'000;  // 1,500 characters
/// Old versions that one write looks at.
constexpr std::size_t kSweptVersions = 32;

std::string hash_of(std::string_view text) {
  const Sha256 hash = sha256(text);
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};  // NOLINT(*-reinterpret-cast)
}

/// All rows of one memory begin with it.
std::string prefix_of(const MemoryScope& scope) {
  std::string key(1, kMemoryPrefix);
  key.append(scope.tenant).append(1, '\0').append(hash_of(scope.memory_ref));
  return key;
}

std::string with_time(std::string key, std::int64_t time_ms) {
  bytes::put_u64(key, static_cast<std::uint64_t>(std::max<std::int64_t>(time_ms, 0)));
  return key;
}

}  // namespace

/// One version of an entry, as it lies in its row.
struct StoreMemory::Version {
  std::string key;
  MemoryEntry entry;
  RunId writer;
  std::int64_t written_ms = 0;
  RunId remover;
  std::int64_t removed_ms = 0;  // 0 = not

  [[nodiscard]] std::string encode() const {
    std::string out;
    {
      json::ObjectWriter row(out);
      row.raw("entry", entry.to_json());
      row.integer("createdMs", entry.created_ms).integer("expiresMs", entry.expires_ms);
      row.string("writer", writer.text()).integer("writtenMs", written_ms);
      if (removed_ms != 0) row.string("remover", remover.text()).integer("removedMs", removed_ms);
    }
    return out;
  }

  [[nodiscard]] static Result<Version> decode(std::string_view key, std::string_view row) {
    const auto number = [&](std::string_view name) {
      return json::as_int(json::member(row, name).value_or("0")).value_or(0);
    };
    const auto text = [](std::string_view object, std::string_view name) {
      return json::as_string(json::member(object, name).value_or("null")).value_or("");
    };
    const auto raw = json::member(row, "entry");
    if (!raw) return Error{ErrorCode::store_corrupt, "a memory entry does not decode"};
    Version version;
    version.key = key;
    version.entry.id = text(*raw, "id");
    version.entry.content = text(*raw, "content");
    json::for_each_element(json::member(*raw, "tags").value_or("[]"), [&](std::string_view tag) {
      version.entry.tags.push_back(json::unescape(tag));
      return true;
    });
    version.entry.created_ms = number("createdMs");
    version.entry.expires_ms = number("expiresMs");
    version.writer = RunId::parse(text(row, "writer")).value_or(RunId{});
    version.written_ms = number("writtenMs");
    version.remover = RunId::parse(text(row, "remover")).value_or(RunId{});
    version.removed_ms = number("removedMs");
    return version;
  }

  [[nodiscard]] bool visible(const MemoryMoment& moment) const {
    const bool own = writer == moment.own_run && writer != RunId{};
    if (!own && written_ms > moment.as_of_ms) return false;
    if (entry.expires_ms != 0 && entry.expires_ms <= moment.now_ms) return false;
    if (removed_ms == 0) return true;
    const bool own_removal = remover == moment.own_run && remover != RunId{};
    return !own_removal && removed_ms > moment.as_of_ms;
  }
};

bool is_memory_ref(std::string_view memory_ref) {
  if (memory_ref.empty() || memory_ref.size() > kMaxRefBytes || memory_ref.find('\0') != std::string_view::npos) {
    return false;
  }
  if (!simdjson::validate_utf8(memory_ref.data(), memory_ref.size())) return false;
  for (std::size_t at = 0; at <= memory_ref.size();) {
    const std::size_t end = std::min(memory_ref.find('/', at), memory_ref.size());
    if (memory_ref.substr(at, end - at) == "..") return false;
    at = end + 1;
  }
  return true;
}

Result<std::vector<MemoryEntry>> StoreMemory::list(const MemoryScope& scope, const MemoryListOptions& options,
                                                   const MemoryMoment& moment) {
  std::vector<MemoryEntry> entries;
  if (!is_memory_ref(scope.memory_ref)) return entries;
  const std::size_t limit = options.limit == 0 ? kMaxListedMemories : std::min(options.limit, kMaxListedMemories);
  const std::string prefix = prefix_of(scope) + 'e';
  Status decoded;
  auto scanned = store_.scan({prefix, prefix_end(prefix), true}, [&](std::string_view key, std::string_view row) {
    auto version = Version::decode(key, row);
    if (!version) {
      decoded = std::move(version).error();
      return false;
    }
    const auto& tags = version->entry.tags;
    const bool tagged = options.tag.empty() || std::find(tags.begin(), tags.end(), options.tag) != tags.end();
    if (tagged && version->visible(moment)) entries.push_back(std::move(version->entry));
    return entries.size() < limit;
  });
  if (!scanned) return std::move(scanned).error();
  if (!decoded) return std::move(decoded).error();
  return entries;
}

Result<std::optional<MemoryEntry>> StoreMemory::get(const MemoryScope& scope, std::string_view id,
                                                    const MemoryMoment& moment) {
  std::optional<MemoryEntry> found;
  if (!is_memory_ref(scope.memory_ref) || id.empty() || id.size() > kMaxIdBytes) return found;
  const std::string prefix = prefix_of(scope) + 'i' + hash_of(id);
  std::vector<std::string> versions;  // newest first
  auto scanned = store_.scan({prefix, prefix_end(prefix), true}, [&](std::string_view, std::string_view key) {
    versions.emplace_back(key);
    return true;
  });
  if (!scanned) return std::move(scanned).error();
  for (const std::string& key : versions) {
    auto row = store_.get(key);
    if (!row) return std::move(row).error();
    if (!row->has_value()) continue;  // swept meanwhile
    auto version = Version::decode(key, **row);
    if (!version) return std::move(version).error();
    if (!version->visible(moment)) continue;
    found = std::move(version->entry);
    break;
  }
  return found;
}

Result<std::optional<StoreMemory::Version>> StoreMemory::newest(const std::string& prefix, std::string_view id) const {
  const std::string index = prefix + 'i' + hash_of(id);
  std::string key;
  auto scanned = store_.scan({index, prefix_end(index), true}, [&](std::string_view, std::string_view entry_key) {
    key = entry_key;
    return false;
  });
  if (!scanned) return std::move(scanned).error();
  if (key.empty()) return std::optional<Version>();
  auto row = store_.get(key);
  if (!row) return std::move(row).error();
  if (!row->has_value()) return std::optional<Version>();
  auto version = Version::decode(key, **row);
  if (!version) return std::move(version).error();
  return std::optional<Version>(*std::move(version));
}

/// Versions that nobody can need any more, oldest first, a few at a time.
Status StoreMemory::sweep(Transaction& transaction, const std::string& prefix, std::int64_t now_ms) const {
  const std::string entries = prefix + 'e';
  std::size_t seen = 0;
  return store_.scan({entries, prefix_end(entries), false}, [&](std::string_view key, std::string_view row) {
    const auto version = Version::decode(key, row);
    if (!version) return false;  // whoever reads it is told
    const std::int64_t gone_ms = version->removed_ms != 0 ? version->removed_ms : version->entry.expires_ms;
    if (gone_ms != 0 && gone_ms + kMemoryRetentionMs < now_ms) {
      transaction.erase(key);
      transaction.erase(with_time(prefix + 'i' + hash_of(version->entry.id), version->written_ms));
    }
    return ++seen < kSweptVersions;
  });
}

Result<StoreMemory::Turn> StoreMemory::begin_turn(const RunId& writer, const std::string& prefix,
                                                  std::string_view id) const {
  auto fence = enter_(writer);
  if (!fence) return Error{ErrorCode::not_owner, "the run has gone to another host"};
  Turn turn{*std::move(fence), {}, {}};
  if (turn.fence.is_empty()) return turn;
  turn.key = prefix + 't' + hash_of(id);
  auto row = store_.get(turn.key);
  if (!row) return std::move(row).error();
  turn.before = *std::move(row);
  return turn;
}

Result<bool> StoreMemory::commit(const Turn& turn, Transaction& transaction) {
  if (!turn.fence.is_empty()) {
    turn.fence.guard(transaction);
    std::string next;
    bytes::put_u64(next, bytes::Reader(turn.before.value_or(std::string(8, '\0'))).u64() + 1);
    if (turn.before) {
      transaction.require_equals(turn.key, *turn.before);
    } else {
      transaction.require_absent(turn.key);
    }
    transaction.put(turn.key, next);
  }
  auto committed = store_.commit(transaction, durability_);
  if (!committed) return std::move(committed).error();
  if (*committed == CommitOutcome::committed) return true;
  if (!turn.fence.holds()) return Error{ErrorCode::not_owner, "the run has gone to another host"};
  return false;
}

namespace {

/// Each time another host has written the entry.
constexpr int kMaxTurns = 64;

template <class Try>
Status until_done(const Try& attempt) {
  for (int i = 0; i < kMaxTurns; ++i) {
    auto done = attempt();
    if (!done) return std::move(done).error();
    if (*done) return {};
  }
  return Error{ErrorCode::service_unavailable, "the memory entry changes too fast to be written"};
}

}  // namespace

Status StoreMemory::put(const MemoryScope& scope, const MemoryEntry& entry, const RunId& writer, std::int64_t now_ms) {
  if (!is_memory_ref(scope.memory_ref)) return Error{ErrorCode::validation_error, "the memoryRef is malformed"};
  const std::lock_guard lock(writing_);
  const std::string prefix = prefix_of(scope);
  return until_done([&] { return try_put(prefix, entry, writer, now_ms); });
}

Result<bool> StoreMemory::try_put(const std::string& prefix, const MemoryEntry& entry, const RunId& writer,
                                  std::int64_t now_ms) {
  auto turn = begin_turn(writer, prefix, entry.id);
  if (!turn) return std::move(turn).error();
  auto before = newest(prefix, entry.id);
  if (!before) return std::move(before).error();
  const bool known = before->has_value() && (*before)->removed_ms == 0;
  if (known && (*before)->writer == writer && (*before)->entry.to_json() == entry.to_json()) return true;
  Transaction transaction;
  std::int64_t written_ms = now_ms;
  if (before->has_value()) {
    // Versions are told apart by their time.
    written_ms = std::max(written_ms, (*before)->written_ms + 1);
    if (known) {
      (*before)->remover = writer;
      (*before)->removed_ms = written_ms;
      transaction.put((*before)->key, (*before)->encode());
    }
  }
  Version version{{}, entry, writer, written_ms, {}, 0};
  const std::string id_hash = hash_of(entry.id);
  version.key = with_time(with_time(prefix + 'e', entry.created_ms) + id_hash, written_ms);
  transaction.put(version.key, version.encode());
  transaction.put(with_time(prefix + 'i' + id_hash, written_ms), version.key);
  if (auto swept = sweep(transaction, prefix, now_ms); !swept) return std::move(swept).error();
  return commit(*turn, transaction);
}

Status StoreMemory::remove(const MemoryScope& scope, std::string_view id, const RunId& writer, std::int64_t now_ms) {
  if (!is_memory_ref(scope.memory_ref) || id.empty() || id.size() > kMaxIdBytes) return {};
  const std::lock_guard lock(writing_);
  const std::string prefix = prefix_of(scope);
  return until_done([&] { return try_remove(prefix, id, writer, now_ms); });
}

Result<bool> StoreMemory::try_remove(const std::string& prefix, std::string_view id, const RunId& writer,
                                     std::int64_t now_ms) {
  auto turn = begin_turn(writer, prefix, id);
  if (!turn) return std::move(turn).error();
  auto version = newest(prefix, id);
  if (!version) return std::move(version).error();
  if (!version->has_value() || (*version)->removed_ms != 0) return true;
  (*version)->remover = writer;
  (*version)->removed_ms = std::max(now_ms, (*version)->written_ms);
  Transaction transaction;
  transaction.put((*version)->key, (*version)->encode());
  return commit(*turn, transaction);
}

}  // namespace openwop::runtime
