#include <netdb.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "openwop/net.h"

namespace openwop {

namespace {

using Addresses = Result<std::vector<std::string>>;

Addresses look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
    return Error{ErrorCode::not_found, "the host name cannot be resolved"};
  }
  std::vector<std::string> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    const int failed = ::getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), static_cast<socklen_t>(text.size()),
                                     nullptr, 0, NI_NUMERICHOST);
    if (failed == 0) addresses.emplace_back(text.data());
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return Error{ErrorCode::not_found, "the host name has no address"};
  return addresses;
}

/// getaddrinfo knows no time limit: each look-up has a thread that is left behind when the time is over.
class SystemResolver final : public HostResolver {
 public:
  Addresses resolve(std::string_view host, std::int64_t timeout_ms) override {
    constexpr int kMaxLookUps = 32;
    if (under_way_->fetch_add(1) >= kMaxLookUps) {
      under_way_->fetch_sub(1);
      return Error{ErrorCode::service_unavailable, "too many host names are being resolved"};
    }
    const auto answer = std::make_shared<Answer>();
    std::thread([answer, under_way = under_way_, name = std::string(host)] {
      auto addresses = look_up(name);
      under_way->fetch_sub(1);
      const std::lock_guard lock(answer->mutex);
      answer->addresses = std::move(addresses);
      answer->ready.notify_one();
    }).detach();
    std::unique_lock lock(answer->mutex);
    const bool came = answer->ready.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                             [&] { return answer->addresses.has_value(); });
    if (!came) return Error{ErrorCode::service_unavailable, "the host name could not be resolved in time"};
    return std::move(*answer->addresses);
  }

 private:
  struct Answer {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Addresses> addresses;
  };
  std::shared_ptr<std::atomic<int>> under_way_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

std::shared_ptr<HostResolver> make_system_resolver() { return std::make_shared<SystemResolver>(); }

}  // namespace openwop
