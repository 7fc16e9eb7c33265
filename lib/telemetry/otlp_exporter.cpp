#include "openwop/otlp_exporter.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "telemetry/otlp_json.h"

namespace openwop {

namespace {

bool may_succeed_later(const HttpAnswer& answer) {
  switch (answer.failure) {
    case HttpFailure::none: return answer.status == 429 || answer.status >= 500;
    case HttpFailure::unresolved:
    case HttpFailure::connect:
    case HttpFailure::timeout:
    case HttpFailure::protocol: return true;
    case HttpFailure::invalid_call:
    case HttpFailure::tls:
    case HttpFailure::too_large:
    case HttpFailure::cancelled: return false;
  }
  return false;
}

}  // namespace

struct OtlpExporter::Parts {
  explicit Parts(OtlpOptions given) : options(std::move(given)) {
    if (!options.clock) options.clock = std::make_shared<SystemClock>();
    if (!options.registry) options.registry = std::make_shared<MetricRegistry>();
    while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
    start_ms = options.clock->now_ms();
    thread = std::thread([this] { work(); });
  }

  void work();
  /// Waits up to `ms`, less when the exporter closes or a whole batch is there.
  void linger(std::unique_lock<std::mutex>& lock, std::int64_t ms) {
    wake.wait_for(lock, std::chrono::milliseconds(ms),
                  [this] { return closing || queue.size() >= options.max_spans_per_request; });
  }
  void send_spans(std::unique_lock<std::mutex>& lock);
  void send_metrics();
  [[nodiscard]] bool post(std::string_view path, std::string body);
  void lose(std::uint64_t count, std::string_view why);

  OtlpOptions options;
  std::int64_t start_ms = 0;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<SpanRecord> queue;
  std::atomic<bool> metrics_changed = false;
  bool closing = false;
  std::uint64_t dropped = 0;
  std::thread thread;
};

void OtlpExporter::Parts::work() {
  std::unique_lock lock(mutex);
  std::int64_t metrics_due_ms = 0;
  for (;;) {
    wake.wait(lock, [this] { return closing || !queue.empty() || metrics_changed.load(); });
    // Others may join; when only metrics have changed, there is more time.
    const std::int64_t rest_ms = metrics_due_ms - options.clock->now_ms();
    if (!closing) linger(lock, queue.empty() ? std::max(options.linger_ms, rest_ms) : options.linger_ms);
    const bool last = closing;
    if (!queue.empty()) send_spans(lock);
    if (metrics_changed.load() && (last || options.clock->now_ms() >= metrics_due_ms)) {
      metrics_changed.store(false);
      lock.unlock();
      send_metrics();
      metrics_due_ms = options.clock->now_ms() + options.metrics_interval_ms;
      lock.lock();
    }
    if (last && queue.empty()) return;
  }
}

void OtlpExporter::Parts::send_spans(std::unique_lock<std::mutex>& lock) {
  const std::size_t count = std::min(queue.size(), options.max_spans_per_request);
  std::vector<SpanRecord> batch(std::make_move_iterator(queue.begin()),
                                std::make_move_iterator(queue.begin() + static_cast<std::ptrdiff_t>(count)));
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count));
  lock.unlock();
  const bool sent = post("/v1/traces", telemetry::traces_json({options.service_name, options.service_version}, batch));
  lock.lock();
  if (sent) return;
  lose(count, "the collector did not take them");
  if (!closing) return;
  lose(queue.size(), "the collector did not take them");
  queue.clear();
}

void OtlpExporter::Parts::send_metrics() {
  const auto series = options.registry->series();
  // Sums are cumulative: what one request does not bring, the next one does.
  static_cast<void>(post("/v1/metrics", telemetry::metrics_json({options.service_name, options.service_version}, series,
                                                                start_ms, options.clock->now_ms())));
}

bool OtlpExporter::Parts::post(std::string_view path, std::string body) {
  HttpCall call{.method = "POST",
                .url = options.endpoint + std::string(path),
                .headers = options.headers,
                .body = std::move(body),
                .timeout_ms = options.request_timeout_ms};
  call.headers.emplace_back("Content-Type", "application/json");
  for (int tries = 1;; ++tries) {
    const HttpAnswer answer = options.http->send(call);
    if (answer.success()) return true;
    if (tries >= options.max_tries || !may_succeed_later(answer)) return false;
    std::unique_lock lock(mutex);
    if (wake.wait_for(lock, std::chrono::milliseconds(options.retry_ms), [this] { return closing; })) return false;
  }
}

void OtlpExporter::Parts::lose(std::uint64_t count, std::string_view why) {
  const bool first = dropped == 0;
  dropped += count;
  // Once: a collector that is away would otherwise fill the log.
  if (first && options.on_loss) options.on_loss("spans are lost: " + std::string(why));
}

OtlpExporter::OtlpExporter(OtlpOptions options) : parts_(std::make_unique<Parts>(std::move(options))) {}

OtlpExporter::~OtlpExporter() { close(); }

void OtlpExporter::add(SpanRecord span) {
  bool wakes = false;
  {
    const std::lock_guard lock(parts_->mutex);
    if (parts_->closing) return;
    if (parts_->queue.size() >= parts_->options.max_queued_spans) return parts_->lose(1, "the queue is full");
    parts_->queue.push_back(std::move(span));
    wakes = parts_->queue.size() == 1 || parts_->queue.size() == parts_->options.max_spans_per_request;
  }
  if (wakes) parts_->wake.notify_all();
}

void OtlpExporter::record(Metric metric, double value, Labels labels) {
  parts_->options.registry->record(metric, value, labels);
  if (parts_->metrics_changed.exchange(true)) return;
  {
    const std::lock_guard lock(parts_->mutex);  // or the thread could be between its look and its sleep
  }
  parts_->wake.notify_all();
}

void OtlpExporter::close() {
  {
    const std::lock_guard lock(parts_->mutex);
    parts_->closing = true;
  }
  parts_->wake.notify_all();
  if (parts_->thread.joinable()) parts_->thread.join();
}

std::uint64_t OtlpExporter::dropped_spans() const {
  const std::lock_guard lock(parts_->mutex);
  return parts_->dropped;
}

const MetricRegistry& OtlpExporter::registry() const { return *parts_->options.registry; }

}  // namespace openwop
