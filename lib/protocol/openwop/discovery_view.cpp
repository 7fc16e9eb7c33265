#include "protocol/openwop/discovery_view.h"

#include <algorithm>
#include <array>

#include "openwop/json.h"
#include "protocol/openwop/bearer_keys.h"

namespace openwop::wire {

namespace {

struct Gate {
  std::string_view block;
  std::string_view scope;
  /// What stands in its place; empty: nothing.
  std::string_view instead;
};

// A block with two scopes has two rows.
constexpr std::array kGates = {
    Gate{"fixtures", "runs:create", ""},
    Gate{"replay", "runs:create", R"({"supported":false,"modes":[]})"},
    Gate{"replay", "runs:read", R"({"supported":false,"modes":[]})"},
    Gate{"debugBundle", "runs:read", R"({"supported":false})"},
    Gate{"runs", "runs:cancel", R"({"pauseResume":{"supported":false,"drainPolicies":[]}})"},
    Gate{"webhooks", "webhooks:manage", R"({"supported":false,"signatureAlgorithms":[]})"},
};

const Gate* closed_gate(const ApiKey& key, std::string_view block) {
  const auto at = std::find_if(kGates.begin(), kGates.end(),
                               [&](const Gate& gate) { return gate.block == block && !has_scope(key, gate.scope); });
  return at == kGates.end() ? nullptr : &*at;
}

std::string narrowed(const ApiKey& key, std::string_view object) {
  std::string out;
  {
    json::ObjectWriter writer(out);
    json::for_each_member(object, [&](std::string_view raw_name, std::string_view value) {
      const std::string name = json::unescape(raw_name);
      if (const Gate* gate = closed_gate(key, name)) {
        if (!gate->instead.empty()) writer.raw(name, gate->instead);
      } else if (name == "capabilities") {
        writer.raw(name, narrowed(key, value));
      } else {
        writer.raw(name, value);
      }
      return true;
    });
  }
  return out;
}

}  // namespace

bool narrow_to(const ApiKey& key, std::string& document) {
  std::string view = narrowed(key, document);
  if (view == document) return false;
  document = std::move(view);
  return true;
}

}  // namespace openwop::wire
