// `channel-write` triggers (protocol 02 §8.8): a write starts a node of the run, which begins again together with what
// comes behind it.
//
// 1.0 names the parts and leaves open how they fit together. Here:
//  - A write is a child's when another run or engine made it, and the parent's when a node of this run did.
//  - Writes by the node itself, by nodes behind it, and by runs that these have started set nothing off.
//  - While the node or one behind it is at work, one firing waits for its end, however many writes there are.
//  - `debounceMs` counts from the last write.
//  - The first firing is free; settings.maxLoopbackIterations bounds those that follow.
#include <algorithm>

#include "engine/graph.h"
#include "engine/run_turn.h"

namespace openwop::runtime {

namespace {

/// The node and all behind it, by edges that close no loop; the node first.
std::vector<std::size_t> nodes_behind(const Workflow& workflow, std::size_t node) {
  std::vector<std::size_t> found{node};
  std::vector<bool> seen(workflow.nodes.size(), false);
  seen[node] = true;
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const std::size_t edge : workflow.outgoing[found[i]]) {
      const WorkflowEdge& leaving = workflow.edges[edge];
      if (leaving.loopback || seen[leaving.target]) continue;
      seen[leaving.target] = true;
      found.push_back(leaving.target);
    }
  }
  return found;
}

/// Who wrote: a node of this run, or the one that started the run which wrote; empty for anybody else.
std::string writer_of(const RunState& state, const Event& write) {
  if (!write.node_id.empty()) return write.node_id;
  const std::string run = detail::text_member(write.payload, "sourceRunId");
  const auto child = std::find_if(state.children.begin(), state.children.end(),
                                  [&](const ChildRun& each) { return each.run_id.text() == run; });
  return child == state.children.end() ? std::string() : child->node_id;
}

bool admits(ChannelTriggerSource source, bool own) {
  return source == ChannelTriggerSource::any || (source == ChannelTriggerSource::parent) == own;
}

bool is_free(const Workflow& workflow, const RunState& state, const std::vector<std::size_t>& nodes) {
  return std::none_of(nodes.begin(), nodes.end(), [&](std::size_t node) {
    const NodeState* known = state.find_node(workflow.nodes[node].id);
    return known != nullptr && (is_in_flight(known->status) || known->triggered);
  });
}

}  // namespace

std::vector<Event> RunTurn::writes_to_watch(std::size_t first_event) const {
  std::vector<Event> writes;
  if (run_.workflow->channel_triggers.empty()) return writes;
  for (std::size_t i = first_event; i < events_.size(); ++i) {
    if (events_[i].type == EventType::channel_written) writes.push_back(events_[i]);
  }
  return writes;
}

void RunTurn::set_off_triggers(const Event& write) {
  const std::string channel = detail::text_member(write.payload, "channel");
  const std::string writer = writer_of(run_.state, write);
  for (const ChannelTrigger& trigger : run_.workflow->channel_triggers) {
    const auto node = run_.workflow->find_node(trigger.node_id);
    if (!trigger.enabled || !node || trigger.channel != channel || ended()) continue;
    if (!admits(trigger.only_from, !write.node_id.empty())) continue;
    const auto behind = nodes_behind(*run_.workflow, *node);
    const bool by_itself =
        std::any_of(behind.begin(), behind.end(), [&](std::size_t each) { return node_at(each).id == writer; });
    if (by_itself) continue;
    // In the write's own commit, so that no crash comes between; the firing follows once the write's step is done.
    apply(command::FireTrigger{.trigger_id = trigger.id,
                               .node_id = trigger.node_id,
                               .channel = channel,
                               .awaits = true,
                               .due_ms = now_ms_ + trigger.debounce_ms});
  }
}

bool RunTurn::awaits_trigger() const {
  // One that the newest definition does not know any more waits for nothing.
  return std::any_of(run_.workflow->channel_triggers.begin(), run_.workflow->channel_triggers.end(),
                     [&](const ChannelTrigger& trigger) {
                       const auto at = run_.state.triggers.find(trigger.id);
                       return trigger.enabled && run_.workflow->find_node(trigger.node_id) &&
                              at != run_.state.triggers.end() && at->second.awaits;
                     });
}

bool RunTurn::fire_due_triggers() {
  if (run_.state.triggers.empty() || stopped()) return false;
  for (const ChannelTrigger& trigger : run_.workflow->channel_triggers) {
    const auto at = run_.state.triggers.find(trigger.id);
    if (!trigger.enabled || at == run_.state.triggers.end()) continue;
    if (!at->second.awaits || at->second.due_ms > now_ms_) continue;
    const auto node = run_.workflow->find_node(trigger.node_id);
    if (!node || !is_free(*run_.workflow, run_.state, nodes_behind(*run_.workflow, *node))) continue;
    fire(trigger);
    return true;
  }
  return false;
}

void RunTurn::fire(const ChannelTrigger& trigger) {
  const std::uint32_t firings = run_.state.triggers.find(trigger.id)->second.firings;
  if (firings > static_cast<std::uint64_t>(run_.workflow->settings.max_loopback_iterations)) {
    return stop_at_loopback_limit(trigger.node_id);
  }
  const std::size_t node = *run_.workflow->find_node(trigger.node_id);
  command::FireTrigger firing{.trigger_id = trigger.id, .node_id = trigger.node_id, .channel = trigger.channel};
  for (const std::size_t each : nodes_behind(*run_.workflow, node)) {
    const NodeState* known = state_of(each);
    if (each == node || (known != nullptr && has_ended(known->status))) firing.reset.push_back(node_at(each).id);
  }
  apply(std::move(firing));
  candidates_.push_back(node);
}

std::int64_t next_trigger_due_ms(const Run& run) {
  std::int64_t due_ms = 0;
  for (const auto& [name, trigger] : run.state.triggers) {
    const std::string& id = name;  // a lambda captures no structured binding (Clang)
    const auto declared = std::find_if(run.workflow->channel_triggers.begin(), run.workflow->channel_triggers.end(),
                                       [&](const ChannelTrigger& each) { return each.id == id; });
    if (!trigger.awaits || declared == run.workflow->channel_triggers.end()) continue;
    // One whose node is at work looks again when that ends.
    const auto node = run.workflow->find_node(declared->node_id);
    if (!node || !is_free(*run.workflow, run.state, nodes_behind(*run.workflow, *node))) continue;
    if (due_ms == 0 || trigger.due_ms < due_ms) due_ms = trigger.due_ms;
  }
  return due_ms;
}

}  // namespace openwop::runtime
