#include "protocol/openwop/event_stream.h"

#include <algorithm>

#include "openwop/json.h"
#include "openwop/run_fold.h"
#include "protocol/openwop/run_snapshot.h"
#include "protocol/openwop/text_checks.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kEventsPerRead = 256;

// Whitespace between tokens is the only place where JSON text has line breaks; SSE data must have none.
void remove_line_breaks(std::string& text, std::size_t from) {
  for (std::size_t i = from; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r') text[i] = ' ';
  }
}

std::string_view event_label(const EventView& event) {
  return event.type != EventType::unknown || is_plain_text(event.type_name) ? event.type_name : "unknown";
}

/// Gathers frames: one SSE frame an item, or batches of items in one frame.
class FrameWriter {
 public:
  explicit FrameWriter(bool batching) : batching_(batching) {}

  /// `write(out)` appends the item's JSON.
  template <class Write>
  void item(std::uint64_t sequence, std::string_view label, Write&& write) {
    if (batching_) {
      batch_ += batch_.empty() ? '[' : ',';
      append(batch_, write);
      batch_sequence_ = sequence;
      return;
    }
    begin_frame(sequence, label);
    append(out_, write);
    out_ += "\n\n";
  }

  /// Puts what is held back into one frame.
  void flush_batch() {
    if (batch_.empty()) return;
    begin_frame(batch_sequence_, "batch");
    out_.append(batch_).append("]\n\n");
    batch_.clear();
  }

  [[nodiscard]] bool holds_batch() const { return !batch_.empty(); }
  [[nodiscard]] std::size_t size() const { return out_.size() + batch_.size(); }
  [[nodiscard]] bool has_output() const { return !out_.empty(); }
  [[nodiscard]] std::string take() { return std::exchange(out_, {}); }

 private:
  template <class Write>
  static void append(std::string& out, Write&& write) {
    const std::size_t from = out.size();
    write(out);
    remove_line_breaks(out, from);
  }
  void begin_frame(std::uint64_t sequence, std::string_view label) {
    out_.append("id: ").append(std::to_string(sequence)).append("\nevent: ").append(label).append("\ndata: ");
  }

  bool batching_;
  std::string out_;
  std::string batch_;
  std::uint64_t batch_sequence_ = 0;
};

void append_chunk(std::string& out, std::string_view run_text, const EventView& event) {
  json::ObjectWriter chunk(out);
  chunk.string("nodeId", event.node_id);
  chunk.string("runId", run_text);
  chunk.raw("chunk", json::member(event.payload, "chunk").value_or(R"("")"));
  chunk.raw("isLast", json::member(event.payload, "isLast").value_or("false"));
  if (const auto meta = json::member(event.payload, "meta")) chunk.raw("meta", *meta);
}

class RunEventStream final : public http::EventStream {
 public:
  RunEventStream(SurfaceParts& surface, EventStreamPlan plan, std::unique_ptr<OpenWaits::Place> place,
                 std::unique_ptr<EventSubscription> subscription)
      : surface_(surface),
        plan_(std::move(plan)),
        run_text_(plan_.run_id.text()),
        place_(std::move(place)),
        subscription_(std::move(subscription)),
        frames_(plan_.buffer_ms > 0),
        ended_(subscription_ == nullptr) {
    head_.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
    if (!plan_.traceparent.empty()) head_.headers.emplace("traceparent", plan_.traceparent);
    if (subscription_) subscription_->on_ready([wakeup = place_->wakeup()] { wakeup->ring(); });
  }

  [[nodiscard]] const http::Response& head() const override { return head_; }

  [[nodiscard]] http::StreamFrame next(std::int64_t max_wait_ms) override {
    for (;;) {
      if (!ended_) gather();
      if (frames_.has_output()) {
        silent_ms_ = 0;
        return {http::StreamFrame::Kind::bytes, frames_.take()};
      }
      if (ended_) return {http::StreamFrame::Kind::end, {}};
      if (max_wait_ms <= 0) return {http::StreamFrame::Kind::idle, {}};
      max_wait_ms -= wait(max_wait_ms);
      if (silent_ms_ >= surface_.options.keepalive_ms) return keep_alive();
    }
  }

  void on_ready(std::function<void()> callback) override {
    if (place_) place_->wakeup()->on_change(std::move(callback));
  }

  [[nodiscard]] std::int64_t due_in_ms() const override {
    if (ended_ || frames_.has_output()) return 0;
    const std::int64_t keepalive_ms = std::max<std::int64_t>(surface_.options.keepalive_ms - silent_ms_, 0);
    return frames_.holds_batch() ? std::min(keepalive_ms, std::max<std::int64_t>(batch_due_in_ms(), 0)) : keepalive_ms;
  }

  [[nodiscard]] http::StreamFrame next_after(std::int64_t waited_ms) override {
    silent_ms_ += waited_ms;
    if (frames_.holds_batch()) batch_waited_ms_ += waited_ms;
    http::StreamFrame frame = next(0);
    if (frame.kind == http::StreamFrame::Kind::idle && silent_ms_ >= surface_.options.keepalive_ms) return keep_alive();
    return frame;
  }

  void cancel() override {
    if (place_) place_->wakeup()->cancel();
  }

