// Mutator: changes inputs of a corpus at random. Same seed, same corpus, same dictionary: same inputs.
//
// Thread-safety: belongs to one thread.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace openwop::fuzz {

class Mutator {
 public:
  /// No input is made longer than `max_bytes`.
  Mutator(std::uint64_t seed, std::vector<std::string> corpus, std::vector<std::string> dictionary,
          std::size_t max_bytes);

  /// One to eight changes to an input of the corpus, or to one that was made lately.
  [[nodiscard]] std::string next();

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  const std::string& any(const std::vector<std::string>& of) { return of[below(of.size())]; }
  void change(std::string& input);
  void flip_bit(std::string& input);
  void set_byte(std::string& input);
  void insert(std::string& input, std::string_view piece);
  void overwrite(std::string& input, std::string_view piece);
  void erase_range(std::string& input);
  void repeat_range(std::string& input);
  void swap_ranges(std::string& input);
  void splice(std::string& input);
  void change_number(std::string& input);

  std::mt19937_64 random_;
  std::vector<std::string> corpus_;
  std::vector<std::string> dictionary_;
  std::vector<std::string> lately_;
  std::size_t max_bytes_;
};

/// Entries of a libFuzzer dictionary: lines of `"text"` or `name="text"` with \\, \" and \xNN; `#` begins a comment.
[[nodiscard]] std::vector<std::string> parse_dictionary(std::string_view text);

}  // namespace openwop::fuzz
