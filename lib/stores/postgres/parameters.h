// Parameters of a prepared statement, in the binary format of the protocol.
//
// Byte strings and arrays are not copied: what is added must outlive the call that sends it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace openwop::pg {

inline void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xFF));
}

/// A bytea[] of one dimension: dimensions, has-nulls, element type, length, lower bound; then each element.
class ByteaArray {
 public:
  ByteaArray() {
    constexpr std::uint64_t kByteaOid = 17;
    for (const std::uint64_t field :
         {std::uint64_t{1}, std::uint64_t{0}, kByteaOid, std::uint64_t{0}, std::uint64_t{1}})
      append_big_endian(encoded_, field, 4);
  }
  void add(std::string_view element) {
    append_big_endian(encoded_, element.size(), 4);
    encoded_.append(element);
    ++count_;
  }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] std::size_t byte_size() const { return encoded_.size(); }
  /// Writes the length into its place.
  [[nodiscard]] const std::string& finish() {
    std::string length;
    append_big_endian(length, count_, 4);
    encoded_.replace(kLengthAt, 4, length);
    return encoded_;
  }

 private:
  static constexpr std::size_t kLengthAt = 12;
  std::string encoded_;
  std::uint32_t count_ = 0;
};

class Parameters {
 public:
  Parameters& bytes(std::string_view value) {
    // A null pointer would be NULL.
    values_.push_back(value.data() == nullptr ? "" : value.data());
    lengths_.push_back(static_cast<int>(value.size()));
    return *this;
  }
  Parameters& int8(std::int64_t value) {
    append_big_endian(owned_.emplace_back(), static_cast<std::uint64_t>(value), 8);
    return bytes(owned_.back());
  }
  Parameters& array(ByteaArray& value) { return bytes(value.finish()); }

  [[nodiscard]] int count() const { return static_cast<int>(values_.size()); }
  [[nodiscard]] const char* const* values() const { return values_.data(); }
  [[nodiscard]] const int* lengths() const { return lengths_.data(); }
  /// All are binary.
  [[nodiscard]] const int* formats() const {
    static constexpr int kBinary[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    return kBinary;
  }

 private:
  std::deque<std::string> owned_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
};

}  // namespace openwop::pg
