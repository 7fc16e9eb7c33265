// The workflows that crash tests load their engines with: pure steps only; several nodes with delays; a loop with
// pauses. They begin with the built-in types and end by themselves.
#pragma once

#include <array>
#include <string>

namespace openwop::test {

inline constexpr std::array<const char*, 3> kCrashWorkflowIds = {"crash-pure", "crash-delays", "crash-loop"};

inline std::string crash_node(const std::string& id, const std::string& type, const std::string& config = "{}") {
  return R"({"id":")" + id + R"(","typeId":")" + type +
         R"(","name":"n","position":{"x":0,"y":0},"inputs":{},"config":)" + config + "}";
}

inline std::string crash_edge(const std::string& source, const std::string& target,
                              const std::string& port = "output") {
  return R"({"id":")" + source + "-" + target + R"(","sourceNodeId":")" + source + R"(","targetNodeId":")" + target +
         R"(","sourceOutput":")" + port + "\"}";
}

inline std::string crash_workflow(const std::string& id) {
  std::string nodes;
  std::string edges;
  if (id == "crash-pure") {
    nodes = crash_node("a", "core.start") + "," + crash_node("b", "core.noop") + "," +
            crash_node("c", "core.setVariable", R"({"name":"done","value":true})") + "," + crash_node("d", "core.end");
    edges = crash_edge("a", "b") + "," + crash_edge("b", "c") + "," + crash_edge("c", "d");
  } else if (id == "crash-delays") {
    nodes = crash_node("fork", "core.parallel") + "," + crash_node("a", "core.delay", R"({"ms":15})") + "," +
            crash_node("b", "core.delay", R"({"ms":40})") + "," + crash_node("join", "core.merge") + "," +
            crash_node("c", "core.delay", R"({"ms":10})");
    edges = crash_edge("fork", "a") + "," + crash_edge("fork", "b") + "," + crash_edge("a", "join") + "," +
            crash_edge("b", "join") + "," + crash_edge("join", "c");
  } else {
    nodes = crash_node("loop", "core.loop", R"({"maxIterations":3})") + "," +
            crash_node("pause", "core.delay", R"({"ms":8})") + "," +
            crash_node("note", "core.channelWrite", R"({"channelName":"notes","value":1})") + "," +
            crash_node("end", "core.end");
    edges = crash_edge("loop", "pause", "body") + "," + crash_edge("pause", "note") + "," + crash_edge("note", "loop") +
            "," + crash_edge("loop", "end", "done");
  }
  return R"({"id":")" + id + R"(","name":"c","version":"1","nodes":[)" + nodes + R"(],"edges":[)" + edges +
         R"(],"triggers":[],"variables":[],"metadata":{},"settings":{}})";
}

}  // namespace openwop::test
