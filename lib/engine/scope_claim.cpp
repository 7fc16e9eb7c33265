#include "engine/scope_claim.h"

#include "engine/run_rows.h"
#include "openwop/json.h"

namespace openwop::runtime {

namespace {

std::string scope_key(std::string_view tenant, std::string_view scope_id) {
  std::string key{kIndexPrefix, 'x'};
  key.append(tenant).append(1, '\0').append(scope_id);
  return key;
}

}  // namespace

void claim_scope(Transaction& transaction, const RunHeader& header, const RunId& run, RunStatus status) {
  if (!header.exclusive_scope) return;
  const std::string key = scope_key(header.tenant, header.scope_id);
  transaction.require_absent(key);
  if (!is_terminal(status)) transaction.put(key, run.view());
}

void release_scope(Transaction& transaction, const RunHeader& header) {
  if (header.exclusive_scope) transaction.erase(scope_key(header.tenant, header.scope_id));
}

Result<std::optional<RunId>> scope_holder(const Store& store, std::string_view tenant, std::string_view scope_id) {
  auto row = store.get(scope_key(tenant, scope_id));
  if (!row) return std::move(row).error();
  if (!row->has_value()) return std::optional<RunId>{};
  if ((*row)->size() != RunId::kBytes) return Error{ErrorCode::store_corrupt, "the claim of a scope does not decode"};
  return std::optional<RunId>(RunId::from_bytes(**row));
}

Error run_already_active(const RunId& holder) {
  Error error{ErrorCode::run_already_active, "another run is active in this scope"};
  // A server is "cloud" in the protocol's words, wherever it stands.
  json::ObjectWriter(error.details).string("activeRunId", holder.text()).string("activeHost", "cloud");
  return error;
}

}  // namespace openwop::runtime
