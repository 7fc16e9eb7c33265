#include "engine/interrupt_rows.h"

#include <algorithm>

#include "engine/run_rows.h"
#include "openwop/bytes.h"
#include "openwop/hash.h"

namespace openwop::runtime {

namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kTimeBytes = 8;
constexpr std::size_t kDigestBytes = 16;
constexpr std::size_t kMaxCorrelationRows = 16;
constexpr std::size_t kMaxTitleBytes = 256;
/// Rows looked at in one call: a filter that matches little gives short pages with a cursor instead of a long wait.
constexpr std::size_t kMaxRowsExamined = 10'000;

std::string index_prefix(char index, std::string_view tenant) {
  std::string key{kIndexPrefix, index};
  return key.append(tenant).append(1, '\0');
}

std::string correlation_prefix(std::string_view tenant, std::string_view key, std::string_view value) {
  const Sha256 hash = sha256(std::string(key) + '\0' + std::string(value));
  std::string prefix = index_prefix('c', tenant);
  return prefix.append(reinterpret_cast<const char*>(hash.data()), kDigestBytes);  // NOLINT(*-reinterpret-cast)
}

std::string id_prefix(std::string_view tenant, std::string_view interrupt_id) {
  return index_prefix('i', tenant).append(interrupt_id).append(1, '\0');
}

/// Sorts by age; also what a cursor holds.
std::string place_of(std::int64_t requested_ms, const RunId& run, std::string_view node_id) {
  std::string place;
  bytes::put_u64(place, static_cast<std::uint64_t>(std::max<std::int64_t>(requested_ms, 0)));
  return place.append(run.view()).append(node_id);
}

std::string text(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

/// Whole characters of the title, or of what stands for one.
std::string title_of(const InterruptState& interrupt) {
  std::string title;
  for (const char* name : {"title", "eventType", "customKind", "prompt", "contextType"}) {
    if (title.empty()) title = text(interrupt.data, name);
  }
  if (title.size() <= kMaxTitleBytes) return title;
  std::size_t size = kMaxTitleBytes;
  while (size > 0 && (static_cast<unsigned char>(title[size]) & 0xC0) == 0x80) --size;
  title.resize(size);
  return title;
}

std::string encode(const Run& run, const InterruptState& interrupt) {
  std::string out(1, static_cast<char>(kFormat));
  bytes::put_string(out, run.workflow->id);
  bytes::put_string(out, interrupt.id);
  bytes::put_string(out, interrupt.kind);
  bytes::put_string(out, title_of(interrupt));
  bytes::put_varint(out, static_cast<std::uint64_t>(interrupt.due_ms()));
  return out;
}

Result<InterruptSummary> decode(std::string_view place, std::string_view value) {
  InterruptSummary summary;
  bytes::Reader at(place);
  summary.requested_ms = static_cast<std::int64_t>(at.u64());
  const std::string_view rest = at.rest();
  if (!at.ok() || rest.size() < RunId::kBytes)
    return Error{ErrorCode::store_corrupt, "an interrupt row does not decode"};
  summary.run_id = RunId::from_bytes(rest.substr(0, RunId::kBytes));
  summary.node_id = rest.substr(RunId::kBytes);
  bytes::Reader reader(value);
  const std::uint8_t format = reader.u8();
  summary.workflow_id = reader.string();
  summary.interrupt_id = reader.string();
  summary.kind = reader.string();
  summary.title = reader.string();
  summary.due_ms = static_cast<std::int64_t>(reader.varint());
  if (!reader.ok() || format != kFormat) return Error{ErrorCode::store_corrupt, "an interrupt row does not decode"};
  return summary;
}

bool fits(const InterruptFilter& filter, const InterruptSummary& summary) {
  return (filter.kind.empty() || filter.kind == summary.kind) &&
         (filter.workflow_id.empty() || filter.workflow_id == summary.workflow_id);
}

/// The most selective index that the filter names.
std::string listing_prefix(const InterruptFilter& filter) {
  if (!filter.interrupt_id.empty()) return id_prefix(filter.tenant, filter.interrupt_id);
  if (!filter.correlation_key.empty()) {
    return correlation_prefix(filter.tenant, filter.correlation_key, filter.correlation_value);
  }
  return index_prefix('p', filter.tenant);
}

std::string time_bound(std::int64_t time_ms) {
  std::string bound;
  bytes::put_u64(bound, static_cast<std::uint64_t>(std::max<std::int64_t>(time_ms, 0)));
  return bound;
}

}  // namespace

InterruptRows interrupt_rows_of(const Run& run) {
  InterruptRows rows;
  if (is_terminal(run.state.status)) return rows;
  const std::string& tenant = run.header->tenant;
  for (const auto& [node_id, interrupt] : run.state.interrupts) {
    const NodeState* node = run.state.find_node(node_id);
    const bool waits = node != nullptr && node->status == NodeStatus::suspended;  // not where a loop left it behind
    if (interrupt.outcome != InterruptOutcome::pending || !waits) continue;
    const std::string place = place_of(interrupt.requested_ms, run.id, node_id);
    const std::string summary = encode(run, interrupt);
    rows.emplace(index_prefix('p', tenant) + place, summary);
    rows.emplace(id_prefix(tenant, interrupt.id) + place, summary);
    std::size_t members = 0;
    json::for_each_member(json::member(interrupt.data, "correlation").value_or("{}"),
                          [&](std::string_view key, std::string_view value) {
                            rows.emplace(correlation_prefix(tenant, json::unescape(key), value) + place, summary);
                            return ++members < kMaxCorrelationRows;
                          });
  }
  return rows;
}

void update_interrupt_rows(Transaction& transaction, const Run& run, InterruptRows& rows) {
  if (rows.empty() && run.state.interrupts.empty()) return;
  InterruptRows now = interrupt_rows_of(run);
  for (const auto& [key, value] : rows) {
    if (!now.contains(key)) transaction.erase(key);
  }
  for (const auto& [key, value] : now) {
    const auto before = rows.find(key);
    if (before == rows.end() || before->second != value) transaction.put(key, value);
  }
  rows = std::move(now);
}

Result<InterruptPage> list_interrupts(const Store& store, const InterruptFilter& filter, std::string_view cursor,
                                      std::size_t limit) {
  const std::string prefix = listing_prefix(filter);
  std::string from = prefix;
  if (!cursor.empty()) {
    if (cursor.size() < kTimeBytes + RunId::kBytes) {
      return Error{ErrorCode::validation_error, "the cursor is not one that a listing gave"};
    }
    from.append(cursor).append(1, '\0');  // the first key behind it
  }
  if (filter.requested_from_ms) from = std::max(from, prefix + time_bound(*filter.requested_from_ms));
  const std::string to =
      filter.requested_before_ms ? prefix + time_bound(*filter.requested_before_ms) : prefix_end(prefix);
  InterruptPage page;
  if (from >= to) return page;
  std::size_t examined = 0;
  std::string last;
  bool more = false;
  Status decoded;
  auto scanned = store.scan({from, to, false}, [&](std::string_view key, std::string_view value) {
    if (page.interrupts.size() == limit || examined == kMaxRowsExamined) {
      more = true;
      return false;
    }
    ++examined;
    last = key.substr(prefix.size());
    auto summary = decode(last, value);
    if (!summary) {
      decoded = std::move(summary).error();
      return false;
    }
    if (fits(filter, *summary)) page.interrupts.push_back(std::move(*summary));
    return true;
  });
  if (!scanned) return std::move(scanned).error();
  if (!decoded) return std::move(decoded).error();
  if (more) page.cursor = std::move(last);
  return page;
}

}  // namespace openwop::runtime
