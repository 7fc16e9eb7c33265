// Structured logs: one JSON object a line, on stderr.
//
// Thread-safety: all functions from any thread; a line is written whole.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "openwop/protocol/openwop_surface.h"

namespace refserver {

using openwop::LogLevel;

/// Lines below this level are dropped; info at the start.
void set_log_level(LogLevel level);
[[nodiscard]] LogLevel log_level();

/// `fields`: a serialized JSON object whose members join the line, or empty.
void log(LogLevel level, std::string_view message, std::string_view fields = {});

/// Serializes the fields of a line: text_fields({{"file", path}, {"reason", text}}).
[[nodiscard]] std::string text_fields(std::initializer_list<std::pair<std::string_view, std::string_view>> members);

}  // namespace refserver
