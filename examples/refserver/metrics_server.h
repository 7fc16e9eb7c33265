// /metrics as Prometheus text, on an address of its own: it asks for no key, so it does not belong where clients are.
//
// Thread-safety: start() and stop() from one thread.
#pragma once

#include <httplib.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "openwop/metric_registry.h"
#include "openwop/result.h"

namespace refserver {

class MetricsServer {
 public:
  explicit MetricsServer(std::shared_ptr<const openwop::MetricRegistry> registry);
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  ~MetricsServer();

  /// Listens on HOST:PORT, port 0 = any free one: the URL of the text. Errors: validation_error.
  [[nodiscard]] openwop::Result<std::string> start(std::string_view listen);
  void stop();

 private:
  std::shared_ptr<const openwop::MetricRegistry> registry_;
  httplib::Server server_;
  std::thread thread_;
};

}  // namespace refserver
