#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "openwop/net.h"

namespace openwop {

namespace {

class SystemResolver final : public HostResolver {
 public:
  Result<std::vector<std::string>> resolve(std::string_view host) override {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(std::string(host).c_str(), nullptr, &hints, &found) != 0) {
      return Error{ErrorCode::not_found, "the host name cannot be resolved"};
    }
    std::vector<std::string> addresses;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      std::array<char, NI_MAXHOST> text{};
      if (::getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0)
        continue;
      addresses.emplace_back(text.data());
    }
    ::freeaddrinfo(found);
    if (addresses.empty()) return Error{ErrorCode::not_found, "the host name has no address"};
    return addresses;
  }
};

}  // namespace

std::shared_ptr<HostResolver> make_system_resolver() { return std::make_shared<SystemResolver>(); }

}  // namespace openwop
