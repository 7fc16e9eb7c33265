// The outbox of interrupt callbacks: one row for each that is to be sent.
//
//   H c <run> <sequence of interrupt.requested>  ->  attempts, not before, address, node, interrupt, kind, timeout,
//   trace
//
// The row says everything: a log that has been forked or cleared away meanwhile changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "openwop/ids.h"
#include "openwop/result.h"

namespace openwop::webhooks {

struct CallbackRow {
  RunId run = {};
  std::uint64_t sequence = 0;
  std::uint32_t attempts = 0;
  /// Not before; 0 = at once.
  std::int64_t due_ms = 0;
  std::string url = {};
  std::string node_id = {};
  std::string interrupt_id = {};
  std::string kind = {};
  /// When the interrupt times out; 0 = never.
  std::int64_t closes_ms = 0;
  std::string traceparent = {};
  std::string tracestate = {};

  [[nodiscard]] static std::string all_prefix();
  [[nodiscard]] std::string key() const;
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static Result<CallbackRow> decode(std::string_view key, std::string_view row);
};

}  // namespace openwop::webhooks
