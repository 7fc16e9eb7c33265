// Cluster: several hosts, each with an engine, on one store (docs/scale-out.md).
//
// The space of run ids is divided into partitions. A host carries out the runs of the partitions that it has claimed,
// and no others; any host reads every run. A claim is a lease (openwop/lease.h) that the host renews; whoever cannot
// renew loses it, and the store refuses what a late one still writes. Hosts find one another by a row that each of them
// renews, and share the partitions evenly among those that are alive.
//
// Clocks of hosts may differ by less than claim_ttl_ms less heartbeat_ms: a wrong clock makes partitions change hands
// too early, never two hosts' writes succeed.
//
// Thread-safety: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "openwop/ids.h"

namespace openwop {

/// How many partitions a new store is divided into; a store keeps what it began with.
inline constexpr std::size_t kRunPartitions = 64;

/// The partition of a run: the last byte of its id, which every id source draws evenly.
constexpr std::size_t partition_of(const RunId& run, std::size_t partitions) {
  return run.bytes[RunId::kBytes - 1] % partitions;
}

/// A host that was alive when it was looked at.
struct ClusterHost {
  /// ClusterOptions::host_id.
  std::string id;
  std::string address;
  /// Not renewed until then, it is gone.
  std::int64_t expires_ms = 0;
  bool is_self = false;
};

/// What one host knows of the cluster: its own claims are exact, the others are as of its last look.
struct ClusterView {
  std::vector<ClusterHost> hosts;
  /// Partitions whose runs this host carries out, in order.
  std::vector<std::size_t> claimed;
  std::size_t partitions = 0;
};

struct ClusterOptions {
  /// Names this host to people; need not be unique. Empty: a random one.
  std::string host_id = {};
  /// Where other hosts reach this one, such as http://10.0.0.7:8080; part of the not_owner error. May be empty.
  std::string address = {};
  /// How long a claim holds without a renewal. A host that dies keeps its runs waiting for so long.
  std::int64_t claim_ttl_ms = 30'000;
  /// How often claims are renewed and hosts are looked at; at most half of claim_ttl_ms.
  std::int64_t heartbeat_ms = 10'000;
  /// How often, without a hint of the store, events of other hosts' runs are looked for while somebody follows one.
  std::int64_t follow_poll_ms = 1'000;
  /// Told of every change of claims, on the thread that renews them; must be quick and must not wait for the engine.
  std::function<void(const ClusterView&)> on_change = {};
};

}  // namespace openwop
