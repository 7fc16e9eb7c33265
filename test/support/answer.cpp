// Apart from Server, which reports to Catch2.
#include "openwop/json.h"
#include "support/server.h"

namespace openwop::test {

std::string Answer::at(std::initializer_list<std::string_view> path) const {
  std::string_view value = body;
  for (const std::string_view name : path) {
    const auto found = json::member(value, name);
    if (!found) return {};
    value = *found;
  }
  return json::as_string(value).value_or(std::string(value));
}

std::string Answer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

}  // namespace openwop::test
