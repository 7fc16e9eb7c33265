// Staging and chaining.
#include "audit/audit_chain.h"

#include <algorithm>
#include <set>

#include "openwop/json.h"
#include "openwop/time.h"

namespace openwop {

Result<std::shared_ptr<AuditLog>> AuditLog::open(AuditOptions options) {
  if (!options.store) return Error{ErrorCode::validation_error, "AuditOptions::store must be set"};
  if (options.checkpoint_entries == 0 || options.checkpoint_interval_ms <= 0 || options.max_text_bytes == 0) {
    return Error{ErrorCode::validation_error, "limits and times of the audit log must be at least 1"};
  }
  if (!options.clock) options.clock = std::make_shared<SystemClock>();
  if (!options.ids) options.ids = std::make_shared<RandomIdSource>();
  if (!options.on_error) options.on_error = [](const Error&) {};
  auto keys = audit::AuditKeys::of(options.signing_key, options.earlier_signing_keys);
  if (!keys) return std::move(keys).error();
  auto chain = std::make_shared<audit::AuditChain>(std::move(options), *std::move(keys));
  if (auto started = chain->start(); !started) return std::move(started).error();
  return std::shared_ptr<AuditLog>(std::move(chain));
}

}  // namespace openwop

namespace openwop::audit {

namespace {

/// Entries that one commit chains.
constexpr std::size_t kChainBatch = 512;
/// The store is left alone for so long after it gave an error.
constexpr std::int64_t kStoreRetryMs = 1'000;
/// A use of a key is recorded once in so long, counted from midnight UTC.
constexpr std::int64_t kKeyUseDayMs = 86'400'000;

/// Tries of what another host on the store may do at the same time. Each round that is lost, another host has won.
constexpr int kRounds = 64;

Error lost_every_round() { return {ErrorCode::store_io_error, "other hosts write to the audit log all the time"}; }

constexpr std::string_view action_name(RunAction action) {
  switch (action) {
    case RunAction::none: return "";
    case RunAction::create: return "run.create";
    case RunAction::cancel: return "run.cancel";
    case RunAction::pause: return "run.pause";
    case RunAction::resume: return "run.resume";
    case RunAction::fork: return "run.fork";
    case RunAction::resolve_interrupt: return "interrupt.resolve";
  }
  return "";
}

}  // namespace

Status AuditChain::start() {
  const std::lock_guard lock(chain_mutex_);
  if (auto loaded = load_head(); !loaded) return loaded;
  for (std::size_t i = 0; i < std::min<std::size_t>(options_.threads, 1); ++i) {
    threads_.emplace_back([this] { run_sequencer(); });
  }
  return {};
}

Status AuditChain::load_head() {
  auto row = options_.store->get(prefix_of('h'));
  if (!row) return std::move(row).error();
  head_ = {};
  head_row_ = row->value_or("");
  if (row->has_value()) {
    auto head = ChainHead::decode(head_row_);
    if (!head) return std::move(head).error();
    head_ = *std::move(head);
  }
  auto hashes = hashes_between(head_.checkpoint_sequence + 1, head_.last_sequence);
  if (!hashes) return std::move(hashes).error();
  unsigned_hashes_ = *std::move(hashes);
  return {};
}

Result<std::vector<std::string>> AuditChain::hashes_between(std::uint64_t first, std::uint64_t last) const {
  std::vector<std::string> hashes;
  if (first > last) return hashes;
  auto scanned = options_.store->scan({row_key('e', first), row_key('e', last + 1), false},
                                      [&](std::string_view, std::string_view row) {
                                        hashes.push_back(sha256_hex(row));
                                        return true;
                                      });
  if (!scanned) return std::move(scanned).error();
  return hashes;
}

// ---- staging ----

void AuditChain::stage(const AuditEntry& entry, Transaction& transaction) noexcept {
  const std::int64_t now = now_ms();
  transaction.put(prefix_of('s').append(options_.ids->next(now).view()),
                  encode_staged(entry, now, options_.max_text_bytes));
}

void AuditChain::staged() noexcept {
  {
    const std::lock_guard lock(wake_mutex_);
    kicked_ = true;
  }
  wake_.notify_one();
}

void AuditChain::extend(const RunCommit& commit, Transaction& transaction) noexcept {
  if (commit.action == RunAction::none) return;
  AuditEntry entry;
  entry.actor = commit.actor.empty() ? std::string("host") : std::string(commit.actor);
  entry.action = action_name(commit.action);
  entry.target = "run:" + commit.run.text();
  entry.details.clear();
  {
    json::ObjectWriter details(entry.details);
    details.string("tenantId", commit.header.tenant).string("workflowId", commit.header.workflow_id);
    if (commit.action == RunAction::resolve_interrupt) {
      const auto resolved = std::find_if(commit.events.begin(), commit.events.end(), [](const Event& event) {
        return event.type == EventType::interrupt_resolved;
      });
      if (resolved != commit.events.end()) details.string("nodeId", resolved->node_id);
    }
  }
  stage(entry, transaction);
}

void AuditChain::committed(const RunCommit& commit) noexcept {
  if (commit.action != RunAction::none) staged();
}

Status AuditChain::append(const AuditEntry& entry) {
  Transaction transaction;
  stage(entry, transaction);
  auto outcome = options_.store->commit(transaction, Durability::sync);
  if (!outcome) return std::move(outcome).error();
  staged();
  return {};
}

Status AuditChain::note_keys(std::vector<std::string> key_ids) {
  const std::lock_guard lock(keys_mutex_);
  for (int round = 0; round < kRounds; ++round) {
    auto noted = try_to_note_keys(key_ids);
    if (!noted) return std::move(noted).error();
    if (*noted) return {};
  }
  return lost_every_round();
}

Result<bool> AuditChain::try_to_note_keys(const std::vector<std::string>& key_ids) {
  const std::string key = prefix_of('k');
  auto row = options_.store->get(key);
  if (!row) return std::move(row).error();
  std::set<std::string> before;
  bytes::Reader reader(row->has_value() ? std::string_view(**row) : std::string_view{});
  while (!reader.at_end()) before.emplace(reader.string());
  const std::set<std::string> after(key_ids.begin(), key_ids.end());
  Transaction transaction;
  for (const std::string& id : after) {
    if (!before.contains(id)) stage({.actor = "host", .action = "key.created", .target = "key:" + id}, transaction);
  }
  for (const std::string& id : before) {
    if (!after.contains(id)) stage({.actor = "host", .action = "key.revoked", .target = "key:" + id}, transaction);
  }
  if (transaction.empty()) return true;
  std::string ids;
  for (const std::string& id : after) bytes::put_string(ids, id);
  // Of several hosts that start with the same keys, one tells.
  if (row->has_value()) {
    transaction.require_equals(key, **row);
  } else {
    transaction.require_absent(key);
  }
  transaction.put(key, ids);
  auto outcome = options_.store->commit(transaction, Durability::sync);
  if (!outcome) return std::move(outcome).error();
  if (*outcome == CommitOutcome::refused) return false;
  staged();
  return true;
}

void AuditChain::key_used(const KeyUse& use) noexcept try {
  const std::int64_t now = now_ms();
  const std::int64_t day = now / kKeyUseDayMs;
  {
    const std::lock_guard lock(uses_mutex_);
    if (day > uses_day_) {
      uses_day_ = day;
      used_keys_.clear();
    }
    if (used_keys_.contains(use.key_id)) return;
    AuditEntry entry{.actor = "api-key:" + std::string(use.principal),
                     .action = "key.used",
                     .target = "key:" + std::string(use.key_id),
                     .details = {}};
    json::ObjectWriter(entry.details).string("tenantId", use.tenant);
    uses_.push_back(
        {prefix_of('s').append(options_.ids->next(now).view()), encode_staged(entry, now, options_.max_text_bytes)});
    used_keys_.emplace(use.key_id);
  }
  staged();
} catch (const std::bad_alloc&) {
  // The next use is recorded instead.
}

/// What key_used() noted becomes staged rows. Not synced, as the chain is not.
Status AuditChain::stage_uses() {
  std::vector<StagedRow> uses;
  {
    const std::lock_guard lock(uses_mutex_);
    uses.swap(uses_);
  }
  if (uses.empty()) return {};
  Transaction transaction;
  for (const StagedRow& row : uses) transaction.put(row.key, row.value);
  auto outcome = options_.store->commit(transaction, Durability::async);
  if (outcome) return {};
  // The commit may have taken effect. Nothing is chained before the same rows are written again, so none is told twice.
  const std::lock_guard lock(uses_mutex_);
  uses_.insert(uses_.begin(), std::make_move_iterator(uses.begin()), std::make_move_iterator(uses.end()));
  return std::move(outcome).error();
}

// ---- chaining ----

Status AuditChain::chain_staged() {
  bool more = true;
  while (more) {
    if (auto chained = chain_some(more); !chained) return chained;
    if (auto is_signed = sign_if_due(false); !is_signed) return is_signed;
  }
  return {};
}

Status AuditChain::chain_and_sign(Sign sign) {
  for (int round = 0; round < kRounds; ++round) {
    auto done = refresh_head();
    if (done) done = stage_uses();
    if (done) done = chain_staged();
    if (done && sign != Sign::never) done = sign_if_due(sign == Sign::always);
    if (done) return done;
    // Nobody knows what took effect; the store does.
    if (auto loaded = load_head(); !loaded) return loaded;
    // The next round goes on behind what another host has chained.
    if (done.error().code != ErrorCode::precondition_failed) return done;
  }
  return lost_every_round();
}

/// Another host on the store may have chained and signed.
Status AuditChain::refresh_head() {
  auto row = options_.store->get(prefix_of('h'));
  if (!row) return std::move(row).error();
  return row->value_or("") == head_row_ ? Status{} : load_head();
}

Status AuditChain::chain_some(bool& more) {
  Transaction transaction;
  if (head_row_.empty()) {
    transaction.require_absent(prefix_of('h'));
  } else {
    transaction.require_equals(prefix_of('h'), head_row_);
  }
  ChainHead after = head_;
  std::vector<std::string> hashes;
  const std::string prefix = prefix_of('s');
  // Never past a checkpoint's size, so that each covers the same number of entries.
  const std::size_t room = options_.checkpoint_entries - std::min(options_.checkpoint_entries, unsigned_hashes_.size());
  const std::size_t limit = std::clamp<std::size_t>(room, 1, kChainBatch);
  more = false;
  auto scanned =
      options_.store->scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view row) {
        if (hashes.size() == limit) {
          more = true;
          return false;
        }
        const std::string entry = encode_entry(row, ++after.last_sequence, after.last_hash);
        after.last_hash = sha256_hex(entry);
        hashes.push_back(after.last_hash);
        transaction.put(row_key('e', after.last_sequence), entry);
        transaction.erase(key);
        return true;
      });
  if (!scanned) return scanned;
  if (hashes.empty()) return {};
  const std::string row = after.encode();
  transaction.put(prefix_of('h'), row);
  // What is staged is durable; a chain that a power loss takes back is made again from it. A checkpoint syncs.
  auto outcome = options_.store->commit(transaction, Durability::async);
  if (!outcome) return std::move(outcome).error();
  if (*outcome == CommitOutcome::refused) return Error{ErrorCode::precondition_failed, "another host chained first"};
  head_ = std::move(after);
  head_row_ = row;
  unsigned_hashes_.insert(unsigned_hashes_.end(), hashes.begin(), hashes.end());
  return {};
}

