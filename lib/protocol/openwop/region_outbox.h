// What another region has yet to hear of:
//
//   H r <region> 0x00 <expiry> <key of the ledger row>  ->  -
//
// The row comes with the commit of the create. What is told is in the ledger, as it is when it is told.
//
// Thread-safety: as the store's; no state.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/engine.h"
#include "protocol/openwop/region_claims.h"

namespace openwop::wire {

class RegionOutbox {
 public:
  RegionOutbox(Store& store, std::string_view region);

  [[nodiscard]] std::string row_of(std::string_view row_key, std::int64_t expires_ms) const;

  struct Page {
    std::vector<std::string> keys = {};
    std::vector<RegionClaim> claims = {};
    /// Rows with nothing to tell: their entry's time is over, or it has been forgotten.
    std::vector<std::string> void_keys = {};
    /// Where the next page begins, and whether there is one.
    std::string next = {};
    bool more = false;
    /// Of the last row that was looked at.
    std::int64_t expires_ms = 0;

    /// Takes out the claims of these rows.
    void leave_out(const std::set<std::string>& known);
  };
  /// The rows from a key on (empty: all), at most `max_claims` and about `max_bytes` of answers. A row whose entry
  /// cannot be read is stepped over. Errors: store_io_error.
  [[nodiscard]] Result<Page> page(std::string_view from, std::size_t max_claims, std::size_t max_bytes,
                                  std::int64_t now_ms) const;
  [[nodiscard]] Status forget(const std::vector<std::string>& keys) const;

  /// Takes away the rows whose time is over, and of the others the oldest beyond `max_rows`; gives how many of those
  /// there were. Errors: store errors.
  [[nodiscard]] Result<std::size_t> trim(std::int64_t now_ms, std::size_t max_rows) const;

  /// Every region that has rows, configured or not. Errors: store errors.
  [[nodiscard]] static Result<std::vector<std::string>> regions(const Store& store);

 private:
  [[nodiscard]] std::int64_t expiry_of(std::string_view key) const;
  [[nodiscard]] Status drop_first(std::size_t rows) const;

  Store& store_;
  Ledger ledger_;
  std::string prefix_;
};

}  // namespace openwop::wire
