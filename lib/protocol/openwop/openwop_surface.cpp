// The way of a request through the surface: limits, route, key, scope, handler, envelope (protocol 01 §4.3).
#include "openwop/protocol/openwop_surface.h"

#include <algorithm>
#include <optional>

#include "openwop/json.h"
#include "openwop/redaction.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/bearer_keys.h"
#include "protocol/openwop/forwarding.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/surface_parts.h"
#include "protocol/openwop/text_checks.h"

namespace openwop {

struct OpenWopSurface::Parts : wire::SurfaceParts {
  using SurfaceParts::SurfaceParts;
};

namespace wire {

Error overloaded(const SurfaceParts& surface, std::string_view message) {
  Error error{ErrorCode::service_unavailable, std::string(message)};
  json::ObjectWriter(error.details).integer("retryAfter", surface.options.retry_after_s);
  return error;
}

Result<RunId> run_id_of(const Call& call) {
  const auto id = RunId::parse(call.path_values.at(0));
  if (!id) return Error{ErrorCode::run_not_found, {}};
  return *id;
}

Result<RunKind> run_kind(const SurfaceParts& surface, const RunId& run) {
  if (!surface.options.test_runs) return RunKind::production;
  const auto is_test = surface.options.test_runs->contains(run);
  if (!is_test) return is_test.error();
  return *is_test ? RunKind::test : RunKind::production;
}

namespace {

void log(const SurfaceParts& surface, LogLevel level, std::string_view message, std::string_view fields) {
  if (!surface.options.log) return;
  const auto clean = scrub_json(fields);
  surface.options.log(level, message, clean ? std::string_view(*clean) : fields);
}

}  // namespace

// 5xx answers carry an id that a log line carries too; what went wrong inside is told only there (protocol 01 §5.1).
Error shown_on_the_wire(const SurfaceParts& surface, Error error) {
  // A lost race inside the engine that the handler did not resolve is the caller's cue to try again.
  if (error.code == ErrorCode::precondition_failed || error.code == ErrorCode::lease_lost) {
    error.code = ErrorCode::service_unavailable;
  }
  // Where runs are is no caller's business.
  if (error.code == ErrorCode::not_owner) {
    error = {ErrorCode::service_unavailable, "the run is changing hosts"};
  }
  // Absent, of another tenant, or no id at all: one answer, to the byte (protocol 01 §4.4).
  if (error.code == ErrorCode::run_not_found) return {error.code, "no such run"};
  if (http_status(error.code) < 500 || error.code == ErrorCode::not_implemented) return error;
  const std::string correlation_id = surface.options.ids->next(surface.engine.now_ms()).text();
  std::string fields;
  json::ObjectWriter(fields)
      .string("correlationId", correlation_id)
      .string("code", error_name(error.code))
      .string("detail", error.message);
  log(surface, LogLevel::error, "request failed", fields);
  const bool try_again = http_status(error.code) == 503;
  const bool internal = error.code != ErrorCode::service_unavailable && error.code != ErrorCode::internal_error;
  if (internal) {
    error.message = try_again ? "the store is not available" : "the request could not be completed";
    error.details.clear();
  }
  error.code = try_again ? ErrorCode::service_unavailable : ErrorCode::internal_error;
  if (try_again && !json::member(error.details, "retryAfter")) {
    error.details = with_detail(error.details, "retryAfter", std::to_string(surface.options.retry_after_s));
  }
  error.details = with_detail(error.details, "correlationId", json::quoted(correlation_id));
  return error;
}

namespace {
http::Response refusal(const SurfaceParts& surface, Error error) {
  return error_response(shown_on_the_wire(surface, std::move(error)));
}

Status check_size(const SurfaceParts& surface, const http::Request& request) {
  const auto limit = [](ErrorCode code, std::string_view name, std::size_t bytes) {
    return Error{code, "the request exceeds " + std::string(name) + " = " + std::to_string(bytes)};
  };
  const SurfaceOptions& options = surface.options;
  if (request.target.size() > options.max_target_bytes) {
    return limit(ErrorCode::uri_too_long, "max_target_bytes", options.max_target_bytes);
  }
  std::size_t header_bytes = 0;
  for (const auto& [name, value] : request.headers) {
    header_bytes += name.size() + value.size();
    const bool folded = (name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
    if (folded) return Error{ErrorCode::validation_error, "a header holds a line break or a null byte"};
  }
  if (header_bytes > options.max_header_bytes) {
    return limit(ErrorCode::headers_too_large, "max_header_bytes", options.max_header_bytes);
  }
  return {};
}

/// After the caller is known (protocol 01 §4.3).
Status check_body_size(const SurfaceParts& surface, const http::Request& request) {
  const std::size_t limit = surface.options.max_request_body_bytes;
  if (request.body.size() <= limit) return {};
  return Error{ErrorCode::payload_too_large, "the request exceeds max_request_body_bytes = " + std::to_string(limit)};
}

http::Response method_not_allowed(const RouteMatch& match) {
  http::Response response =
      error_response({ErrorCode::method_not_allowed, "this path takes " + match.allowed + " only"});
  response.headers.emplace("Allow", match.allowed);
  return response;
}

// Trap T-15: a JSON 404 here would tell clients that a registry is mounted.
http::Response no_registry() {
  return {.status = 404, .headers = {{"Content-Type", "text/plain"}}, .body = "no pack registry here\n"};
}

std::optional<TraceContext> trace_of(const http::Headers& headers) {
  // More than one of either is malformed.
  if (headers.count("traceparent") != 1 || headers.count("tracestate") > 1) return std::nullopt;
  return parse_traceparent(*http::header(headers, "traceparent"), http::header(headers, "tracestate").value_or(""));
}

// The span of an answer: in the caller's trace, or in one of its own.
std::string answer_traceparent(const SurfaceParts& surface, const std::optional<TraceContext>& caller) {
  const Id id = surface.options.ids->next(surface.engine.now_ms());
  TraceContext context = caller.value_or(TraceContext{.trace_id = id.bytes});
  context.span_id = span_id_of(RunId::from_bytes(id.view()), 'h', 0);
  return format_traceparent(context);
}

using KeyPointer = std::shared_ptr<const ApiKey>;

/// Who calls. The key comes before the path: an anonymous caller learns nothing about what exists (trap T-2). The rate
/// comes before the scope (protocol 01 §4.3).
Status admit_caller(SurfaceParts& surface, const http::Request& request, const RouteMatch& match, bool is_public,
                    KeyPointer& key) {
  const std::int64_t now_ms = surface.engine.now_ms();
  const auto found = surface.keys.authenticate(request.headers, now_ms);
  if (found) {
    key = *found;
    if (surface.options.audit) {
      surface.options.audit->key_used({.key_id = key->id, .principal = key->actor(), .tenant = key->tenant});
    }
  }
  if (is_public) {
    const bool forced = surface.options.force_rate_limit && match.route != nullptr && match.route->load == Load::free;
    return forced ? surface.discovery_rate.take("", RateScope::route, now_ms) : Status{};
  }
  if (!key) return found.error();
  return surface.rates.take(key->id, RateScope::key, now_ms);
}

/// A tenant that a query names has to be the key's own, before anything is looked up (protocol 01 §4.4).
Status check_tenant(const SurfaceParts& surface, const Call& call) {
  const auto tenant = call.target.parameter("tenantId");
  if (!tenant || call.key == nullptr || may_name_tenant(surface.options, *call.key, *tenant)) return {};
  return Error{ErrorCode::forbidden, "the key is not bound to that tenant"};
}

Result<http::Reply> answer(SurfaceParts& surface, const http::Request& request, std::string_view method,
                           std::string_view traceparent, KeyPointer& key) {
  if (auto size = check_size(surface, request); !size) return std::move(size).error();
  auto target = parse_target(request.target);
  if (!target) return std::move(target).error();
  const std::string_view root = target->segments.at(0);
  if (root != "v1" && root != ".well-known") {
    return Error{ErrorCode::unsupported_version, "every path begins with /v1/ or /.well-known/"};
  }
  if (root == "v1" && target->segments.size() > 1 && target->segments[1] == "packs") return http::Reply(no_registry());

  const RouteMatch match = match_route(method, *target);
  std::optional<Admission::Place> place;
  if (match.route == nullptr || match.route->load == Load::counted) {
    place = surface.admission.enter();
    if (!place) return overloaded(surface, "too many requests are in flight");
  }
  const bool is_public = root != "v1" || (match.route != nullptr && match.route->scope.empty());
  if (auto admitted = admit_caller(surface, request, match, is_public, key); !admitted) {
    return std::move(admitted).error();
  }
  if (auto size = check_body_size(surface, request); !size) return std::move(size).error();
  Call call{.request = request,
            .target = *target,
            .key = key.get(),
            .trace = trace_of(request.headers),
            .traceparent = std::string(traceparent)};
  if (match.route == nullptr) {
    if (match.allowed.empty()) return Error{ErrorCode::not_found, "no such resource"};
    return http::Reply(method_not_allowed(match));
  }
  for (std::string_view rest = match.route->scope; !rest.empty();) {
    const std::string_view needed = rest.substr(0, rest.find(' '));
    if (auto scope = require_scope(*call.key, needed); !scope) return std::move(scope).error();
    rest.remove_prefix(std::min(rest.size(), needed.size() + 1));
  }
  if (auto tenant = check_tenant(surface, call); !tenant) return std::move(tenant).error();
  for (const std::string_view raw : match.raw_values) {
    auto value = decode_segment(raw);
    if (!value) return std::move(value).error();
    call.path_values.push_back(*std::move(value));
  }
  return match.route->handler(surface, call);
}

int status_of(const http::Reply& reply) {
  if (const auto* response = std::get_if<http::Response>(&reply)) return response->status;
  return std::get<std::unique_ptr<http::EventStream>>(reply)->head().status;
}

/// A secret is one however it is spelt.
bool hides_secret(std::string_view path) {
  constexpr int kMaxSpellings = 3;
  std::string text(path);
  for (int i = 0; i < kMaxSpellings; ++i) {
    auto decoded = percent_decoded(text);
    if (decoded == text) return false;
    if (scrub_text(decoded)) return true;
    text = std::move(decoded);
  }
  return true;
}

/// The path without its query, which may hold secrets by mistake, and without the token that may end it. Anyone may
/// send anything: what a log line quotes is bounded.
std::string logged_path(std::string_view target) {
  constexpr std::size_t kMaxBytes = 256;
  constexpr std::string_view kBeforeToken = "/interrupts/";
  const std::string_view path = target.substr(0, target.find('?'));
  const auto at = path.find(kBeforeToken);
  const bool by_run = at != std::string_view::npos && path.substr(0, at).find("/runs/") != std::string_view::npos;
  if (at == std::string_view::npos || by_run) return std::string(path.substr(0, kMaxBytes));
  return std::string(path.substr(0, std::min(at + kBeforeToken.size(), kMaxBytes))).append("{token}");
}

void log_request(const SurfaceParts& surface, const http::Request& request, const ApiKey* key, int status,
                 std::int64_t began_ms) {
  std::string path = logged_path(request.target);
  if (hides_secret(path)) path = kRedacted;
  std::string fields;
  {
    json::ObjectWriter object(fields);
    object.string("method", is_plain_text(request.method) ? std::string_view(request.method) : "?");
    object.string("path", is_plain_text(path) ? std::string_view(path) : "?");
    object.integer("status", status);
    object.integer("tookMs", surface.engine.now_ms() - began_ms);
    if (key != nullptr) object.string("keyId", key->id).string("tenant", key->tenant);
  }
  log(surface, LogLevel::debug, "request", fields);
}

}  // namespace
}  // namespace wire

OpenWopSurface::OpenWopSurface(Engine& engine, SurfaceOptions options) {
  if (!options.ids) options.ids = std::make_shared<RandomIdSource>();
  parts_ = std::make_unique<Parts>(engine, std::move(options));
}

OpenWopSurface::~OpenWopSurface() = default;

http::Reply OpenWopSurface::handle(const http::Request& request) {
  const std::int64_t began_ms = parts_->options.log_requests ? parts_->engine.now_ms() : 0;
  const bool is_head = request.method == "HEAD";
  std::shared_ptr<const ApiKey> key;
  const auto trace = wire::trace_of(request.headers);
  const std::string traceparent = wire::answer_traceparent(*parts_, trace);
  const auto answer = [&] {
    return wire::answer(*parts_, request, is_head ? std::string_view("GET") : request.method, traceparent, key);
  };
  auto answered = answer();
  if (!answered && answered.error().code == ErrorCode::not_owner) {
    answered = wire::answer_elsewhere(*parts_, request, answered.error(), answer);
  }
  const bool is_nobodys = !answered && answered.error().code == ErrorCode::not_owner;
  http::Reply reply = answered ? *std::move(answered) : http::Reply(wire::refusal(*parts_, answered.error()));
  if (is_nobodys) {
    std::get<http::Response>(reply).headers.emplace(wire::kNotOwnerHeader, "1");
  }
  if (parts_->options.log_requests) {
    wire::log_request(*parts_, request, key.get(), wire::status_of(reply), began_ms);
  }
  auto* const response = std::get_if<http::Response>(&reply);
  if (response != nullptr && !response->headers.contains("traceparent")) {
    response->headers.emplace("traceparent", traceparent);
  }
  if (response != nullptr && trace && !trace->tracestate.empty()) {
    response->headers.emplace("tracestate", trace->tracestate);
  }
  if (!is_head) return reply;
  if (auto* stream = std::get_if<std::unique_ptr<http::EventStream>>(&reply)) return (*stream)->head();
  response->headers.emplace("Content-Length", std::to_string(response->body.size()));
  response->body.clear();
  return reply;
}

http::Response OpenWopSurface::refuse(const Error& error) const {
  http::Response response = wire::refusal(*parts_, error);
  response.headers.emplace("traceparent", wire::answer_traceparent(*parts_, std::nullopt));
  return response;
}

http::Response OpenWopSurface::refuse(const http::Request& request, const Error& error) {
  std::shared_ptr<const ApiKey> key;
  const auto target = wire::parse_target(request.target);
  if (target && target->segments.at(0) == "v1") {
    const wire::RouteMatch match = wire::match_route(request.method, *target);
    const bool is_public = match.route != nullptr && match.route->scope.empty();
    auto admitted = wire::admit_caller(*parts_, request, match, is_public, key);
    if (!admitted) return refuse(admitted.error());
  }
  return refuse(error);
}

void OpenWopSurface::set_keys(std::vector<ApiKey> keys) { parts_->keys.replace(std::move(keys)); }

void OpenWopSurface::close() { parts_->waits.close(); }

const SurfaceOptions& OpenWopSurface::options() const { return parts_->options; }

}  // namespace openwop
