#include "engine/node_outputs.h"

#include <algorithm>

#include "openwop/sensitive_values.h"

namespace openwop::runtime {

std::string mask_outputs(std::string_view outputs, const std::vector<std::string>& sensitive, MaskingMode mode) {
  std::string out;
  {
    json::ObjectWriter object(out);
    json::for_each_member(outputs, [&](std::string_view key, std::string_view value) {
      const std::string name = json::unescape(key);
      const bool hide = std::find(sensitive.begin(), sensitive.end(), name) != sensitive.end();
      if (!hide) {
        object.raw_member(name, value);
      } else if (const auto shown = masked(mode, value)) {
        object.raw_member(name, *shown);
      }
      return true;
    });
  }
  return out;
}

// Truth values and null give nothing away by being equal.
std::vector<std::string> hidden_ports(const Run& run, const WorkflowNode& node, std::string_view outputs) {
  std::vector<std::string> ports = node.sensitive_outputs;
  if (outputs.empty()) return {};
  std::vector<std::string_view> values;
  for_each_sensitive_value(*run.workflow, run.state, [&](std::string_view raw) {
    const json::Kind kind = json::kind(raw);
    if (kind != json::Kind::boolean && kind != json::Kind::null && raw.size() > 2) values.push_back(raw);
  });
  if (values.empty()) return ports;
  json::for_each_member(outputs, [&](std::string_view key, std::string_view value) {
    if (std::find(values.begin(), values.end(), value) != values.end()) ports.push_back(json::unescape(key));
    return true;
  });
  return ports;
}

}  // namespace openwop::runtime
