#include "protocol/openwop/stream_mode.h"

#include <algorithm>
#include <string>

#include "openwop/json.h"

namespace openwop::wire {

namespace {

Error unsupported(std::string_view message) {
  Error error{ErrorCode::unsupported_stream_mode, std::string(message)};
  json::ObjectWriter(error.details).raw("supported", R"(["values","updates","messages","debug"])");
  return error;
}

}  // namespace

Result<StreamModes> parse_stream_modes(std::string_view list) {
  StreamModes modes;
  for (;;) {
    const auto comma = list.find(',');
    const auto name = std::find(kStreamModeNames.begin(), kStreamModeNames.end(), list.substr(0, comma));
    if (name == kStreamModeNames.end()) return unsupported("streamMode holds an unknown mode");
    modes.add(static_cast<StreamMode>(name - kStreamModeNames.begin()));
    if (comma == std::string_view::npos) break;
    list = list.substr(comma + 1);
  }
  if (modes.has(StreamMode::values) && !modes.alone()) {
    return unsupported("the mode 'values' cannot be combined with others");
  }
  return modes;
}

EventForm event_form(const StreamModes& modes, EventType type) {
  const bool known = type != EventType::unknown;
  if (modes.has(StreamMode::values)) {
    return known && kEventTypes[static_cast<std::size_t>(type)].in_values ? EventForm::snapshot : EventForm::hidden;
  }
  if (type == EventType::output_chunk && modes.has(StreamMode::messages)) return EventForm::chunk;
  if (modes.has(StreamMode::debug)) return EventForm::document;
  const bool in_updates = known && kEventTypes[static_cast<std::size_t>(type)].in_updates;
  return modes.has(StreamMode::updates) && in_updates ? EventForm::document : EventForm::hidden;
}

}  // namespace openwop::wire
