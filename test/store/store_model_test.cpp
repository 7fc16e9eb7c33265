// Random operations against a std::map, on every backend. One seed is one sequence. A failing seed is printed; run it
// alone with OPENWOP_SEED=<seed> and this test's name.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "openwop/rocksdb_store.h"
#include "store/store_backends.h"

namespace openwop::test {
namespace {

using Model = std::map<std::string, std::string>;

/// Drives one store and one model with the same operations, inside one key prefix.
class ModelCheck {
 public:
  ModelCheck(StoreUnderTest& fixture, std::uint64_t seed)
      : fixture_(fixture), random_(seed), prefix_("s" + std::to_string(seed) + "/") {}

  /// The first difference between store and model, or nothing.
  std::string run(int operations) {
    for (int i = 0; i < operations && difference_.empty(); ++i) step();
    if (difference_.empty()) check_scan(whole_range(false));
    if (difference_.empty()) check_scan(whole_range(true));
    return difference_;
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void step() {
    const auto choice = below(100);
    if (choice < 60) return commit_some();
    if (choice < 80) return check_get();
    if (choice < 98) return check_scan(some_range());
    if (below(20) == 0) fixture_.reopen();
  }

  /// Few keys, so that operations meet; some with bytes at the ends of the order.
  std::string some_key() {
    if (below(3) == 0) return some_counted_key();
    if (below(6) == 0) return some_key_with_id();
    static const std::vector<std::string> kTails = {
        std::string(1, '\0'), std::string("a\0", 2), "a", "aa", "b", "\x7F", "\x80", "\xFF", "\xFF\xFF", "head"};
    return prefix_ + kTails[below(kTails.size())];
  }

  /// A key that grows in order under a prefix of fixed length, as those of a run's log: what a store may remember of
  /// their end must be true. Now and then one that is longer, shorter, or the last that there can be.
  std::string some_counted_key() {
    std::string key = prefix_;
    key.resize(RocksDbOptions{}.append_prefix_bytes, '.');
    const bool last = below(40) == 0;
    key.append(7, last ? '\xFF' : '\0');
    key += static_cast<char>(last ? 0xFF : below(12));
    if (below(20) == 0) key += 'x';
    if (below(20) == 0) key.pop_back();
    return key;
  }

  /// A key that holds an id, in about the order of time: the memtable has a hint for its kind.
  std::string some_key_with_id() {
    std::string key = prefix_ + static_cast<char>('a' + below(2)) + std::string(14, '\0');
    key += static_cast<char>(below(3));
    key += static_cast<char>(below(200));
    if (below(3) == 0) key += "tail";
    return key;
  }

  std::string some_value() {
    switch (below(8)) {
      case 0: return "";
      case 1: return std::string(400 + below(400), static_cast<char>(below(256)));
      default: return std::to_string(below(5));
    }
  }

  void add_requirement(Transaction& transaction, const Model& state) {
    const auto key = some_key();
    const auto row = state.find(key);
    const bool guess_right = below(4) != 0;
    if ((row == state.end()) == guess_right) {
      transaction.require_absent(key);
    } else if (row != state.end() && guess_right) {
      transaction.require_equals(key, row->second);
    } else {
      transaction.require_equals(key, some_value());
    }
    // The head-row pattern: what is required is written too.
    if (below(2) == 0) transaction.put(key, some_value());
  }

  Transaction some_transaction(const Model& state) {
    Transaction transaction;
    for (auto left = below(5); left > 0; --left) {
      const auto choice = below(10);
      if (choice < 4) add_requirement(transaction, state);
      if (choice >= 4 && choice < 8) transaction.put(some_key(), some_value());
      if (choice >= 8) transaction.erase(some_key());
    }
    return transaction;
  }

  static CommitOutcome apply(const Transaction& transaction, Model& state) {
    for (std::size_t i = 0; i < transaction.size(); ++i) {
      const auto entry = transaction.entry(i);
      const auto row = state.find(std::string(entry.key));
      if (entry.op == Transaction::Op::require_absent && row != state.end()) return CommitOutcome::refused;
      if (entry.op == Transaction::Op::require_equals && (row == state.end() || row->second != entry.value)) {
        return CommitOutcome::refused;
      }
    }
    for (std::size_t i = 0; i < transaction.size(); ++i) {
      const auto entry = transaction.entry(i);
      if (entry.op == Transaction::Op::put) state[std::string(entry.key)] = entry.value;
      if (entry.op == Transaction::Op::erase) state.erase(std::string(entry.key));
    }
    return CommitOutcome::committed;
  }

  void commit_some() {
    std::vector<Transaction> group;
    std::vector<CommitOutcome> expected;
    const auto transactions = below(3) == 0 ? 1 + below(6) : 1;
    for (std::uint64_t i = 0; i < transactions; ++i) {
      group.push_back(some_transaction(model_));
      expected.push_back(apply(group.back(), model_));
    }
    if (commit_group(fixture_.store(), group) != expected) {
      difference_ = "outcomes of a group of " + std::to_string(transactions);
    }
  }

  void check_get() {
    const auto key = some_key();
    const auto row = model_.find(key);
    const auto expected = row == model_.end() ? std::nullopt : std::optional(row->second);
    if (value_of(fixture_.store(), key) != expected) difference_ = "get";
  }

  /// Within the prefix, whose end is the character after '/'.
  ScanRange whole_range(bool reverse) { return {.begin = prefix_, .end = prefix_end(prefix_), .reverse = reverse}; }

  ScanRange some_range() {
    auto range = whole_range(below(2) == 0);
    if (below(4) != 0) range.begin = some_key();
    if (below(4) != 0) range.end = some_key();
    return range;
  }

  void check_scan(const ScanRange& range) {
    Rows expected;
    for (const auto& [key, value] : model_) {
      if (key >= range.begin && key < range.end) expected.emplace_back(key, value);
    }
    if (range.reverse) std::reverse(expected.begin(), expected.end());
    if (rows_of(fixture_.store(), range) != expected) difference_ = "scan";
  }

  StoreUnderTest& fixture_;
  std::mt19937_64 random_;
  std::string prefix_;
  Model model_;
  std::string difference_;
};

void check_seed(StoreUnderTest& fixture, std::uint64_t seed) {
  constexpr int kOperations = 40;
  const auto difference = ModelCheck(fixture, seed).run(kOperations);
  if (!difference.empty()) FAIL("store differs from model in " << difference << "; repeat with OPENWOP_SEED=" << seed);
}

/// Seeds share one store, each under its own prefix: opening a folder costs more than a sequence.
void check_backend(const StoreBackend& backend) {
  const auto fixture = backend.make();
  if (const char* seed = std::getenv("OPENWOP_SEED")) return check_seed(*fixture, std::strtoull(seed, nullptr, 10));
  for (std::uint64_t seed = 1; seed <= backend.model_seeds; ++seed) check_seed(*fixture, seed);
}

TEST_CASE("random operations leave a store as they leave a map", "[store][model]") {
  for (const auto& backend : store_backends()) {
    DYNAMIC_SECTION(backend.name) { check_backend(backend); }
  }
}

}  // namespace
}  // namespace openwop::test
