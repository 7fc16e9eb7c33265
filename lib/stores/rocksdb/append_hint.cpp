#include "stores/rocksdb/append_hint.h"

#include <algorithm>

namespace openwop::rocks {
namespace {

class AppendHint final : public rocksdb::SliceTransform {
 public:
  explicit AppendHint(std::size_t prefix_bytes) : prefix_bytes_(prefix_bytes) {}

  const char* Name() const override { return "openwop.AppendHint"; }

  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), prefix_bytes_}; }

  bool InDomain(const rocksdb::Slice& key) const override {
    constexpr std::size_t kCounterBytes = 8;
    if (key.size() != prefix_bytes_ + kCounterBytes) return false;
    const char* counter = key.data() + prefix_bytes_;
    const bool high = std::any_of(counter, counter + kCounterBytes - 1, [](char c) { return c != 0; });
    return high || static_cast<unsigned char>(counter[kCounterBytes - 1]) >= kFirstHintedCounter;
  }

 private:
  std::size_t prefix_bytes_;
};

}  // namespace

std::shared_ptr<const rocksdb::SliceTransform> make_append_hint(std::size_t prefix_bytes) {
  return std::make_shared<AppendHint>(prefix_bytes);
}

}  // namespace openwop::rocks
