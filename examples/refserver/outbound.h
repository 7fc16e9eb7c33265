// What the server does beyond answering: webhooks and the audit log.
#pragma once

#include <memory>

#include "config.h"
#include "openwop/audit_log.h"
#include "openwop/webhooks.h"

namespace refserver {

struct Outbound {
  std::shared_ptr<openwop::Webhooks> webhooks;
  std::shared_ptr<openwop::AuditLog> audit;

  [[nodiscard]] std::vector<std::shared_ptr<openwop::RunObserver>> observers() const;
  /// After the engine has been closed.
  void close() const;
};

[[nodiscard]] openwop::Result<Outbound> open_outbound(const Config& config, std::shared_ptr<openwop::Store> store,
                                                      const std::vector<openwop::ApiKey>& keys,
                                                      std::string_view version);

}  // namespace refserver
