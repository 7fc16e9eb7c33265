#include "openwop/run_diff.h"

#include <deque>
#include <map>

#include "engine/replay_guide.h"

namespace openwop {

namespace {

using Values = std::map<std::string, std::string, std::less<>>;

void write_side(json::ObjectWriter& object, std::string_view side, const std::string* value) {
  if (value != nullptr && !value->empty()) object.raw(side, *value);
}

void write_change(std::string& out, const std::string* from, const std::string* to) {
  json::ObjectWriter change(out);
  write_side(change, "from", from);
  write_side(change, "to", to);
}

const std::string* find(const Values& values, std::string_view name) {
  const auto at = values.find(name);
  return at == values.end() ? nullptr : &at->second;
}

bool same(const std::string* left, const std::string* right) {
  if (left == nullptr || right == nullptr) return left == right;
  return *left == *right || (!left->empty() && !right->empty() && json::equal(*left, *right));
}

/// Members of `from` and `to` that differ; nothing is written when none does.
void write_changes(json::ObjectWriter& diff, std::string_view member, const Values& from, const Values& to,
                   const std::function<bool(std::string_view)>& is_sensitive) {
  static const std::string kMasked = "\"[REDACTED]\"";
  std::string out;
  bool any = false;
  {
    json::ObjectWriter object(out);
    const auto write = [&](const std::string& name) {
      const std::string* left = find(from, name);
      const std::string* right = find(to, name);
      if (same(left, right)) return;
      any = true;
      const bool hide = is_sensitive(name);
      write_change(object.value_of_member(name), hide && left != nullptr ? &kMasked : left,
                   hide && right != nullptr ? &kMasked : right);
    };
    for (const auto& [name, value] : from) write(name);
    for (const auto& [name, value] : to) {
      if (!from.contains(name)) write(name);
    }
  }
  if (any) diff.raw(member, out);
}

Values members_of(const NodeState& node, const WorkflowNode* definition) {
  Values members{{"status", json::quoted(node_status_name(node.status))}, {"attempt", std::to_string(node.attempt)}};
  if (node.iteration > 0) members.emplace("iteration", std::to_string(node.iteration));
  if (!node.error.empty() && node.status != NodeStatus::completed) members.emplace("error", node.error);
  // An output that is masked in the log is masked here; which of them differ is not worth a leak.
  const bool sensitive = definition != nullptr && !definition->sensitive_outputs.empty();
  if (!node.outputs.empty() && !sensitive) members.emplace("outputs", node.outputs);
  return members;
}

void write_nodes(json::ObjectWriter& diff, const RunView& from, const RunView& to) {
  std::string out;
  bool any = false;
  {
    json::ObjectWriter object(out);
    const auto members = [](const RunView& view, const std::string& id) {
      const NodeState* node = view.state.find_node(id);
      if (node == nullptr) return Values{};
      const auto index = view.workflow ? view.workflow->find_node(id) : std::nullopt;
      return members_of(*node, index ? &view.workflow->nodes[*index] : nullptr);
    };
    const auto write = [&](const std::string& id) {
      std::string changes;
      {
        json::ObjectWriter node(changes);
        write_changes(node, "node", members(from, id), members(to, id), [](std::string_view) { return false; });
      }
      if (const auto changed = json::member(changes, "node")) {
        any = true;
        object.raw_member(id, *changed);
      }
    };
    for (const auto& [id, node] : from.state.nodes) write(id);
    for (const auto& [id, node] : to.state.nodes) {
      if (from.state.find_node(id) == nullptr) write(id);
    }
  }
  if (any) diff.raw("nodes", out);
}

void write_event(json::ObjectWriter& first, std::string_view side, const std::optional<Event>& event) {
  if (!event) return;
  json::ObjectWriter object(first.value_of(side));
  object.string("type",
                event->type == EventType::unknown ? std::string_view(event->unknown_name) : event_name(event->type));
  if (!event->node_id.empty()) object.string("nodeId", event->node_id);
}

/// Reads one side in step with the other, a stretch at a time.
class Side {
 public:
  Side(const Engine& engine, std::string_view tenant, const RunView& view)
      : engine_(engine), tenant_(tenant), run_(view.run_id), end_(view.state.next_sequence) {}

  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] Result<std::optional<Event>> next() {
    if (buffer_.empty() && next_ < end_) {
      auto read = engine_.read_events(tenant_, run_, next_, [&](const EventView& event) {
        if (event.sequence >= end_ || buffer_.size() == kStretch) return false;
        buffer_.push_back(runtime::recorded(event).event);
        next_ = event.sequence + 1;
        return true;
      });
      if (!read) return std::move(read).error();
    }
    if (buffer_.empty()) return std::optional<Event>{};
    std::optional<Event> event(std::move(buffer_.front()));
    buffer_.pop_front();
    return event;
  }

