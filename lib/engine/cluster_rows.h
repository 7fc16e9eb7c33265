// The rows by which hosts on one store find one another, and their shares.
//
//   P n           ->  how many partitions the store has, for good
//   P h <holder>  ->  a host: format, expiry, id, address; whoever renews it is alive
//   C run-partition/<n>, and its guard: the claims (openwop/lease.h), whose holder is the host's <holder>
//
// <holder> is drawn anew by each process, so that a host that starts again is another one than the one that may still
// be writing.
//
// Thread-safety: free functions; as the store's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "openwop/cluster.h"
#include "openwop/lease.h"

namespace openwop::runtime {

inline constexpr char kClusterPrefix = 'P';
inline const std::string kPartitionLease = "run-partition/";

/// The number of partitions; the first host on a store writes it. Errors: store_version_unsupported for one that this
/// build cannot serve.
[[nodiscard]] Result<std::size_t> settle_partitions(Store& store);

[[nodiscard]] std::string host_key(std::string_view holder);
[[nodiscard]] std::string encode_host(const ClusterHost& host);

/// Hosts by holder, dead ones too.
using Hosts = std::map<std::string, ClusterHost, std::less<>>;
[[nodiscard]] Result<Hosts> read_hosts(const Store& store);
[[nodiscard]] Result<std::optional<ClusterHost>> find_host(const Store& store, std::string_view holder);

/// The claim on each partition, by number; nothing where there never was one.
[[nodiscard]] Result<std::vector<std::optional<Lease>>> read_claims(const Store& store, std::size_t partitions);

/// How many partitions a host shall have: the same answer on every host that sees the same ones alive, and together
/// all partitions. `holder` has to be among them.
[[nodiscard]] std::size_t fair_share(const Hosts& alive, std::string_view holder, std::size_t partitions);

}  // namespace openwop::runtime
