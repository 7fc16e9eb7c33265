#include "stores/rocksdb/append_hint.h"

#include <algorithm>

namespace openwop::rocks {
namespace {

constexpr std::size_t kCounterBytes = 8;
constexpr std::size_t kIdBytes = 16;

class AppendHint final : public rocksdb::SliceTransform {
 public:
  explicit AppendHint(const RocksDbOptions& options)
      : prefix_bytes_(options.append_prefix_bytes), kinds_(options.ordered_kinds) {}

  const char* Name() const override { return "openwop.AppendHint"; }

  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), hint_bytes(key)}; }

  bool InDomain(const rocksdb::Slice& key) const override { return hint_bytes(key) > 0; }

 private:
  /// How much of the key the hint is kept for; 0 = there is none.
  [[nodiscard]] std::size_t hint_bytes(const rocksdb::Slice& key) const {
    if (is_append(key)) return prefix_bytes_;
    for (const RowKind& kind : kinds_) {
      const bool is_one = key.size() >= kind.prefix.size() + kIdBytes && key.starts_with(kind.prefix);
      if (is_one) return kind.id_is_last ? key.size() - kIdBytes : kind.prefix.size();
    }
    return 0;
  }

  [[nodiscard]] bool is_append(const rocksdb::Slice& key) const {
    if (prefix_bytes_ == 0 || key.size() != prefix_bytes_ + kCounterBytes) return false;
    const char* counter = key.data() + prefix_bytes_;
    const bool high = std::any_of(counter, counter + kCounterBytes - 1, [](char c) { return c != 0; });
    return high || static_cast<unsigned char>(counter[kCounterBytes - 1]) >= kFirstHintedCounter;
  }

  std::size_t prefix_bytes_;
  std::vector<RowKind> kinds_;
};

}  // namespace

std::shared_ptr<const rocksdb::SliceTransform> make_append_hint(const RocksDbOptions& options) {
  return std::make_shared<AppendHint>(options);
}

}  // namespace openwop::rocks
