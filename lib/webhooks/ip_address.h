// IP addresses as text: which of them are public. Strict: one spelling for IPv4, no zones.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace openwop::webhooks {

using Ipv4 = std::array<std::uint8_t, 4>;
using Ipv6 = std::array<std::uint8_t, 16>;

/// Four decimal numbers without leading zeros.
[[nodiscard]] std::optional<Ipv4> parse_ipv4(std::string_view text);
/// RFC 4291 §2.2, without brackets and zone.
[[nodiscard]] std::optional<Ipv6> parse_ipv6(std::string_view text);

/// False for private, loopback, link-local, shared, multicast, reserved and unspecified addresses, for IPv6 forms that
/// carry such an IPv4 address, and for text that is no address.
[[nodiscard]] bool is_public_address(std::string_view text);

}  // namespace openwop::webhooks
