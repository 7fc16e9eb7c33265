#include "simulation/workflow_generator.h"

#include <array>

#include "openwop/json.h"
#include "openwop/workflow_check.h"

namespace openwop::test {

namespace {

constexpr std::size_t kMaxNodes = 14;

class Draft {
 public:
  Draft(SimRandom& random, Temper temper, const std::vector<std::string>& callees)
      : random_(random), wild_(temper == Temper::wild), callees_(callees) {}

  std::string text(const std::string& id) {
    const std::string start = node("core.start");
    const Block body = block(0);
    link(start, "output", body.first);
    if (random_.percent(70))
      link(body.last, "output", node("core.end", "{}", R"("n":{"type":"variable","variableName":"n"})"));
    if (wild_ && random_.percent(40)) add_edges_at_random();
    return document(id);
  }

 private:
  struct Block {
    std::string first;
    std::string last;
  };

  // ---- blocks -------------------------------------------------------------------------------------------------------

  Block block(int depth) {
    const bool deep = depth >= 3 || count_ >= kMaxNodes - 4;
    switch (deep ? 0 : random_.below(8)) {
      case 0:
      case 1: return leaf();
      case 2:
      case 3:
      case 4: return sequence(depth);
      case 5: return branches(depth);
      case 6: return random_.percent(50) ? choice(depth) : loop(depth);
      default: return caught(depth);
    }
  }

  Block sequence(int depth) {
    Block whole = block(depth + 1);
    for (std::size_t more = 1 + random_.below(2); more > 0; --more) {
      const Block next = block(depth + 1);
      link(whole.last, "output", next.first, random_.percent(20) ? condition() : "", wild_ ? any_rule() : "");
      whole.last = next.last;
    }
    return whole;
  }

  Block branches(int depth) {
    const std::string fork = node("core.parallel");
    const std::string join = node("core.merge");
    const std::string rule = wild_ ? any_rule() : join_rule();
    for (std::size_t more = 2 + random_.below(2); more > 0; --more) {
      const Block branch = block(depth + 1);
      link(fork, "output", branch.first, random_.percent(20) ? condition() : "");
      link(branch.last, "output", join, "", rule);
    }
    return {fork, join};
  }

  Block choice(int depth) {
    const std::string question = node("core.conditional", R"({"expression":"variables.n > )" + number(9) + "\"}");
    const std::string join = node("core.merge");
    for (const char* port : {"true", "false"}) {
      const Block branch = block(depth + 1);
      link(question, port, branch.first);
      link(branch.last, "output", join);
    }
    return {question, join};
  }

  Block loop(int depth) {
    const std::string head = node("core.loop", R"({"maxIterations":)" + std::to_string(1 + random_.below(3)) + "}");
    const Block body = block(depth + 1);
    const std::string after = node("core.noop");
    link(head, "body", body.first);
    link(body.last, "output", head);
    link(head, "done", after);
    return {head, after};
  }

  Block caught(int depth) {
    const Block tried = leaf();
    const Block rescue = block(depth + 1);
    const std::string fine = node("core.noop");
    const std::string join = node("core.merge");
    link(tried.last, "output", rescue.first, "", "any_failed");
    link(tried.last, "output", fine);
    link(rescue.last, "output", join);
    link(fine, "output", join);
    return {tried.first, join};
  }

  Block leaf() {
    const std::string id = make_leaf();
    return {id, id};
  }

