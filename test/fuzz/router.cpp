// The surface. An input is one request or several, `---` on a line of its own between them:
//
//   POST /v1/runs/{approval}/approvals/node
//   Authorization: Bearer key-a
//   Content-Type: application/json
//
//   {"action":"accept"}
//
// Whatever comes, the answer is one that schemas/openapi.json documents, and a refused change has changed nothing.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "fuzz/router_world.h"
#include "support/server.h"
#include "support/wire_contract.h"

using namespace openwop;
using openwop::fuzz::expect;
using openwop::fuzz::World;

namespace {

constexpr std::size_t kMaxRequests = 8;
constexpr std::string_view kSeparator = "\n---\n";

std::string_view take_until(std::string_view& text, std::string_view end) {
  const auto at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + end.size());
  return taken;
}

http::Request request_of(std::string_view text) {
  http::Request request;
  std::string_view first = take_until(text, "\n");
  request.method = take_until(first, " ");
  request.target = first;
  while (!text.empty()) {
    std::string_view line = take_until(text, "\n");
    if (line.empty()) break;
    const std::string_view name = take_until(line, ": ");
    request.headers.emplace(name, line);
  }
  request.body = text;
  return request;
}

std::string about(const http::Request& request, const test::Answer& answer) {
  return request.method + " " + request.target + "\n" + request.body + "\n-> " + std::to_string(answer.status) + " " +
         answer.body;
}

/// Everything that a stream has to say at once.
test::Answer drained(http::EventStream& stream) {
  constexpr int kMaxFrames = 10'000;
  test::Answer answer{.status = stream.head().status};
  for (const auto& [name, value] : stream.head().headers) answer.headers.emplace(name, value);
  for (int i = 0; i < kMaxFrames; ++i) {
    http::StreamFrame frame = stream.next(0);
    if (frame.kind != http::StreamFrame::Kind::bytes) return answer;
    answer.body += frame.bytes;
  }
  expect(false, "a stream comes to rest");
  return answer;
}

test::Answer answer_of(World& world, const http::Request& request) {
  http::Reply reply = world.handle(request);
  if (auto* stream = std::get_if<std::unique_ptr<http::EventStream>>(&reply)) return drained(**stream);
  auto& response = std::get<http::Response>(reply);
  test::Answer answer{.status = response.status, .body = std::move(response.body)};
  for (const auto& [name, value] : response.headers) answer.headers.emplace(name, value);
  return answer;
}

void check_headers(const test::Answer& answer, const std::string& told) {
  constexpr std::string_view kBreaks("\r\n\0", 3);
  for (const auto& [name, value] : answer.headers) {
    expect(!name.empty() && name.find_first_of(kBreaks) == std::string::npos, "a header's name is one line", told);
    expect(value.find_first_of(kBreaks) == std::string::npos, "a header's value is one line", told);
  }
}

/// Refusals have a closed envelope.
void check_envelope(const test::Answer& answer, const std::string& told) {
  expect(!answer.at({"error"}).empty() && !answer.at({"message"}).empty(), "a refusal says what and why", told);
  json::for_each_member(answer.body, [&](std::string_view name, std::string_view value) {
    const bool details = name == R"("details")" && json::kind(value) == json::Kind::object;
    expect(details || name == R"("error")" || name == R"("message")", "the envelope is closed", told);
    return true;
  });
}

void check_answer(const http::Request& request, const test::Answer& answer) {
  const std::string told = about(request, answer);
  expect(answer.status < 500 || answer.status == 501 || answer.status == 503, "nothing goes wrong inside", told);
  check_headers(answer, told);
  if (request.method == "HEAD") {
    expect(answer.body.empty(), "HEAD has no body", told);
  } else if (answer.header("Content-Type") == "application/json" && !answer.body.empty()) {
    expect(json::check(answer.body, {.max_bytes = std::size_t{16} << 20, .max_depth = 128}).ok(), "JSON is JSON", told);
    if (answer.status >= 400) check_envelope(answer, told);
  }
  // The judge takes a null character for the end of a text.
  const auto has_null = [](const std::string& text) { return text.find("\\u0000") != std::string::npos; };
  if (has_null(answer.body)) return;
  const std::string_view body = has_null(request.body) ? std::string_view() : std::string_view(request.body);
  for (const std::string& problem : test::contract_problems({request.method, request.target, body}, answer)) {
    expect(false, problem, told);
  }
}

bool is_mutation(const http::Request& request) { return request.method != "GET" && request.method != "HEAD"; }

void exchange(World& world, const http::Request& request) {
  const std::uint64_t written = world.store().other_writes();
  const test::Answer answer = answer_of(world, request);
  check_answer(request, answer);
  world.settle();
  if (is_mutation(request) && answer.status >= 300) {
    expect(world.store().other_writes() == written, "a refused change changes nothing", about(request, answer));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Never destroyed at the end: OpenSSL, which an audit log needs to close, is gone by then.
  static auto& world = *new std::optional<World>;
  if (!world) world.emplace();
  std::string_view input = fuzz::text_of(data, size);
  bool keyed = false;
  for (std::size_t i = 0; i < kMaxRequests && (i == 0 || !input.empty()); ++i) {
    const http::Request request = request_of(world->with_names(std::string(take_until(input, kSeparator))));
    // Refusals of keyed requests are remembered in memory too.
    keyed = keyed || request.headers.contains("Idempotency-Key");
    exchange(*world, request);
  }
  if (keyed || world->changed()) world.reset();
  return 0;
}
