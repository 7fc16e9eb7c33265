// openwop-refserver: the OpenWOP surface over HTTP. What a host of the library needs, in one folder: a store, an
// engine, a surface, and some HTTP server around it.
//
// On stdout: one line, {"listening":"http://HOST:PORT"}, once requests are served. Everything else goes to stderr.
#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t is POSIX
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "backup.h"
#include "config.h"
#include "forward.h"
#include "http_server.h"
#include "keys.h"
#include "keys_file.h"
#include "log.h"
#include "openwop/ai_provider.h"
#include "openwop/engine.h"
#include "openwop/json.h"
#include "openwop/memory_store.h"
#include "openwop/net.h"
#include "openwop/postgres_store.h"
#include "openwop/protocol/openwop_surface.h"
#include "openwop/protocol/test_runs.h"
#include "openwop/rocksdb_store.h"
#include "outbound.h"
#include "regions.h"
#include "secret_file.h"
#include "store_tools.h"
#include "telemetry.h"
#include "tls.h"
#include "ui.h"
#include "workflow_folder.h"

namespace refserver {
namespace {

constexpr std::string_view kVersion = "0.1.0";
constexpr int kFailed = 1;

int fail(std::string_view message, const openwop::Error& error) {
  log(LogLevel::error, message, text_fields({{"code", openwop::error_name(error.code)}, {"reason", error.message}}));
  return kFailed;
}

openwop::Result<std::shared_ptr<openwop::Store>> open_store(const Config& config) {
  if (!config.postgres_dsn.empty()) {
    std::error_code problem;
    if (!config.data_folder.empty()) std::filesystem::create_directories(config.data_folder, problem);
    if (problem) return openwop::Error{openwop::ErrorCode::store_io_error, "cannot create " + config.data_folder};
    // Without a cluster nothing says which of two servers has a run, so there may be one only.
    const auto sharing = config.cluster ? openwop::PostgresSharing::shared : openwop::PostgresSharing::alone;
    auto shared = openwop::open_postgres_store({.dsn = config.postgres_dsn, .sharing = sharing});
    if (!shared) return std::move(shared).error();
    return std::shared_ptr<openwop::Store>(*std::move(shared));
  }
  if (config.data_folder.empty()) return std::shared_ptr<openwop::Store>(std::make_shared<openwop::MemoryStore>());
  auto store = openwop::open_rocksdb_store({.path = config.data_folder});
  if (!store) return std::move(store).error();
  return std::shared_ptr<openwop::Store>(*std::move(store));
}

openwop::ClusterOptions cluster_options(const Config& config) {
  openwop::ClusterOptions options;
  options.host_id = config.host_id;
  options.address = config.host_address;
  options.claim_ttl_ms = static_cast<std::int64_t>(config.claim_ttl_ms);
  options.heartbeat_ms = static_cast<std::int64_t>(config.heartbeat_ms);
  options.on_change = [](const openwop::ClusterView& view) {
    std::string fields;
    openwop::json::ObjectWriter(fields)
        .integer("claimed", static_cast<std::int64_t>(view.claimed.size()))
        .integer("partitions", static_cast<std::int64_t>(view.partitions))
        .integer("hosts", static_cast<std::int64_t>(view.hosts.size()));
    log(LogLevel::info, "claims changed", fields);
  };
  return options;
}

openwop::Result<std::unique_ptr<openwop::Engine>> open_engine(const Config& config,
                                                              std::shared_ptr<openwop::Store> store,
                                                              const Outbound& outbound, const Telemetry& telemetry,
                                                              std::shared_ptr<openwop::TestRuns> test_runs,
                                                              std::shared_ptr<openwop::RegionLink> regions) {
  openwop::EngineOptions options{.store = std::move(store), .threads = config.threads, .durability = config.durability};
  options.observers = outbound.observers();
  options.observers.push_back(std::move(test_runs));
  if (regions) options.observers.push_back(std::move(regions));
  if (telemetry.observer()) options.observers.push_back(telemetry.observer());
  openwop::add_builtin_nodes(options.nodes, {.conversations = config.conversations});
  openwop::add_ai_nodes(options.nodes);
  if (config.fixtures) {
    openwop::add_fixture_nodes(options.nodes);
    options.secrets = openwop::fixture_secrets();
  }
  options.configurable_options = config.run_options;
  constexpr std::int64_t kDayMs = 86'400'000;
  options.finished_run_retention_ms = static_cast<std::int64_t>(config.retention_days) * kDayMs;
  if (config.cluster) options.cluster = cluster_options(config);
  return openwop::Engine::open(std::move(options));
}

openwop::SurfaceOptions surface_options(const Config& config, const Outbound& outbound, const Telemetry& telemetry,
                                        std::shared_ptr<openwop::TestRuns> test_runs,
                                        std::shared_ptr<openwop::RegionLink> regions) {
  openwop::SurfaceOptions options;
  options.log = [](LogLevel level, std::string_view message, std::string_view fields) { log(level, message, fields); };
  options.log_requests = config.log_level == LogLevel::debug;
  options.implementation_name = "openwop-refserver";
  options.implementation_version = kVersion;
  options.public_url = config.public_url;
  options.over_tls = !config.tls.cert.empty();
  options.test_key_prefix = config.test_key_prefix;
  options.mock_providers.assign(openwop::kMockProviderIds.begin(), openwop::kMockProviderIds.end());
  options.token_keys = config.token_keys;
  options.advertise_fixtures = config.fixtures;
  options.webhooks = outbound.webhooks;
  options.audit = outbound.audit;
  options.metrics = telemetry.metrics();
  options.test_runs = std::move(test_runs);
  options.regions = std::move(regions);
  options.separate_test_data = config.separate_test_data;
  options.debug_bundle = config.debug_bundle_bytes > 0;
  options.max_debug_bundle_bytes = config.debug_bundle_bytes;
  options.max_in_flight = config.max_in_flight;
  options.max_waiting_requests = config.max_waiting;
  options.rate_limit_per_s = static_cast<std::int64_t>(config.rate_limit);
  options.rate_limit_burst = static_cast<std::int64_t>(config.rate_burst);
  options.force_rate_limit = config.force_rate_limit;
  options.retry_after_s = static_cast<std::int64_t>(config.retry_after_s);
  options.observability = telemetry.advertised();
#ifdef OPENWOP_HAS_CURL
  if (config.cluster) {
    options.forward = [client = openwop::make_curl_http_client()](const openwop::http::Request& request,
                                                                  const std::string& address) {
      return forward(*client, request, address);
    };
  }
#endif
  return options;
}

/// The keys of the options and those of the file.
openwop::Result<std::vector<openwop::ApiKey>> all_keys(const Config& config) {
  std::vector<openwop::ApiKey> keys = config.keys;
  if (!config.keys_file.empty()) {
    auto filed = read_keys_file(config.keys_file);
    if (!filed) return filed;
    keys.insert(keys.end(), filed->begin(), filed->end());
  }
  const auto in_test_tenant = [](const openwop::ApiKey& key) {
    return key.tenant.ends_with(openwop::kTestTenantSuffix);
  };
  if (config.separate_test_data && std::any_of(keys.begin(), keys.end(), in_test_tenant)) {
    return openwop::Error{openwop::ErrorCode::validation_error,
                          "with separate-test-data no key may be bound to a tenant that ends in /test"};
  }
  return keys;
}

/// What can change while the server runs: keys, certificates and workflows. Each is replaced as a whole, or stays as it
/// is.
class Reload {
 public:
  Reload(const Config& config, openwop::Engine& engine, openwop::OpenWopSurface& surface, WorkflowFolders& workflows,
         Tls* tls)
      : config_(config), engine_(engine), surface_(surface), workflows_(workflows), tls_(tls) {}

