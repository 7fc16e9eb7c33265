// OpenWopSurface: the REST surface of OpenWOP 1.0, without a transport.
//
//   OpenWopSurface surface(*engine, {.keys = {ApiKey::of("secret", "acme")}});
//   http::Reply reply = surface.handle({.method = "POST", .target = "/v1/runs", .headers = …, .body = …});
//
// Routes: discovery, workflows, runs (create, snapshot, list, explain, cancel, pause, resume), interrupts (resolve by
// run or by token, inspect, list), events as SSE, JSON and long poll. Of them `GET /v1/runs`, `GET /v1/interrupts` and
// `GET /v1/runs/{runId}/explain` are this host's own; OpenWOP 1.0 names no such routes.
//
// It holds no state of runs: every call goes to the engine, so several surfaces may share one. What it does hold are
// its keys (as SHA-256) with their rate, the requests in flight, and the open waits, for close().
//
// Thread-safety: handle() from any thread, at the same time. The engine outlives the surface, the surface its streams.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/audit_log.h"
#include "openwop/engine.h"
#include "openwop/hash.h"
#include "openwop/ids.h"
#include "openwop/interrupt_token.h"
#include "openwop/protocol/http.h"
#include "openwop/protocol/region_link.h"
#include "openwop/protocol/test_runs.h"
#include "openwop/result.h"
#include "openwop/telemetry.h"
#include "openwop/webhooks.h"

namespace openwop {

/// A bearer key. The text of the key is never kept, only its hash.
struct ApiKey {
  Sha256 key_sha256 = {};
  /// Names the key in logs: the first eight hex digits of the hash unless set.
  std::string id = {};
  /// Who holds the key, for `cancelledBy` and the like; empty: the id. Keys of one principal act as one, so that a new
  /// key can be handed out before the old one is revoked.
  std::string principal = {};
  std::string tenant = "default";
  /// What the key may do (protocol 01 §4.2); no scope implies another.
  std::vector<std::string> scopes = {};
  /// A test key may use X-Force-Engine-Version and mock providers.
  bool test = false;
  /// When the key ends by itself (401 key_expired), and since when it is revoked (401 key_revoked); 0 = never.
  std::int64_t expires_ms = 0;
  std::int64_t revoked_ms = 0;

  [[nodiscard]] const std::string& actor() const { return principal.empty() ? id : principal; }

  /// Every scope that a route of this surface asks for, and those of the routes to come.
  [[nodiscard]] static std::vector<std::string> all_scopes();
  [[nodiscard]] static ApiKey of(std::string_view key, std::string tenant = "default",
                                 std::vector<std::string> scopes = all_scopes());
};

/// SurfaceOptions::separate_test_data: what the tenant of a test key ends with.
inline constexpr std::string_view kTestTenantSuffix = "/test";

enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// AI providers that the nodes of this host can reach, as published (protocol 01 §7.2).
struct AdvertisedProviders {
  std::vector<std::string> supported = {};
  /// Those of them that take a caller's credential (configurable.ai.credentialRef).
  std::vector<std::string> byok = {};
};

struct SurfaceOptions {
  std::vector<ApiKey> keys = {};
  /// Source of correlation ids; default: RandomIdSource.
  std::shared_ptr<IdSource> ids = {};
  /// Called from any thread; `fields` is a serialized JSON object. Requests are logged at debug, failures at error.
  /// Neither keys nor bodies are ever in it.
  std::function<void(LogLevel level, std::string_view message, std::string_view fields)> log = {};
  /// False: log() is not called for each request.
  bool log_requests = false;

  /// Shown in discovery.
  std::string implementation_name = "openwop-cpp";
  std::string implementation_version = "0.1.0";
  std::string implementation_vendor = "openwop";
  /// Prefix of the URLs in answers, such as "https://runs.example"; empty: they are relative, or of the host that the
  /// caller has called.
  std::string public_url = {};
  /// Callers reach the host over TLS: absolute URLs begin with https where no public URL says how.
  bool over_tls = false;
  /// Published as testing.testKeyPrefix when there are test keys; empty: not published.
  std::string test_key_prefix = {};
  /// Mock providers that a test key may name in configurable.mockProvider, as published in discovery; the engine's
  /// registry has to have core.ai.callPrompt of add_ai_nodes(). See kMockProviderIds.
  std::vector<std::string> mock_providers = {};
  /// The providers that the registered nodes reach, as published.
  AdvertisedProviders ai_providers = {};
  /// Secrets that sign interrupt tokens: the first signs, all of them verify. Each at least 16 bytes that nobody can
  /// guess; the same in every process that answers for these runs. Empty: no tokens, and none is accepted.
  std::vector<TokenKey> token_keys = {};
  /// How long a token lives at most; never beyond the timeout of its interrupt.
  std::int64_t token_ttl_ms = kInterruptTokenTtlMs;
  /// May the holder of the key vote in the name of `voter` (resumeValue.voter)? Absent: whoever may answer approvals
  /// may.
  std::function<bool(const ApiKey& key, std::string_view voter)> may_act_as = {};
  /// Publish the registered workflows whose ids begin with `conformance-` as fixtures.
  bool advertise_fixtures = false;
  /// Published as `observability`: a serialized object, such as observability_block() gives. Empty: not published.
  std::string observability = {};

  /// Counts creates that lost against a claim (openwop.run.claim.conflicts); null: not counted.
  std::shared_ptr<MetricSink> metrics = {};

