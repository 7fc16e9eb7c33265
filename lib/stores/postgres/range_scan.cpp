#include "stores/postgres/range_scan.h"

#include <algorithm>
#include <array>
#include <string>

#include "stores/postgres/scoped_key.h"

namespace openwop::pg {
namespace {

/// Most scans end within a few rows.
constexpr std::size_t kFirstPageRows = 32;
constexpr std::size_t kPageGrowth = 4;

Statement statement_for(const ScanRange& range, bool one_scope) {
  auto index = static_cast<std::uint8_t>(one_scope ? Statement::scan_scope_to : Statement::scan_to);
  const bool bounded = one_scope ? split(range.end).scope == split(range.begin).scope : !range.end.empty();
  if (!bounded) index += 2;
  if (range.reverse) index += 1;
  return static_cast<Statement>(index);
}

Parameters parameters_for(const ScanRange& range, bool one_scope, std::size_t rows) {
  Parameters parameters;
  const auto begin = split(range.begin);
  const auto end = split(range.end);
  parameters.bytes(begin.scope).bytes(begin.rest);
  if (one_scope) {
    if (end.scope == begin.scope) parameters.bytes(end.rest);
  } else if (!range.end.empty()) {
    parameters.bytes(end.scope).bytes(end.rest);
  }
  parameters.int8(static_cast<std::int64_t>(rows));
  return parameters;
}

}  // namespace

std::optional<SqlFailure> scan_range(Connection& connection, const ScanRange& whole, const RowVisitor& visit,
                                     std::size_t max_page_rows) {
  ScanRange range = whole;
  const bool one_scope = lies_in_one_scope(whole.begin, whole.end);
  std::string key;
  bool wanted = true;
  std::size_t visited = 0;
  const RowSink sink = [&](const PGresult& row) {
    ++visited;
    if (!wanted) return;
    key.assign(field(row, 0, 0)).append(field(row, 0, 1));
    wanted = visit(key, field(row, 0, 2));
  };
  std::size_t page_rows = std::min(kFirstPageRows, std::max<std::size_t>(max_page_rows, 1));
  while (true) {
    const std::size_t before = visited;
    const auto parameters = parameters_for(range, one_scope, page_rows);
    const std::array calls = {Call{Statement::begin_read}, Call{statement_for(range, one_scope), &parameters}};
    // The transaction that the first page begins holds the snapshot for the others.
    auto answers = connection.run(std::span(calls).subspan(before > 0 ? 1 : 0), sink);
    if (answers.failure) {
      connection.send_and_forget({Statement::rollback});
      if (visited > 0) answers.failure->kind = FailureKind::final;
      return std::move(answers.failure);
    }
    if (!wanted || visited - before < page_rows) break;
    // The key that follows next in the order, or everything before this one.
    if (range.reverse) {
      range.end = key;
    } else {
      range.begin = key + '\0';
    }
    if (!range.end.empty() && range.end <= range.begin) break;
    page_rows = std::min(page_rows * kPageGrowth, std::max<std::size_t>(max_page_rows, 1));
  }
  connection.send_and_forget({Statement::commit});
  return std::nullopt;
}

}  // namespace openwop::pg
