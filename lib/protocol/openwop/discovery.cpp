// GET /.well-known/openwop: what this host can do, and nothing more (protocol 01 §7).
#include <algorithm>

#include "openwop/agents.h"
#include "openwop/hash.h"
#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/discovery_view.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

constexpr std::int64_t kEventLogSchemaVersion = 2;
constexpr std::int64_t kMaxAgeSeconds = 300;

void append_list(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    json::append_quoted(out, texts[i]);
  }
  out += ']';
}

void add_ai_providers(json::ObjectWriter& document, const AdvertisedProviders& providers) {
  if (providers.supported.empty()) return;
  json::ObjectWriter block(document.value_of("aiProviders"));
  append_list(block.value_of("supported"), providers.supported);
  append_list(block.value_of("byok"), providers.byok);
}

void add_testing(json::ObjectWriter& document, const SurfaceParts& surface) {
  if (!surface.keys.has_test_key(surface.engine.now_ms())) return;
  const std::int64_t current = surface.engine.options().engine_version;
  json::ObjectWriter testing(document.value_of("testing"));
  if (!surface.options.test_key_prefix.empty()) testing.string("testKeyPrefix", surface.options.test_key_prefix);
  if (!surface.options.mock_providers.empty()) {
    append_list(testing.value_of("mockProviders"), surface.options.mock_providers);
  }
  json::ObjectWriter(testing.value_of("forceEngineVersionRange"))
      .integer("min", std::max<std::int64_t>(current - 1, 0))
      .integer("max", current + 1);
}

bool has_type(const SurfaceParts& surface, std::string_view type_id) {
  return surface.engine.options().nodes.find(type_id) != nullptr;
}

bool has_memory(const SurfaceParts& surface) { return surface.engine.options().max_memory_entry_bytes > 0; }

// Some fixtures hide behaviour in the config of a node that needs more than its type (protocol 01 §22.6): they can run,
// but not as they are meant to (trap T-35). Packs of agents are not there at all.
bool runs_in_full(const SurfaceParts& surface, const Workflow& workflow) {
  const auto metadata = json::member(workflow.source, "metadata").value_or("{}");
  const bool is_provenance = std::any_of(workflow.nodes.begin(), workflow.nodes.end(),
                                         [](const WorkflowNode& node) { return !node.agent.empty(); });
  if (json::member(metadata, "requiresWorkspaceAgent")) return false;
  // A mocked model and a forced engine version are for test keys.
  const bool for_test_keys = workflow.id == "conformance-stream-text" || workflow.id == "conformance-version-fold";
  if (for_test_keys && !surface.keys.has_test_key(surface.engine.now_ms())) return false;
  // It ends with a refusal where there are no conversations.
  if (workflow.id == "conformance-conversation-capability-negotiation")
    return !has_type(surface, kConversationGateType);
  if (json::member(metadata, "requiresInstalledPack") && !is_provenance) return false;
  return std::none_of(workflow.nodes.begin(), workflow.nodes.end(), [&](const WorkflowNode& node) {
    return json::member(node.config, "memoryAction") && !has_memory(surface);
  });
}

void add_fixtures(json::ObjectWriter& document, const SurfaceParts& surface) {
  if (!surface.options.advertise_fixtures) return;
  std::string& list = document.value_of("fixtures");
  list += '[';
  bool first = true;
  // A registered workflow's node types are all known: registration refuses others.
  for (const std::string& id : surface.engine.workflow_ids()) {
    if (!id.starts_with("conformance-")) continue;
    const auto workflow = surface.engine.workflow(id);
    if (!workflow || !runs_in_full(surface, **workflow)) continue;
    if (!first) list += ',';
    first = false;
    json::append_quoted(list, id);
  }
  list += ']';
}

void add_auth(json::ObjectWriter& document, const AuditLog& audit) {
  json::ObjectWriter auth(document.value_of("auth"));
  auth.raw("profiles", R"(["openwop-audit-log-integrity"])");
  json::ObjectWriter(auth.value_of("auditLogIntegrity"))
      .boolean("hashChain", true)
      .string("checkpointSignatureAlgorithm", "ed25519")
      .string("checkpointPublicKey", audit.public_key())
      .integer("checkpointIntervalEntries", static_cast<std::int64_t>(audit.options().checkpoint_entries))
      .integer("checkpointIntervalSeconds", audit.options().checkpoint_interval_ms / 1000);
}

// No modelClasses: naming them would promise GET /v1/packs (protocol 01 §2).
void add_agents(json::ObjectWriter& document, const SurfaceParts& surface) {
  const EngineOptions& options = surface.engine.options();
  {
    json::ObjectWriter agents(document.value_of("agents"));
    agents.boolean("supported", true);
    agents.raw("memoryBackends", has_memory(surface) ? R"(["long-term"])" : "[]");
    agents.boolean("orchestrator", has_type(surface, kSupervisorType));
    agents.boolean("dispatch", has_type(surface, kDispatchType));
    json::ObjectWriter(agents.value_of("reasoning"))
        .string("verbosity", kReasoningVerbosityNames[static_cast<std::size_t>(options.reasoning_verbosity)])
        .integer("tokenLimit", static_cast<std::int64_t>(options.reasoning_token_limit));
  }
  const bool converses = has_type(surface, kConversationGateType);
  document.boolean("conversationPrimitive", converses);
  json::ObjectWriter(document.value_of("orchestrator"))
      .boolean("supported", has_type(surface, kSupervisorType))
      .string("workerIdInterpretation", "node")
      .boolean("fanOutSupported", true);
  json::ObjectWriter(document.value_of("dispatch"))
      .boolean("supported", has_type(surface, kDispatchType))
      .raw("models", R"(["child-run"])")
      .boolean("fanOutSupported", true)
      .raw("askUserRoutings", converses ? R"(["conversation","clarification","auto"])" : R"(["clarification","auto"])");
  json::ObjectWriter memory(document.value_of("memory"));
  memory.boolean("supported", has_memory(surface));
  if (!has_memory(surface)) return;
  memory.integer("maxEntrySizeBytes", static_cast<std::int64_t>(options.max_memory_entry_bytes));
  memory.boolean("ttlSupported", true);
}

