#include "protocol/openwop/remembered_answer.h"

#include "openwop/bytes.h"
#include "openwop/json.h"

namespace openwop::wire {

std::string remembered_answer(const http::Response& response) {
  std::string outcome;
  bytes::put_varint(outcome, static_cast<std::uint64_t>(response.status));
  bytes::put_string(outcome, response.body);
  for (const auto& [name, value] : response.headers) {
    if (!http::NameLess{}(name, "Set-Cookie") && !http::NameLess{}("Set-Cookie", name)) continue;
    bytes::put_string(outcome, name);
    bytes::put_string(outcome, value);
  }
  return outcome;
}

Result<http::Response> read_remembered_answer(std::string_view outcome) {
  bytes::Reader reader(outcome);
  http::Response response;
  response.status = static_cast<int>(reader.varint());
  response.body = reader.string();
  while (reader.ok() && !reader.at_end()) {
    std::string name(reader.string());
    response.headers.emplace(std::move(name), reader.string());
  }
  if (!reader.ok()) return Error{ErrorCode::store_corrupt, "the outcome in a ledger entry does not decode"};
  return response;
}

std::optional<RunId> created_run(const http::Response& response) {
  if (response.status != 201 || !json::check(response.body)) return std::nullopt;
  const auto raw = json::member(response.body, "runId");
  const auto text = raw ? json::as_string(*raw) : std::nullopt;
  if (!text) return std::nullopt;
  const auto run = RunId::parse(*text);
  return run ? std::optional(*run) : std::nullopt;
}

}  // namespace openwop::wire
