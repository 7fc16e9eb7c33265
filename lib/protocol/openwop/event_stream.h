// The SSE stream of a run's events (protocol 02 §5): backlog, then live events, until the terminal one is out.
//
//   subscription -> event_form() -> SSE frames, or batches of them under bufferMs
//
// It reads from the log at the pace of whoever pulls it, so nothing queues up for a slow client.
//
// Thread-safety: as http::EventStream.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "openwop/engine.h"
#include "openwop/protocol/http.h"
#include "protocol/openwop/run_snapshot.h"
#include "protocol/openwop/stream_mode.h"
#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

struct EventStreamPlan {
  std::string tenant;
  RunId run_id;
  RunKind kind = RunKind::production;
  StreamModes modes;
  /// Longest time an event is held back for its batch; 0: no batches.
  std::int64_t buffer_ms = 0;
  /// `values` only: begin with the state as of this event, the last that the client has seen.
  std::optional<std::uint64_t> resumed_after = {};
  /// Header of the answer.
  std::string traceparent = {};
};

/// `subscription` null: a stream with nothing to say, of a run that is over.
[[nodiscard]] std::unique_ptr<http::EventStream> make_event_stream(SurfaceParts& surface, EventStreamPlan plan,
                                                                   std::unique_ptr<OpenWaits::Place> place,
                                                                   std::unique_ptr<EventSubscription> subscription);

}  // namespace openwop::wire
