#include "stores/rocksdb/rocksdb_error.h"

namespace openwop::rocks {

Error to_error(const rocksdb::Status& status, std::string_view doing) {
  const auto code = status.IsCorruption() ? ErrorCode::store_corrupt : ErrorCode::store_io_error;
  return Error{code, std::string(doing) + ": " + status.ToString()};
}

std::string printable_key(std::string_view key) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::size_t kShownBytes = 64;
  std::string text;
  for (const char c : key.substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\') {
      text.push_back(c);
    } else {
      text.append("\\x").push_back(kDigits[byte >> 4]);
      text.push_back(kDigits[byte & 0x0F]);
    }
  }
  if (key.size() > kShownBytes) text.append("...");
  return text;
}

}  // namespace openwop::rocks
