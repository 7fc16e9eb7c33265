#include "engine/cluster_rows.h"

#include <algorithm>

#include "openwop/bytes.h"

namespace openwop::runtime {

namespace {

constexpr std::uint8_t kFormat = 1;
/// A partition is a byte of the run's id.
constexpr std::uint64_t kMaxPartitions = 256;

std::string partitions_key() { return {kClusterPrefix, 'n'}; }

Result<ClusterHost> decode_host(std::string_view row) {
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  ClusterHost host;
  host.expires_ms = static_cast<std::int64_t>(reader.u64());
  host.id = reader.string();
  host.address = reader.string();
  if (!reader.ok() || format != kFormat) return Error{ErrorCode::store_corrupt, "a host's row does not decode"};
  return host;
}

Result<std::size_t> decode_partitions(std::string_view row) {
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  const std::uint64_t partitions = reader.varint();
  if (!reader.ok()) return Error{ErrorCode::store_corrupt, "the number of run partitions does not decode"};
  if (format != kFormat || partitions == 0 || partitions > kMaxPartitions) {
    return Error{ErrorCode::store_version_unsupported, "the store divides runs in a way that this build does not know"};
  }
  return static_cast<std::size_t>(partitions);
}

}  // namespace

Result<std::size_t> settle_partitions(Store& store) {
  const std::string key = partitions_key();
  auto row = store.get(key);
  if (!row) return std::move(row).error();
  if (!row->has_value()) {
    std::string value(1, static_cast<char>(kFormat));
    bytes::put_varint(value, kRunPartitions);
    Transaction transaction;
    transaction.require_absent(key);
    transaction.put(key, value);
    auto outcome = store.commit(transaction, Durability::sync);
    if (!outcome) return std::move(outcome).error();
    // Refused: another host was faster.
    row = store.get(key);
    if (!row) return std::move(row).error();
  }
  return decode_partitions(row->value_or(""));
}

std::string host_key(std::string_view holder) { return std::string{kClusterPrefix, 'h'}.append(holder); }

std::string encode_host(const ClusterHost& host) {
  std::string row(1, static_cast<char>(kFormat));
  bytes::put_u64(row, static_cast<std::uint64_t>(host.expires_ms));
  bytes::put_string(row, host.id);
  bytes::put_string(row, host.address);
  return row;
}

Result<Hosts> read_hosts(const Store& store) {
  Hosts hosts;
  Status readable;
  const std::string prefix = host_key({});
  auto scanned = store.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view row) {
    auto host = decode_host(row);
    if (!host) {
      readable = std::move(host).error();
      return false;
    }
    hosts.emplace(key.substr(prefix.size()), *std::move(host));
    return true;
  });
  if (!scanned) return std::move(scanned).error();
  if (!readable) return std::move(readable).error();
  return hosts;
}

Result<std::optional<ClusterHost>> find_host(const Store& store, std::string_view holder) {
  auto row = store.get(host_key(holder));
  if (!row) return std::move(row).error();
  if (!row->has_value()) return std::optional<ClusterHost>{};
  auto host = decode_host(**row);
  if (!host) return std::move(host).error();
  return std::optional<ClusterHost>(*std::move(host));
}

Result<std::vector<std::optional<Lease>>> read_claims(const Store& store, std::size_t partitions) {
  std::vector<std::optional<Lease>> claims(partitions);
  Status readable;
  const std::string prefix = kLeasePrefix + kPartitionLease;
  auto scanned = store.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view row) {
    if (key.back() == '\0') return true;  // a guard
    std::size_t partition = 0;
    for (const char digit : key.substr(prefix.size()))
      partition = 10 * partition + static_cast<std::size_t>(digit - '0');
    auto lease = Leases::decode(key.substr(1), row);
    if (!lease || partition >= partitions) {
      readable = lease ? Error{ErrorCode::store_corrupt, "there is a claim on no partition"} : lease.error();
      return false;
    }
    claims[partition] = *std::move(lease);
    return true;
  });
  if (!scanned) return std::move(scanned).error();
  if (!readable) return std::move(readable).error();
  return claims;
}

std::size_t fair_share(const Hosts& alive, std::string_view holder, std::size_t partitions) {
  if (alive.empty()) return partitions;
  const auto place = static_cast<std::size_t>(std::distance(alive.begin(), alive.find(holder)));
  return partitions / alive.size() + (place < partitions % alive.size() ? 1 : 0);
}

}  // namespace openwop::runtime
