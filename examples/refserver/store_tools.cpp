#include "store_tools.h"

#include <cstdio>
#include <filesystem>

#include "keys.h"
#include "log.h"
#include "openwop/json.h"
#include "openwop/postgres_store.h"
#include "openwop/rocksdb_store.h"
#include "openwop/store_check.h"

namespace refserver {

using openwop::Result;
using openwop::StoreFinding;

namespace {

constexpr int kFailed = 1;

int fail(std::string_view message, const openwop::Error& error) {
  log(LogLevel::error, message, text_fields({{"code", openwop::error_name(error.code)}, {"reason", error.message}}));
  return kFailed;
}

void print_line(const std::string& line) { std::printf("%s\n", line.c_str()); }

void print_summary(const std::string& counts) {
  std::string line;
  openwop::json::ObjectWriter(line).raw("summary", counts);
  print_line(line);
  std::fflush(stdout);
}

/// The store of a name as --store takes it, or of a folder.
struct NamedStore {
  std::string folder;
  std::string dsn;
};
NamedStore named_store(std::string_view name) {
  if (name.starts_with("postgres://")) return {{}, std::string(name)};
  if (name.starts_with("postgres:")) return {{}, std::string(name.substr(9))};
  if (name.starts_with("rocksdb:")) name.remove_prefix(8);
  return {std::string(name), {}};
}

enum class Access : std::uint8_t { read, write };

Result<std::shared_ptr<openwop::Store>> open_existing(const NamedStore& named, Access access) {
  auto store = named.dsn.empty()
                   ? openwop::open_rocksdb_store(
                         {.path = named.folder, .create_if_missing = false, .read_only = access == Access::read})
                   : openwop::open_postgres_store({.dsn = named.dsn});
  if (!store) return std::move(store).error();
  return std::shared_ptr<openwop::Store>(*std::move(store));
}

}  // namespace

int verify_store(const std::string& store) {
  const NamedStore named = named_store(store);
  auto opened = open_existing(named, Access::read);
  if (!opened) return fail("the store cannot be opened", opened.error());
  openwop::StoreCheckOptions options{.store = *std::move(opened)};
  options.on_finding = [](const StoreFinding& finding) { print_line(finding.to_json()); };
  std::error_code problem;
  if (!named.folder.empty() && std::filesystem::exists(named.folder + "/audit-key", problem)) {
    auto key = audit_signing_key(named.folder);
    if (!key) return fail("the key of the audit log cannot be read", key.error());
    options.audit_signing_key = *std::move(key);
  }
  const auto summary = openwop::check_store(options);
  if (!summary) return fail("the check has come to its end early", summary.error());
  print_summary(summary->to_json());
  return summary->findings == 0 ? 0 : kFailed;
}

int rebuild_store(const std::string& store) {
  auto opened = open_existing(named_store(store), Access::write);
  if (!opened) return fail("the store cannot be opened", opened.error());
  openwop::StoreRebuildOptions options{.store = *std::move(opened)};
  const auto print_as = [](std::string_view member) {
    return [member](const StoreFinding& finding) {
      std::string line;
      openwop::json::ObjectWriter(line).raw(member, finding.to_json());
      print_line(line);
    };
  };
  options.on_change = print_as("changed");
  options.on_finding = print_as("left");
  const auto summary = openwop::rebuild_store(options);
  if (!summary) return fail("the rebuild has come to its end early", summary.error());
  print_summary(summary->to_json());
  return summary->check.findings == 0 ? 0 : kFailed;
}

}  // namespace refserver
