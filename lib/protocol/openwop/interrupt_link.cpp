#include "protocol/openwop/interrupt_link.h"

#include <algorithm>

#include "protocol/openwop/base_url.h"
#include "protocol/openwop/bearer_keys.h"

namespace openwop::wire {

namespace {

/// Between half the lifetime and the whole of it: within each half, every reader sees the same token.
std::int64_t expiry_ms(const SurfaceParts& surface, const InterruptState& interrupt) {
  const std::int64_t half_ms = std::max<std::int64_t>(surface.options.token_ttl_ms / 2, 1);
  const std::int64_t expires_ms = (surface.engine.now_ms() / half_ms + 2) * half_ms;
  return interrupt.due_ms() == 0 ? expires_ms : std::min(expires_ms, interrupt.due_ms());
}

}  // namespace

std::optional<InterruptLink> interrupt_link(const SurfaceParts& surface, const Call& call, const RunView& run) {
  const std::string* node = is_waiting(run.state.status) ? run.state.latest_asking() : nullptr;
  const InterruptState* interrupt = node == nullptr ? nullptr : run.state.find_interrupt(*node);
  // One for a gate that takes none is there as well: it is told so, and not that it is unknown.
  if (!surface.tokens || interrupt == nullptr) return std::nullopt;
  const bool external = interrupt->kind == interrupt_kind_name(InterruptKind::external_event);
  if (!external && !require_scope(*call.key, "approvals:respond")) return std::nullopt;
  InterruptLink link;
  link.token = surface.tokens->mint({.run_id = run.run_id,
                                     .node_id = *node,
                                     .interrupt_id = interrupt->id,
                                     .expires_ms = expiry_ms(surface, *interrupt)});
  link.callback_url = base_url(surface, call) + "/v1/interrupts/" + link.token;
  return link;
}

}  // namespace openwop::wire
