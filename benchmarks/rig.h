// The rig of the benchmark programs: sides that are measured in turns, and the rows of the table made from them.
//
// A side is one way to do something; calling it measures it once. The sides of one program are called several times
// each, in random order (Google Benchmark's random interleaving), so that what else the machine does falls on all of
// them alike. A row shows the best of a side's rounds, and its ratio to the best of the side it is held against.
//
// Arguments: --quick (shorter windows, fewer rounds), --data DIR (where temporary folders go), --facts (prints what was
// linked, measures nothing), and those of Google Benchmark.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/result.h"

namespace openwop::bench {

struct Settings {
  std::filesystem::path data;
  bool quick = false;

  /// How long one measurement of a rate lasts.
  [[nodiscard]] std::chrono::milliseconds window() const { return std::chrono::milliseconds(quick ? 100 : 400); }
  /// How often a rate is measured.
  [[nodiscard]] int rounds() const { return quick ? 3 : 5; }
};

/// Set by run_benchmarks() before it calls anything.
[[nodiscard]] const Settings& settings();

/// What one measurement of a side found, by name.
using Figures = std::map<std::string, double>;

void add_side(const std::string& name, int rounds, std::function<Figures()> measure);
/// A side with the one figure "rate", per second, measured settings().rounds() times.
void add_rate(const std::string& name, std::function<double()> measure);

enum class Unit : std::uint8_t { per_second, seconds, bytes, count };

struct Row {
  std::string what;
  /// "<side>" for the figure "rate", else "<side>:<figure>".
  std::string figure;
  Unit unit = Unit::per_second;
  std::string against = {};
  /// How the table calls the side held against.
  std::string against_name = {};
  // 0: none. At least it for rates, at most it for all other units.
  double aim_ratio = 0;
  double aim_value = 0;
};

/// Measures the sides that `add_sides` adds and prints `rows` as lines of a Markdown table. Both are called once the
/// settings are known.
int run_benchmarks(int argc, char** argv, void (*add_sides)(), std::vector<Row> (*rows)());

/// Ends the program with a message; a benchmark has no other way to go on.
[[noreturn]] void fail(std::string_view message);

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(*result);
}
inline void must(const Status& status) {
  if (!status) fail(status.error().message);
}

/// A new, empty folder under settings().data, removed in the destructor.
class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// Time since its making.
class StopWatch {
 public:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  Clock::time_point start_ = Clock::now();
};

/// Says when a measurement of a rate is over.
class Window {
 public:
  [[nodiscard]] bool open() const { return StopWatch::Clock::now() < end_; }

 private:
  StopWatch::Clock::time_point end_ = StopWatch::Clock::now() + settings().window();
};

/// Runs `measure` in a process of its own, so that it sees only memory of its own making. The caller has, and had, no
/// threads: the child would miss them, and RocksDB's are there from its first store on.
[[nodiscard]] Figures in_child_process(const std::function<Figures()>& measure);
[[nodiscard]] double in_child_process(const std::function<double()>& measure);

/// Resident bytes of this process, after freed memory has been given back.
[[nodiscard]] double resident_bytes();

}  // namespace openwop::bench
