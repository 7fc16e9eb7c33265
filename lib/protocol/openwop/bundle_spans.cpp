#include "protocol/openwop/bundle_spans.h"

#include <fmt/format.h>

#include <variant>
#include <vector>

#include "openwop/json.h"
#include "openwop/time.h"
#include "telemetry/run_trace.h"

namespace openwop::wire {

namespace {

struct KeptSpans final : SpanSink {
  std::vector<SpanRecord> spans;
  bool complete = true;

  void add(SpanRecord span) override {
    if (span.name == "openwop.event.append") return;
    complete = complete && spans.size() < kMaxBundleSpans;
    if (spans.size() < kMaxBundleSpans) spans.push_back(std::move(span));
  }
};

struct AppendValue {
  std::string& out;
  void operator()(const std::string& text) const { json::append_quoted(out, text); }
  void operator()(std::int64_t number) const { out += std::to_string(number); }
  void operator()(bool flag) const { out += flag ? "true" : "false"; }
  void operator()(double real) const { out += fmt::format("{}", real); }
  void operator()(const std::vector<std::string>& texts) const {
    out += '[';
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) out += ',';
      json::append_quoted(out, texts[i]);
    }
    out += ']';
  }
};

void append_span(std::string& out, const SpanRecord& span) {
  json::ObjectWriter object(out);
  object.string("name", span.name).string("spanId", to_hex(span.span_id));
  if (span.parent) {
    object.string("parentSpanId", to_hex(*span.parent));
  } else {
    object.raw("parentSpanId", "null");
  }
  object.string("startedAt", format_rfc3339(span.start_ms)).string("endedAt", format_rfc3339(span.end_ms));
  json::ObjectWriter attributes(object.value_of("attributes"));
  for (const auto& [name, value] : span.attributes) std::visit(AppendValue{attributes.value_of(name)}, value);
}

}  // namespace

struct BundleSpans::Parts {
  explicit Parts(const RunView& view) : run(view) {
    // The bundle is about one run that somebody asked for: what an exporter would have sampled is no matter here.
    options.sampler = Sampler::always_on;
    options.spans = kept;
    if (run.workflow) trace.emplace(telemetry::facts_of(run.run_id, run.header, *run.workflow, options));
  }

  const RunView& run;
  std::shared_ptr<KeptSpans> kept = std::make_shared<KeptSpans>();
  TelemetryOptions options;
  std::optional<telemetry::RunTrace> trace;
};

BundleSpans::BundleSpans(const RunView& run) : parts_(std::make_unique<Parts>(run)) {}
BundleSpans::~BundleSpans() = default;

void BundleSpans::follow(const EventView& event) {
  if (!parts_->trace) return;
  parts_->trace->apply(*parts_->run.workflow, event, parts_->options, telemetry::RunTrace::Telling::aloud);
}

bool BundleSpans::append(std::string& out, std::size_t max_bytes) const {
  bool complete = parts_->kept->complete;
  bool first = true;
  out += '[';
  for (const SpanRecord& span : parts_->kept->spans) {
    const std::size_t before = out.size();
    if (!first) out += ',';
    append_span(out, span);
    if (out.size() >= max_bytes) {
      out.resize(before);
      complete = false;
      break;
    }
    first = false;
  }
  out += ']';
  return complete;
}

}  // namespace openwop::wire
