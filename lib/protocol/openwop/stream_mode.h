// Stream modes: which events a stream shows and in which form (protocol 02 §5.3 to §5.6).
//
// Thread-safety: plain values and free functions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "openwop/event.h"
#include "openwop/result.h"

namespace openwop::wire {

enum class StreamMode : std::uint8_t { values, updates, messages, debug };

inline constexpr std::array<std::string_view, 4> kStreamModeNames = {"values", "updates", "messages", "debug"};

/// One or more modes; `values` is always alone.
class StreamModes {
 public:
  [[nodiscard]] bool has(StreamMode mode) const { return (bits_ & bit(mode)) != 0; }
  void add(StreamMode mode) { bits_ = static_cast<std::uint8_t>(bits_ | bit(mode)); }
  [[nodiscard]] bool alone() const { return (bits_ & (bits_ - 1)) == 0; }

 private:
  static constexpr unsigned bit(StreamMode mode) { return 1U << static_cast<unsigned>(mode); }
  std::uint8_t bits_ = 0;
};

/// Errors: unsupported_stream_mode with details.supported, for the whole list when one name is unknown or `values` has
/// company.
[[nodiscard]] Result<StreamModes> parse_stream_modes(std::string_view list);

/// The form in which a mode list shows an event.
enum class EventForm : std::uint8_t { hidden, document, chunk, snapshot };

[[nodiscard]] EventForm event_form(const StreamModes& modes, EventType type);

}  // namespace openwop::wire
