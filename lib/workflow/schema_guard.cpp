#include "workflow/schema_guard.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "openwop/json.h"
#include "openwop/workflow_parse.h"

namespace openwop::workflow {
namespace {

constexpr std::size_t kMaxTags = 100;  // the schema's own
constexpr std::size_t kMaxInheritedArtifacts = 1000;

class Guard {
 public:
  std::vector<WorkflowProblem> check(std::string_view source) {
    patterns("", source, {"id", "slug", "createdAt", "updatedAt"});
    metadata(source);
    nodes(source);
    bounded_list(source, "edges", kMaxWorkflowEdges);
    bounded_list(source, "triggers", kMaxWorkflowTriggers);
    bounded_list(source, "variables", kMaxWorkflowVariables);
    bounded_list(source, "acceptsInheritedArtifacts", kMaxInheritedArtifacts);
    groups(source);
    channels(source);
    return std::move(problems_);
  }

 private:
  void problem(std::string pointer, std::string message) {
    problems_.push_back({std::move(pointer), std::move(message)});
  }

  static std::size_t size_of(std::string_view container) {
    std::size_t count = 0;
    json::for_each_element(container, [&](std::string_view) { return ++count > 0; });
    json::for_each_member(container, [&](std::string_view, std::string_view) { return ++count > 0; });
    return count;
  }

  void bounded(std::string pointer, std::string_view container, std::size_t limit) {
    if (size_of(container) > limit) problem(std::move(pointer), "has more than " + std::to_string(limit) + " elements");
  }

  void bounded_list(std::string_view source, std::string_view name, std::size_t limit) {
    if (const auto list = json::member(source, name)) bounded(pointer_to("", name), *list, limit);
  }

  // The length of the token bounds the length of the text.
  void pattern(std::string pointer, std::string_view raw) {
    if (json::kind(raw) != json::Kind::string || raw.size() <= kMaxPatternBytes) return;
    problem(std::move(pointer), "is longer than " + std::to_string(kMaxPatternBytes) + " bytes");
  }

  void patterns(const std::string& pointer, std::string_view object, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      if (const auto value = json::member(object, name)) pattern(pointer_to(pointer, name), *value);
    }
  }

  void metadata(std::string_view source) {
    const auto value = json::member(source, "metadata");
    if (!value) return;
    patterns("/metadata", *value, {"createdAt", "updatedAt", "customizedAt", "clonedAt"});
    if (const auto tags = json::member(*value, "tags")) bounded("/metadata/tags", *tags, kMaxTags);
  }

  void nodes(std::string_view source) {
    bounded_list(source, "nodes", kMaxWorkflowNodes);
    std::size_t index = 0;
    json::for_each_element(json::member(source, "nodes").value_or("[]"), [&](std::string_view node) {
      const std::string pointer = pointer_to("/nodes", index++);
      patterns(pointer, node, {"typeId"});
      for (const std::string_view ports : {"inputs", "outputSensitivity"}) {
        if (const auto value = json::member(node, ports)) bounded(pointer_to(pointer, ports), *value, kMaxNodePorts);
      }
      return true;
    });
  }

  void groups(std::string_view source) {
    bounded_list(source, "groups", kMaxWorkflowGroups);
    std::size_t index = 0;
    json::for_each_element(json::member(source, "groups").value_or("[]"), [&](std::string_view group) {
      const std::string pointer = pointer_to("/groups", index++);
      if (const auto members = json::member(group, "nodeIds")) {
        bounded(pointer_to(pointer, "nodeIds"), *members, kMaxWorkflowNodes);
      }
      return true;
    });
  }

  void channels(std::string_view source) {
    bounded_list(source, "channels", kMaxWorkflowChannels);
    json::for_each_member(json::member(source, "channels").value_or("{}"),
                          [&](std::string_view name, std::string_view channel) {
                            const std::string pointer = pointer_to("/channels", json::unescape(name));
                            patterns(pointer, channel, {"reducer"});
                            unique_list(pointer, channel, "compatibleWith");
                            if (const auto access = json::member(channel, "access")) {
                              pattern(pointer_to(pointer, "access"), *access);
                              unique_list(pointer_to(pointer, "access"), *access, "readers");
                              unique_list(pointer_to(pointer, "access"), *access, "writers");
                            }
                            return true;
                          });
  }

  void unique_list(const std::string& parent, std::string_view object, std::string_view name) {
    const auto list = json::member(object, name);
    if (!list) return;
    const std::string pointer = pointer_to(parent, name);
    std::vector<std::string> elements;
    json::for_each_element(*list, [&](std::string_view element) {
      pattern(pointer_to(pointer, elements.size()), element);
      elements.push_back(json::as_string(element).value_or(std::string(element)));
      return elements.size() <= kMaxUniqueElements;
    });
    if (elements.size() > kMaxUniqueElements) {
      problem(pointer, "has more than " + std::to_string(kMaxUniqueElements) + " elements");
      return;
    }
    std::sort(elements.begin(), elements.end());
    if (std::adjacent_find(elements.begin(), elements.end()) != elements.end()) problem(pointer, "repeats an element");
  }

  std::vector<WorkflowProblem> problems_;
};

}  // namespace

std::vector<WorkflowProblem> check_bounds(std::string_view source) { return Guard().check(source); }

}  // namespace openwop::workflow
