#include "outbound.h"

#include <algorithm>

#include "keys.h"
#include "log.h"
#include "openwop/json.h"
#include "openwop/net.h"
#include "secret_file.h"

namespace refserver {

using openwop::Error;
using openwop::Result;

namespace {

#ifdef OPENWOP_HAS_CURL
/// Attempts of an interrupt callback after the first: somebody waits for it, so it gets some even where events get
/// none.
constexpr std::uint32_t kMinCallbackRetries = 5;

openwop::WebhookOptions delivery_options(const Config& config, std::shared_ptr<openwop::Store> store,
                                         std::string_view version) {
  openwop::WebhookOptions options{.store = std::move(store)};
  options.client = openwop::make_curl_http_client();
  options.resolver = openwop::make_system_resolver();
  options.version = version;
  options.max_retries = static_cast<std::uint32_t>(config.webhook_retries);
  options.allow_private = config.webhook_allow_private;
  options.cluster = config.cluster;
  options.on_trouble = [](std::string_view message, std::string_view fields) {
    log(LogLevel::warning, message, fields);
  };
  return options;
}

Result<std::shared_ptr<openwop::InterruptCallbacks>> open_callbacks(const Config& config,
                                                                    openwop::WebhookOptions delivery) {
  delivery.max_retries = std::max(delivery.max_retries, kMinCallbackRetries);
  return openwop::InterruptCallbacks::open(
      {.delivery = std::move(delivery), .token_keys = config.token_keys, .secret = config.callback_secret});
}
#endif

Result<std::shared_ptr<openwop::AuditLog>> open_audit(const Config& config, std::shared_ptr<openwop::Store> store,
                                                      const std::vector<openwop::ApiKey>& keys,
                                                      std::string_view version) {
  if (auto taken = take_up_audit_key(config.data_folder); !taken) return std::move(taken).error();
  auto keys_of_log = audit_signing_keys(config.data_folder);
  if (!keys_of_log) return std::move(keys_of_log).error();
  openwop::AuditOptions options{.store = std::move(store), .signing_key = keys_of_log->front()};
  options.earlier_signing_keys.assign(keys_of_log->begin() + 1, keys_of_log->end());
  options.host_name = "openwop-refserver";
  options.host_version = version;
  options.on_error = [](const Error& error) {
    log(LogLevel::error, "audit log",
        text_fields({{"code", openwop::error_name(error.code)}, {"reason", error.message}}));
  };
  auto audit = openwop::AuditLog::open(std::move(options));
  if (!audit) return audit;
  std::string details;
  openwop::json::ObjectWriter(details).string("version", version);
  auto told = (*audit)->append({.actor = "host", .action = "host.started", .target = "host", .details = details});
  if (told) told = note_keys(**audit, keys);
  if (told) told = (*audit)->checkpoint();
  if (!told) return std::move(told).error();
  return audit;
}

}  // namespace

openwop::Status note_keys(openwop::AuditLog& audit, const std::vector<openwop::ApiKey>& keys) {
  const std::int64_t now_ms = openwop::SystemClock().now_ms();
  std::vector<std::string> ids;
  for (const openwop::ApiKey& key : keys) {
    const bool is_revoked = key.revoked_ms != 0 && key.revoked_ms <= now_ms;
    if (!is_revoked) ids.push_back(key.id);
  }
  return audit.note_keys(std::move(ids));
}

std::vector<std::shared_ptr<openwop::RunObserver>> Outbound::observers() const {
  std::vector<std::shared_ptr<openwop::RunObserver>> all;
  if (webhooks) all.push_back(webhooks);
  if (callbacks) all.push_back(callbacks);
  if (audit) all.push_back(audit);
  return all;
}

void Outbound::start(const std::string& public_url) const {
  if (callbacks) callbacks->start(public_url);
}

void Outbound::close() const {
  if (webhooks) webhooks->close();
  if (callbacks) callbacks->close();
  if (audit) audit->close();
}

Result<Outbound> open_outbound(const Config& config, std::shared_ptr<openwop::Store> store,
                               const std::vector<openwop::ApiKey>& keys, std::string_view version) {
  Outbound outbound;
#ifdef OPENWOP_HAS_CURL
  const openwop::WebhookOptions delivery = delivery_options(config, store, version);
  auto webhooks = openwop::Webhooks::open(delivery);
  if (!webhooks) return std::move(webhooks).error();
  outbound.webhooks = *std::move(webhooks);
  auto callbacks = open_callbacks(config, delivery);
  if (!callbacks) return std::move(callbacks).error();
  outbound.callbacks = *std::move(callbacks);
#endif
  if (config.audit_log.value_or(!config.data_folder.empty())) {
    auto audit = open_audit(config, std::move(store), keys, version);
    if (!audit) return std::move(audit).error();
    outbound.audit = *std::move(audit);
  }
  return outbound;
}

}  // namespace refserver
