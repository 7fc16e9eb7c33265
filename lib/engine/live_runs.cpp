#include "engine/live_runs.h"

#include "engine/run_rows.h"

namespace openwop::runtime {

namespace {

// The tenant that comes first in the index from `from` on; empty at the end. Tenants are never empty.
Result<std::string> next_tenant(const Store& store, const std::string& from, const std::string& end) {
  const std::string prefix = {kIndexPrefix, 's'};
  std::string tenant;
  const auto scanned = store.scan({from, end, false}, [&](std::string_view key, std::string_view) {
    tenant = key.substr(prefix.size(), key.find('\0') - prefix.size());
    return false;
  });
  if (!scanned) return scanned.error();
  return tenant;
}

}  // namespace

Result<std::map<std::string, LiveRuns>> count_live_runs(const Store& store) {
  std::map<std::string, LiveRuns> live;
  const std::string prefix = {kIndexPrefix, 's'};
  const std::string end = prefix_end(prefix);
  for (std::string from = prefix;;) {
    const auto tenant = next_tenant(store, from, end);
    if (!tenant) return tenant.error();
    if (tenant->empty()) return live;
    for (std::size_t i = 0; i < kRunStatusCount; ++i) {
      const auto status = static_cast<RunStatus>(i);
      if (!is_live(status)) continue;
      const std::string rows = status_index_prefix(*tenant, status);
      std::size_t count = 0;
      const auto scanned = store.scan({rows, prefix_end(rows), false}, [&](std::string_view, std::string_view) {
        ++count;
        return true;
      });
      if (!scanned) return scanned.error();
      if (count == 0) continue;
      live[*tenant].all += count;
      if (is_runnable(status)) live[*tenant].runnable += count;
    }
    from = prefix + *tenant + '\x01';  // behind the 0x00 that ends the tenant
  }
}

}  // namespace openwop::runtime
