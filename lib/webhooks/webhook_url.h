// Where a webhook may point (OpenWOP 02 §10.5).
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "openwop/webhooks.h"

namespace openwop::webhooks {

struct WebhookUrl {
  std::string host;  // lower case, without brackets and a final dot
  bool is_address = false;
};

/// What the text says by itself. Errors: validation_error for text that is no http(s) URL; webhook_url_rejected for
/// one that must not be called, unless `allow_private`.
[[nodiscard]] Result<WebhookUrl> check_webhook_url(std::string_view url, const WebhookOptions& options);

/// The address to connect to, after every address of the host has been checked; empty when everything is allowed.
/// Errors: webhook_url_rejected; those of the resolver.
[[nodiscard]] Result<std::string> allowed_address(const WebhookUrl& url, const WebhookOptions& options);

}  // namespace openwop::webhooks
