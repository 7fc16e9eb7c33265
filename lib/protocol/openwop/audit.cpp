// GET /v1/audit/verify (protocol 02 §14), and GET /v1/audit/checkpoints, this host's own: the checkpoints and the
// public key for a store in another trust domain.
#include "openwop/audit_log.h"

#include <optional>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

Result<std::optional<std::uint64_t>> read_bound(const Call& call, std::string_view name) {
  const auto text = call.target.parameter(name);
  if (!text) return std::optional<std::uint64_t>{};
  const auto value = whole_number(*text);
  if (!value || *value < 0) return invalid_field(name, "has to be a whole number, 0 or more");
  return std::optional<std::uint64_t>{static_cast<std::uint64_t>(*value)};
}

void append_hash(json::ObjectWriter& object, std::string_view name, const std::optional<std::string>& hash) {
  if (hash && !hash->empty()) {
    object.string(name, *hash);
  } else {
    object.raw(name, "null");
  }
}

void append_checkpoints(std::string& list, const std::vector<AuditCheckpoint>& checkpoints) {
  list += '[';
  for (std::size_t i = 0; i < checkpoints.size(); ++i) {
    if (i > 0) list += ',';
    json::ObjectWriter(list)
        .string("checkpoint", checkpoints[i].checkpoint)
        .integer("atSequence", static_cast<std::int64_t>(checkpoints[i].at_sequence))
        .string("merkleRoot", checkpoints[i].merkle_root)
        .string("signature", checkpoints[i].signature);
  }
  list += ']';
}

void append_anomalies(std::string& list, const std::vector<AuditAnomaly>& anomalies) {
  list += '[';
  for (std::size_t i = 0; i < anomalies.size(); ++i) {
    if (i > 0) list += ',';
    json::ObjectWriter object(list);
    object.integer("atSeq", static_cast<std::int64_t>(anomalies[i].at_sequence));
    append_hash(object, "expectedPrevHash", anomalies[i].expected_prev_hash);
    append_hash(object, "actualPrevHash", anomalies[i].actual_prev_hash);
  }
  list += ']';
}

}  // namespace

Result<http::Reply> verify_audit(SurfaceParts& surface, const Call& call) {
  if (!surface.options.audit) return Error{ErrorCode::not_found, "this host keeps no audit log"};
  const auto from = read_bound(call, "fromSeq");
  if (!from) return from.error();
  const auto to = read_bound(call, "toSeq");
  if (!to) return to.error();
  const auto verified = surface.options.audit->verify(*from, *to);
  if (!verified) return verified.error();
  std::string body;
  {
    json::ObjectWriter object(body);
    object.integer("fromSeq", static_cast<std::int64_t>(verified->from_sequence));
    object.integer("toSeq", static_cast<std::int64_t>(verified->to_sequence));
    object.boolean("chainValid", verified->chain_valid);
    append_checkpoints(object.value_of("checkpoints"), verified->checkpoints);
    append_anomalies(object.value_of("anomalies"), verified->anomalies);
    object.boolean("checkpointsValid", verified->checkpoints_valid);
  }
  return http::Reply(json_response(200, std::move(body)));
}

Result<http::Reply> export_audit_checkpoints(SurfaceParts& surface, const Call&) {
  if (!surface.options.audit) return Error{ErrorCode::not_found, "this host keeps no audit log"};
  auto document = surface.options.audit->export_checkpoints();
  if (!document) return std::move(document).error();
  return http::Reply(json_response(200, *std::move(document)));
}

}  // namespace openwop::wire
