// Going through many rows while reading others: a visitor of Store::scan must not call back into the store, so rows
// come in pages of bounded size.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/store.h"

namespace openwop::maintenance {

struct PageRow {
  std::string key;
  std::string value;
};

/// Rows from `begin` (inclusive) to `end`, at most a page of them.
[[nodiscard]] Result<std::vector<PageRow>> read_page(const Store& store, const std::string& begin,
                                                     const std::string& end);

/// Visits the rows whose key begins with the prefix. An error of the visitor ends it. Errors: the store's.
[[nodiscard]] Status for_each_row(const Store& store, const std::string& prefix,
                                  const std::function<Status(std::string_view key, std::string_view value)>& visit);

/// The first key from `begin` on, below `end`; empty if there is none.
[[nodiscard]] Result<std::string> first_key(const Store& store, const std::string& begin, const std::string& end);

/// Printable bytes as they are, others as \xNN.
[[nodiscard]] std::string printable(std::string_view bytes);

}  // namespace openwop::maintenance