// The blocks that 1.0 documents without a schema. Clients look for some at the root and for some under `capabilities`,
// so both carry them (trap T-5).
void add_feature_blocks(json::ObjectWriter& document, const SurfaceParts& surface) {
  document.raw("replay", R"({"supported":true,"modes":["replay","branch"]})");
  json::ObjectWriter(document.value_of("compliance"))
      .raw("supportedClasses", "[]")
      .string("defaultMode", masking_mode_name(surface.engine.options().default_masking));
  document.raw("debugBundle", surface.options.debug_bundle ? R"({"supported":true})" : R"({"supported":false})");
  document.raw("runs", R"({"pauseResume":{"supported":true,"drainPolicies":["immediate","drain-current-node"]}})");
  add_agents(document, surface);
  document.raw("webhooks", surface.options.webhooks ? R"({"supported":true,"signatureAlgorithms":["v1"]})"
                                                    : R"({"supported":false,"signatureAlgorithms":[]})");
  if (surface.options.audit) add_auth(document, *surface.options.audit);
  json::ObjectWriter(document.value_of("idempotency"))
      .boolean("supported", true)
      .integer("layer1RetentionSeconds", surface.options.idempotency_retention_ms / 1000)
      .integer("layer2RetentionSeconds", surface.options.step_retention_ms / 1000)
      .string("crossRegion", surface.options.regions ? "best-effort" : "single-region");
  if (!surface.options.observability.empty()) document.raw("observability", surface.options.observability);
}

void add_interrupts(json::ObjectWriter& document, const SurfaceParts& surface) {
  json::ObjectWriter extensions(document.value_of("extensions"));
  json::ObjectWriter interrupts(extensions.value_of("interrupts"));
  // An external event comes with a token.
  std::string profiles =
      R"(["openwop-interrupt-quorum","openwop-interrupt-auth-required","openwop-interrupt-cascade-cancel")";
  if (surface.tokens) profiles += R"(,"openwop-interrupt-external-event")";
  interrupts.raw("profiles", profiles + "]");
  interrupts.boolean("signedCallbackTokens", surface.tokens.has_value());
  // An event is recorded in the log of its run, which may go before its key is forgotten.
  const std::int64_t kept_ms = surface.engine.options().finished_run_retention_ms;
  const std::int64_t key_ms = surface.options.idempotency_retention_ms;
  interrupts.integer("externalEventRetentionSeconds", (kept_ms > 0 ? std::min(kept_ms, key_ms) : key_ms) / 1000);
}

std::string capabilities_document(const SurfaceParts& surface) {
  const SurfaceOptions& options = surface.options;
  std::string out;
  {
    json::ObjectWriter document(out);
    document.string("protocolVersion", "1.0");
    json::ObjectWriter(document.value_of("implementation"))
        .string("name", options.implementation_name)
        .string("version", options.implementation_version)
        .string("vendor", options.implementation_vendor);
    document.integer("engineVersion", surface.engine.options().engine_version);
    document.integer("eventLogSchemaVersion", kEventLogSchemaVersion);
    document.raw("supportedTransports", R"(["rest"])");
    document.raw("supportedEnvelopes", R"(["clarification.request"])");
    document.raw("schemaVersions", R"({"clarification.request":1})");
    // A closed object: other limits may not be published here (trap T-4).
    json::ObjectWriter(document.value_of("limits"))
        .integer("clarificationRounds", surface.engine.options().max_clarification_rounds)
        .integer("schemaRounds", 2)
        .integer("envelopesPerTurn", 5)
        .integer("maxNodeExecutions", surface.engine.options().max_node_executions);
    const std::string& run_options = surface.engine.options().configurable_options;
    if (!run_options.empty()) document.raw("configurable", run_options);
    add_ai_providers(document, options.ai_providers);
    add_interrupts(document, surface);
    add_testing(document, surface);
    add_fixtures(document, surface);
    add_feature_blocks(document, surface);
    json::ObjectWriter nested(document.value_of("capabilities"));
    add_feature_blocks(nested, surface);
  }
  return out;
}

}  // namespace

Result<http::Reply> get_capabilities(SurfaceParts& surface, const Call& call) {
  std::string document = capabilities_document(surface);
  const bool narrowed = call.key != nullptr && narrow_to(*call.key, document);
  const std::string tag = sha256_hex(document).substr(0, 16);
  const std::string quoted_tag = '"' + tag + '"';
  const bool unchanged = http::header(call.request.headers, "If-None-Match") == quoted_tag;
  http::Response response = unchanged ? http::Response{.status = 304} : json_response(200, std::move(document));
  // What one key sees is nobody else's: caches may share the public view only.
  const std::string reach = narrowed ? "private" : "public";
  response.headers.emplace("Cache-Control", reach + ", max-age=" + std::to_string(kMaxAgeSeconds));
  response.headers.emplace("Vary", "Authorization");
  response.headers.emplace("ETag", quoted_tag);
  response.headers.emplace("Capabilities-Etag", tag);
  return http::Reply(std::move(response));
}

}  // namespace openwop::wire
