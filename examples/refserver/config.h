// Configuration of the reference server: defaults < file (--config) < environment < command line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/openwop_surface.h"
#include "openwop/result.h"
#include "openwop/run_telemetry.h"
#include "openwop/store.h"
#include "tls.h"

namespace refserver {

/// This region, and the others by their names; empty: the only one.
struct RegionConfig {
  std::string name = {};
  std::map<std::string, std::string> urls = {};
  std::map<std::string, std::string> keys = {};
};

struct Config {
  std::string host = "127.0.0.1";
  /// 0 = any free port.
  int port = 8080;
  /// Data folder of the RocksDB store; empty: memory only.
  std::string data_folder = "openwop-data";
  /// Connection string of the PostgreSQL store; empty: another one. It may hold a password, so it is never shown.
  std::string postgres_dsn = {};
  /// With the PostgreSQL store: the data folder, for nothing but the keys that the server makes itself.
  std::string own_keys_folder = {};
  /// One of several servers on one database, which reach this one at the address.
  bool cluster = false;
  std::string host_address = {};
  std::string host_id = {};
  std::size_t claim_ttl_ms = 30'000;
  std::size_t heartbeat_ms = 10'000;
  RegionConfig region = {};
  std::vector<std::string> workflow_folders = {};
  /// Keys of the options; those of `keys_file` come on top, and anew with each reload.
  std::vector<openwop::ApiKey> keys = {};
  std::string keys_file = {};
  std::string test_key_prefix = {};
  /// SurfaceOptions::separate_test_data.
  bool separate_test_data = false;
  /// Secrets of interrupt tokens, the newest first; empty: one of the server's own making.
  std::vector<openwop::TokenKey> token_keys = {};
  std::string public_url = {};
  /// Signs the POSTs to `callbackUrl`s; empty: they are not signed.
  std::string callback_secret = {};
  /// Empty: clients talk in clear.
  TlsFiles tls = {};
  bool fixtures = false;
  bool conversations = true;
  /// Serve the timeline page at /ui.
  bool ui = false;
  openwop::LogLevel log_level = openwop::LogLevel::info;
  /// Shard threads of the engine.
  std::size_t threads = 2;
  openwop::Durability durability = openwop::Durability::sync;
  std::size_t max_connections = 512;
  /// Attempts of a webhook delivery after the first one.
  std::size_t webhook_retries = 0;
  bool webhook_allow_private = false;
  /// Unless set: on with a data folder, off without.
  std::optional<bool> audit_log = {};
  /// Days for which a run is kept after its end; 0 = for ever.
  std::size_t retention_days = 0;
  /// Where SIGUSR1 makes backups; empty: nowhere.
  std::string backup_folder = {};
  /// 0 = no debug bundles.
  std::size_t debug_bundle_bytes = std::size_t{8} << 20;
  std::size_t max_in_flight = 512;
  std::size_t max_waiting = 1'024;
  /// Requests a second of each key; 0 = no limit.
  std::size_t rate_limit = 0;
  std::size_t rate_burst = 0;
  bool force_rate_limit = false;
  std::size_t retry_after_s = 1;
  /// EngineOptions::configurable_options.
  std::string run_options = {};
  /// Variables of the environment that other hosts know and that have no effect here.
  std::vector<std::string> without_effect = {};

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

  /// TENANT[:SCOPE,…] of a key to be made and printed, instead of serving.
  std::string new_key = {};
  /// Stores to be checked or rebuilt instead of serving.
  std::string verify_store = {};
  std::string rebuild_store = {};
  std::string export_store = {};
  std::string export_run = {};
  std::string import_store = {};
  /// Folder whose audit key gets a successor instead of serving.
  std::string rotate_audit_key = {};
  bool show_help = false;
  bool show_version = false;
};

/// Errors: validation_error that names the option and where it came from; never with a key in it.
[[nodiscard]] openwop::Result<Config> read_config(int argc, const char* const* argv);

[[nodiscard]] std::string help_text();

}  // namespace refserver