  void operator()() {
    if (auto keys = all_keys(config_)) {
      const std::size_t count = keys->size();
      openwop::AuditLog* const audit = surface_.options().audit.get();
      if (audit != nullptr) {
        if (auto noted = note_keys(*audit, *keys); !noted) {
          (void)fail("the audit log does not have the change of keys", noted.error());
        }
      }
      surface_.set_keys(*std::move(keys));
      log(LogLevel::info, "keys reloaded", "{\"keys\":" + std::to_string(count) + "}");
    } else {
      (void)fail("keys cannot be reloaded; the old ones stay", keys.error());
    }
    if (tls_ != nullptr) {
      if (auto reloaded = tls_->reload()) {
        log(LogLevel::info, "certificates reloaded", text_fields({{"expires", tls_->expires()}}));
      } else {
        (void)fail("certificates cannot be reloaded; the old ones stay", reloaded.error());
      }
    }
    const auto loaded = workflows_.load(engine_);
    if (!loaded) {
      (void)fail("workflows cannot be reloaded", loaded.error());
      return;
    }
    log(LogLevel::info, "workflows reloaded", workflow_counts(*loaded));
  }

  static std::string workflow_counts(const WorkflowFolders::Loaded& loaded) {
    std::string fields;
    openwop::json::ObjectWriter(fields)
        .integer("loaded", static_cast<std::int64_t>(loaded.loaded))
        .integer("changed", static_cast<std::int64_t>(loaded.changed))
        .integer("refused", static_cast<std::int64_t>(loaded.refused))
        .integer("removed", static_cast<std::int64_t>(loaded.removed));
    return fields;
  }

