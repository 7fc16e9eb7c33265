#include "engine/run_rows.h"

#include <algorithm>

#include "engine/test_mutation.h"
#include "openwop/hash.h"
#include "openwop/timer.h"

namespace openwop::runtime {

namespace {
constexpr std::uint8_t kMarksFormat = 1;
constexpr std::uint8_t kActive = 1;
constexpr std::uint8_t kUnsettled = 2;
}  // namespace

std::string RunMarks::encode() const {
  std::string out;
  out.reserve(24 + tenant.size() + workflow_id.size());
  out += static_cast<char>(kMarksFormat);
  out += static_cast<char>(status);
  out += static_cast<char>((active ? kActive : 0) | (unsettled ? kUnsettled : 0));
  bytes::put_varint(out, bytes::zigzag(timer_due_ms));
  bytes::put_varint(out, bytes::zigzag(created_ms));
  bytes::put_varint(out, bytes::zigzag(changed_ms));
  bytes::put_string(out, tenant);
  bytes::put_string(out, workflow_id);
  if (replay_next > 0) {
    bytes::put_varint(out, replay_next);
    out += static_cast<char>(replay_lost ? 1 : 0);
  }
  return out;
}

Result<RunMarks> RunMarks::decode(std::string_view summary) {
  bytes::Reader reader(summary);
  const std::uint8_t format = reader.u8();
  RunMarks marks;
  const std::uint8_t status = reader.u8();
  const std::uint8_t flags = reader.u8();
  marks.active = (flags & kActive) != 0;
  marks.unsettled = (flags & kUnsettled) != 0;
  marks.timer_due_ms = bytes::unzigzag(reader.varint());
  marks.created_ms = bytes::unzigzag(reader.varint());
  marks.changed_ms = bytes::unzigzag(reader.varint());
  marks.tenant = reader.string();
  marks.workflow_id = reader.string();
  if (reader.ok() && !reader.at_end()) {
    marks.replay_next = reader.varint();
    marks.replay_lost = reader.u8() != 0;
  }
  if (!reader.ok() || format != kMarksFormat || status >= kRunStatusCount) {
    return Error{ErrorCode::store_corrupt, "run summary does not decode"};
  }
  marks.status = static_cast<RunStatus>(status);
  return marks;
}

std::string status_index_prefix(std::string_view tenant, RunStatus status) {
  std::string key{kIndexPrefix, 's'};
  key += tenant;
  key += '\0';
  key += static_cast<char>(status);
  return key;
}

std::string workflow_index_prefix(std::string_view tenant, std::string_view workflow_id) {
  std::string key{kIndexPrefix, 'w'};
  key.append(tenant).append(1, '\0').append(workflow_id).append(1, '\0');
  return key;
}

std::string tag_index_prefix(std::string_view tenant, std::string_view tag) {
  // A tag may have 1 KiB as UTF-8, which no key has room for, and 0x00, which separates the parts of a key; a hash
  // stands for such a one.
  constexpr std::size_t kMaxTagInKeyBytes = 256;
  const bool as_it_is = tag.size() <= kMaxTagInKeyBytes && tag.find('\0') == std::string_view::npos;
  std::string key{kIndexPrefix, 'g'};
  key.append(tenant).append(1, '\0');
  key.append(as_it_is ? std::string(tag) : sha256_hex(tag)).append(1, '\0');
  return key;
}

std::string active_key(const RunId& run) {
  std::string key(1, kActivePrefix);
  key += run.view();
  return key;
}

void put_created_rows(Transaction& transaction, const RunId& run, const RunMarks& marks,
                      std::span<const std::string> tags) {
  transaction.put(status_index_prefix(marks.tenant, marks.status) + std::string(run.view()), {});
  transaction.put(workflow_index_prefix(marks.tenant, marks.workflow_id) + std::string(run.view()), {});
  for (const std::string& tag : tags)
    transaction.put(tag_index_prefix(marks.tenant, tag) + std::string(run.view()), {});
  if (marks.active) transaction.put(active_key(run), {});
  if (marks.timer_due_ms != 0) Timers::schedule(transaction, marks.timer_due_ms, run);
}

void put_changed_rows(Transaction& transaction, const RunId& run, const RunMarks& before, const RunMarks& after) {
  if (before.status != after.status) {
    transaction.erase(status_index_prefix(after.tenant, before.status) + std::string(run.view()));
    transaction.put(status_index_prefix(after.tenant, after.status) + std::string(run.view()), {});
  }
  if (before.active && !after.active) transaction.erase(active_key(run));
  if (!before.active && after.active) transaction.put(active_key(run), {});
  if (before.timer_due_ms != after.timer_due_ms) {
    if (before.timer_due_ms != 0 && !mutated(Mutation::stale_timer))
      Timers::cancel(transaction, before.timer_due_ms, run);
    if (after.timer_due_ms != 0) Timers::schedule(transaction, after.timer_due_ms, run);
  }
}

}  // namespace openwop::runtime
