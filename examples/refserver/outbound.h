// What the server does beyond answering: webhooks, interrupt callbacks and the audit log.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config.h"
#include "openwop/audit_log.h"
#include "openwop/interrupt_callbacks.h"
#include "openwop/protocol/openwop_surface.h"
#include "openwop/webhooks.h"

namespace refserver {

struct Outbound {
  std::shared_ptr<openwop::Webhooks> webhooks;
  std::shared_ptr<openwop::InterruptCallbacks> callbacks;
  std::shared_ptr<openwop::AuditLog> audit;

  [[nodiscard]] std::vector<std::shared_ptr<openwop::RunObserver>> observers() const;
  /// Once the server is reached under this URL.
  void start(const std::string& public_url) const;
  /// After the engine has been closed.
  void close() const;
};

/// Has the audit log record the keys that came, went or were revoked since the last call.
[[nodiscard]] openwop::Status note_keys(openwop::AuditLog& audit, const std::vector<openwop::ApiKey>& keys);

[[nodiscard]] openwop::Result<Outbound> open_outbound(const Config& config, std::shared_ptr<openwop::Store> store,
                                                      const std::vector<openwop::ApiKey>& keys,
                                                      std::string_view version);

}  // namespace refserver
