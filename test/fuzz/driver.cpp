// Drives a fuzz target where libFuzzer is not to be had; its command line is a part of libFuzzer's:
//
//   fuzz_json [-runs=N] [-max_total_time=SECONDS] [-seed=S] [-max_len=BYTES] [-timeout=SECONDS] [-dict=FILE]
//             [-artifact_prefix=PATH/] [file or folder]…
//
// The files, and those of the folders, are executed as they are. With -runs or -max_total_time what follows are so many
// random changes of them, unlike libFuzzer's not guided by coverage. An input that ends the process, or that takes
// longer than the timeout, is kept as `crash-<hash>` together with the command that repeats it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "fuzz/mutator.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace {

using namespace openwop::fuzz;
using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::uint64_t runs = 0;  // 0 = as many as there is time for
  std::uint64_t max_total_time_s = 0;
  std::uint64_t seed = 1;
  std::uint64_t max_bytes = 16'384;
  std::uint64_t timeout_s = 30;
  std::string dictionary = {};
  std::string artifact_prefix = {};
  std::vector<std::string> inputs = {};
};

// ---- the input being executed, for signal handlers: nothing here allocates ----

struct Current {
  const char* data = nullptr;
  std::size_t size = 0;
  std::array<char, 1024> path = {};
  const char* program = "";
  std::uint64_t number = 0;
  bool kept = false;
};
Current current;  // of the one thread that executes

void say(std::string_view text) { static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size())); }

void keep_current() {
  if (current.data == nullptr || current.kept) return;
  current.kept = true;
  const int file = ::open(current.path.data(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return say("the input cannot be kept\n");
  for (std::size_t at = 0; at < current.size;) {
    const ssize_t written = ::write(file, current.data + at, current.size - at);
    if (written <= 0) break;
    at += static_cast<std::size_t>(written);
  }
  ::close(file);
  say("\nthe input is kept; repeat it with\n  ");
  say(current.program);
  say(" ");
  say(current.path.data());
  say("\n");
}

void on_signal(int number) {
  if (number == SIGALRM) say("\nthe input takes too long\n");
  keep_current();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void watch_for_crashes() {
#if defined(__SANITIZE_ADDRESS__)
  // The sanitizer has its own handlers for the others.
  __sanitizer_set_death_callback(keep_current);
  const std::array signals = {SIGABRT, SIGALRM};
#else
  const std::array signals = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
#endif
  for (const int number : signals) std::signal(number, on_signal);
}

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash;
}

void execute(const Options& options, const std::string& input) {
  std::snprintf(current.path.data(), current.path.size(), "%scrash-%016llx", options.artifact_prefix.c_str(),
                static_cast<unsigned long long>(hash_of(input)));
  // As long as the input and not a byte longer, so that a sanitizer sees a read behind its end.
  const std::vector<std::uint8_t> exact(input.begin(), input.end());
  current.data = input.data();
  current.size = input.size();
  ::alarm(static_cast<unsigned>(options.timeout_s));
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  ::alarm(0);
  current.data = nullptr;
  ++current.number;
}

// ---- command line ----

bool read_number(std::string_view argument, std::string_view name, std::uint64_t& into) {
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  const auto [end, code] = std::from_chars(argument.data(), argument.data() + argument.size(), into);
  return code == std::errc{} && end == argument.data() + argument.size();
}

bool read_text(std::string_view argument, std::string_view name, std::string& into) {
  if (!argument.starts_with(name)) return false;
  into = argument.substr(name.size());
  return true;
}

bool read_argument(std::string_view argument, Options& options) {
  if (!argument.starts_with('-')) {
    options.inputs.emplace_back(argument);
    return true;
  }
  return read_number(argument, "-runs=", options.runs) ||
         read_number(argument, "-max_total_time=", options.max_total_time_s) ||
         read_number(argument, "-seed=", options.seed) || read_number(argument, "-max_len=", options.max_bytes) ||
         read_number(argument, "-timeout=", options.timeout_s) || read_text(argument, "-dict=", options.dictionary) ||
         read_text(argument, "-artifact_prefix=", options.artifact_prefix);
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The files named, and those in the folders named, in one order everywhere.
bool find_files(const Options& options, std::vector<std::filesystem::path>& files) {
  for (const std::string& input : options.inputs) {
    std::error_code error;
    if (!std::filesystem::is_directory(input, error)) {
      if (!std::filesystem::exists(input, error))
        return std::fprintf(stderr, "no such file: %s\n", input.c_str()), false;
      files.emplace_back(input);
      continue;
    }
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(input)) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return true;
}

void mutate(const Options& options, std::vector<std::string> corpus, SteadyClock::time_point began) {
  Mutator mutator(options.seed, std::move(corpus), parse_dictionary(content_of(options.dictionary)),
                  static_cast<std::size_t>(options.max_bytes));
  const auto time_is_over = [&] {
    return options.max_total_time_s > 0 && SteadyClock::now() - began >= std::chrono::seconds(options.max_total_time_s);
  };
  for (std::uint64_t done = 0; (options.runs == 0 || done < options.runs) && !time_is_over(); ++done) {
    execute(options, mutator.next());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    if (read_argument(argv[i], options)) continue;
    return std::fprintf(stderr, "%s: unknown argument %s\n", argv[0], argv[i]), 2;
  }
  std::vector<std::filesystem::path> files;
  if (!find_files(options, files)) return 2;

  current.program = argv[0];
  watch_for_crashes();
  const auto began = SteadyClock::now();
  std::vector<std::string> corpus;
  for (const auto& file : files) execute(options, corpus.emplace_back(content_of(file)));
  if (options.runs > 0 || options.max_total_time_s > 0) mutate(options, std::move(corpus), began);

  const double seconds = std::chrono::duration<double>(SteadyClock::now() - began).count();
  std::printf("%zu files, %llu executions in %.1f s, %.0f a second, seed %llu\n", files.size(),
              static_cast<unsigned long long>(current.number), seconds,
              static_cast<double>(current.number) / std::max(seconds, 0.001),
              static_cast<unsigned long long>(options.seed));
  return 0;
}