 private:
  http::StreamFrame keep_alive() {
    silent_ms_ = 0;
    return {http::StreamFrame::Kind::bytes, ":keepalive\n\n"};
  }

  // Reads what is there, until a frame is full or the log has no more.
  void gather() {
    if (place_->wakeup()->cancelled()) return end();
    if (plan_.resumed_after) send_resumed_state();
    // Before reading, for the visitor of a read must not call the store.
    if (plan_.modes.has(StreamMode::values) && !view_ && !load_state()) return end();
    while (!ended_ && !frames_.has_output()) {
      const auto read = subscription_->read(kEventsPerRead, [this](const EventView& event) { return take(event); });
      if (!read) return end();
      if (subscription_->complete()) return end();
      if (*read > 0) {
        if (frames_.size() >= surface_.options.max_stream_frame_bytes) send_batch();
        continue;
      }
      // The events of one suspension are one commit, so here all of them are in the batch.
      if (flush_wanted_ || (frames_.holds_batch() && batch_due_in_ms() <= 0)) send_batch();
      flush_wanted_ = false;
      return;
    }
  }

  bool take(const EventView& event) {
    if (plan_.modes.has(StreamMode::values)) advance_state(event);
    switch (event_form(plan_.modes, event.type)) {
      case EventForm::hidden: break;
      case EventForm::document:
        frames_.item(event.sequence, event_label(event),
                     [&](std::string& out) { append_event_document(out, run_text_, event); });
        break;
      case EventForm::chunk:
        frames_.item(event.sequence, "ai.message.chunk",
                     [&](std::string& out) { append_chunk(out, run_text_, event); });
        break;
      case EventForm::snapshot: send_snapshot(event.sequence); break;
    }
    if (event.type == EventType::node_suspended) flush_wanted_ = true;
    if (frames_.holds_batch() && batch_began_ms_ == 0) batch_began_ms_ = surface_.engine.now_ms();
    return frames_.size() < surface_.options.max_stream_frame_bytes;
  }

  bool load_state() {
    auto view = surface_.engine.run_at(plan_.tenant, plan_.run_id, subscription_->next_sequence());
    if (view) view_ = *std::move(view);
    return view_.has_value();
  }

  // The state as it was at each event, not as it is now: late subscribers see it grow too.
  void advance_state(const EventView& event) {
    // What was loaded may hold the first event already.
    if (event.sequence >= view_->state.next_sequence) fold(view_->state, event);
  }

  void send_resumed_state() {
    const std::uint64_t sequence = *plan_.resumed_after;
    plan_.resumed_after.reset();
    auto view = surface_.engine.run_at(plan_.tenant, plan_.run_id, sequence);
    if (!view) return;
    view_ = *std::move(view);
    send_snapshot(sequence);
  }

  void send_snapshot(std::uint64_t sequence) {
    frames_.item(sequence, "state.snapshot",
                 [this](std::string& out) { append_run_snapshot(out, *view_, plan_.kind); });
  }

  void end() {
    send_batch();
    ended_ = true;
    subscription_.reset();
  }

  void send_batch() {
    frames_.flush_batch();
    batch_began_ms_ = 0;
    batch_waited_ms_ = 0;
  }

  // The clock may be set back or stand still, so what was waited counts too.
  [[nodiscard]] std::int64_t batch_due_in_ms() const {
    return plan_.buffer_ms - std::max(surface_.engine.now_ms() - batch_began_ms_, batch_waited_ms_);
  }

  // Waits for events, the end of the batch window, or the next keep-alive; how long it took.
  std::int64_t wait(std::int64_t max_ms) {
    std::int64_t wait_ms = std::min(max_ms, surface_.options.keepalive_ms - silent_ms_);
    if (frames_.holds_batch()) wait_ms = std::min(wait_ms, batch_due_in_ms());
    const std::int64_t began_ms = surface_.engine.now_ms();
    const bool timed_out = place_->wakeup()->wait(wait_ms) == Wakeup::Cause::timeout;
    const std::int64_t took_ms =
        timed_out ? wait_ms : std::clamp<std::int64_t>(surface_.engine.now_ms() - began_ms, 0, wait_ms);
    silent_ms_ += took_ms;
    if (frames_.holds_batch()) batch_waited_ms_ += took_ms;
    return took_ms;
  }

  SurfaceParts& surface_;
  EventStreamPlan plan_;
  std::string run_text_;
  http::Response head_;
  std::unique_ptr<OpenWaits::Place> place_;
  std::unique_ptr<EventSubscription> subscription_;
  FrameWriter frames_;
  std::optional<RunView> view_;  // `values` only
  std::int64_t batch_began_ms_ = 0;
  std::int64_t batch_waited_ms_ = 0;
  std::int64_t silent_ms_ = 0;
  bool flush_wanted_ = false;
  bool ended_;
};

}  // namespace

std::unique_ptr<http::EventStream> make_event_stream(SurfaceParts& surface, EventStreamPlan plan,
                                                     std::unique_ptr<OpenWaits::Place> place,
                                                     std::unique_ptr<EventSubscription> subscription) {
  return std::make_unique<RunEventStream>(surface, std::move(plan), std::move(place), std::move(subscription));
}

}  // namespace openwop::wire
