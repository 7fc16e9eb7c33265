// POST /v1/runs/{runId}:fork (protocol 03 §5.1, §5.2).
#include <limits>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/base_url.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/mock_provider.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/run_options.h"

namespace openwop::wire {

namespace {

Result<std::uint64_t> read_from_sequence(std::string_view raw) {
  const bool digits = !raw.empty() && raw.find_first_not_of("0123456789") == std::string_view::npos;
  // However large, it is a sequence: one that the source does not have.
  if (digits && raw.size() > 18) return static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto value = digits ? json::as_int(raw) : std::nullopt;
  if (!value) return invalid_field("fromSeq", "has to be an integer of at least 0");
  return static_cast<std::uint64_t>(*value);
}

Status read_overlay_member(const SurfaceParts& surface, std::string_view name, std::string_view raw, const ApiKey& key,
                           ForkRun& fork) {
  if (name == "configurable") {
    if (auto checked = check_configurable(raw, key, surface.options); !checked) return checked;
    fork.configurable = raw;
  } else if (name == "tags") {
    auto tags = read_tags(raw);
    if (!tags) return std::move(tags).error();
    fork.tags = *std::move(tags);
  } else if (name == "metadata") {
    if (auto checked = check_metadata(raw); !checked) return checked;
    fork.metadata = std::string(raw);
  } else {
    return invalid_field("runOptionsOverlay." + std::string(name.substr(0, 64)), "is not a member of this request");
  }
  return {};
}

Result<ForkRun> read_fork(const SurfaceParts& surface, std::string_view body, const ApiKey& key) {
  ForkRun fork;
  std::optional<ForkMode> mode;
  std::optional<std::uint64_t> from;
  std::optional<std::string_view> overlay;
  Status status;
  json::for_each_member(body, [&](std::string_view raw_key, std::string_view raw) {
    const std::string name = json::unescape(raw_key);
    if (name == "mode") {
      mode = fork_mode_of(json::as_string(raw).value_or(""));
      if (!mode) status = invalid_field("mode", "has to be replay or branch");
    } else if (name == "fromSeq") {
      auto sequence = read_from_sequence(raw);
      if (sequence) {
        from = *sequence;
      } else {
        status = std::move(sequence).error();
      }
    } else if (name == "runOptionsOverlay") {
      overlay = raw;
      if (json::kind(raw) != json::Kind::object) status = invalid_field("runOptionsOverlay", "has to be an object");
    } else {
      status = invalid_field(std::string_view(name).substr(0, 64), "is not a member of this request");
    }
    return status.ok();
  });
  if (!status) return std::move(status).error();
  if (!mode) return invalid_field("mode", "is missing");
  fork.mode = *mode;
  // OpenAPI asks for it in every case; clients leave it out of full replays (trap 26).
  if (!from && *mode == ForkMode::branch) return invalid_field("fromSeq", "is missing");
  fork.from_sequence = from.value_or(0);
  json::for_each_member(overlay.value_or("{}"), [&](std::string_view raw_key, std::string_view raw) {
    status = read_overlay_member(surface, json::unescape(raw_key), raw, key, fork);
    return status.ok();
  });
  if (!status) return std::move(status).error();
  return fork;
}

/// What a fork inherits of its source's options is not for every key either: mocks are for test keys.
Status check_inherited(const SurfaceParts& surface, const ApiKey& key, const ForkRun& fork) {
  if (key.test) return {};
  // The header is what matters; the state would cost the whole log.
  const auto source = surface.engine.run_at(fork.tenant, fork.source_run, 0);
  if (!source) return source.error();
  const auto mock = json::member(source->header.configurable, "mockProvider");
  return mock ? check_mock_provider(*mock, key, surface.options.mock_providers) : Status();
}

/// The answer's URLs are absolute (trap 39).
std::string forked_body(const std::string& base, const ForkRun& fork, const RunId& id, RunStatus status) {
  const std::string run = id.text();
  std::string body;
  json::ObjectWriter(body)
      .string("runId", run)
      .string("sourceRunId", fork.source_run.text())
      .integer("fromSeq", static_cast<std::int64_t>(fork.from_sequence))
      .string("mode", fork_mode_name(fork.mode))
      .string("status", status_name(status))
      .string("eventsUrl", base + "/v1/runs/" + run + "/events");
  return body;
}

}  // namespace

Result<http::Reply> fork_run(SurfaceParts& surface, const Call& call) {
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  // Shared with the maker of the answer, which the engine may still hold when this call has returned.
  const auto asked = std::make_shared<ForkRun>();
  const KeyedRequest::MakeResponse make = [asked, base = base_url(surface, call), url = surface.options.public_url](
                                              const RunId& id, RunStatus status) {
    http::Response response = json_response(201, forked_body(base, *asked, id, status));
    response.headers.emplace("Location", url + "/v1/runs/" + id.text());
    return response;
  };
  auto response = keyed->answer(make, [&](std::optional<LedgerClaim> claim) -> Result<http::Response> {
    const auto source = run_id_of(call);
    if (!source) return source.error();
    auto body = object_body(surface, call);
    if (!body) return std::move(body).error();
    auto fork = read_fork(surface, *body, *call.key);
    if (!fork) return std::move(fork).error();
    fork->tenant = call.tenant();
    fork->source_run = *source;
    if (auto inherited = check_inherited(surface, *call.key, *fork); !inherited) return std::move(inherited).error();
    fork->forked_by = actor_of(*call.key);
    if (call.trace) {
      fork->traceparent = format_traceparent(*call.trace);
      fork->tracestate = call.trace->tracestate;
    }
    *asked = *fork;
    fork->claim = std::move(claim);
    auto created = surface.engine.fork_run(*std::move(fork));
    if (!created) return std::move(created).error();
    return make(created->run_id, created->status);
  });
  if (!response) return std::move(response).error();
  return http::Reply(*std::move(response));
}

}  // namespace openwop::wire
