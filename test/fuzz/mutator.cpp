#include "fuzz/mutator.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace openwop::fuzz {

namespace {

constexpr std::size_t kLately = 256;

/// Texts and bytes at which code changes its mind: limits of integers, of UTF-8, of JSON, of percent-encoding.
constexpr auto kInteresting = std::to_array<std::string_view>({
    "0",
    "-1",
    "1e308",
    "1e999",
    "-0",
    "0.1",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "null",
    "true",
    "\"",
    "{",
    "}",
    "[",
    "]",
    "[[[[[[[[",
    "\\",
    "\\u0000",
    "\\ud83d",
    "\\ude00",
    "\\ud83d\\ude00",
    "\xEF\xBB\xBF",
    "\xC3\xA9",
    "\xE2\x82\xAC",
    "\xF0\x9F\x98\x80",
    "\xED\xA0\x80",
    "\xC0\x80",
    "\xFF",
    "\r\n",
    "\n\n",
    "\t",
    "%00",
    "%2f",
    "%zz",
    "%25",
    "..",
    "//",
    "?",
    "&",
    "=",
    ":",
    ",",
    ";",
    "'",
    "\x7F",
    "\x80",
    "\x01",
});

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Mutator::Mutator(std::uint64_t seed, std::vector<std::string> corpus, std::vector<std::string> dictionary,
                 std::size_t max_bytes)
    : random_(seed), corpus_(std::move(corpus)), dictionary_(std::move(dictionary)), max_bytes_(max_bytes) {
  if (corpus_.empty()) corpus_.emplace_back();
}

std::string Mutator::next() {
  // Inputs made lately lead further away from the corpus than eight changes do.
  std::string input = !lately_.empty() && below(4) == 0 ? any(lately_) : any(corpus_);
  for (std::size_t left = 1 + below(below(2) == 0 ? 2 : 8); left > 0; --left) change(input);
  if (input.size() > max_bytes_) input.resize(max_bytes_);
  if (lately_.size() < kLately) {
    lately_.push_back(input);
  } else {
    lately_[below(kLately)] = input;
  }
  return input;
}

void Mutator::change(std::string& input) {
  switch (below(11)) {
    case 0: return flip_bit(input);
    case 1: return set_byte(input);
    case 2: return insert(input, kInteresting[below(kInteresting.size())]);
    case 3: return overwrite(input, kInteresting[below(kInteresting.size())]);
    case 4: return erase_range(input);
    case 5: return repeat_range(input);
    case 6: return swap_ranges(input);
    case 7: return splice(input);
    case 8: return change_number(input);
    case 9: return dictionary_.empty() ? flip_bit(input) : insert(input, any(dictionary_));
    default: return dictionary_.empty() ? set_byte(input) : overwrite(input, any(dictionary_));
  }
}

void Mutator::flip_bit(std::string& input) {
  if (input.empty()) return;
  char& c = input[below(input.size())];
  c = static_cast<char>(static_cast<unsigned char>(c) ^ (1U << below(8)));
}

void Mutator::set_byte(std::string& input) {
  if (!input.empty()) input[below(input.size())] = static_cast<char>(below(256));
}

void Mutator::insert(std::string& input, std::string_view piece) { input.insert(below(input.size() + 1), piece); }

void Mutator::overwrite(std::string& input, std::string_view piece) {
  const std::size_t at = below(input.size() + 1);
  input.replace(at, piece.size(), piece);
}

void Mutator::erase_range(std::string& input) {
  if (input.empty()) return;
  const std::size_t at = below(input.size());
  input.erase(at, 1 + below(below(4) == 0 ? input.size() - at : 8));
}

void Mutator::repeat_range(std::string& input) {
  if (input.empty()) return;
  const std::size_t at = below(input.size());
  const std::string piece = input.substr(at, 1 + below(64));
  for (std::size_t times = 1 + below(below(8) == 0 ? 200 : 3); times > 0 && input.size() < max_bytes_; --times) {
    input.insert(at, piece);
  }
}

void Mutator::swap_ranges(std::string& input) {
  if (input.size() < 2) return;
  const std::size_t middle = 1 + below(input.size() - 1);
  const std::size_t before = 1 + below(std::min<std::size_t>(middle, 32));
  const std::size_t behind = 1 + below(std::min<std::size_t>(input.size() - middle, 32));
  const auto at = input.begin() + static_cast<std::ptrdiff_t>(middle);
  std::rotate(at - static_cast<std::ptrdiff_t>(before), at, at + static_cast<std::ptrdiff_t>(behind));
}

void Mutator::splice(std::string& input) {
  const std::string& other = any(corpus_);
  const std::string piece = other.substr(below(other.size() + 1), 1 + below(128));
  if (below(2) == 0) {
    insert(input, piece);
  } else {
    overwrite(input, piece);
  }
}

// A number written in the input becomes a neighbour of itself or of a limit.
void Mutator::change_number(std::string& input) {
  const std::size_t from = below(input.size() + 1);
  const auto first = std::find_if(input.begin() + static_cast<std::ptrdiff_t>(from), input.end(), is_digit);
  if (first == input.end()) return flip_bit(input);
  const auto last = std::find_if_not(first, input.end(), is_digit);
  std::uint64_t value = 0;
  std::from_chars(&*first, &*first + (last - first), value);
  constexpr std::array<std::uint64_t, 8> kSteps = {1, ~std::uint64_t{0}, 2, 100, 1'000, 60'000, 1U << 31U, 1ULL << 53U};
  input.replace(first, last, std::to_string(value + kSteps[below(kSteps.size())]));
}

std::vector<std::string> parse_dictionary(std::string_view text) {
  std::vector<std::string> entries;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t open = line.find('"');
    const std::size_t close = line.rfind('"');
    if (line.starts_with('#') || open == close) continue;
    const std::string_view raw = line.substr(open + 1, close - open - 1);
    std::string entry;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\' || i + 1 == raw.size()) {
        entry += raw[i];
      } else if (raw[++i] == 'x' && i + 2 < raw.size() && hex_value(raw[i + 1]) >= 0 && hex_value(raw[i + 2]) >= 0) {
        entry += static_cast<char>(hex_value(raw[i + 1]) * 16 + hex_value(raw[i + 2]));
        i += 2;
      } else {
        entry += raw[i];
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace openwop::fuzz
