// Rows between a run and the runs that it has started. Parent and child may live on different shards and commit by
// themselves, so what one has to tell the other lies in the store from the commit that says so to the commit that acts
// on it; messages only say where to look.
//
//   X <child> c   header of the child, as encode_header() wrote it: create it
//   X <child> o   {"do":"cancel"|"pause"|"resume", …}: what the parent wants of it, the latest word
//   N <parent> <child>   the child's next sequence: the parent has to look at it
#pragma once

#include <string>
#include <variant>

#include "openwop/ids.h"
#include "openwop/run_command.h"

namespace openwop::runtime {

inline constexpr char kChildOrderPrefix = 'X';
inline constexpr char kChildNoticePrefix = 'N';
inline constexpr char kCreateOrder = 'c';
inline constexpr char kControlOrder = 'o';

/// What a parent wants of a child.
using ChildOrder = std::variant<command::CancelRun, command::PauseRun, command::ResumeRun>;

inline std::string child_order_key(const RunId& child, char kind) {
  return std::string(1, kChildOrderPrefix).append(child.view()).append(1, kind);
}
inline std::string child_notice_key(const RunId& parent, const RunId& child) {
  return std::string(1, kChildNoticePrefix).append(parent.view()).append(child.view());
}

[[nodiscard]] std::string encode_order(const ChildOrder& order);
/// Errors: store_corrupt.
[[nodiscard]] Result<ChildOrder> decode_order(std::string_view row);

}  // namespace openwop::runtime
