// The mock providers of protocol 01 §10.6: the answer is in the call's config.
#pragma once

#include "openwop/ai_provider.h"

namespace openwop::nodes {

/// Null for an id that is no mock's.
[[nodiscard]] std::shared_ptr<AiProvider> mock_provider(std::string_view id);

}  // namespace openwop::nodes