 private:
  const Config& config_;
  openwop::Engine& engine_;
  openwop::OpenWopSurface& surface_;
  WorkflowFolders& workflows_;
  Tls* tls_;
};

void print_first_steps(const OwnKey& own, const std::string& url, const openwop::Engine& engine) {
  std::string workflow = "WORKFLOW_ID";
  for (const std::string& id : engine.workflow_ids()) {
    const auto found = engine.workflow(id);
    const bool needs_inputs =
        found && std::any_of((*found)->variables.begin(), (*found)->variables.end(),
                             [](const auto& variable) { return variable.required && variable.default_value.empty(); });
    if (found && !needs_inputs) {
      workflow = id;
      break;
    }
  }
  const std::string key = own.text.value_or("$KEY");
  const std::string authorization = "-H \"Authorization: Bearer " + key + "\"";
  const std::string told = own.text ? "API key (shown this once): " + key
                                    : "The API key was shown when it was made; remove " + own.path + " for a new one";
  std::fprintf(stderr,
               "\n%s\n\nCreate a run:\n"
               "  RUN=$(curl -s %s -H 'Content-Type: application/json' -d '{\"workflowId\":\"%s\",\"inputs\":{}}' \\\n"
               "    %s/v1/runs | tee /dev/stderr | sed 's/.*\"runId\":\"\\([^\"]*\\)\".*/\\1/'); echo\n"
               "Follow its events:\n"
               "  curl -sN %s %s/v1/runs/$RUN/events\n\n",
               told.c_str(), authorization.c_str(), workflow.c_str(), url.c_str(), authorization.c_str(), url.c_str());
}

std::string url_of(const Config& config, int port) {
  const bool is_ipv6 = config.host.find(':') != std::string::npos;
  return (config.tls.cert.empty() ? "http://" : "https://") + (is_ipv6 ? "[" + config.host + "]" : config.host) + ":" +
         std::to_string(port);
}

sigset_t handled_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGUSR1);
  return signals;
}

/// What SIGUSR1 asks for.
class Backup {
 public:
  Backup(const Config& config, const openwop::Store& store) : config_(config), store_(store) {}

  void operator()() const {
    if (config_.backup_folder.empty()) return log(LogLevel::warning, "no backup: there is no --backup-folder");
    const auto made = make_backup(store_, config_.data_folder, config_.backup_folder);
    if (!made) return static_cast<void>(fail("the backup has failed", made.error()));
    log(LogLevel::info, "backup made", text_fields({{"folder", *made}}));
  }

 private:
  const Config& config_;
  const openwop::Store& store_;
};

/// SIGHUP reloads, SIGUSR1 makes a backup; the first other signal drains, a second one ends the process at once.
void wait_for_signals(HttpServer& server, Reload reload, Backup backup) {
  const sigset_t signals = handled_signals();
  const auto next = [&] {
    int signal = 0;
    while (sigwait(&signals, &signal) != 0) {
    }
    return signal;
  };
  const auto is_request = [](int signal) { return signal == SIGHUP || signal == SIGUSR1; };
  int signal = next();
  while (is_request(signal)) {
    if (signal == SIGHUP) {
      reload();
    } else {
      backup();
    }
    signal = next();
  }
  log(LogLevel::info, "draining");
  server.drain();
  while (is_request(next())) {
  }
  ::_exit(kFailed);
}

/// Null: clients talk in clear.
openwop::Result<std::unique_ptr<Tls>> open_tls(const Config& config) {
  if (config.tls.cert.empty()) return std::unique_ptr<Tls>();
  auto tls = Tls::open(config.tls);
  if (tls) log(LogLevel::info, "certificates loaded", text_fields({{"expires", (*tls)->expires()}}));
  return tls;
}