  /// Also an observer of the engine: runs that were made with a test key show `testRun: true`. Null: nothing is marked.
  std::shared_ptr<TestRuns> test_runs = {};
  /// Test keys act in a tenant of their own, `<tenant>/test`, so that neither kind of key reaches what the other has
  /// made: runs, interrupts, webhooks, idempotency keys, claims, agents' memory. No key may be bound to a tenant that
  /// ends so. A test key may name either as its tenantId.
  bool separate_test_data = false;

  /// Both are also observers of the engine (EngineOptions::observers). Null: their routes are not advertised and answer
  /// 404.
  std::shared_ptr<Webhooks> webhooks = {};
  std::shared_ptr<AuditLog> audit = {};
  /// Other regions, each with a store of its own; also an observer of the engine. Null: this is the only one.
  std::shared_ptr<RegionLink> regions = {};
  /// False: the debug bundle is not advertised and answers 404.
  bool debug_bundle = true;

  /// In a cluster (openwop/cluster.h): hands a request for a run of another host to that host, at the address that it
  /// has given, and gives its answer. All hosts have the same keys and token secrets. Errors: not_owner when the host
  /// was not reached; any other when it may have done something. Null: such requests get 503.
  std::function<Result<http::Response>(const http::Request& request, const std::string& address)> forward = {};
  /// How long a request waits for a host to have its run; then 503 service_unavailable.
  std::int64_t not_owner_wait_ms = 2'000;

  // Limits. Reaching one gives the error named.
  std::size_t max_request_body_bytes = std::size_t{1} << 20;      // 413 payload_too_large
  std::size_t max_json_depth = 64;                                // 400 validation_error
  std::size_t max_target_bytes = 8'192;                           // 414 uri_too_long
  std::size_t max_header_bytes = 16'384;                          // 431 headers_too_large; names and values together
  std::size_t max_long_polls = 256;                               // 503 service_unavailable; polls that wait
  std::size_t max_streams = 4'096;                                // 503 service_unavailable; open SSE streams
  std::size_t max_poll_events = 1'000;                            // a poll's page; the rest comes with the next one
  std::size_t max_poll_bytes = std::size_t{4} << 20;              // the same in bytes, exceeded by one event at most
  std::size_t max_events_response_bytes = std::size_t{64} << 20;  // 413; the whole log as JSON: page with the poll
  std::size_t max_debug_bundle_bytes = std::size_t{8} << 20;      // the bundle is truncated and says so
  std::size_t max_stream_frame_bytes = std::size_t{64} << 10;     // frames that one next() gathers

  // Load. The rate is that of each key, a token bucket; beyond it 429 rate_limited, before the scope is looked at.
  std::int64_t rate_limit_per_s = 0;  // 0 = no limit
  std::int64_t rate_limit_burst = 0;  // requests that may come at once; 0 = rate_limit_per_s
  /// Discovery answers 429 to a client that hammers it: a hundred requests at once, twenty a second.
  bool force_rate_limit = false;
  /// Requests worked on at once, and those that wait their turn for admission_wait_ms at most; beyond it 503
  /// service_unavailable. Discovery and openapi.json always pass; long polls and streams have limits of their own.
  std::size_t max_in_flight = 512;
  std::size_t max_waiting_requests = 1'024;
  std::int64_t admission_wait_ms = 1'000;

  /// Silence after which a stream sends a comment (protocol 02 §5.2: at least every 30 s).
  std::int64_t keepalive_ms = 15'000;
  /// How long an Idempotency-Key is remembered; OpenWOP asks for 24 h at least.
  std::int64_t idempotency_retention_ms = 86'400'000;
  /// How long a repeat waits for the request with its Idempotency-Key that is being executed; then 409
  /// idempotency_in_flight.
  std::int64_t idempotency_wait_ms = 5'000;
  /// Passing failures of keyed requests that are remembered until their Retry-After; beyond it the oldest are
  /// forgotten.
  std::size_t max_remembered_failures = 10'000;
  /// How long outcomes of side-effect steps are kept, as published in discovery.
  std::int64_t step_retention_ms = 1'209'600'000;
  /// Retry-After of 503 answers, and of 409 where something is under way.
  std::int64_t retry_after_s = 1;
};

class OpenWopSurface {
 public:
  OpenWopSurface(Engine& engine, SurfaceOptions options);
  ~OpenWopSurface();
  OpenWopSurface(const OpenWopSurface&) = delete;
  OpenWopSurface& operator=(const OpenWopSurface&) = delete;

  /// Answers one request. Blocks while the engine commits, and for a long poll until there is something to say; never
  /// for a stream. Bad input of any kind gets an answer, not an exception.
  [[nodiscard]] http::Reply handle(const http::Request& request);

  /// The answer that refuses a request with `error`: for a host whose transport finds the fault first.
  [[nodiscard]] http::Response refuse(const Error& error) const;
  /// The same for a fault of the body: who may not ask at all is told only that. `request.body` is not looked at.
  [[nodiscard]] http::Response refuse(const http::Request& request, const Error& error);

  /// Replaces the keys; requests from now on are judged by the new ones.
  void set_keys(std::vector<ApiKey> keys);

  /// Ends every stream and every waiting poll, now and later; other requests are still answered. Idempotent.
  void close();

  /// As given to the constructor; `keys` is empty, for set_keys() may change them.
  [[nodiscard]] const SurfaceOptions& options() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace openwop
