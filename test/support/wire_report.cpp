// What disagrees with the document fails the test that asked. Apart from the judge, which programs without Catch2 use.
#include <cstdio>
#include <mutex>
#include <thread>

#include "support/catch.h"
#include "support/wire_contract.h"

namespace openwop::test {

namespace {

const std::thread::id kTestThread = std::this_thread::get_id();
std::mutex kept_mutex;
std::vector<std::string> kept;

}  // namespace

void report_contract_problems(std::string_view about, const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) {
    const std::string text = std::string(about).append(": ").append(problem);
    if (std::this_thread::get_id() == kTestThread) {
      FAIL_CHECK("against schemas/openapi.json: " << text);
    } else {
      const std::lock_guard lock(kept_mutex);
      kept.push_back(text);
    }
  }
}

bool print_kept_contract_problems() {
  const std::lock_guard lock(kept_mutex);
  for (const std::string& problem : kept) std::fprintf(stderr, "against schemas/openapi.json: %s\n", problem.c_str());
  return !kept.empty();
}

}  // namespace openwop::test