Status AuditChain::sign_if_due(bool in_any_case) {
  if (unsigned_hashes_.empty()) return {};
  const std::int64_t now = now_ms();
  const bool due = in_any_case || unsigned_hashes_.size() >= options_.checkpoint_entries ||
                   now - head_.checkpoint_ms >= options_.checkpoint_interval_ms;
  if (!due) return {};
  AuditCheckpoint checkpoint;
  checkpoint.checkpoint = options_.ids->next(now).text();
  checkpoint.at_sequence = head_.last_sequence;
  checkpoint.merkle_root = merkle_root(unsigned_hashes_);
  keys_.sign(checkpoint);
  const auto time = rfc3339_chars(now);
  checkpoint.ts = std::string(time.data(), time.size());
  ChainHead after = head_;
  after.checkpoint_sequence = head_.last_sequence;
  after.checkpoint_ms = now;
  const std::string row = after.encode();
  Transaction transaction;
  transaction.require_equals(prefix_of('h'), head_row_);
  transaction.put(prefix_of('h'), row);
  transaction.put(row_key('c', checkpoint.at_sequence), encode_checkpoint(checkpoint));
  auto outcome = options_.store->commit(transaction, Durability::sync);
  if (!outcome) return std::move(outcome).error();
  if (*outcome == CommitOutcome::refused) return Error{ErrorCode::precondition_failed, "another host chained first"};
  head_ = std::move(after);
  head_row_ = row;
  unsigned_hashes_.clear();
  return {};
}

