#include "engine/child_rows.h"

namespace openwop::runtime {

std::string encode_order(const ChildOrder& order) {
  std::string out;
  {
    json::ObjectWriter row(out);
    if (const auto* cancel = std::get_if<command::CancelRun>(&order)) {
      row.string("do", "cancel").string("reason", cancel->reason);
      row.string("parentRunId", cancel->parent_run_id).string("parentNodeId", cancel->parent_node_id);
    } else if (const auto* pause = std::get_if<command::PauseRun>(&order)) {
      row.string("do", "pause").string("reason", pause->reason).string("drainPolicy", pause->drain_policy);
    } else {
      row.string("do", "resume").string("reason", std::get<command::ResumeRun>(order).reason);
    }
  }
  return out;
}

Result<ChildOrder> decode_order(std::string_view row) {
  const auto text = [&](std::string_view name) {
    return json::as_string(json::member(row, name).value_or("null")).value_or("");
  };
  const std::string what = text("do");
  if (what == "cancel") {
    return ChildOrder(command::CancelRun{text("reason"), {}, text("parentRunId"), text("parentNodeId")});
  }
  if (what == "pause") return ChildOrder(command::PauseRun{text("reason"), text("drainPolicy")});
  if (what == "resume") return ChildOrder(command::ResumeRun{text("reason")});
  return Error{ErrorCode::store_corrupt, "an order for a child run does not decode"};
}

}  // namespace openwop::runtime
