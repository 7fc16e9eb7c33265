// Where findings go: a check reports them, a rebuild puts right what can be.
#pragma once

#include <optional>
#include <string>

#include "openwop/store_check.h"

namespace openwop::maintenance {

/// What puts a derived row right: `after` in the place of what was found.
struct RowFix {
  std::string key;
  std::optional<std::string> before;  // nothing: the row was absent
  std::optional<std::string> after;   // nothing: it has to go
};

class Findings {
 public:
  virtual ~Findings() = default;
  /// Something that is not put right.
  [[nodiscard]] virtual Status found(StoreFinding finding) = 0;
  /// Something that may be. Errors: store errors, conflict.
  [[nodiscard]] virtual Status found(StoreFinding finding, RowFix fix) = 0;
  /// What comes next reads rows that may have been put right.
  [[nodiscard]] virtual Status settle() = 0;
  /// Head rows are put right before rows are judged by them; if not, the derived rows of a run whose head row is wrong
  /// are left out of the search for stray ones.
  [[nodiscard]] virtual bool repairs() const = 0;
};

}  // namespace openwop::maintenance
