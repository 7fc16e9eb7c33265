// GET /.well-known/openwop: what this host can do, and nothing more (protocol 01 §7).
#include <algorithm>

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

// Some fixtures hide behaviour of features that this host does not have in an agent reference or in the config of
// core.identity, which as such has none (protocol 01 §22.6). They can run, but not as they are meant to (trap T-35).
bool runs_in_full(const Workflow& workflow) {
  return std::none_of(workflow.nodes.begin(), workflow.nodes.end(), [](const WorkflowNode& node) {
    bool has_config = false;
    json::for_each_member(node.config, [&](std::string_view, std::string_view) { return !(has_config = true); });
    return !node.agent.empty() || (node.type_id == "core.identity" && has_config);
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
    if (!workflow || !runs_in_full(**workflow)) continue;
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

// The blocks that 1.0 documents without a schema. Clients look for some at the root and for some under `capabilities`,
// so both carry them (trap T-5).
void add_feature_blocks(json::ObjectWriter& document, const SurfaceParts& surface) {
  document.raw("replay", R"({"supported":false,"modes":[]})");
  json::ObjectWriter(document.value_of("compliance"))
      .raw("supportedClasses", "[]")
      .string("defaultMode", masking_mode_name(surface.engine.options().default_masking));
  document.raw("debugBundle", surface.options.debug_bundle ? R"({"supported":true})" : R"({"supported":false})");
  document.raw("runs", R"({"pauseResume":{"supported":true,"drainPolicies":["immediate","drain-current-node"]}})");
  document.raw("webhooks", surface.options.webhooks ? R"({"supported":true,"signatureAlgorithms":["v1"]})"
                                                    : R"({"supported":false,"signatureAlgorithms":[]})");
  if (surface.options.audit) add_auth(document, *surface.options.audit);
  json::ObjectWriter(document.value_of("idempotency"))
      .boolean("supported", true)
      .integer("layer1RetentionSeconds", surface.options.idempotency_retention_ms / 1000)
      .integer("layer2RetentionSeconds", surface.options.step_retention_ms / 1000)
      .string("crossRegion", "single-region");
  if (!surface.options.observability.empty()) document.raw("observability", surface.options.observability);
}

void add_interrupts(json::ObjectWriter& document, const SurfaceParts& surface) {
  json::ObjectWriter extensions(document.value_of("extensions"));
  json::ObjectWriter interrupts(extensions.value_of("interrupts"));
  // An external event comes with a token.
  interrupts.raw("profiles", surface.tokens ? R"(["openwop-interrupt-quorum","openwop-interrupt-auth-required",)"
                                              R"("openwop-interrupt-external-event"])"
                                            : R"(["openwop-interrupt-quorum","openwop-interrupt-auth-required"])");
  interrupts.boolean("signedCallbackTokens", surface.tokens.has_value());
  // An event is recorded in the log of its run; its key is remembered as long as any.
  interrupts.integer("externalEventRetentionSeconds", surface.options.idempotency_retention_ms / 1000);
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
