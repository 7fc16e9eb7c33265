// An engine with an audit log, both driven by the test.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "openwop/audit_log.h"
#include "support/engine_rig.h"

namespace openwop::test {

struct AuditRig : EngineRig {
  AuditOptions audit_options;
  std::shared_ptr<AuditLog> audit;

  AuditRig() {
    damages_rows = true;
    audit_options.threads = 0;
    audit_options.signing_key = std::string(32, 'k');
  }
  void open_all() {
    engine.reset();
    options.observers.clear();
    audit.reset();  // signs what is left
    AuditOptions copy = audit_options;
    copy.store = store;
    copy.clock = clock;
    auto opened = AuditLog::open(std::move(copy));
    REQUIRE(opened.ok());
    audit = *opened;
    options.observers = {audit};
    open();
    add(WorkflowText("noop").node("n", "core.noop"));
    add(WorkflowText("slow").node("d", "core.delay", R"({"ms":1000})"));
  }
  void note(const std::string& action) {
    REQUIRE(audit->append({.actor = "host", .action = action, .target = "t"}).ok());
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> rows;
    REQUIRE(store
                ->scan({"Ye", "Yf", false},
                       [&](std::string_view, std::string_view row) {
                         rows.emplace_back(row);
                         return true;
                       })
                .ok());
    return rows;
  }
  AuditVerification verify(std::optional<std::uint64_t> from = {}, std::optional<std::uint64_t> to = {}) {
    auto verified = audit->verify(from, to);
    REQUIRE(verified.ok());
    return *verified;
  }
  void overwrite(const std::string& key, const std::string& value) {
    Transaction transaction;
    transaction.put(key, value);
    REQUIRE(store->commit(transaction, Durability::sync).ok());
  }
};

inline std::string text_of(std::string_view entry, std::string_view member) {
  return json::as_string(json::member(entry, member).value_or("null")).value_or("");
}

}  // namespace openwop::test
