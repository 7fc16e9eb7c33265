#include "maintenance/row_pages.h"

#include "openwop/store_check.h"

namespace openwop::maintenance {

Result<std::vector<PageRow>> read_page(const Store& store, const std::string& begin, const std::string& end) {
  std::vector<PageRow> page;
  std::size_t bytes = 0;
  auto scanned = store.scan({begin, end, false}, [&](std::string_view key, std::string_view value) {
    page.push_back({std::string(key), std::string(value)});
    bytes += key.size() + value.size();
    return page.size() < kStorePageRows && bytes < kStorePageBytes;
  });
  if (!scanned) return std::move(scanned).error();
  return page;
}

Status for_each_row(const Store& store, const std::string& prefix,
                    const std::function<Status(std::string_view key, std::string_view value)>& visit) {
  const std::string end = prefix_end(prefix);
  for (std::string begin = prefix;;) {
    const auto page = read_page(store, begin, end);
    if (!page) return page.error();
    if (page->empty()) return {};
    for (const PageRow& row : *page) {
      if (auto visited = visit(row.key, row.value); !visited) return visited;
    }
    begin = page->back().key + '\0';
  }
}

Result<std::string> first_key(const Store& store, const std::string& begin, const std::string& end) {
  std::string first;
  auto scanned = store.scan({begin, end, false}, [&](std::string_view key, std::string_view) {
    first = key;
    return false;
  });
  if (!scanned) return std::move(scanned).error();
  return first;
}

std::string printable(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\') {
      text.push_back(c);
    } else {
      text.append("\\x").push_back(kDigits[byte >> 4U]);
      text.push_back(kDigits[byte & 0x0FU]);
    }
  }
  return text;
}

}  // namespace openwop::maintenance
