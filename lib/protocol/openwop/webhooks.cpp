// Webhooks: registration, removal, and what could not be delivered (protocol 02 §10, 01 §3.11).
//
//   GET /v1/webhooks/dead-letters?webhookId=&limit=&cursor=      this host's own
//     {"deadLetters":[{webhookId, runId, sequence, attempts, diedAt, reason}], "nextCursor"?}
#include "openwop/webhooks.h"

#include "openwop/json.h"
#include "openwop/ledger.h"
#include "openwop/time.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/listing.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/run_options.h"

namespace openwop::wire {

namespace {

Error not_offered() { return {ErrorCode::not_found, "this host delivers no webhooks"}; }

// Before anything is looked up, so that a foreign tenant's ids cannot be told from absent ones.
Status check_tenant(const SurfaceParts& surface, const Call& call, std::string_view tenant) {
  if (!may_name_tenant(surface.options, *call.key, tenant))
    return Error{ErrorCode::forbidden, "the key is not bound to that tenant"};
  return {};
}

Result<std::vector<std::string>> read_events(std::string_view raw) {
  if (json::kind(raw) != json::Kind::array) return invalid_field("events", "has to be an array of event types");
  std::vector<std::string> events;
  bool strings = true;
  json::for_each_element(raw, [&](std::string_view element) {
    auto name = json::as_string(element);
    strings = name.has_value();
    if (strings) events.push_back(*std::move(name));
    return strings;
  });
  if (!strings) return invalid_field("events", "has to be an array of event types");
  return events;
}

Status read_member(std::string_view name, std::string_view raw, RegisterWebhook& request) {
  if (name == "url" || name == "secret") {
    auto text = json::as_string(raw);
    if (!text || text->empty()) return invalid_field(name, "has to be a string that is not empty");
    (name == "url" ? request.url : request.secret) = *std::move(text);
  } else if (name == "events") {
    auto events = read_events(raw);
    if (!events) return std::move(events).error();
    request.events = *std::move(events);
  } else if (name == "tags") {
    auto tags = read_tags(raw);
    if (!tags) return std::move(tags).error();
    request.tags = *std::move(tags);
  } else if (name != "tenantId") {
    return invalid_field(name.substr(0, 64), "is not a member of this request");
  }
  return {};
}

Result<RegisterWebhook> read_request(const SurfaceParts& surface, const Call& call) {
  auto body = object_body(surface, call);
  if (!body) return std::move(body).error();
  RegisterWebhook request;
  request.tenant = call.tenant();
  if (const auto raw = json::member(*body, "tenantId")) {
    const auto tenant = json::as_string(*raw);
    if (!tenant || tenant->empty()) return invalid_field("tenantId", "has to be a string that is not empty");
    if (auto allowed = check_tenant(surface, call, *tenant); !allowed) return std::move(allowed).error();
  }
  Status status;
  json::for_each_member(*body, [&](std::string_view raw_name, std::string_view value) {
    status = read_member(json::unescape(raw_name), value, request);
    return status.ok();
  });
  if (!status) return std::move(status).error();
  if (request.url.empty()) return invalid_field("url", "is missing");
  if (request.events.empty()) return invalid_field("events", "has to name at least one event type");
  return request;
}

std::string registered_body(const RegisterWebhook& request, const RegisteredWebhook& registered) {
  std::string body;
  {
    json::ObjectWriter object(body);
    object.string("webhookId", registered.id.text());
    object.string("secret", registered.secret);
    object.string("secretFingerprint", registered.secret_fingerprint);
    object.string("tenantId", request.tenant);
    object.string("url", request.url);
    std::string& events = object.value_of("events");
    events += '[';
    for (std::size_t i = 0; i < request.events.size(); ++i) {
      if (i > 0) events += ',';
      json::append_quoted(events, request.events[i]);
    }
    events += ']';
    object.string("signatureAlgorithm", "v1");
  }
  return body;
}

// The rows that go with a change: what the idempotency key remembers, and who did it.
void add_claim(const std::optional<LedgerClaim>& claim, Transaction& transaction) {
  if (!claim) return;
  const LedgerEntry entry{claim->request_digest, claim->outcome({}, RunStatus::pending), claim->expires_ms};
  Ledger::write(transaction, claim->row_key, claim->replaces, entry);
}
void add_audit(const SurfaceParts& surface, const Call& call, std::string_view action, const Id& id,
               Transaction& transaction) {
  if (!surface.options.audit) return;
  AuditEntry entry{.actor = actor_of(*call.key), .action = std::string(action), .target = "webhook:" + id.text()};
  entry.details.clear();
  json::ObjectWriter(entry.details).string("tenantId", call.tenant());
  surface.options.audit->stage(entry, transaction);
}
void audit_is_staged(const SurfaceParts& surface) {
  if (surface.options.audit) surface.options.audit->staged();
}

void append_dead_letter(std::string& list, const DeadLetter& letter) {
  json::ObjectWriter(list)
      .string("webhookId", letter.webhook_id.text())
      .string("runId", letter.run_id.text())
      .integer("sequence", static_cast<std::int64_t>(letter.sequence))
      .integer("attempts", letter.attempts)
      .string("diedAt", format_rfc3339(letter.died_ms))
      .string("reason", letter.reason);
}

}  // namespace

Result<http::Reply> register_webhook(SurfaceParts& surface, const Call& call) {
  if (!surface.options.webhooks) return not_offered();
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  std::string body;
  const KeyedRequest::MakeBody make_body = [&body](const RunId&, RunStatus) { return body; };
  auto response = keyed->answer(201, make_body, [&](std::optional<LedgerClaim> claim) -> Result<http::Response> {
    const auto request = read_request(surface, call);
    if (!request) return request.error();
    const auto registered = surface.options.webhooks->register_webhook(
        *request, [&](const RegisteredWebhook& made, Transaction& transaction) {
          body = registered_body(*request, made);
          add_claim(claim, transaction);
          add_audit(surface, call, "webhook.register", made.id, transaction);
        });
    if (!registered) return registered.error();
    audit_is_staged(surface);
    return json_response(201, body);
  });
  if (!response) return std::move(response).error();
  response->headers.emplace("Cache-Control", "no-store");
  return http::Reply(*std::move(response));
}

Result<http::Reply> unregister_webhook(SurfaceParts& surface, const Call& call) {
  if (!surface.options.webhooks) return not_offered();
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  if (const auto tenant = call.target.parameter("tenantId")) {
    if (auto allowed = check_tenant(surface, call, *tenant); !allowed) return std::move(allowed).error();
  }
  const auto no_body = [](const RunId&, RunStatus) { return std::string(); };
  auto response = keyed->answer(204, no_body, [&](std::optional<LedgerClaim> claim) -> Result<http::Response> {
    const auto id = Id::parse(call.path_values.at(0));
    if (!id) return Error{ErrorCode::not_found, "no such webhook"};
    auto removed = surface.options.webhooks->unregister_webhook(call.tenant(), *id, [&](Transaction& transaction) {
      add_claim(claim, transaction);
      add_audit(surface, call, "webhook.unregister", *id, transaction);
    });
    if (!removed) return std::move(removed).error();
    audit_is_staged(surface);
    return http::Response{.status = 204};
  });
  if (!response) return std::move(response).error();
  response->headers.erase("Content-Type");
  return http::Reply(*std::move(response));
}

Result<http::Reply> list_dead_letters(SurfaceParts& surface, const Call& call) {
  if (!surface.options.webhooks) return not_offered();
  const auto limit = page_limit(call);
  if (!limit) return limit.error();
  std::optional<Id> id;
  if (const auto text = call.target.parameter("webhookId")) {
    id = Id::parse(*text);
    if (!id) return invalid_field("webhookId", "is not the id of a webhook");
  }
  const auto page =
      surface.options.webhooks->dead_letters(call.tenant(), id, call.target.parameter("cursor").value_or(""), *limit);
  if (!page) return page.error();
  return http::Reply(page_response("deadLetters", page->letters, page->cursor, append_dead_letter));
}

}  // namespace openwop::wire
