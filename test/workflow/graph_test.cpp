#include "openwop/workflow_graph.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.h"
#include "workflow/definitions.h"

namespace openwop::test {
namespace {

std::string ids(const Workflow& workflow, const std::vector<std::size_t>& nodes) {
  std::string out;
  for (const std::size_t node : nodes) out += (out.empty() ? "" : " ") + workflow.nodes[node].id;
  return out;
}

// "e2: b c" for each loopback: the edge and its body.
std::vector<std::string> loops(const Workflow& workflow) {
  std::vector<std::string> out;
  for (const auto& edge : workflow.edges) {
    if (edge.loopback) out.push_back(edge.id + ": " + ids(workflow, edge.loop_body));
  }
  return out;
}

using Lines = std::vector<std::string>;

struct GraphCase {
  std::string_view name;
  std::string_view line;
  std::string_view entries;
  Lines loops;
};

const GraphCase kGraphs[] = {
    {"one node", "a", "a", {}},
    {"a line", "a b c ; a>b b>c", "a", {}},
    {"two parts", "a b c ; a>b", "a c", {}},
    {"a diamond", "a b c d ; a>b a>c b>d c>d", "a", {}},
    {"a node before its source", "b a ; a>b", "a", {}},
    {"two edges between two nodes", "a b ; a>b a>b", "a", {}},
    {"a loop with a condition", "a b c ; a>b b>c c>b?", "a", {"e2: b c"}},
    {"a loop with a deciding node", "a l:core.loop b c ; a>l l>b b>l l>c", "a", {"e2: l b"}},
    {"a self-loop", "a b ; a>b b>b?", "a", {"e1: b"}},
    {"a self-loop on the entry", "a b ; a>a? a>b", "a", {"e0: a"}},
    {"a self-loop on an entry that comes later", "b a ; a>a? a>b", "a", {"e0: a"}},
    {"two loops into one node", "a b c d ; a>b b>c c>b? b>d d>b?", "a", {"e2: b c", "e4: b d"}},
    {"a loop whose body is a diamond", "a b c d e ; a>b b>c b>d c>e d>e e>b?", "a", {"e5: b c d e"}},
    {"a branch out of a loop is no part of it", "a b c x ; a>b b>c c>b? b>x", "a", {"e2: b c"}},
    {"nested loops", "a b c d e ; a>b b>c c>d d>c? d>e e>b?", "a", {"e3: c d", "e5: b c d e"}},
    {"nested loops with one head", "a b c d ; a>b b>c c>b? c>d d>b?", "a", {"e2: b c", "e4: b c d"}},
    {"a continue and a repeat", "a b c d ; a>b b>c b>d c>d c>b? d>b?", "a", {"e4: b c", "e5: b c d"}},
    {"a pure cycle starts at the first node",
     "s:core.orchestrator.supervisor d:core.dispatch ; s>d d>s",
     "s",
     {"e1: s d"}},
    {"a pure cycle written the other way round", "d:core.dispatch s ; s>d d>s", "d", {"e0: d s"}},
    {"a pure cycle before a line starts the cycle", "c a:core.loop b ; a>b b>a b>c", "a", {"e1: a b"}},
    {"a pure cycle beside an entry", "x y a:core.loop b ; x>y a>b b>a b>y", "x a", {"e2: a b"}},
    {"a cycle that has an entry", "a:core.loop b x ; a>b b>a x>a", "x", {"e1: a b"}},
};

TEST_CASE("entries and loops are found") {
  for (const auto& entry : kGraphs) {
    INFO(entry.name);
    const auto workflow = parse_workflow(graph(entry.line), {});
    REQUIRE(lines(workflow) == Lines{});
    CHECK(ids(*workflow, workflow->entries) == entry.entries);
    CHECK(loops(*workflow) == entry.loops);
  }
}

struct RefusalCase {
  std::string_view name;
  std::string_view line;
  Lines problems;
};

constexpr std::string_view kBeside = ": closes a cycle that can be entered beside its target";
constexpr std::string_view kEndless = ": unconditional cycle: neither a condition nor a deciding node can end it";

const RefusalCase kRefusals[] = {
    {"a cycle that nothing ends", "a b c ; a>b b>c c>b", {"/edges/2" + std::string(kEndless)}},
    {"a self-loop that nothing ends", "a b ; a>b b>b", {"/edges/1" + std::string(kEndless)}},
    {"a pure cycle that nothing ends", "a b ; a>b b>a", {"/edges/1" + std::string(kEndless)}},
    {"a deciding node outside the cycle", "a b c d:core.loop ; a>b b>c c>b c>d", {"/edges/2" + std::string(kEndless)}},
    {"an inner cycle that nothing ends",
     "a b:core.loop c d ; a>b b>c c>d d>c d>b",
     {"/edges/3" + std::string(kEndless)}},
    {"a cycle entered in two places", "a b c ; a>b a>c b>c? c>b?", {"/edges/3" + std::string(kBeside)}},
    {"a jump into a loop", "a b c d ; a>b b>c c>d d>b? a>c", {"/edges/3" + std::string(kBeside)}},
    {"both kinds at once",
     "a b c x ; a>b a>c b>c? c>b? a>x x>x",
     {"/edges/3" + std::string(kBeside), "/edges/5" + std::string(kEndless)}},
};

TEST_CASE("a cycle that has no head or no end is refused, with the edge that closes it") {
  for (const auto& entry : kRefusals) {
    INFO(entry.name);
    CHECK(lines(parse_workflow(graph(entry.line), {})) == entry.problems);
  }
}

TEST_CASE("each type that decides or waits may end a loop") {
  for (const std::string_view type : detail::kLoopDeciders) {
    INFO(type);
    CHECK(lines(parse_workflow(graph("a b:" + std::string(type) + " c ; a>b b>c c>b"), {})) == Lines{});
  }
}

TEST_CASE("edges are listed by node in document order, loopbacks only on the way out") {
  const auto workflow = parse_workflow(graph("a b c d ; c>b? a>b b>c a>d"), {});
  REQUIRE(workflow);
  CHECK(workflow->outgoing == std::vector<std::vector<std::size_t>>{{1, 3}, {2}, {0}, {}});
  CHECK(workflow->incoming == std::vector<std::vector<std::size_t>>{{}, {1}, {2}, {3}});
  CHECK(workflow->in_loop == std::vector<bool>{false, true, true, false});
  CHECK(workflow->edges[0].loopback);
  CHECK_FALSE(workflow->edges[1].loopback);
  CHECK(workflow->edges[1].loop_body.empty());
}

// ---- properties on random graphs, against definitions that are slow and plain ----

class PlainGraph {
 public:
  PlainGraph(const Workflow& workflow, std::size_t without)
      : workflow_(workflow), reached_(workflow.nodes.size(), false) {
    for (const std::size_t entry : workflow.entries) visit(entry, without);
  }
  [[nodiscard]] bool reaches(std::size_t node) const { return reached_[node]; }

