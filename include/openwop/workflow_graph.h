// The graph of a workflow: where a run starts, which edges close loops, and what those loops run again.
//
//  - A node that nothing leads to starts a run. A cycle that nothing leads to starts at the first of its nodes in the
//    document (protocol 01 T-10), so every node can be reached.
//  - An edge back to a node on the current path of a depth-first walk is a loopback. Its loop body is its natural loop:
//    its target, and the nodes that reach its source without passing the target.
//  - A cycle that can be entered beside its head has no body to run again and is refused.
//  - Each loopback needs something that can end it: a condition, or a node in the body that decides or waits.
//
// Thread-safety: free functions over the given workflow; nothing is shared.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/workflow.h"
#include "openwop/workflow_problems.h"

namespace openwop {

/// A loopback keeps its body, so many of them in a large graph would cost their product.
inline constexpr std::size_t kMaxWorkflowLoopbacks = 256;

namespace detail {

inline constexpr std::array<std::string_view, 8> kLoopDeciders = {"core.loop",         "core.conditional",
                                                                  "core.approvalGate", "core.clarificationGate",
                                                                  "core.interrupt",    "core.orchestrator.supervisor",
                                                                  "core.dispatch",     "core.conversationGate"};

class WorkflowGraph {
 public:
  WorkflowGraph(Workflow& workflow, std::vector<WorkflowProblem>& problems)
      : workflow_(workflow), problems_(problems), count_(workflow.nodes.size()) {}

