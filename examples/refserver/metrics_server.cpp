#include "metrics_server.h"

#include <charconv>

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;

MetricsServer::MetricsServer(std::shared_ptr<const openwop::MetricRegistry> registry) : registry_(std::move(registry)) {
  constexpr std::size_t kThreads = 2;
  server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server_.set_payload_max_length(0);
  // stop() waits for connections that are open, and scrapers leave them open.
  server_.set_keep_alive_timeout(1);
  server_.set_read_timeout(2);
  server_.set_default_headers({{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}});
  server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(openwop::prometheus_text(*registry_), "text/plain; version=0.0.4; charset=utf-8");
  });
}

MetricsServer::~MetricsServer() { stop(); }

openwop::Result<std::string> MetricsServer::start(std::string_view listen) {
  const Error malformed{ErrorCode::validation_error, "--metrics-listen has to be HOST:PORT"};
  const auto colon = listen.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  const std::string_view digits = listen.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || code != std::errc{} || end != digits.data() + digits.size()) return malformed;
  const std::string host(colon == 0 ? std::string_view("0.0.0.0") : listen.substr(0, colon));
  const int bound = port == 0 ? server_.bind_to_any_port(host) : (server_.bind_to_port(host, port) ? port : -1);
  if (bound <= 0) return Error{ErrorCode::validation_error, "cannot listen on " + std::string(listen)};
  thread_ = std::thread([this] { server_.listen_after_bind(); });
  // stop() has no effect on a server that does not run yet.
  while (!server_.is_running()) std::this_thread::yield();
  return "http://" + host + ":" + std::to_string(bound) + "/metrics";
}

void MetricsServer::stop() {
  server_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace refserver
