#include "protocol/openwop/bearer_keys.h"

#include <algorithm>
#include <array>

#include "openwop/hash.h"
#include "openwop/json.h"
#include "protocol/openwop/text_checks.h"

namespace openwop {

namespace {
// Protocol 01 §4.2.
constexpr std::array<std::string_view, 11> kScopes = {
    "manifest:read", "runs:create",       "runs:read",     "runs:cancel", "artifacts:read",   "webhooks:manage",
    "audit:read",    "approvals:respond", "packs:publish", "packs:yank",  "packs:yank-revert"};

std::string first_hex_digits(const Sha256& hash, std::size_t count) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += kHex[i % 2 == 0 ? hash[i / 2] >> 4U : hash[i / 2] & 15U];
  return out;
}
}  // namespace

std::vector<std::string> ApiKey::all_scopes() { return {kScopes.begin(), kScopes.end()}; }

ApiKey ApiKey::of(std::string_view key, std::string tenant, std::vector<std::string> scopes) {
  ApiKey made{.key_sha256 = sha256(key), .tenant = std::move(tenant), .scopes = std::move(scopes)};
  made.id = first_hex_digits(made.key_sha256, 8);
  return made;
}

namespace wire {

namespace {

constexpr std::size_t kMaxKeyBytes = 4096;

bool is_revoked(const ApiKey& key, std::int64_t now_ms) { return key.revoked_ms != 0 && key.revoked_ms <= now_ms; }
bool is_expired(const ApiKey& key, std::int64_t now_ms) { return key.expires_ms != 0 && key.expires_ms <= now_ms; }
bool is_over(const ApiKey& key, std::int64_t now_ms) { return is_revoked(key, now_ms) || is_expired(key, now_ms); }

// The token of exactly one `Authorization: Bearer <token>`, or nothing.
std::string_view bearer_token(const http::Headers& headers) {
  const auto [first, last] = headers.equal_range("Authorization");
  if (first == last || std::next(first) != last) return {};
  std::string_view value = first->second;
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() <= kScheme.size()) return {};
  const bool is_bearer = std::equal(kScheme.begin(), kScheme.end(), value.begin(),
                                    [](char expected, char got) { return expected == http::NameLess::lower(got); });
  if (!is_bearer) return {};
  value.remove_prefix(std::min(value.find_first_not_of(' ', kScheme.size()), value.size()));
  const bool clean = std::none_of(value.begin(), value.end(), [](char c) { return c == ' ' || is_control(c); });
  return clean && value.size() <= kMaxKeyBytes ? value : std::string_view{};
}

}  // namespace

void KeyRing::replace(std::vector<ApiKey> keys) {
  if (test_keys_ == TestKeys::apart) {
    for (ApiKey& key : keys) {
      if (key.test) key.tenant += kTestTenantSuffix;
    }
  }
  auto fresh = std::make_shared<const std::vector<ApiKey>>(std::move(keys));
  const std::lock_guard lock(mutex_);
  keys_ = std::move(fresh);
}

std::shared_ptr<const std::vector<ApiKey>> KeyRing::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

Result<std::shared_ptr<const ApiKey>> KeyRing::authenticate(const http::Headers& headers, std::int64_t now_ms) const {
  const std::string_view token = bearer_token(headers);
  if (token.empty()) return Error{ErrorCode::unauthenticated, "a bearer key is required"};
  const Sha256 hash = sha256(token);
  const auto ring = keys();
  const ApiKey* found = nullptr;
  for (const ApiKey& key : *ring) {
    const bool same = equal_constant_time(key.key_sha256, hash);
    // Listed twice, the entry that is in force counts.
    if (same && (found == nullptr || is_over(*found, now_ms))) found = &key;
  }
  if (found == nullptr) return Error{ErrorCode::unauthenticated, "the bearer key is not valid"};
  if (is_revoked(*found, now_ms)) return Error{ErrorCode::key_revoked, "the bearer key has been revoked"};
  if (is_expired(*found, now_ms)) return Error{ErrorCode::key_expired, "the bearer key has expired"};
  return std::shared_ptr<const ApiKey>(ring, found);
}

bool KeyRing::has_test_key(std::int64_t now_ms) const {
  const auto ring = keys();
  return std::any_of(ring->begin(), ring->end(),
                     [now_ms](const ApiKey& key) { return key.test && !is_over(key, now_ms); });
}

std::string actor_of(const ApiKey& key) {
  return (key.test ? std::string(kTestActorPrefix) : std::string("api-key:")) + key.actor();
}

bool may_name_tenant(const SurfaceOptions& options, const ApiKey& key, std::string_view tenant) {
  if (tenant == key.tenant) return true;
  const bool apart = options.separate_test_data && key.test;
  return apart && key.tenant == std::string(tenant).append(kTestTenantSuffix);
}

bool has_scope(const ApiKey& key, std::string_view scope) {
  return std::find(key.scopes.begin(), key.scopes.end(), scope) != key.scopes.end();
}

Status require_scope(const ApiKey& key, std::string_view scope) {
  if (has_scope(key, scope)) return {};
  Error error{ErrorCode::forbidden, "the key lacks the scope " + std::string(scope)};
  json::ObjectWriter(error.details).string("scopeRequired", scope);
  return error;
}

}  // namespace wire
}  // namespace openwop