Status AuditChain::checkpoint() {
  const std::lock_guard lock(chain_mutex_);
  return chain_and_sign(Sign::always);
}

std::optional<std::int64_t> AuditChain::work() {
  const std::lock_guard lock(chain_mutex_);
  if (auto done = chain_and_sign(Sign::when_due); !done) {
    options_.on_error(done.error());
    return now_ms() + kStoreRetryMs;
  }
  if (unsigned_hashes_.empty()) return std::nullopt;
  return head_.checkpoint_ms + options_.checkpoint_interval_ms;
}

void AuditChain::run_sequencer() {
  constexpr std::int64_t kMaxWaitMs = 3'600'000;
  for (;;) {
    const auto due_ms = work();
    std::unique_lock lock(wake_mutex_);
    const std::int64_t wait_ms = due_ms ? std::clamp<std::int64_t>(*due_ms - now_ms(), 1, kMaxWaitMs) : kMaxWaitMs;
    wake_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return kicked_ || stopping_; });
    kicked_ = false;
    if (stopping_) return;
  }
}

std::optional<std::int64_t> AuditChain::tick() {
  if (options_.threads > 0) return std::nullopt;
  return work();
}

void AuditChain::close() {
  {
    const std::lock_guard lock(wake_mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  if (auto done = checkpoint(); !done) options_.on_error(done.error());
}

}  // namespace openwop::audit
