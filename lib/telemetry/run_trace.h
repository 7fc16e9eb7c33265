// RunTrace: the spans of one run that are open, folded from its events; what ends goes to the sinks.
//
// Thread-safety: one thread at a time.
#pragma once

#include <map>
#include <string>

#include "openwop/cost.h"
#include "telemetry/run_facts.h"

namespace openwop::telemetry {

class RunTrace {
 public:
  explicit RunTrace(RunFacts facts) : facts_(std::move(facts)) {}

  /// Whether what an event ends is told, or only followed: told already, by whoever saw its commit.
  enum class Telling : std::uint8_t { silent, aloud };

  /// Events come in order; gaps are the past of a run whose log is not read.
  void apply(const Workflow& workflow, const EventView& event, const TelemetryOptions& options, Telling telling);

  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }

 private:
  struct OpenNode {
    SpanId span{};
    std::string type_id;
    std::int64_t start_ms = 0;
    std::int64_t attempt_start_ms = 0;
    /// Of this attempt, before it waited for somebody.
    std::int64_t worked_ms = 0;
    std::uint64_t started_sequence = 0;
    std::uint64_t attempt_sequence = 0;
    std::uint32_t attempt = 0;
    bool suspended = false;
  };
  struct OpenInterrupt {
    std::string kind;
    std::int64_t since_ms = 0;
    std::uint64_t sequence = 0;
    SpanId node_span{};
    std::string node_id;
    /// Of those that the run has asked for, this one included.
    std::int64_t count = 0;
  };
  struct Cap {
    std::string kind;
    std::int64_t limit = 0;
    std::int64_t observed = 0;
  };
  struct Told;
  struct Rule {
    EventType type;
    void (RunTrace::*act)(const Told&);
  };

  void run_began(const Told& told);
  void run_ended(const Told& told);
  void node_started(const Told& told);
  void node_ended(const Told& told);
  void node_retried(const Told& told);
  void node_suspended(const Told& told);
  void node_resumed(const Told& told);
  void interrupt_requested(const Told& told);
  void interrupt_resolved(const Told& told);
  void interrupt_ended(const Told& told, const std::string& id, std::string_view status);
  void end_interrupts_of(const Told& told, std::string_view node_id, std::string_view status);
  void cap_breached(const Told& told);
  void diverged(const Told& told);
  void orchestrator_decided(const Told& told);

  [[nodiscard]] SpanRecord span(std::string name, SpanId id, std::int64_t start_ms, std::int64_t end_ms) const;
  [[nodiscard]] SpanId nearest_span(std::string_view node_id) const;
  void node_span(const Told& told, const OpenNode& node, std::string_view status) const;
  void cost_recorded(const Told& told, const OpenNode& node, const CostRecord& cost) const;
  void attempt_span(const Told& told, const OpenNode& node, bool failed) const;
  void append_span(const Told& told) const;
  void end_everything(const Told& told);

  RunFacts facts_;
  std::uint64_t next_sequence_ = 0;
  std::map<std::string, OpenNode, std::less<>> nodes_;
  std::map<std::string, OpenInterrupt, std::less<>> interrupts_;
  std::int64_t interrupt_count_ = 0;
  std::int64_t decisions_ = 0;
  std::optional<Cap> cap_;
  bool diverged_ = false;
};

}  // namespace openwop::telemetry
