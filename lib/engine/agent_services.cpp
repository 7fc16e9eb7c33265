#include "engine/agent_services.h"

#include <algorithm>

#include "engine/store_memory.h"
#include "openwop/json.h"

namespace openwop {

namespace {

class FixtureSecrets final : public SecretSource {
 public:
  explicit FixtureSecrets(std::shared_ptr<SecretSource> next) : next_(std::move(next)) {}

  Result<std::optional<std::string>> resolve(std::string_view tenant, std::string_view secret_id) override {
    if (next_) {
      auto found = next_->resolve(tenant, secret_id);
      if (!found || found->has_value()) return found;
    }
    if (secret_id == "conformance-test-secret") return std::optional<std::string>("conformance-test-plaintext");
    return std::optional<std::string>();
  }

 private:
  std::shared_ptr<SecretSource> next_;
};

}  // namespace

std::shared_ptr<SecretSource> fixture_secrets(std::shared_ptr<SecretSource> next) {
  return std::make_shared<FixtureSecrets>(std::move(next));
}

}  // namespace openwop

namespace openwop::runtime {

namespace {

constexpr std::size_t kMaxSecretIdBytes = 256;
/// Shorter ones are ordinary words; replacing them would garble texts and tell where they stand.
constexpr std::size_t kMinSecretBytes = 8;
constexpr std::size_t kMaxIdCharacters = 1'500;
constexpr std::size_t kMaxTagCharacters = 256;
constexpr std::size_t kMaxTags = 100;

Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

Error no_secret(std::string_view secret_id, std::string_view reason) {
  Error error = invalid("the secret '" + std::string(secret_id) + "' is not there");
  json::ObjectWriter(error.details).string("reason", reason).string("secretId", secret_id);
  return error;
}

std::string seen_prefix(const RunId& run) { return std::string(1, kSeenSecretPrefix).append(run.view()); }

Error gone_elsewhere() { return {ErrorCode::not_owner, "the run has gone to another host"}; }

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_text(std::string_view text, std::size_t min, std::size_t max) {
  return simdjson::validate_utf8(text.data(), text.size()) && characters(text) >= min && characters(text) <= max;
}

Status check_entry(const MemoryEntry& entry, std::size_t max_bytes) {
  if (!is_text(entry.id, 1, kMaxIdCharacters)) return invalid("a memory entry's id has 1 to 1500 characters");
  if (!is_text(entry.content, 0, entry.content.size())) return invalid("a memory entry's content is not UTF-8");
  if (entry.tags.size() > kMaxTags) return invalid("a memory entry has at most 100 tags");
  for (const std::string& tag : entry.tags) {
    if (!is_text(tag, 0, kMaxTagCharacters)) return invalid("a memory entry's tag has at most 256 characters");
  }
  if (entry.to_json().size() <= max_bytes) return {};
  return invalid("the memory entry exceeds max_memory_entry_bytes (" + std::to_string(max_bytes) + ")");
}

}  // namespace

// ---- secrets ----

Status SeenSecrets::load(const std::function<bool(const RunId&)>& wanted) {
  const std::string prefix(1, kSeenSecretPrefix);
  const std::lock_guard lock(mutex_);
  auto scanned = store_.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    if (key.size() <= 1 + RunId::kBytes) return true;
    const RunId run = RunId::from_bytes(key.substr(1));
    if (wanted(run)) runs_[run].ids.emplace(key.substr(1 + RunId::kBytes));
    return true;
  });
  run_count_.store(runs_.size());
  return scanned;
}

Result<std::string> SeenSecrets::resolve(std::string_view tenant, const RunId& run, std::string_view secret_id) {
  if (source_ == nullptr) return no_secret(secret_id, "credential_unavailable");
  if (secret_id.empty() || secret_id.size() > kMaxSecretIdBytes) return no_secret(secret_id, "credential_required");
  auto plaintext = source_->resolve(tenant, secret_id);
  if (!plaintext) return std::move(plaintext).error();
  if (!plaintext->has_value()) return no_secret(secret_id, "credential_required");
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    OfRun& seen = runs_[run];
    run_count_.store(runs_.size());
    known = !seen.ids.emplace(secret_id).second;
    seen.plaintexts.insert_or_assign(std::string(secret_id), **plaintext);
  }
  if (!known) {
    auto fence = enter_(run);
    if (!fence) return gone_elsewhere();
    Transaction transaction;
    fence->guard(transaction);
    transaction.put(seen_prefix(run).append(secret_id), tenant);
    auto committed = store_.commit(transaction, durability_);
    if (!committed) return std::move(committed).error();
    if (*committed == CommitOutcome::refused) return gone_elsewhere();
  }
  return **std::move(plaintext);
}

