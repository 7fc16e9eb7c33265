#include "stores/rocksdb/log_inspection.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "stores/rocksdb/crc32c.h"

namespace openwop::rocks {
namespace {

constexpr std::size_t kBlockBytes = 32'768;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::uint8_t kFull = 1;
constexpr std::uint8_t kFirst = 2;

std::uint32_t byte_at(std::string_view bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); }

/// RocksDB stores checksums rotated and offset, so that a checksum of bytes that hold checksums stays strong.
constexpr std::uint32_t mask_checksum(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U; }

struct LogRecord {
  std::size_t bytes;
  bool begins_batch;
};

/// The record at the start of these bytes, which end with their block; nothing if none with a true checksum is there.
std::optional<LogRecord> parse_record(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  const std::size_t length = byte_at(bytes, 4) | byte_at(bytes, 5) << 8;
  if (length > bytes.size() - kHeaderBytes) return std::nullopt;
  const std::uint32_t stored =
      byte_at(bytes, 0) | byte_at(bytes, 1) << 8 | byte_at(bytes, 2) << 16 | byte_at(bytes, 3) << 24;
  // The checksum covers the type byte and the payload, which adjoin.
  if (mask_checksum(crc32c(bytes.substr(6, 1 + length))) != stored) return std::nullopt;
  const auto type = static_cast<std::uint8_t>(bytes[6]);
  return LogRecord{kHeaderBytes + length, type == kFull || type == kFirst};
}

/// Where the whole records end; the size of the block if nothing bad is in it.
std::size_t end_of_good_records(std::string_view block) {
  std::size_t at = 0;
  // Fewer bytes than a header at the end of a whole block are padding.
  const std::size_t limit = block.size() == kBlockBytes ? kBlockBytes - kHeaderBytes + 1 : block.size();
  while (at < limit) {
    const auto record = parse_record(block.substr(at));
    if (!record) return at;
    at += record->bytes;
  }
  return block.size();
}

/// Past bad bytes no length can be trusted, so a record is looked for at every place.
bool holds_begun_batch(std::string_view bytes) {
  for (std::size_t at = 0; at + kHeaderBytes <= bytes.size(); ++at) {
    const auto type = static_cast<std::uint8_t>(bytes[at + 6]);
    if (type != kFull && type != kFirst) continue;
    if (parse_record(bytes.substr(at))) return true;
  }
  return false;
}

Status inspect_log(const std::string& path) {
  std::ifstream log(path, std::ios::binary);
  if (!log) return Error{ErrorCode::store_io_error, "cannot open log " + path};
  std::vector<char> buffer(kBlockBytes);
  std::optional<std::uint64_t> bad_at;
  for (std::uint64_t block_at = 0;; block_at += kBlockBytes) {
    log.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    if (log.bad()) return Error{ErrorCode::store_io_error, "cannot read log " + path};
    const std::string_view block(buffer.data(), static_cast<std::size_t>(log.gcount()));
    std::size_t good = 0;
    if (!bad_at) {
      good = end_of_good_records(block);
      if (good < block.size()) bad_at = block_at + good;
    }
    if (bad_at && holds_begun_batch(block.substr(good))) {
      return Error{ErrorCode::store_corrupt,
                   "log " + path + " is damaged at byte " + std::to_string(*bad_at) + ", before later commits"};
    }
    if (block.size() < kBlockBytes) return {};
  }
}

}  // namespace

Status inspect_logs(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code problem;
  for (fs::directory_iterator file(folder, problem), end; !problem && file != end; file.increment(problem)) {
    if (file->path().extension() != ".log") continue;
    if (auto whole = inspect_log(file->path().string()); !whole) return whole;
  }
  if (problem) return Error{ErrorCode::store_io_error, "cannot list " + folder + ": " + problem.message()};
  return {};
}

}  // namespace openwop::rocks
