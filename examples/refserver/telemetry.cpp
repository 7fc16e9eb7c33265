#include "telemetry.h"

#include "log.h"
#include "metrics_server.h"
#include "openwop/net.h"

namespace refserver {

namespace {

std::shared_ptr<openwop::OtlpExporter> make_exporter(const Config& config, std::string_view version,
                                                     std::shared_ptr<openwop::MetricRegistry> registry) {
#ifdef OPENWOP_HAS_CURL
  if (config.otlp_endpoint.empty()) return nullptr;
  return std::make_shared<openwop::OtlpExporter>(openwop::OtlpOptions{
      .http = openwop::make_curl_http_client(),
      .registry = std::move(registry),
      .endpoint = config.otlp_endpoint,
      .headers = config.otlp_headers,
      .service_name = config.service_name,
      .service_version = std::string(version),
      .on_loss = [](std::string_view message) { log(LogLevel::warning, message); },
  });
#else
  if (!config.otlp_endpoint.empty()) log(LogLevel::warning, "built without an HTTP client: nothing is exported");
  static_cast<void>(version);
  static_cast<void>(registry);
  return nullptr;
#endif
}

}  // namespace

Telemetry::Telemetry(const Config& config, std::string_view version, std::shared_ptr<const openwop::Store> store)
    : listen_(config.metrics_listen), registry_(std::make_shared<openwop::MetricRegistry>()) {
  exporter_ = make_exporter(config, version, registry_);
  openwop::TelemetryOptions options{.store = std::move(store)};
  options.sampler = config.sampler;
  options.sample_ratio = config.sample_ratio;
  options.spans = exporter_;
  options.metrics = exporter_;
  if (!exporter_ && !listen_.empty()) options.metrics = registry_;
  metrics_ = options.metrics;
  if (config.run_log) options.log = [](std::string_view fields) { log(LogLevel::info, "run", fields); };
  if (options.metrics || options.log) observer_ = std::make_shared<openwop::RunTelemetry>(std::move(options));
}

Telemetry::~Telemetry() { close(); }

openwop::Result<std::string> Telemetry::listen() {
  if (listen_.empty()) return std::string();
  server_ = std::make_unique<MetricsServer>(registry_);
  return server_->start(listen_);
}

std::string Telemetry::advertised() const {
  if (!exporter_ && !server_) return {};
  return openwop::observability_block({.otlp = exporter_ != nullptr, .metrics = true});
}

void Telemetry::close() {
  if (exporter_) exporter_->close();
  if (server_) server_->stop();
}

}  // namespace refserver
