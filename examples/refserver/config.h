// Configuration of the reference server: defaults < file (--config) < environment < command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/openwop_surface.h"
#include "openwop/result.h"
#include "openwop/store.h"

namespace refserver {

struct Config {
  std::string host = "127.0.0.1";
  /// 0 = any free port.
  int port = 8080;
  /// Data folder of the RocksDB store; empty: memory only.
  std::string data_folder = "openwop-data";
  std::vector<std::string> workflow_folders = {};
  std::vector<openwop::ApiKey> keys = {};
  std::string test_key_prefix = {};
  /// Secrets of interrupt tokens, the newest first; empty: one of the server's own making.
  std::vector<openwop::TokenKey> token_keys = {};
  std::string public_url = {};
  bool fixtures = false;
  bool conversations = true;
  openwop::LogLevel log_level = openwop::LogLevel::info;
  /// Shard threads of the engine.
  std::size_t threads = 2;
  openwop::Durability durability = openwop::Durability::sync;
  std::size_t max_connections = 512;

  bool show_help = false;
  bool show_version = false;
};

/// Errors: validation_error that names the option and where it came from; never with a key in it.
[[nodiscard]] openwop::Result<Config> read_config(int argc, const char* const* argv);

[[nodiscard]] std::string help_text();

}  // namespace refserver
