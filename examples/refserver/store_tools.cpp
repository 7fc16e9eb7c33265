#include "store_tools.h"

#include <array>
#include <cstdio>
#include <filesystem>

#include "keys.h"
#include "log.h"
#include "openwop/json.h"
#include "openwop/postgres_store.h"
#include "openwop/rocksdb_store.h"
#include "openwop/run_archive.h"
#include "openwop/store_check.h"
#include "secret_file.h"

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
  if (!named.folder.empty() && std::filesystem::exists(named.folder + "/" + std::string(kAuditKeyFile), problem)) {
    auto keys = audit_signing_keys(named.folder);
    if (!keys) return fail("the key of the audit log cannot be read", keys.error());
    options.audit_signing_key = keys->front();
    options.audit_earlier_signing_keys.assign(keys->begin() + 1, keys->end());
  }
  const auto summary = openwop::check_store(options);
  if (!summary) return fail("the check has come to its end early", summary.error());
  print_summary(summary->to_json());
  return summary->findings == 0 ? 0 : kFailed;
}

int export_run(const std::string& store, const std::string& run) {
  const auto id = openwop::RunId::parse(run);
  if (!id) return fail("nothing to export", {openwop::ErrorCode::validation_error, "--export needs --run ID"});
  auto opened = open_existing(named_store(store), Access::read);
  if (!opened) return fail("the store cannot be opened", opened.error());
  const auto archive = openwop::export_run(**opened, *id, [](std::string_view line) -> openwop::Status {
    if (std::fwrite(line.data(), 1, line.size(), stdout) == line.size()) return {};
    return openwop::Error{openwop::ErrorCode::store_io_error, "stdout cannot be written"};
  });
  if (!archive) return fail("the run cannot be exported", archive.error());
  if (std::fflush(stdout) != 0) {
    return fail("the run cannot be exported", {openwop::ErrorCode::store_io_error, "stdout cannot be written"});
  }
  log(LogLevel::info, "run exported", archive->to_json());
  return 0;
}

namespace {

/// The next line of stdin without its line break; nothing at the end.
Result<std::optional<std::string>> read_line() {
  std::string line;
  std::array<char, 65'536> piece{};
  while (std::fgets(piece.data(), static_cast<int>(piece.size()), stdin) != nullptr) {
    line += piece.data();
    if (line.ends_with('\n')) {
      line.pop_back();
      return std::optional<std::string>(std::move(line));
    }
    if (line.size() > openwop::kMaxArchiveLineBytes) break;  // refused by its length
  }
  if (std::ferror(stdin) != 0) return openwop::Error{openwop::ErrorCode::store_io_error, "stdin cannot be read"};
  // A line without its line break is not whole, and no line of an archive.
  return line.empty() ? std::optional<std::string>{} : std::optional<std::string>(std::move(line));
}

}  // namespace

int import_run(const std::string& store) {
  auto opened = open_existing(named_store(store), Access::write);
  if (!opened) return fail("the store cannot be opened", opened.error());
  const auto archive = openwop::import_run(**opened, read_line);
  if (!archive) return fail("the run cannot be imported", archive.error());
  print_line(archive->to_json());
  std::fflush(stdout);
  return 0;
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