  void analyse() {
    fill_outgoing();
    find_entries();
    walk();
    find_dominators();
    mark_loopbacks();
    fill_incoming();
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  // A path of a depth-first walk: the node, and how many of its edges have been followed.
  struct Step {
    std::size_t node;
    std::size_t followed = 0;
  };

  void problem(std::size_t edge, std::string message) {
    problems_.push_back({pointer_to("/edges", edge), std::move(message)});
  }

  void fill_outgoing() {
    workflow_.outgoing.assign(count_, {});
    for (std::size_t i = 0; i < workflow_.edges.size(); ++i) {
      workflow_.outgoing[workflow_.edges[i].source].push_back(i);
    }
  }

  void fill_incoming() {
    workflow_.incoming.assign(count_, {});
    for (std::size_t i = 0; i < workflow_.edges.size(); ++i) {
      if (!workflow_.edges[i].loopback) workflow_.incoming[workflow_.edges[i].target].push_back(i);
    }
  }

  // ---- entries: one for each strongly connected component that no edge leads into (Tarjan, iterative) ---------------

  struct Components {
    std::vector<std::size_t> of;      // node -> component
    std::vector<std::size_t> order;   // node -> number in the walk
    std::vector<std::size_t> lowest;  // node -> lowest number it reaches within the open components
    std::vector<std::size_t> open;    // nodes whose component is not known yet
    std::size_t count = 0;
    std::size_t visited = 0;
  };

  void enter(Components& components, std::vector<Step>& path, std::size_t node) const {
    components.order[node] = components.lowest[node] = components.visited++;
    components.open.push_back(node);
    path.push_back({node});
  }

  void close_component(Components& components, std::size_t head) const {
    std::size_t node = kNone;
    do {
      node = components.open.back();
      components.open.pop_back();
      components.of[node] = components.count;
    } while (node != head);
    ++components.count;
  }

  void explore(Components& components, std::size_t start) const {
    std::vector<Step> path;
    enter(components, path, start);
    while (!path.empty()) {
      const std::size_t node = path.back().node;
      if (path.back().followed < workflow_.outgoing[node].size()) {
        const std::size_t next = workflow_.edges[workflow_.outgoing[node][path.back().followed++]].target;
        if (components.order[next] == kNone) {
          enter(components, path, next);
        } else if (components.of[next] == kNone) {
          components.lowest[node] = std::min(components.lowest[node], components.order[next]);
        }
        continue;
      }
      if (components.lowest[node] == components.order[node]) close_component(components, node);
      path.pop_back();
      if (path.empty()) break;
      const std::size_t parent = path.back().node;
      components.lowest[parent] = std::min(components.lowest[parent], components.lowest[node]);
    }
  }

  void find_entries() {
    Components components{std::vector(count_, kNone), std::vector(count_, kNone), std::vector(count_, kNone), {}};
    for (std::size_t node = 0; node < count_; ++node) {
      if (components.order[node] == kNone) explore(components, node);
    }
    std::vector<bool> has_entry(components.count, false);
    for (const auto& edge : workflow_.edges) {
      const std::size_t into = components.of[edge.target];
      if (components.of[edge.source] != into) has_entry[into] = true;
    }
    workflow_.entries.clear();
    for (std::size_t node = 0; node < count_; ++node) {
      if (has_entry[components.of[node]]) continue;
      has_entry[components.of[node]] = true;
      workflow_.entries.push_back(node);
    }
  }

  // ---- the walk from the entries: retreating edges, and an order for the dominators ---------------------------------

  enum class Visit : std::uint8_t { unseen, on_path, done };

  void walk() {
    std::vector<Visit> visits(count_, Visit::unseen);
    finished_.clear();
    for (const std::size_t entry : workflow_.entries) {
      if (visits[entry] != Visit::unseen) continue;
      std::vector<Step> path{{entry}};
      visits[entry] = Visit::on_path;
      while (!path.empty()) {
        const std::size_t node = path.back().node;
        if (path.back().followed == workflow_.outgoing[node].size()) {
          visits[node] = Visit::done;
          finished_.push_back(node);
          path.pop_back();
          continue;
        }
        const std::size_t edge = workflow_.outgoing[node][path.back().followed++];
        const std::size_t next = workflow_.edges[edge].target;
        if (visits[next] == Visit::on_path) retreating_.push_back(edge);
        if (visits[next] != Visit::unseen) continue;
        visits[next] = Visit::on_path;
        path.push_back({next});
      }
    }
    std::sort(retreating_.begin(), retreating_.end());
  }

  // Immediate dominators over the edges that do not retreat, in one pass (the step of Cooper, Harvey, Kennedy). Leaving
  // the others out is right here: if each retreating edge is dominated by its target in that acyclic graph, a path that
  // follows one only returns to where it has been; if one is not, the workflow is refused anyway.
  // Numbers count from 1 in reverse postorder; 0 is a root above all entries.
  void find_dominators() {
    number_.assign(count_, 0);
    for (std::size_t i = 0; i < count_; ++i) number_[finished_[count_ - 1 - i]] = i + 1;
    std::vector<std::vector<std::size_t>> before(count_ + 1);
    for (const std::size_t entry : workflow_.entries) before[number_[entry]].push_back(0);
    for (const auto& edge : workflow_.edges) {
      const std::size_t source = number_[edge.source];
      const std::size_t target = number_[edge.target];
      if (source < target) before[target].push_back(source);
    }
    dominator_.assign(count_ + 1, 0);
    for (std::size_t node = 1; node <= count_; ++node) {
      std::size_t found = before[node].front();  // every node is reached without a retreating edge
      for (const std::size_t previous : before[node]) found = common_dominator(found, previous);
      dominator_[node] = found;
    }
  }

  [[nodiscard]] std::size_t common_dominator(std::size_t a, std::size_t b) const {
    while (a != b) {
      while (a > b) a = dominator_[a];
      while (b > a) b = dominator_[b];
    }
    return a;
  }

  [[nodiscard]] bool dominates(std::size_t head, std::size_t node) const {
    const std::size_t wanted = number_[head];
    std::size_t at = number_[node];
    while (at > wanted) at = dominator_[at];
    return at == wanted;
  }

  // ---- loopbacks ----------------------------------------------------------------------------------------------------

  void mark_loopbacks() {
    workflow_.in_loop.assign(count_, false);
    if (retreating_.size() > kMaxWorkflowLoopbacks) {
      problems_.push_back({"/edges", "more than " + std::to_string(kMaxWorkflowLoopbacks) + " edges close a cycle"});
      return;
    }
    std::vector<std::vector<std::size_t>> sources(count_);
    for (const auto& edge : workflow_.edges) sources[edge.target].push_back(edge.source);
    for (const std::size_t index : retreating_) {
      WorkflowEdge& edge = workflow_.edges[index];
      if (!dominates(edge.target, edge.source)) {
        problem(index, "closes a cycle that can be entered beside its target");
        continue;
      }
      edge.loopback = true;
      edge.loop_body = natural_loop(edge, sources);
      mark_loop(edge.loop_body);
      if (!can_end(edge)) problem(index, "unconditional cycle: neither a condition nor a deciding node can end it");
    }
  }

  void mark_loop(const std::vector<std::size_t>& body) {
    std::vector<bool> inside(count_, false);
    for (const std::size_t node : body) inside[node] = workflow_.in_loop[node] = true;
    for (WorkflowEdge& edge : workflow_.edges)
      edge.leaves_loop = edge.leaves_loop || (inside[edge.source] && !inside[edge.target]);
  }

  [[nodiscard]] std::vector<std::size_t> natural_loop(const WorkflowEdge& edge,
                                                      const std::vector<std::vector<std::size_t>>& sources) const {
    std::vector<bool> inside(count_, false);
    inside[edge.target] = true;
    std::vector<std::size_t> pending;
    const auto add = [&](std::size_t node) {
      if (inside[node]) return;
      inside[node] = true;
      pending.push_back(node);
    };
    add(edge.source);
    while (!pending.empty()) {
      const std::size_t node = pending.back();
      pending.pop_back();
      for (const std::size_t source : sources[node]) add(source);
    }
    std::vector<std::size_t> body{edge.target};
    for (std::size_t node = 0; node < count_; ++node) {
      if (inside[node] && node != edge.target) body.push_back(node);
    }
    return body;
  }

  [[nodiscard]] bool can_end(const WorkflowEdge& edge) const {
    if (edge.condition) return true;
    return std::any_of(edge.loop_body.begin(), edge.loop_body.end(), [&](std::size_t node) {
      return std::find(kLoopDeciders.begin(), kLoopDeciders.end(), workflow_.nodes[node].type_id) !=
             kLoopDeciders.end();
    });
  }

  Workflow& workflow_;
  std::vector<WorkflowProblem>& problems_;
  std::size_t count_;
  std::vector<std::size_t> retreating_;  // edges
  std::vector<std::size_t> finished_;    // nodes in postorder
  std::vector<std::size_t> number_;      // node -> place in reverse postorder, from 1
  std::vector<std::size_t> dominator_;   // place -> place of the immediate dominator
};

}  // namespace detail

/// Fills what Workflow derives from its graph; appends what is wrong with its cycles. Edges have to be sound: each
/// source and target is an index of a node.
inline void analyse_graph(Workflow& workflow, std::vector<WorkflowProblem>& problems) {
  detail::WorkflowGraph(workflow, problems).analyse();
}

}  // namespace openwop