 private:
  static constexpr std::size_t kStretch = 256;
  const Engine& engine_;
  std::string_view tenant_;
  RunId run_;
  std::uint64_t end_;
  std::uint64_t next_ = 0;
  std::deque<Event> buffer_;
};

Status write_events(json::ObjectWriter& diff, const Engine& engine, std::string_view tenant, const RunView& from,
                    const RunView& to) {
  Side left(engine, tenant, from);
  Side right(engine, tenant, to);
  std::uint64_t equal = 0;
  std::optional<Event> a;
  std::optional<Event> b;
  while (true) {
    auto next_left = left.next();
    if (!next_left) return std::move(next_left).error();
    auto next_right = right.next();
    if (!next_right) return std::move(next_right).error();
    a = std::move(*next_left);
    b = std::move(*next_right);
    if (!a || !b || !runtime::says_the_same(*a, from.run_id, *b, to.run_id)) break;
    ++equal;
  }
  json::ObjectWriter events(diff.value_of("events"));
  events.integer("equal", static_cast<std::int64_t>(equal));
  events.integer("from", static_cast<std::int64_t>(left.end()));
  events.integer("to", static_cast<std::int64_t>(right.end()));
  if (!a && !b) return {};
  json::ObjectWriter first(events.value_of("first"));
  first.integer("sequence", static_cast<std::int64_t>(equal));
  write_event(first, "from", a);
  write_event(first, "to", b);
  return {};
}

Result<RunView> view_of_moment(const Engine& engine, std::string_view tenant, const RunMoment& moment) {
  return moment.sequence ? engine.run_at(tenant, moment.run, *moment.sequence) : engine.run(tenant, moment.run);
}

void write_moment(std::string& out, const RunMoment& moment) {
  json::ObjectWriter object(out);
  object.string("runId", moment.run.text());
  if (moment.sequence) object.integer("sequence", static_cast<std::int64_t>(*moment.sequence));
}

}  // namespace

Result<std::string> diff_runs(const Engine& engine, std::string_view tenant, const RunMoment& from,
                              const RunMoment& to) {
  auto left = view_of_moment(engine, tenant, from);
  if (!left) return std::move(left).error();
  auto right = view_of_moment(engine, tenant, to);
  if (!right) return std::move(right).error();
  const auto sensitive_variable = [&](std::string_view name) {
    for (const RunView* view : {&*left, &*right}) {
      const WorkflowVariable* declared = view->workflow ? view->workflow->find_variable(name) : nullptr;
      if (declared != nullptr && declared->sensitive) return true;
    }
    return false;
  };
  const auto sensitive_channel = [&](std::string_view name) {
    for (const RunView* view : {&*left, &*right}) {
      const WorkflowChannel* declared = view->workflow ? view->workflow->find_channel(name) : nullptr;
      if (declared != nullptr && declared->sensitive) return true;
    }
    return false;
  };
  std::string out;
  {
    json::ObjectWriter diff(out);
    write_moment(diff.value_of("from"), from);
    write_moment(diff.value_of("to"), to);
    if (left->state.status != right->state.status) {
      json::ObjectWriter(diff.value_of("status"))
          .string("from", status_name(left->state.status))
          .string("to", status_name(right->state.status));
    }
    write_changes(diff, "variables", left->state.variables, right->state.variables, sensitive_variable);
    write_changes(diff, "channels", left->state.channels, right->state.channels, sensitive_channel);
    write_nodes(diff, *left, *right);
    if (auto events = write_events(diff, engine, tenant, *left, *right); !events) return std::move(events).error();
  }
  return out;
}

}  // namespace openwop
