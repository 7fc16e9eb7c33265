#include "protocol/openwop/forwarding.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "openwop/json.h"

namespace openwop::wire {

namespace {

constexpr std::int64_t kPauseMs = 100;

void pause() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, std::chrono::milliseconds(kPauseMs));
}

}  // namespace

Result<http::Reply> answer_elsewhere(SurfaceParts& surface, const http::Request& request, Error refusal,
                                     const std::function<Result<http::Reply>()>& again) {
  if (!surface.options.forward || request.headers.contains(kForwardedHeader)) return refusal;
  http::Request marked = request;
  marked.headers.emplace(kForwardedHeader, "1");
  for (std::int64_t waited_ms = 0;; waited_ms += kPauseMs) {
    const std::string address = json::as_string(json::member(refusal.details, "address").value_or("null")).value_or("");
    if (!address.empty()) {
      auto answer = surface.options.forward(marked, address);
      if (answer && !answer->headers.contains(kNotOwnerHeader)) return http::Reply(*std::move(answer));
      if (!answer && answer.error().code != ErrorCode::not_owner) return std::move(answer).error();
    }
    if (waited_ms >= surface.options.not_owner_wait_ms) return refusal;
    pause();
    auto answer = again();
    if (answer || answer.error().code != ErrorCode::not_owner) return answer;
    refusal = std::move(answer).error();
  }
}

}  // namespace openwop::wire