Result<KnownSecrets> SeenSecrets::seen_by(std::string_view tenant, const RunId& run) {
  if (run_count_.load() == 0) return KnownSecrets{};
  OfRun seen;
  {
    const std::lock_guard lock(mutex_);
    const auto at = runs_.find(run);
    if (at == runs_.end()) return KnownSecrets{};
    seen = at->second;
  }
  // After a restart only the ids are known.
  for (const std::string& id : seen.ids) {
    if (seen.plaintexts.contains(id)) continue;
    auto plaintext = source_ ? source_->resolve(tenant, id) : Result<std::optional<std::string>>(std::nullopt);
    if (!plaintext) return std::move(plaintext).error();
    if (!plaintext->has_value()) return no_secret(id, "credential_unavailable");
    seen.plaintexts.emplace(id, **plaintext);
  }
  const std::lock_guard lock(mutex_);
  if (const auto at = runs_.find(run); at != runs_.end()) at->second.plaintexts = seen.plaintexts;
  return std::move(seen.plaintexts);
}

void SeenSecrets::erase_rows(Transaction& transaction, const RunId& run) {
  if (run_count_.load() == 0) return;
  const std::lock_guard lock(mutex_);
  const auto at = runs_.find(run);
  if (at == runs_.end()) return;
  for (const std::string& id : at->second.ids) transaction.erase(seen_prefix(run).append(id));
}

void SeenSecrets::forget(const RunId& run) {
  if (run_count_.load() == 0) return;
  const std::lock_guard lock(mutex_);
  runs_.erase(run);
  run_count_.store(runs_.size());
}

void SeenSecrets::forget_if(const std::function<bool(const RunId&)>& gone) {
  const std::lock_guard lock(mutex_);
  std::erase_if(runs_, [&](const auto& entry) { return gone(entry.first); });
  run_count_.store(runs_.size());
}

std::string without_secrets(std::string text, const KnownSecrets& secrets) {
  std::vector<const KnownSecrets::value_type*> longest_first;
  for (const auto& secret : secrets) {
    if (secret.second.size() >= kMinSecretBytes) longest_first.push_back(&secret);
  }
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [](const auto* a, const auto* b) { return a->second.size() > b->second.size(); });
  for (const auto* secret : longest_first) {
    const std::string mark = "[REDACTED:" + secret->first + "]";
    for (std::size_t at = text.find(secret->second); at != std::string::npos;
         at = text.find(secret->second, at + mark.size())) {
      text.replace(at, secret->second.size(), mark);
    }
  }
  return text;
}

// ---- memory ----

AgentServices::AgentServices(Store& store, Durability durability, std::shared_ptr<MemoryBackend> backend,
                             std::shared_ptr<SecretSource> source, std::size_t max_entry_bytes, EnterRun enter)
    : memory(std::move(backend)),
      secrets(store, durability, std::move(source), enter),
      max_memory_entry_bytes(max_entry_bytes) {
  if (memory == nullptr) memory = std::make_shared<StoreMemory>(store, durability, std::move(enter));
}

Result<std::vector<MemoryEntry>> RunMemory::list(std::string_view memory_ref, const MemoryListOptions& options) {
  return services_->memory->list({facts_.tenant, memory_ref}, options, moment());
}

Result<std::optional<MemoryEntry>> RunMemory::get(std::string_view memory_ref, std::string_view id) {
  return services_->memory->get({facts_.tenant, memory_ref}, id, moment());
}

Status RunMemory::put(std::string_view memory_ref, MemoryEntry entry) {
  if (!is_memory_ref(memory_ref)) return invalid("the memoryRef is malformed");
  auto secrets = services_->secrets.seen_by(facts_.tenant, facts_.run);
  if (!secrets) return std::move(secrets).error();
  entry.content = without_secrets(std::move(entry.content), *secrets);
  for (std::string& tag : entry.tags) tag = without_secrets(std::move(tag), *secrets);
  if (entry.created_ms == 0) entry.created_ms = facts_.attempt_ms;
  if (auto valid = check_entry(entry, services_->max_memory_entry_bytes); !valid) return valid;
  return services_->memory->put({facts_.tenant, memory_ref}, entry, facts_.run, facts_.now_ms());
}

Status RunMemory::remove(std::string_view memory_ref, std::string_view id) {
  return services_->memory->remove({facts_.tenant, memory_ref}, id, facts_.run, facts_.now_ms());
}

}  // namespace openwop::runtime