  std::string make_leaf() {
    const std::string own = "n" + std::to_string(count_);
    if (!callees_.empty() && random_.percent(12)) return calling_leaf(own);
    const std::string shared = wild_ && random_.percent(60) ? "shared" : own;
    switch (random_.below(15)) {
      case 13: return asking_leaf();
      case 14: return random_.percent(50) ? asking_leaf() : node("core.noop");
      case 0: return node("core.noop");
      case 1: return node("core.delay", R"({"ms":)" + number(random_.percent(30) ? 600'000 : 3'000) + "}");
      case 2: return node("core.setVariable", R"({"name":"v_)" + shared + R"(","value":)" + number(100) + "}");
      case 3:
        return node("core.setVariable", R"({"name":"v_)" + shared + "\"}",
                    R"("value":{"type":"expression","expression":"variables.n * )" + number(5) + "\"}");
      case 4: return node("core.getVariable", wild_ ? R"({"name":"v_shared","default":7})" : R"({"name":"n"})");
      case 5: return node("core.channelWrite", R"({"channelName":"c_)" + shared + R"(","value":)" + number(50) + "}");
      case 6: return random_.percent(25) ? node("core.fail") : node("core.noop");
      case 7:
        return wild_ ? node("core.identity", "{}", R"("v_shared":{"type":"static","value":)" + number(9) + "}")
                     : node("core.noop");
      case 8:
      case 9:
      case 10: return node("sim.work", work_config());
      default: return node("sim.call", work_config());
    }
  }

  /// Whatever answers them, calm worlds end the same; so nothing in them depends on time.
  std::string asking_leaf() {
    const std::string timeout =
        wild_ && random_.percent(40) ? R"(,"timeoutMs":)" + std::to_string(random_.between(50, 5'000)) : "";
    if (wild_ && random_.percent(60))
      return node("core.approvalGate", R"({"actions":["accept","reject"])" + timeout + "}");
    return node("core.interrupt", R"({"kind":"custom","data":{"customKind":"question"})" + timeout + "}");
  }

  std::string calling_leaf(const std::string& own) {
    const std::string policy = wild_ && random_.percent(50) ? "fail-parent" : "absorb";
    const std::string follows = wild_ && random_.percent(20) ? "false" : "true";
    return node("core.subWorkflow", R"({"workflowId":")" + random_.pick(callees_) + R"(","onChildFailure":")" + policy +
                                        R"(","propagateCancellation":)" + follows + R"(,"inputs":{"n":)" + number(10) +
                                        R"(},"outputMapping":{"v_)" + own + R"(":"n"}})");
  }

  std::string work_config() {
    std::string out;
    {
      json::ObjectWriter config(out);
      config.integer("steps", random_.between(0, 2));
      config.integer("failFirst", random_.percent(30) ? random_.between(1, 3) : 0);
      config.integer("failSteps", random_.percent(15) ? 1 : 0);
      config.integer("latencyMs", random_.percent(20) ? 0 : random_.between(1, 2'000));
      config.boolean("counts", random_.percent(50));
    }
    return out;
  }

  // ---- parts --------------------------------------------------------------------------------------------------------

  std::string number(std::size_t bound) { return std::to_string(random_.below(bound)); }

  std::string node(const std::string& type, const std::string& config = "{}", const std::string& inputs = "") {
    const std::string id = "n" + std::to_string(count_++);
    std::string settings = R"("maxRetries":)" + number(4);
    if (wild_ && random_.percent(15)) settings += R"(,"timeoutMs":)" + std::to_string(random_.between(20, 3'000));
    if (random_.percent(40)) settings.clear();
    nodes_ += (nodes_.empty() ? "" : ",") + std::string(R"({"id":")") + id + R"(","typeId":")" + type +
              R"(","name":"n","position":{"x":0,"y":0},"config":)" + config + R"(,"inputs":{)" + inputs +
              R"(},"settings":{)" + settings + "}}";
    return id;
  }

  void link(const std::string& source, const std::string& port, const std::string& target,
            const std::string& condition = "", const std::string& rule = "") {
    std::string edge = R"({"id":"e)" + std::to_string(edge_count_++) + R"(","sourceNodeId":")" + source +
                       R"(","sourceOutput":")" + port + R"(","targetNodeId":")" + target + "\"";
    if (!condition.empty()) edge += R"(,"condition":{"type":"expression","expression":")" + condition + "\"}";
    if (!rule.empty()) edge += R"(,"triggerRule":")" + rule + "\"";
    edges_ += (edges_.empty() ? "" : ",") + edge + "}";
  }

  std::string condition() {
    switch (random_.below(wild_ ? 4 : 2)) {
      case 0: return "variables.n >= " + number(10);
      case 1: return "output.value != " + number(3);
      case 2: return "variables.v_shared == " + number(9);
      default: return "run.nodeExecutions < " + number(20);
    }
  }

  std::string any_rule() {
    static constexpr std::array kRules = {"", "", "", "", "any_success", "all_complete", "none_failed", "any_failed"};
    return kRules[random_.below(kRules.size())];
  }
  std::string join_rule() {
    static constexpr std::array kRules = {"", "all_complete", "none_failed"};
    return kRules[random_.below(kRules.size())];
  }

  void add_edges_at_random() {
    for (std::size_t more = 1 + random_.below(3); more > 0; --more) {
      const std::string source = "n" + std::to_string(random_.below(count_));
      const std::string target = "n" + std::to_string(random_.below(count_));
      link(source, "output", target, random_.percent(70) ? condition() : "", any_rule());
    }
  }

  std::string document(const std::string& id) {
    std::string settings =
        R"("maxRetries":)" + number(3) + R"(,"maxLoopbackIterations":)" + std::to_string(1 + random_.below(6));
    if (wild_ && random_.percent(20)) settings += R"(,"timeout":)" + std::to_string(random_.between(1'000, 900'000));
    return R"({"id":")" + id + R"(","name":"simulated","version":"1","nodes":[)" + nodes_ + R"(],"edges":[)" + edges_ +
           R"(],"triggers":[],"variables":[{"name":"n","type":"number","defaultValue":1}],"metadata":{},"settings":{)" +
           settings + "}}";
  }

  SimRandom& random_;
  bool wild_;
  const std::vector<std::string>& callees_;
  std::size_t count_ = 0;
  std::size_t edge_count_ = 0;
  std::string nodes_;
  std::string edges_;
};

}  // namespace

std::shared_ptr<const Workflow> generate_workflow(SimRandom& random, Temper temper, const std::string& id,
                                                  const std::vector<std::string>& callees) {
  while (true) {
    auto loaded = load_workflow(Draft(random, temper, callees).text(id), {});
    if (loaded) return std::make_shared<const Workflow>(std::move(*loaded));
  }
}

}  // namespace openwop::test
