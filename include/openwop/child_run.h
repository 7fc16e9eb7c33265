// Runs that a run has started (protocol 03 §6): what fold() keeps of them, and what a node is told of their end.
//
// Thread-safety: plain values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/ids.h"
#include "openwop/json.h"
#include "openwop/run_status.h"

namespace openwop {

struct ChildRun {
  RunId run_id;
  std::string node_id;   // which node of the parent started it
  std::string key = {};  // as the node calls it
  std::string workflow_id;
  /// As the parent has learnt it.
  RunStatus status = RunStatus::pending;
  /// It is cancelled, paused and resumed with its parent.
  bool follows = true;
  /// Variables of it that the node wants to know in the end.
  std::vector<std::string> wanted = {};
};

/// How a child ended.
struct ChildResult {
  std::string key;
  RunId run_id;
  std::string workflow_id;
  RunStatus status = RunStatus::completed;
  std::string variables = "{}";  // serialized object: those that were wanted and are there
  /// Which of them the child's workflow declares sensitive.
  std::vector<std::string> sensitive = {};
  std::string error = {};  // serialized error object of a failed run, or empty

  /// `{childRunId, childStatus}`, the outputs of a node that waited for the child (protocol 03 §6.2).
  [[nodiscard]] std::string outputs() const {
    std::string out;
    json::ObjectWriter(out).string("childRunId", run_id.text()).string("childStatus", status_name(status));
    return out;
  }
};

namespace detail {

inline std::string text_array(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    json::append_quoted(out, text);
  }
  return out + "]";
}

inline std::vector<std::string> read_text_array(std::string_view raw) {
  std::vector<std::string> texts;
  json::for_each_element(raw, [&](std::string_view text) {
    texts.push_back(json::unescape(text));
    return true;
  });
  return texts;
}

}  // namespace detail

}  // namespace openwop
