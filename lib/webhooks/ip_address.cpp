#include "webhooks/ip_address.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace openwop::webhooks {

namespace {

/// A number in `base` that fills `text`, without sign.
std::optional<std::uint32_t> number(std::string_view text, int base, std::size_t max_digits) {
  if (text.empty() || text.size() > max_digits) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Net {
  std::uint32_t first;
  unsigned bits;
};

constexpr std::array kPrivateNets = {
    Net{0x00000000, 8},   // this network
    Net{0x0A000000, 8},   // private
    Net{0x64400000, 10},  // shared by carriers
    Net{0x7F000000, 8},   // loopback
    Net{0xA9FE0000, 16},  // link-local, metadata services
    Net{0xAC100000, 12},  // private
    Net{0xC0000000, 24},  // protocol assignments
    Net{0xC0A80000, 16},  // private
    Net{0xC6120000, 15},  // benchmarks
    Net{0xE0000000, 4},   // multicast
    Net{0xF0000000, 4},   // reserved, broadcast
};

bool is_public(const Ipv4& address) {
  std::uint32_t value = 0;
  for (const std::uint8_t byte : address) value = value << 8U | byte;
  return std::none_of(kPrivateNets.begin(), kPrivateNets.end(),
                      [&](const Net& net) { return (value ^ net.first) >> (32U - net.bits) == 0; });
}

bool is_public(const Ipv6& address) {
  const auto starts = [&](std::initializer_list<int> bytes) {
    return std::equal(bytes.begin(), bytes.end(), address.begin());
  };
  const auto ipv4_at = [&](std::size_t at) {
    return Ipv4{address[at], address[at + 1], address[at + 2], address[at + 3]};
  };
  if (starts({0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public(ipv4_at(12));  // NAT64
  if (starts({0x20, 0x02})) return is_public(ipv4_at(2));                                    // 6to4
  if (starts({0x20, 0x01, 0, 0})) return false;                                              // Teredo
  // What is handed out lies in 2000::/3. The rest is loopback, mapped IPv4, unique local, link-local, multicast or
  // nobody's.
  return (address[0] & 0xE0U) == 0x20U;
}

/// Groups of four hex digits between colons, the last one perhaps an IPv4 address; appends their bytes.
bool parse_groups(std::string_view text, std::vector<std::uint8_t>& bytes) {
  while (!text.empty()) {
    const auto colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      const auto ipv4 = parse_ipv4(group);
      if (!ipv4) return false;
      bytes.insert(bytes.end(), ipv4->begin(), ipv4->end());
      return true;
    }
    const auto value = number(group, 16, 4);
    if (!value) return false;
    bytes.push_back(static_cast<std::uint8_t>(*value >> 8U));
    bytes.push_back(static_cast<std::uint8_t>(*value & 0xFFU));
    if (colon == std::string_view::npos) return true;
    text.remove_prefix(colon + 1);
    if (text.empty()) return false;
  }
  return true;
}

}  // namespace

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 address{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return std::nullopt;
    const std::string_view part = text.substr(0, dot);
    const auto value = number(part, 10, 3);
    if (!value || *value > 255 || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    address[i] = static_cast<std::uint8_t>(*value);
    if (i < 3) text.remove_prefix(dot + 1);
  }
  return address;
}

std::optional<Ipv6> parse_ipv6(std::string_view text) {
  std::vector<std::uint8_t> head;
  std::vector<std::uint8_t> tail;
  const auto gap = text.find("::");
  if (!parse_groups(text.substr(0, gap), head)) return std::nullopt;
  if (gap != std::string_view::npos && !parse_groups(text.substr(gap + 2), tail)) return std::nullopt;
  const std::size_t size = head.size() + tail.size();
  if (gap == std::string_view::npos ? size != 16 : size > 14) return std::nullopt;
  Ipv6 address{};
  std::copy(head.begin(), head.end(), address.begin());
  std::copy_backward(tail.begin(), tail.end(), address.end());
  return address;
}

bool is_public_address(std::string_view text) {
  if (const auto ipv4 = parse_ipv4(text)) return is_public(*ipv4);
  const auto ipv6 = parse_ipv6(text);
  return ipv6 && is_public(*ipv6);
}

}  // namespace openwop::webhooks
