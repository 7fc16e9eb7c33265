// Workflow definitions for tests, written in a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/workflow_check.h"

namespace openwop::test {

/// The root members of a definition; each is JSON, and an empty one is left out.
struct Definition {
  std::string id = R"("w")";
  std::string name = R"("W")";
  std::string version = R"("1")";
  std::string nodes = {};
  std::string edges = "[]";
  std::string triggers = "[]";
  std::string variables = "[]";
  std::string metadata = "{}";
  std::string settings = "{}";
  std::string extra = {};  // more members: "\"x\":1"

  [[nodiscard]] std::string text() const {
    std::string out = "{";
    const auto add = [&](std::string_view key, std::string_view value) {
      if (value.empty()) return;
      if (out.size() > 1) out += ',';
      out += "\"" + std::string(key) + "\":" + std::string(value);
    };
    add("id", id);
    add("name", name);
    add("version", version);
    add("nodes", nodes.empty() ? "[" + node("a") + "]" : nodes);
    add("edges", edges);
    add("triggers", triggers);
    add("variables", variables);
    add("metadata", metadata);
    add("settings", settings);
    if (!extra.empty()) out += "," + extra;
    return out + "}";
  }

  static std::string node(std::string_view id, std::string_view type_id = "core.noop", std::string_view inputs = "{}",
                          std::string_view config = "{}") {
    return R"({"id":")" + std::string(id) + R"(","typeId":")" + std::string(type_id) +
           R"(","name":"n","position":{"x":0,"y":0},"config":)" + std::string(config) + R"(,"inputs":)" +
           std::string(inputs) + "}";
  }

  static std::string edge(std::string_view id, std::string_view source, std::string_view target,
                          std::string_view extra = "") {
    return R"({"id":")" + std::string(id) + R"(","sourceNodeId":")" + std::string(source) + R"(","targetNodeId":")" +
           std::string(target) + "\"" + std::string(extra) + "}";
  }
};

/// Nodes and edges from a line such as "a b:core.loop ; a>b b>b?". Nodes are core.noop unless they name their type; an
/// edge that ends in '?' carries a condition. Edges are called e0, e1, … in order.
inline std::string graph(std::string_view line) {
  std::string nodes;
  std::string edges;
  std::size_t edge_count = 0;
  while (!line.empty()) {
    const std::size_t end = line.find(' ');
    std::string_view word = line.substr(0, end);
    line = end == std::string_view::npos ? std::string_view() : line.substr(end + 1);
    if (word.empty() || word == ";") continue;
    if (const std::size_t arrow = word.find('>'); arrow != std::string_view::npos) {
      const bool conditional = word.ends_with('?');
      if (conditional) word.remove_suffix(1);
      if (!edges.empty()) edges += ',';
      edges += Definition::edge("e" + std::to_string(edge_count++), word.substr(0, arrow), word.substr(arrow + 1),
                                conditional ? R"(,"condition":{"left":"again"})" : "");
      continue;
    }
    const std::size_t colon = word.find(':');
    if (!nodes.empty()) nodes += ',';
    nodes +=
        Definition::node(word.substr(0, colon), colon == std::string_view::npos ? "core.noop" : word.substr(colon + 1));
  }
  return Definition{.nodes = "[" + nodes + "]", .edges = "[" + edges + "]"}.text();
}

/// "pointer: message" of each problem; empty when the definition is fine.
inline std::vector<std::string> lines(const Result<Workflow>& result) {
  std::vector<std::string> out;
  if (result.ok()) return out;
  for (const auto& problem : workflow_problems(result.error())) out.push_back(problem.pointer + ": " + problem.message);
  if (out.empty()) out.push_back(result.error().message);
  return out;
}

}  // namespace openwop::test