int serve(Config& config) {
  // First, for it is what an operator may have wrong, and it needs nothing else.
  const auto tls = open_tls(config);
  if (!tls) return fail("TLS cannot be set up", tls.error());
  auto store = open_store(config);
  if (!store) return fail("the store cannot be opened", store.error());
  std::optional<OwnKey> own;
  if (config.keys.empty() && config.keys_file.empty()) {
    auto key = load_or_make_key(config.data_folder);
    if (!key) return fail("no key", key.error());
    config.keys.push_back(key->key);
    own = *std::move(key);
  }
  auto keys = all_keys(config);
  if (!keys) return fail("no keys", keys.error());
  if (config.token_keys.empty()) {
    auto token_key = own_token_key(config.data_folder);
    if (!token_key) return fail("no token secret", token_key.error());
    config.token_keys.push_back(*std::move(token_key));
  }

  const auto outbound = open_outbound(config, *store, *keys, kVersion);
  if (!outbound) return fail("webhooks or the audit log cannot be opened", outbound.error());
  Telemetry telemetry(config, kVersion, *store);
  const auto metrics_url = telemetry.listen();
  if (!metrics_url) return fail("cannot listen for metrics", metrics_url.error());
  if (!metrics_url->empty()) log(LogLevel::info, "metrics served", text_fields({{"url", *metrics_url}}));
  const auto test_runs = std::make_shared<openwop::TestRuns>(*store);
  const auto regions = open_regions(config, *store, telemetry.metrics());
  if (!regions) return fail("other regions cannot be used", regions.error());
  auto engine = open_engine(config, *store, *outbound, telemetry, test_runs, *regions);
  if (!engine) return fail("the engine cannot be opened", engine.error());
  for (const std::string& name : config.without_effect) {
    log(LogLevel::warning, "an environment variable has no effect here", text_fields({{"name", name}}));
  }
  WorkflowFolders workflows(config.workflow_folders);
  const auto loaded = workflows.load(**engine);
  if (!loaded) return fail("workflows cannot be loaded", loaded.error());
  log(LogLevel::info, "workflows loaded", Reload::workflow_counts(*loaded));
  if (!config.separate_test_data) {
    for (const std::string& tenant : mixed_tenants(*keys)) {
      log(LogLevel::warning, "keys for tests and keys for production share a tenant",
          text_fields({{"tenant", tenant}}));
    }
  }
  openwop::OpenWopSurface surface(**engine, surface_options(config, *outbound, telemetry, test_runs, *regions));
  surface.set_keys(*std::move(keys));
  // Never destroyed: the signal thread may hold it to the last moment of the process.
  static HttpServer* server = nullptr;
  const Ui ui(surface);
  server = new HttpServer(surface, config.ui ? &ui : nullptr, tls->get(), config.max_connections);
  const auto port = server->bind(config.host, config.port);
  if (!port) return fail("cannot listen", port.error());
  const std::string url = url_of(config, *port);
  // Reloads end before the server drains, and with it all that they refer to.
  std::thread(wait_for_signals, std::ref(*server), Reload(config, **engine, surface, workflows, tls->get()),
              Backup(config, **store))
      .detach();
  if (config.ui) log(LogLevel::info, "timeline page served", text_fields({{"url", url + "/ui"}}));
  const std::string& public_url = config.public_url.empty() ? url : config.public_url;
  outbound->start(public_url);
  if (*regions && config.public_url.empty()) {
    log(LogLevel::warning, "without --public-url repeats do not say which region their run is of");
  }
  if (*regions) (*regions)->start();
  if (own) print_first_steps(*own, public_url, **engine);
  std::printf("{\"listening\":\"%s\"}\n", url.c_str());
  std::fflush(stdout);

  server->serve();
  (*engine)->close();
  if (*regions) (*regions)->close();
  outbound->close();
  telemetry.close();
  log(LogLevel::info, "stopped");
  return 0;
}

/// Each stream is an open file; the soft limit is often 1024.
void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int print_new_key(const std::string& owner) {
  const auto made = make_key(owner);
  if (!made) return fail("bad configuration", made.error());
  std::printf("key:   %s\nentry: %s\n", made->text.c_str(), keys_file_entry(made->key).c_str());
  return 0;
}

int run(int argc, const char* const* argv) {
  // Before any thread starts, so that all of them leave these to the one that waits for them.
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  allow_many_files();
  auto config = read_config(argc, argv);
  if (!config) return fail("bad configuration", config.error());
  if (config->show_help || config->show_version) {
    const std::string text = config->show_help ? help_text() : "openwop-refserver " + std::string(kVersion) + "\n";
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  if (!config->new_key.empty()) return print_new_key(config->new_key);
  set_log_level(config->log_level);
  if (!config->verify_store.empty()) return verify_store(config->verify_store);
  if (!config->rebuild_store.empty()) return rebuild_store(config->rebuild_store);
  if (!config->export_store.empty()) return export_run(config->export_store, config->export_run);
  if (!config->import_store.empty()) return import_run(config->import_store);
  if (!config->rotate_audit_key.empty()) {
    const auto rotated = rotate_audit_key(config->rotate_audit_key);
    return rotated ? 0 : fail("the key of the audit log cannot be rotated", rotated.error());
  }
  return serve(*config);
}

}  // namespace
}  // namespace refserver

int main(int argc, char** argv) { return refserver::run(argc, argv); }
