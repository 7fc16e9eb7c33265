// The engine as one host of several: what its keeper has it do.
#include "engine/engine_impl.h"

namespace openwop::runtime {

Status EngineImpl::join_cluster() {
  auto partitions = settle_partitions(core_.store);
  if (!partitions) return std::move(partitions).error();
  const auto is_mine = [this](const RunId& run) { return core_.is_mine(run); };
  ClusterKeeper::Host host;
  host.take_up = [this](std::span<const std::size_t> taken) { return take_up(taken); };
  host.forget = [this](std::size_t partition, bool is_final) {
    for (const auto& shard : shards_) shard->post(ForgetMessage{partition, is_final});
  };
  host.changed = [this] {
    for (const auto& observer : core_.options.observers) observer->ownership_changed(core_.keeper->claims());
  };
  host.look_around = [this, is_mine] {
    if (auto looked = look_at_relatives(is_mine); !looked) core_.report(looked.error());
    // Runs end on every host.
    if (removes_ended_runs()) {
      if (auto looked = core_.retention.look(); !looked) core_.report(looked.error());
      core_.wake_timekeeper();
    }
    for (const auto& observer : core_.options.observers) observer->hosts_wrote();
  };
  host.followers = [this, is_mine] { return core_.subscriptions->count_foreign(is_mine); };
  host.notify_followers = [this, is_mine] { core_.subscriptions->notify_foreign(is_mine); };
  host.report = [this](const Error& error) { core_.report(error); };
  // Drawn anew by each process: a claim of the process before is another host's.
  const std::string holder = core_.options.ids->next(core_.now_ms()).text();
  core_.keeper = std::make_unique<ClusterKeeper>(core_.store, *core_.options.cluster, *partitions, holder, core_.now_ms,
                                                 std::move(host));
  *core_.claims = core_.keeper->claims();
  if (auto joined = core_.keeper->open(shards_.size()); !joined) return joined;
  core_.store.on_foreign_change([keeper = core_.keeper.get()] { keeper->note_foreign_change(); });
  return {};
}

Status EngineImpl::take_up(std::span<const std::size_t> partitions) {
  std::vector<bool> taken(core_.keeper->claims()->partitions());
  for (const std::size_t partition : partitions) taken[partition] = true;
  const auto wanted = [&](const RunId& run) { return taken[core_.keeper->claims()->partition_of(run)]; };
  // First what redacts the runs, then the runs.
  auto done = core_.agents->secrets.load(wanted);
  if (done) done = recover(wanted);
  if (!done) return done;
  core_.timers.rewind();
  core_.wake_timekeeper();
  return {};
}

/// In a cluster, whoever has the first partition does it for all: two at a time would only refuse one another's
/// commits.
bool EngineImpl::removes_ended_runs() const { return core_.keeper == nullptr || core_.keeper->claims()->is_claimed(0); }

void EngineImpl::leave_cluster() {
  if (core_.keeper == nullptr) return;
  core_.store.on_foreign_change({});
  core_.keeper->leave();
  for (const auto& observer : core_.options.observers) observer->ownership_changed(core_.keeper->claims());
}

std::optional<ClusterView> EngineImpl::cluster() const {
  if (core_.keeper == nullptr) return std::nullopt;
  return core_.keeper->view();
}

}  // namespace openwop::runtime
