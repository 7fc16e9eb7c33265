// The part of a shard that deals with runs that other runs have started (child_rows.h).
#include <algorithm>

#include "engine/run_header.h"
#include "engine/run_reader.h"
#include "engine/shard.h"

namespace openwop::runtime {

namespace {

/// A commit that nobody waits for.
class RowsTask final : public CommitTask {
 public:
  explicit RowsTask(Core& core) : core_(core) {}
  void finished(const Result<CommitOutcome>& outcome) override {
    if (!outcome) core_.report(outcome.error());
  }

  Fence fence;

 private:
  Core& core_;
};

}  // namespace

void Shard::drop(const RunId& run, const Consumed& row) {
  auto fence = core_.enter(run);
  if (!fence) return;
  auto task = std::make_unique<RowsTask>(core_);
  task->durability = core_.options.durability;
  task->transaction.require_equals(row.key, row.value);
  task->transaction.erase(row.key);
  fence->guard(task->transaction);
  task->fence = *std::move(fence);
  core_.commits.submit(std::move(task));
}

// ---- as a child ----

void Shard::handle(ChildOrderMessage message) {
  for (const char kind : {kCreateOrder, kControlOrder}) {
    const std::string key = child_order_key(message.run, kind);
    auto row = core_.store.get(key);
    if (!row) {
      core_.report(row.error());
      return core_.defer(message);
    }
    if (!row->has_value()) continue;
    const Consumed order{key, **std::move(row)};
    return kind == kCreateOrder ? create_child(message.run, order) : control_child(message.run, order);
  }
}

void Shard::create_child(const RunId& child, const Consumed& order) {
  auto header = decode_header(order.value);
  auto workflow = header ? core_.catalog.by_digest(header->workflow_digest)
                         : Result<std::shared_ptr<const Workflow>>(header.error());
  if (!workflow) {
    core_.report(workflow.error());
    if (workflow.error().code == ErrorCode::store_io_error) core_.defer(ChildOrderMessage{child});
    return;
  }
  Resident resident;
  resident.run.header = std::make_shared<const RunHeader>(*std::move(header));
  resident.run.id = child;
  resident.run.workflow = *std::move(workflow);
  resident.run.state = initial_state(*resident.run.header);
  resident.run.catalog = &core_.catalog;
  resident.marks.tenant = resident.run.header->tenant;
  resident.marks.workflow_id = resident.run.header->workflow_id;
  resident.marks.created_ms = resident.run.header->created_ms;
  RunTurn turn(core_.options, resident.run, core_.now_ms());
  turn.start();
  finish(std::move(resident), turn, ChildOrderMessage{child}, nullptr, true, &order);
}

void Shard::control_child(const RunId& child, const Consumed& order) {
  Message origin(ChildOrderMessage{child});
  auto resident = take(child);
  if (!resident) {
    core_.report(resident.error());
    if (resident.error().code == ErrorCode::store_io_error) core_.defer(std::move(origin));
    return;
  }
  if (!resident->has_value()) return drop(child, order);
  auto what = decode_order(order.value);
  RunTurn turn(core_.options, (*resident)->run, core_.now_ms());
  if (what) {
    // A child that cannot be paused or resumed now stays as it is: it waits, or has ended.
    const Status done = std::visit([&](const auto& concrete) { return turn.carry_out(RunRequest(concrete)); }, *what);
    static_cast<void>(done);
  } else {
    core_.report(what.error());
  }
  finish(std::move(**resident), turn, std::move(origin), nullptr, false, &order);
}

// ---- as a parent ----

Result<command::ChangeChild> Shard::look_at_child(const RunId& child, const ChildRun& known) const {
  command::ChangeChild change;
  change.result.run_id = child;
  auto head = Log(core_.store).head(child);
  if (!head) return std::move(head).error();
  if (!head->has_value()) {
    change.status = known.status;
    return change;
  }
  auto marks = RunMarks::decode((*head)->summary);
  if (!marks) return std::move(marks).error();
  change.status = change.result.status = marks->status;
  if (!is_terminal(marks->status)) return change;
  auto view = read_run(core_.store, core_.catalog, marks->tenant, child, std::nullopt);
  if (!view) return std::move(view).error();
  change.result.error = view->state.error;
  std::string variables;
  {
    json::ObjectWriter object(variables);
    for (const std::string& name : known.wanted) {
      const auto value = view->state.variables.find(name);
      if (value == view->state.variables.end()) continue;
      object.raw_member(name, value->second);
      const WorkflowVariable* declared = view->workflow->find_variable(name);
      if (declared != nullptr && declared->sensitive) change.result.sensitive.push_back(name);
    }
  }
  change.result.variables = std::move(variables);
  return change;
}

void Shard::handle(ChildNoticeMessage message) {
  Message origin(message);
  const std::string key = child_notice_key(message.run, message.child);
  auto row = core_.store.get(key);
  if (!row) {
    core_.report(row.error());
    return core_.defer(std::move(origin));
  }
  if (!row->has_value()) return;
  Consumed notice{key, **std::move(row)};
  auto resident = take(message.run);
  if (!resident) {
    core_.report(resident.error());
    if (resident.error().code == ErrorCode::store_io_error) core_.defer(std::move(origin));
    return;
  }
  if (!resident->has_value()) return drop(message.run, notice);
  Run& run = (*resident)->run;
  // Whoever resumes the run looks again.
  if (run.state.status == RunStatus::paused) return put_back(std::move(**resident));
  const auto known = std::find_if(run.state.children.begin(), run.state.children.end(),
                                  [&](const ChildRun& child) { return child.run_id == message.child; });
  if (known == run.state.children.end() || is_terminal(run.state.status)) {
    RunTurn nothing(core_.options, run, core_.now_ms());
    return finish(std::move(**resident), nothing, std::move(origin), nullptr, false, &notice);
  }
  auto change = look_at_child(message.child, *known);
  if (!change) {
    core_.report(change.error());
    put_back(std::move(**resident));
    if (change.error().code == ErrorCode::store_io_error) core_.defer(std::move(origin));
    return;
  }
  RunTurn turn(core_.options, run, core_.now_ms());
  turn.child_changed(*change);
  finish(std::move(**resident), turn, std::move(origin), nullptr, false, &notice);
}

// ---- both ----

void Shard::add_child_rows(TurnTask& task, const Resident& resident, const RunTurn& turn, RunStatus before) {
  const Run& run = resident.run;
  // Children of a replay are its source's.
  if (run.replay) return;
  for (const auto& [child, header] : turn.new_children()) {
    task.transaction.put(child_order_key(child, kCreateOrder), encode_header(header));
    task.wake.emplace_back(ChildOrderMessage{child});
  }
  for (const auto& [child, order] : turn.child_orders()) {
    task.transaction.put(child_order_key(child, kControlOrder), encode_order(order));
    task.wake.emplace_back(ChildOrderMessage{child});
  }
  // Notices that came during the pause lie there.
  for (const ChildRun& child : run.state.children) {
    if (before != RunStatus::paused || is_terminal(child.status)) continue;
    task.wake.emplace_back(ChildNoticeMessage{run.id, child.run_id});
  }
  const RunId& parent = run.header->parent_run_id;
  if (parent == RunId{} || before == run.state.status) return;
  std::string sequence;
  bytes::put_varint(sequence, run.state.next_sequence);
  task.transaction.put(child_notice_key(parent, run.id), sequence);
  task.wake.emplace_back(ChildNoticeMessage{parent, run.id});
}

void Shard::ask_relatives(const Run& run) {
  const RunId& parent = run.header->parent_run_id;
  if (parent != RunId{}) core_.post(ChildNoticeMessage{parent, run.id});
  for (const ChildRun& child : run.state.children) {
    if (is_terminal(child.status)) continue;
    core_.post(ChildOrderMessage{child.run_id});
    core_.post(ChildNoticeMessage{run.id, child.run_id});
  }
}

}  // namespace openwop::runtime
