// openwop-refserver: the OpenWOP surface over HTTP. What a host of the library needs, in one folder: a store, an
// engine, a surface, and some HTTP server around it.
//
// On stdout: one line, {"listening":"http://HOST:PORT"}, once requests are served. Everything else goes to stderr.
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "config.h"
#include "http_server.h"
#include "keys.h"
#include "log.h"
#include "openwop/ai_provider.h"
#include "openwop/engine.h"
#include "openwop/memory_store.h"
#include "openwop/protocol/openwop_surface.h"
#include "openwop/rocksdb_store.h"
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
  if (config.data_folder.empty()) return std::shared_ptr<openwop::Store>(std::make_shared<openwop::MemoryStore>());
  auto store = openwop::open_rocksdb_store({.path = config.data_folder});
  if (!store) return std::move(store).error();
  return std::shared_ptr<openwop::Store>(*std::move(store));
}

openwop::Result<std::unique_ptr<openwop::Engine>> open_engine(const Config& config,
                                                              std::shared_ptr<openwop::Store> store) {
  openwop::EngineOptions options{.store = std::move(store), .threads = config.threads, .durability = config.durability};
  openwop::add_builtin_nodes(options.nodes, {.conversations = config.conversations});
  openwop::add_ai_nodes(options.nodes);
  if (config.fixtures) {
    openwop::add_fixture_nodes(options.nodes);
    options.secrets = openwop::fixture_secrets();
  }
  return openwop::Engine::open(std::move(options));
}

openwop::SurfaceOptions surface_options(const Config& config) {
  openwop::SurfaceOptions options{.keys = config.keys};
  options.log = [](LogLevel level, std::string_view message, std::string_view fields) { log(level, message, fields); };
  options.log_requests = config.log_level == LogLevel::debug;
  options.implementation_name = "openwop-refserver";
  options.implementation_version = kVersion;
  options.public_url = config.public_url;
  options.test_key_prefix = config.test_key_prefix;
  options.mock_providers.assign(openwop::kMockProviderIds.begin(), openwop::kMockProviderIds.end());
  options.token_keys = config.token_keys;
  options.advertise_fixtures = config.fixtures;
  return options;
}

/// Kept in the data folder, so that it is the same after a restart; without one it lives as long as the process.
openwop::Result<std::string> own_secret(const Config& config, std::string_view file_name) {
  if (config.data_folder.empty()) return make_key();
  return load_or_make_key(config.data_folder, file_name);
}

/// Without a configured secret for interrupt tokens: one of our own.
openwop::Status own_token_secret(Config& config) {
  if (!config.token_keys.empty()) return {};
  auto secret = own_secret(config, "token-secret");
  if (!secret) return std::move(secret).error();
  config.token_keys.push_back({"own", *std::move(secret)});
  return {};
}

/// Without a configured key: one of our own, told to whoever started the server and to nobody else.
openwop::Result<std::string> own_key(Config& config) {
  if (!config.keys.empty()) return std::string();
  auto key = own_secret(config, "api-key");
  if (key) config.keys.push_back(openwop::ApiKey::of(*key));
  return key;
}

void print_first_steps(const std::string& key, const std::string& url, const openwop::Engine& engine) {
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
  const std::string authorization = "-H 'Authorization: Bearer " + key + "'";
  std::fprintf(stderr,
               "\nAPI key: %s\n\nCreate a run:\n"
               "  RUN=$(curl -s %s -H 'Content-Type: application/json' -d '{\"workflowId\":\"%s\",\"inputs\":{}}' \\\n"
               "    %s/v1/runs | tee /dev/stderr | sed 's/.*\"runId\":\"\\([^\"]*\\)\".*/\\1/'); echo\n"
               "Follow its events:\n"
               "  curl -sN %s %s/v1/runs/$RUN/events\n\n",
               key.c_str(), authorization.c_str(), workflow.c_str(), url.c_str(), authorization.c_str(), url.c_str());
}

std::string url_of(const Config& config, int port) {
  const bool is_ipv6 = config.host.find(':') != std::string::npos;
  return "http://" + (is_ipv6 ? "[" + config.host + "]" : config.host) + ":" + std::to_string(port);
}

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

/// The first signal drains, a second one ends the process at once.
void wait_for_signals(HttpServer& server) {
  const sigset_t signals = stop_signals();
  int signal = 0;
  sigwait(&signals, &signal);
  log(LogLevel::info, "draining");
  server.drain();
  sigwait(&signals, &signal);
  ::_exit(kFailed);
}

int serve(Config& config) {
  auto store = open_store(config);
  if (!store) return fail("the store cannot be opened", store.error());
  auto engine = open_engine(config, *store);
  if (!engine) return fail("the engine cannot be opened", engine.error());
  const auto workflows = load_workflows(**engine, config.workflow_folders);
  if (!workflows) return fail("workflows cannot be loaded", workflows.error());
  log(LogLevel::info, "workflows loaded",
      "{\"loaded\":" + std::to_string(workflows->ids.size()) + ",\"refused\":" + std::to_string(workflows->refused) +
          "}");
  const auto key = own_key(config);
  if (!key) return fail("no key", key.error());
  if (const auto secret = own_token_secret(config); !secret) return fail("no token secret", secret.error());

  openwop::OpenWopSurface surface(**engine, surface_options(config));
  // Never destroyed: the signal thread may hold it to the last moment of the process.
  static HttpServer* server = nullptr;
  server = new HttpServer(surface, config.max_connections);
  const auto port = server->bind(config.host, config.port);
  if (!port) return fail("cannot listen", port.error());
  const std::string url = url_of(config, *port);
  std::thread(wait_for_signals, std::ref(*server)).detach();
  if (!key->empty()) print_first_steps(*key, config.public_url.empty() ? url : config.public_url, **engine);
  std::printf("{\"listening\":\"%s\"}\n", url.c_str());
  std::fflush(stdout);

  server->serve();
  (*engine)->close();
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

int run(int argc, const char* const* argv) {
  // Before any thread starts, so that all of them leave these to the one that waits for them.
  const sigset_t signals = stop_signals();
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
  set_log_level(config->log_level);
  return serve(*config);
}

}  // namespace
}  // namespace refserver

int main(int argc, char** argv) { return refserver::run(argc, argv); }
