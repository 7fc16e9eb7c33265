// The part of a shard that deals with runs which are, or become, another host's (cluster_keeper.h).
#include "engine/shard.h"

namespace openwop::runtime {

void Shard::turn_away(Message message) {
  if (auto* create = std::get_if<CreateMessage>(&message)) {
    // Nothing of the run is in the store: it is created under an id that is.
    auto run = core_.new_run_id();
    if (!run) return create->done(std::move(run).error());
    create->run = *run;
    return core_.post(std::move(message));
  }
  if (auto* failed = std::get_if<std::unique_ptr<FailedTurnMessage>>(&message)) {
    resident_.erase((*failed)->run);
    for (const auto& handler : (*failed)->not_started) handler->cancel();
    for (const auto& handler : (*failed)->not_stopped) handler->cancel();
    if ((*failed)->again) turn_away(std::move(*(*failed)->again));
    return;
  }
  if (auto* call = std::get_if<CallMessage>(&message)) return handle(std::move(*call));
  if (auto* notes = std::get_if<NotesMessage>(&message)) return notes->done();
  if (const auto* timer = std::get_if<TimerMessage>(&message)) return core_.timers.settled(timer->run);
  const bool has_caller =
      std::holds_alternative<RequestMessage>(message) || std::holds_alternative<ChannelMessage>(message);
  // All others are told again to whoever has the run, by its rows.
  if (has_caller) answer_error(message, core_.keeper->claims()->not_owner(*run_of(message)));
}

void Shard::handle(ForgetMessage message) {
  const auto& claims = *core_.keeper->claims();
  std::erase_if(resident_, [&](const auto& entry) { return claims.partition_of(entry.first) == message.partition; });
  for (auto at = in_flight_.begin(); at != in_flight_.end();) {
    if (claims.partition_of(at->first) != message.partition) {
      ++at;
      continue;
    }
    for (const auto& handler : at->second) handler->cancel();
    if (!message.is_final) {
      ++at;
      continue;
    }
    core_.active_runs.fetch_sub(1);
    at = in_flight_.erase(at);
  }
  if (!message.is_final) return;
  core_.agents->secrets.forget_if([&](const RunId& run) { return claims.partition_of(run) == message.partition; });
  core_.keeper->forgotten(message.partition);
}

}  // namespace openwop::runtime
