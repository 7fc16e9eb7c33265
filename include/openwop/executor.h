// Executor: where node handlers run. The engine never runs one on its own threads; a host may hand in its own pool.
#pragma once

#include <functional>

namespace openwop {

class Executor {
 public:
  virtual ~Executor() = default;
  /// Runs `task` some time later, on any thread but the caller's stack. Must not drop it, must not block for long.
  /// Safe from any thread.
  virtual void post(std::function<void()> task) = 0;
};

}  // namespace openwop
