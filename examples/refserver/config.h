// Configuration of the reference server: defaults < file (--config) < environment < command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/openwop_surface.h"
#include "openwop/result.h"
#include "openwop/run_telemetry.h"
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
  std::string public_url = {};
  bool fixtures = false;
  openwop::LogLevel log_level = openwop::LogLevel::info;
  /// Shard threads of the engine.
  std::size_t threads = 2;
  openwop::Durability durability = openwop::Durability::sync;
  std::size_t max_connections = 512;

  /// Collector of spans and metrics, without the path of the signal; empty: none.
  std::string otlp_endpoint = {};
  std::vector<std::pair<std::string, std::string>> otlp_headers = {};
  std::string service_name = "openwop-refserver";
  openwop::Sampler sampler = openwop::Sampler::parent_based_ratio;
  double sample_ratio = 0.1;
  /// HOST:PORT of the Prometheus listener; empty: none.
  std::string metrics_listen = {};
  /// Log a record for each run and node that begins or ends.
  bool run_log = false;

  bool show_help = false;
  bool show_version = false;
};

/// Errors: validation_error that names the option and where it came from; never with a key in it.
[[nodiscard]] openwop::Result<Config> read_config(int argc, const char* const* argv);

[[nodiscard]] std::string help_text();

}  // namespace refserver
