// TempDir: a fresh folder for one test, removed with everything in it when the object goes.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>

namespace openwop::test {

class TempDir {
 public:
  TempDir() {
    static std::atomic<std::uint64_t> serial{0};
    static const std::uint32_t nonce = std::random_device{}();
    path_ = std::filesystem::temp_directory_path() / ("openwop-test-" + std::to_string(::getpid()) + "-" +
                                                      std::to_string(nonce) + "-" + std::to_string(serial++));
    std::filesystem::create_directories(path_);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// A name inside the folder; nothing is made.
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace openwop::test
