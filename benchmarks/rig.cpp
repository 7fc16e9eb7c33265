#include "rig.h"

#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <malloc.h>
#include <rocksdb/version.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace openwop::bench {
namespace {

Settings g_settings;

/// Keeps every figure of every round, under "<side>:<figure>".
class FigureCollector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      for (const auto& [figure, counter] : run.counters) {
        const std::string name = run.run_name.function_name + ":" + figure;
        figures_[name].push_back(counter.value);
        fmt::print(stderr, "  {:<52} {:>16.1f}\n", name, counter.value);
      }
    }
  }

  /// Best of the rounds; nothing if the side was filtered out.
  [[nodiscard]] std::optional<double> best(const std::string& figure, Unit unit) const {
    const std::string name = figure.find(':') == std::string::npos ? figure + ":rate" : figure;
    const auto at = figures_.find(name);
    if (at == figures_.end()) return std::nullopt;
    const auto [lowest, highest] = std::minmax_element(at->second.begin(), at->second.end());
    return unit == Unit::per_second ? *highest : *lowest;
  }

 private:
  std::map<std::string, std::vector<double>> figures_;
};

std::string readable_rate(double rate) {
  if (rate >= 1e6) return fmt::format("{:.2f} M/s", rate / 1e6);
  if (rate >= 1e4) return fmt::format("{:.1f} k/s", rate / 1e3);
  return fmt::format("{:.0f} /s", rate);
}

std::string readable_time(double seconds) {
  if (seconds >= 0.1) return fmt::format("{:.3f} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.0f} us", seconds * 1e6);
}

std::string readable(double value, Unit unit) {
  switch (unit) {
    case Unit::per_second: return readable_rate(value);
    case Unit::seconds: return readable_time(value);
    case Unit::bytes: return fmt::format("{:.0f} B", value);
    case Unit::count: return fmt::format("{:.2f}", value);
  }
  return {};
}

void print_row(const Row& row, const FigureCollector& collected) {
  const auto value = collected.best(row.figure, row.unit);
  if (!value) return;
  std::string against;
  std::string ratio;
  std::string aim;
  std::string met;
  const auto judge = [&](bool reached) { met = reached ? "yes" : "no"; };
  const bool more_is_better = row.unit == Unit::per_second;
  if (const auto other = row.against.empty() ? std::nullopt : collected.best(row.against, row.unit)) {
    against = fmt::format("{}: {}", row.against_name, readable(*other, row.unit));
    ratio = fmt::format("{:.2f}", *value / *other);
    if (row.aim_ratio > 0) {
      aim = fmt::format("{} {:g}", more_is_better ? ">=" : "<=", row.aim_ratio);
      judge(more_is_better ? *value / *other >= row.aim_ratio : *value / *other <= row.aim_ratio);
    }
  }
  if (row.aim_value > 0) {
    aim = fmt::format("{} {}", more_is_better ? ">=" : "<=", readable(row.aim_value, row.unit));
    judge(more_is_better ? *value >= row.aim_value : *value <= row.aim_value);
  }
  fmt::print("| {:<58} | {:>11} | {:<40} | {:>5} | {:>12} | {:<3} |\n", row.what, readable(*value, row.unit), against,
             ratio, aim, met);
}

void print_facts() {
  fmt::print("RocksDB {}.{}.{}, compiler {}\n", ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH, __VERSION__);
}

}  // namespace

const Settings& settings() { return g_settings; }

void add_side(const std::string& name, int rounds, std::function<Figures()> measure) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [measure = std::move(measure)](benchmark::State& state) {
                                 // What the side before has left to be written would count against this one.
                                 sync();
                                 for ([[maybe_unused]] auto _ : state) {
                                   for (const auto& [figure, value] : measure()) state.counters[figure] = value;
                                 }
                               })
      ->Iterations(1)
      ->Repetitions(rounds)
      ->UseRealTime();
}

void add_rate(const std::string& name, std::function<double()> measure) {
  add_side(name, settings().rounds(), [measure = std::move(measure)] { return Figures{{"rate", measure()}}; });
}

int run_benchmarks(int argc, char** argv, void (*add_sides)(), std::vector<Row> (*rows)()) {
  std::string interleaving = "--benchmark_enable_random_interleaving=true";
  std::vector<char*> left = {argv[0], interleaving.data()};
  g_settings.data = std::filesystem::path(OPENWOP_BENCH_BIN_DIR) / "bench-data";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--facts") return print_facts(), 0;
    if (argument == "--quick") {
      g_settings.quick = true;
    } else if (argument == "--data" && i + 1 < argc) {
      g_settings.data = argv[++i];
    } else {
      left.push_back(argv[i]);
    }
  }
  auto left_count = static_cast<int>(left.size());
  benchmark::Initialize(&left_count, left.data());
  if (benchmark::ReportUnrecognizedArguments(left_count, left.data())) return 1;
  add_sides();
  FigureCollector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  for (const Row& row : rows()) print_row(row, collector);
  return 0;
}

void fail(std::string_view message) {
  fmt::print(stderr, "benchmark failed: {}\n", message);
  std::exit(1);
}

TempFolder::TempFolder() {
  std::filesystem::create_directories(g_settings.data);
  std::string name = (g_settings.data / "XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) fail("cannot make a folder in " + g_settings.data.string());
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Figures in_child_process(const std::function<Figures()>& measure) {
  int ends[2];
  if (pipe(ends) != 0) fail("pipe");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    std::string lines;
    for (const auto& [name, value] : measure()) lines += fmt::format("{} {}\n", name, value);
    _exit(write(ends[1], lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string lines;
  std::array<char, 4096> piece{};
  for (ssize_t got = 0; (got = read(ends[0], piece.data(), piece.size())) > 0;) {
    lines.append(piece.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  Figures figures;
  std::istringstream stream(lines);
  std::string name;
  for (double value = 0; stream >> name >> value;) figures[name] = value;
  if (figures.empty() || status != 0) fail("a measuring process ended without a figure");
  return figures;
}

double in_child_process(const std::function<double()>& measure) {
  return in_child_process([&] { return Figures{{"value", measure()}}; }).at("value");
}

double resident_bytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  std::size_t total_pages = 0;
  std::size_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return static_cast<double>(resident_pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace openwop::bench