 private:
  void visit(std::size_t node, std::size_t without) {
    if (node == without || reached_[node]) return;
    reached_[node] = true;
    for (const std::size_t edge : workflow_.outgoing[node]) visit(workflow_.edges[edge].target, without);
  }
  const Workflow& workflow_;
  std::vector<bool> reached_;
};

bool is_acyclic_without_loopbacks(const Workflow& workflow) {
  std::vector<std::size_t> waits(workflow.nodes.size());
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < waits.size(); ++i) {
    waits[i] = workflow.incoming[i].size();
    if (waits[i] == 0) ready.push_back(i);
  }
  std::size_t done = 0;
  while (!ready.empty()) {
    const std::size_t node = ready.back();
    ready.pop_back();
    ++done;
    for (const std::size_t edge : workflow.outgoing[node]) {
      if (!workflow.edges[edge].loopback && --waits[workflow.edges[edge].target] == 0) {
        ready.push_back(workflow.edges[edge].target);
      }
    }
  }
  return done == workflow.nodes.size();
}

TEST_CASE("in random graphs every node is reached, and loopbacks are exactly what keeps the rest acyclic") {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::uint32_t state = 7;
  const auto draw = [&](std::size_t below) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8U) % below;
  };
  int accepted = 0;
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Workflow workflow;
    const std::size_t count = 1 + draw(7);
    workflow.nodes.resize(count);
    for (auto& node : workflow.nodes) node.type_id = "core.loop";
    const std::size_t edge_count = draw(count * 2 + 1);
    for (std::size_t i = 0; i < edge_count; ++i) {
      WorkflowEdge edge;
      edge.source = draw(count);
      edge.target = draw(count);
      workflow.edges.push_back(edge);
    }
    std::vector<WorkflowProblem> problems;
    analyse_graph(workflow, problems);

    const PlainGraph whole(workflow, kNone);
    for (std::size_t node = 0; node < count; ++node) CHECK(whole.reaches(node));
    CHECK(is_acyclic_without_loopbacks(workflow) == problems.empty());
    ++(problems.empty() ? accepted : refused);
    for (const auto& edge : workflow.edges) {
      if (!edge.loopback || !problems.empty()) continue;
      const PlainGraph without_head(workflow, edge.target);
      for (const std::size_t node : edge.loop_body) CHECK_FALSE(without_head.reaches(node));
      CHECK(edge.loop_body.front() == edge.target);
    }
  }
  CHECK(accepted > 500);
  CHECK(refused > 100);
}

// ---- size ----

TEST_CASE("the largest graphs are analysed without deep recursion") {
  const auto make = [](auto&& target_of) {
    Workflow workflow;
    workflow.nodes.resize(2000);
    for (auto& node : workflow.nodes) node.type_id = "core.loop";
    for (std::size_t i = 0; i < 10000; ++i) {
      WorkflowEdge edge;
      edge.source = i % 2000;
      edge.target = target_of(i);
      if (edge.target < 2000) workflow.edges.push_back(edge);
    }
    std::vector<WorkflowProblem> problems;
    analyse_graph(workflow, problems);
    return problems;
  };
  CHECK(make([](std::size_t i) { return i % 2000 + 1 + i / 2000; }).empty());
  CHECK(make([](std::size_t i) { return i < 2000 ? i + 1 : (i < 2256 ? 0 : 2000); }).empty());
  CHECK(make([](std::size_t i) { return i < 2000 ? i + 1 : 0; }).front().message ==
        "more than 256 edges close a cycle");
}

}  // namespace
}  // namespace openwop::test
