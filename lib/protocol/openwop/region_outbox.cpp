#include "protocol/openwop/region_outbox.h"

#include <algorithm>

#include "openwop/bytes.h"

namespace openwop::wire {

namespace {

constexpr std::string_view kAll = "Hr";
/// Rows that one commit takes away.
constexpr std::size_t kDroppedAtOnce = 1'000;

}  // namespace

RegionOutbox::RegionOutbox(Store& store, std::string_view region) : store_(store), ledger_(store), prefix_(kAll) {
  prefix_.append(region).append(1, '\0');
}

std::string RegionOutbox::row_of(std::string_view row_key, std::int64_t expires_ms) const {
  std::string key = prefix_;
  bytes::put_u64(key, static_cast<std::uint64_t>(expires_ms));
  return key.append(row_key);
}

std::int64_t RegionOutbox::expiry_of(std::string_view key) const {
  bytes::Reader reader(key.substr(std::min(key.size(), prefix_.size())));
  return static_cast<std::int64_t>(reader.u64());
}

Result<RegionOutbox::Page> RegionOutbox::page(std::string_view from, std::size_t max_claims, std::size_t max_bytes,
                                              std::int64_t now_ms) const {
  Page page;
  std::vector<std::string> keys;
  const std::string begin = from.empty() ? prefix_ : std::string(from);
  auto scanned = store_.scan({begin, prefix_end(prefix_)}, [&](std::string_view key, std::string_view) {
    page.more = keys.size() == max_claims;
    if (page.more) return false;
    keys.emplace_back(key);
    return true;
  });
  if (!scanned) return std::move(scanned).error();
  std::size_t bytes = 0;
  for (std::string& key : keys) {
    if (bytes >= max_bytes) {
      page.more = true;
      break;
    }
    page.next = key + '\0';
    page.expires_ms = expiry_of(key);
    const std::string_view row_key =
        std::string_view(key).substr(std::min(key.size(), prefix_.size() + sizeof(std::uint64_t)));
    auto found = expiry_of(key) > now_ms ? ledger_.find(row_key) : Result<std::optional<Ledger::Found>>(std::nullopt);
    if (!found && found.error().code == ErrorCode::store_corrupt) continue;
    if (!found) return std::move(found).error();
    auto claim = *found && !(*found)->expired(now_ms) ? claim_of(row_key, (*found)->entry) : std::nullopt;
    if (!claim) {
      page.void_keys.push_back(std::move(key));
      continue;
    }
    bytes += (*found)->entry.outcome.size();
    page.claims.push_back(*std::move(claim));
    page.keys.push_back(std::move(key));
  }
  return page;
}

void RegionOutbox::Page::leave_out(const std::set<std::string>& known) {
  for (std::size_t i = keys.size(); i-- > 0;) {
    if (!known.contains(keys[i])) continue;
    keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(i));
    claims.erase(claims.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

Status RegionOutbox::forget(const std::vector<std::string>& keys) const {
  if (keys.empty()) return {};
  Transaction transaction;
  for (const std::string& key : keys) transaction.erase(key);
  // What a crash brings back is told again, and known there.
  auto committed = store_.commit(transaction, Durability::async);
  if (!committed) return std::move(committed).error();
  return {};
}

Result<std::size_t> RegionOutbox::trim(std::int64_t now_ms, std::size_t max_rows) const {
  std::size_t rows = 0;
  std::size_t over = 0;
  auto scanned = store_.scan({prefix_, prefix_end(prefix_), false}, [&](std::string_view key, std::string_view) {
    ++rows;
    // They lie in the order of their expiry.
    if (expiry_of(key) <= now_ms) over = rows;
    return true;
  });
  if (!scanned) return std::move(scanned).error();
  const std::size_t beyond = rows - over > max_rows ? rows - over - max_rows : 0;
  if (auto dropped = drop_first(over + beyond); !dropped) return std::move(dropped).error();
  return beyond;
}

Status RegionOutbox::drop_first(std::size_t rows) const {
  std::string from = prefix_;
  while (rows > 0) {
    std::vector<std::string> keys;
    const std::size_t wanted = std::min(rows, kDroppedAtOnce);
    auto scanned = store_.scan({from, prefix_end(prefix_)}, [&](std::string_view key, std::string_view) {
      keys.emplace_back(key);
      return keys.size() < wanted;
    });
    if (!scanned) return scanned;
    if (keys.empty()) return {};
    from = keys.back() + '\0';
    rows -= keys.size();
    if (auto forgotten = forget(keys); !forgotten) return forgotten;
  }
  return {};
}

Result<std::vector<std::string>> RegionOutbox::regions(const Store& store) {
  std::vector<std::string> names;
  std::string from(kAll);
  for (;;) {
    std::string name;
    auto scanned = store.scan({from, prefix_end(kAll)}, [&](std::string_view key, std::string_view) {
      name = key.substr(kAll.size(), key.find('\0', kAll.size()) - kAll.size());
      return false;
    });
    if (!scanned) return std::move(scanned).error();
    if (name.empty()) return names;
    names.push_back(name);
    from = prefix_end(std::string(kAll).append(name).append(1, '\0'));
  }
}

}  // namespace openwop::wire
