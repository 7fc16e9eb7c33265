#include "engine/channel_writes.h"

namespace openwop::runtime {

Status check_channel_schema(const WorkflowChannel&, std::string_view) { return {}; }

}  // namespace openwop::runtime
