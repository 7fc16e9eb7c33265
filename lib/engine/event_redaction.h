// The append boundary: what an event shows holds no secret; what execution needs of the real value is kept in its
// hidden part (protocol 02 §11.2, traps 22 to 25).
#pragma once

#include "openwop/event.h"
#include "openwop/redaction.h"

namespace openwop::runtime {

/// Redacts the public parts of an event that is about to be recorded; `sensitive` are texts to hide beside the shapes.
void redact_event(Event& event, const std::vector<std::string>& sensitive = {});

/// The text of an output.chunk after it has passed through the stream's scrubber; false when nothing of the chunk may
/// go out yet and it carries nothing else.
[[nodiscard]] bool redact_chunk(Event& chunk, StreamScrubber& stream);

/// What a stream still held back, as one more chunk of the node; nothing if it held nothing.
[[nodiscard]] std::optional<Event> rest_of_stream(StreamScrubber& stream, std::string_view run_id,
                                                  std::string_view node_id, std::string_view channel);

/// The sub-stream that a chunk belongs to; empty for the main one.
[[nodiscard]] std::string chunk_channel(const Event& chunk);

}  // namespace openwop::runtime
