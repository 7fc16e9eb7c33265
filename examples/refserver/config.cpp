#include "config.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "config_options.h"
#include "keys.h"
#include "openwop/json.h"
#include "regions.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Status;
namespace json = openwop::json;

namespace {

Error invalid(std::string message) { return {ErrorCode::validation_error, std::move(message)}; }

/// Option name -> values, of one source.
using Source = std::map<std::string, std::vector<std::string>, std::less<>>;

Result<Source> from_command_line(int argc, const char* const* argv) {
  Source source;
  for (int i = 1; i < argc; ++i) {
    std::string_view text = argv[i];
    if (!text.starts_with("--")) return invalid("unexpected argument; see --help");
    text.remove_prefix(2);
    const auto equals = text.find('=');
    const Option* option = find_option(text.substr(0, equals));
    // Not repeated: what was mistyped may be a key.
    if (option == nullptr) return invalid("argument " + std::to_string(i) + " is no option; see --help");
    auto& values = source[std::string(option->name)];
    if (option->values == Values::none) {
      values.emplace_back("true");
    } else if (equals != std::string_view::npos) {
      values.emplace_back(text.substr(equals + 1));
    } else if (i + 1 < argc) {
      values.emplace_back(argv[++i]);
    } else {
      return invalid("--" + std::string(option->name) + " needs a value");
    }
  }
  return source;
}

// Several values in one variable are separated by spaces.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::istringstream stream{std::string(text)};
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

Source from_environment() {
  Source source;
  const auto variable = [](const char* name) { return std::string_view(std::getenv(name) ? std::getenv(name) : ""); };
  for (const Option& option : all_options()) {
    if (option.environment.empty()) continue;
    const std::string_view value = variable(std::string(option.environment).c_str());
    if (value.empty()) continue;
    source[std::string(option.name)] =
        option.values == Values::many ? split_words(value) : std::vector<std::string>{std::string(value)};
  }
  // Names that OpenWOP hosts have in common (protocol 01 §24).
  const std::string_view host = variable("OPENWOP_HOST");
  const std::string_view port = variable("OPENWOP_PORT");
  if (!source.contains("listen") && (!host.empty() || !port.empty())) {
    source["listen"] = {std::string(host.empty() ? "127.0.0.1" : host) + ":" +
                        std::string(port.empty() ? "8080" : port)};
  }
  return source;
}

std::string plain_value(std::string_view raw) {
  const auto text = json::as_string(raw);
  return text ? *text : std::string(raw);
}

Result<std::string> read_file(const std::string& what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return invalid(what + " " + path + " cannot be read");
  return text.str();
}

Result<Source> from_file(const std::string& path) {
  const auto read = read_file("config file", path);
  if (!read) return read.error();
  const std::string& body = *read;
  if (const auto checked = json::check(body); !checked) {
    return invalid("config file " + path + ": " + checked.error().message);
  }
  if (json::kind(body) != json::Kind::object) return invalid("config file " + path + " is not a JSON object");
  Source source;
  std::string unknown;
  json::for_each_member(body, [&](std::string_view key, std::string_view value) {
    const std::string name = json::unescape(key);
    if (find_option(name) == nullptr || name == "config") unknown = name;
    auto& values = source[name];
    if (json::kind(value) == json::Kind::array) {
      json::for_each_element(value, [&](std::string_view element) {
        values.push_back(plain_value(element));
        return true;
      });
    } else {
      values.push_back(plain_value(value));
    }
    return unknown.empty();
  });
  if (!unknown.empty()) return invalid("config file " + path + ": unknown member '" + unknown + "'");
  return source;
}

Result<std::size_t> read_count(std::string_view name, std::string_view text, std::size_t min, std::size_t max) {
  std::size_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || value < min || value > max) {
    return invalid("--" + std::string(name) + " has to be a whole number from " + std::to_string(min) + " to " +
                   std::to_string(max));
  }
  return value;
}

Status read_listen(std::string_view text, Config& config) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid("--listen has to be HOST:PORT");
  const auto port = read_count("listen", text.substr(colon + 1), 0, 65535);
  if (!port) return invalid("--listen has to be HOST:PORT with a port from 0 to 65535");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  config.host = host.empty() ? "0.0.0.0" : std::string(host);
  config.port = static_cast<int>(*port);
  return {};
}

Status read_choices(std::string_view name, std::string_view value, Config& config) {
  if (name == "store") {
    if (value == "memory") {
      config.data_folder.clear();
    } else if (value.starts_with("rocksdb:") && value.size() > 8) {
      config.data_folder = value.substr(8);
    } else if (value.starts_with("postgres:") && value.size() > 9) {
      // A URL keeps its scheme: postgres://HOST/DATABASE.
      config.postgres_dsn = value.starts_with("postgres://") ? value : value.substr(9);
    } else {
      return invalid("--store has to be memory, rocksdb:DIR or postgres:DSN");
    }
  } else if (name == "durability") {
    if (value != "sync" && value != "async") return invalid("--durability has to be sync or async");
    config.durability = value == "sync" ? openwop::Durability::sync : openwop::Durability::async;
  } else if (name == "audit-log") {
    if (value != "on" && value != "off") return invalid("--audit-log has to be on or off");
    config.audit_log = value == "on";
  } else if (name == "log-level") {
    constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (kNames[i] != value) continue;
      config.log_level = static_cast<openwop::LogLevel>(i);
      return {};
    }
    return invalid("--log-level has to be debug, info, warning or error");
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(' ');
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(' ') - from + 1);
}

// name=value pairs, separated by commas. What is wrong is not repeated: the values are credentials.
Status read_otlp_headers(std::string_view text, Config& config) {
  config.otlp_headers.clear();
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || trimmed(pair.substr(0, equals)).empty()) {
      return invalid("--otlp-headers has to be NAME=VALUE,...");
    }
    config.otlp_headers.emplace_back(trimmed(pair.substr(0, equals)), trimmed(pair.substr(equals + 1)));
  }
  return {};
}

Status read_telemetry(std::string_view name, const std::string& value, Config& config) {
  if (name == "otlp-endpoint") config.otlp_endpoint = value;
  if (name == "service-name") config.service_name = value;
  if (name == "metrics-listen") config.metrics_listen = value;
  if (name == "otlp-headers") return read_otlp_headers(value, config);
  if (name == "otlp-protocol" && value != "http/json") return invalid("--otlp-protocol has to be http/json");
  if (name == "traces-sampler") {
    if (value == "always_on") {
      config.sampler = openwop::Sampler::always_on;
    } else if (value == "always_off") {
      config.sampler = openwop::Sampler::always_off;
    } else if (value != "parentbased_traceidratio") {
      return invalid("--traces-sampler has to be parentbased_traceidratio, always_on or always_off");
    }
  }
  if (name == "traces-sampler-arg") {
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), config.sample_ratio);
    const bool is_ratio = code == std::errc{} && end == value.data() + value.size() && config.sample_ratio >= 0 &&
                          config.sample_ratio <= 1;
    if (!is_ratio) return invalid("--traces-sampler-arg has to be a number from 0 to 1");
  }
  return {};
}

// By hand, because they are members of a member.
void read_tls(std::string_view name, const std::string& value, Config& config) {
  if (name == "tls-cert") config.tls.cert = value;
  if (name == "tls-key") config.tls.key = value;
  if (name == "tls-client-ca") config.tls.client_ca = value;
}

bool is_true(std::string_view value) { return value == "true" || value == "1"; }

struct Count {
  std::string_view name;
  std::size_t Config::*member;
  std::size_t min;
  std::size_t max;
};
constexpr std::array kCounts = {
    Count{"threads", &Config::threads, 1, 256},
    Count{"max-connections", &Config::max_connections, 1, 100'000},
    Count{"max-inflight", &Config::max_in_flight, 1, 100'000},
    Count{"max-waiting", &Config::max_waiting, 0, 100'000},
    Count{"rate-limit", &Config::rate_limit, 0, 1'000'000},
    Count{"rate-burst", &Config::rate_burst, 0, 1'000'000},
    Count{"claim-ttl-ms", &Config::claim_ttl_ms, 2, 3'600'000},
    Count{"heartbeat-ms", &Config::heartbeat_ms, 1, 1'800'000},
    Count{"retry-after", &Config::retry_after_s, 1, 3'600},
    Count{"webhook-retries", &Config::webhook_retries, 0, 100},
    Count{"retention-days", &Config::retention_days, 0, 36'500},
    Count{"debug-bundle-bytes", &Config::debug_bundle_bytes, 0, std::size_t{1} << 30},
};

struct Text {
  std::string_view name;
  std::string Config::*member;
};
constexpr std::array kTexts = {
    Text{"public-url", &Config::public_url},
    Text{"callback-secret", &Config::callback_secret},
    Text{"test-key-prefix", &Config::test_key_prefix},
    Text{"keys", &Config::keys_file},
    Text{"new-key", &Config::new_key},
    Text{"host-address", &Config::host_address},
    Text{"host-id", &Config::host_id},
    Text{"data-folder", &Config::own_keys_folder},
    Text{"verify", &Config::verify_store},
    Text{"rebuild", &Config::rebuild_store},
    Text{"export", &Config::export_store},
    Text{"run", &Config::export_run},
    Text{"import", &Config::import_store},
    Text{"rotate-audit-key", &Config::rotate_audit_key},
    Text{"backup-folder", &Config::backup_folder},
};

struct Flag {
  std::string_view name;
  bool Config::*member;
};
constexpr std::array kFlags = {
    Flag{"cluster", &Config::cluster},
    Flag{"fixtures", &Config::fixtures},
    Flag{"force-rate-limit", &Config::force_rate_limit},
    Flag{"webhook-allow-private", &Config::webhook_allow_private},
    Flag{"separate-test-data", &Config::separate_test_data},
    Flag{"run-log", &Config::run_log},
    Flag{"ui", &Config::ui},
    Flag{"help", &Config::show_help},
    Flag{"version", &Config::show_version},
};

Status add_key(std::string_view name, const std::string& value, Config& config) {
  const bool is_test = name == "test-api-key";
  const std::string tenant = name == "tenant2-api-key" ? "=tenant2" : "";
  auto key = parse_key(value.find('=') == std::string::npos ? value + tenant : value);
  if (!key) return invalid("--" + std::string(name) + ": " + key.error().message);
  key->test = is_test;
  config.keys.push_back(*std::move(key));
  return {};
}

Status apply(std::string_view name, const std::vector<std::string>& values, Config& config) {
  if (values.empty()) return {};
  const std::string& last = values.back();
  if (name == "listen") return read_listen(last, config);
  for (const Text& text : kTexts) {
    if (text.name == name) config.*text.member = last;
  }
  for (const Flag& flag : kFlags) {
    if (flag.name == name) config.*flag.member = is_true(last);
  }
  for (const Count& count : kCounts) {
    if (count.name != name) continue;
    const auto value = read_count(name, last, count.min, count.max);
    if (!value) return value.error();
    config.*count.member = *value;
  }
  if (name == "no-conversations") config.conversations = !is_true(last);
  if (name == "workflows" || name == "fixtures-dir") {
    config.workflow_folders.insert(config.workflow_folders.end(), values.begin(), values.end());
  }
  if (name == "run-options") {
    auto text = read_file("run options", last);
    if (!text) return std::move(text).error();
    config.run_options = *std::move(text);
  }
  if (name == "token-secret") {
    for (const std::string& value : values) {
      auto key = parse_token_key(value);
      if (!key) return invalid("--token-secret: " + key.error().message);
      config.token_keys.push_back(*std::move(key));
    }
  }
  if (name.ends_with("api-key")) {
    for (const std::string& value : values) {
      if (auto added = add_key(name, value, config); !added) return added;
    }
  }
  read_tls(name, last, config);
  if (auto read = read_region(name, values, config.region); !read) return read;
  if (auto read = read_telemetry(name, last, config); !read) return read;
  return read_choices(name, last, config);
}

// Names that hosts of OpenWOP have in common, for things that this one has not or does otherwise.
constexpr std::array kWithoutEffect = {"OPENWOP_SQLITE_PATH", "OPENWOP_PG_DSN"};
// Without a cluster a run is claimed by whoever has its data folder, for as long as the folder is locked.
constexpr std::array kOfCluster = {"OPENWOP_CLAIM_TTL_MS", "OPENWOP_HEARTBEAT_INTERVAL_MS", "OPENWOP_HOST_ADDRESS",
                                   "OPENWOP_HOST_ID"};

Status check_cluster(Config& config) {
  if (!config.cluster) return {};
  if (config.postgres_dsn.empty()) return invalid("--cluster needs --store postgres:DSN");
  if (config.heartbeat_ms > config.claim_ttl_ms / 2) {
    return invalid("--heartbeat-ms has to be at most half of --claim-ttl-ms");
  }
  // Servers have no certificate to show to one another.
  const bool reachable =
      config.port != 0 && config.host != "0.0.0.0" && config.host != "::" && config.tls.client_ca.empty();
  if (config.host_address.empty() && reachable) {
    const std::string scheme = config.tls.cert.empty() ? "http://" : "https://";
    const bool is_ipv6 = config.host.find(':') != std::string::npos;
    config.host_address =
        scheme + (is_ipv6 ? "[" + config.host + "]" : config.host) + ":" + std::to_string(config.port);
  }
  while (config.host_address.ends_with('/')) config.host_address.pop_back();
  const bool is_url = config.host_address.starts_with("http://") || config.host_address.starts_with("https://");
  if (is_url) return {};
  return invalid("--cluster needs the --host-address URL at which the other servers reach this one");
}

}  // namespace

Result<Config> read_config(int argc, const char* const* argv) {
  auto flags = from_command_line(argc, argv);
  if (!flags) return std::move(flags).error();
  Source merged = *std::move(flags);
  merged.merge(from_environment());  // keeps what is there
  if (const auto path = merged.find("config"); path != merged.end()) {
    auto file = from_file(path->second.back());
    if (!file) return std::move(file).error();
    merged.merge(*file);
  }
  Config config;
  for (const auto& [name, values] : merged) {
    if (auto applied = apply(name, values, config); !applied) return std::move(applied).error();
  }
  for (const char* const name : kWithoutEffect) {
    if (std::getenv(name) != nullptr) config.without_effect.emplace_back(name);
  }
  if (config.tls.cert.empty() != config.tls.key.empty()) return invalid("--tls-cert and --tls-key go together");
  if (!config.tls.client_ca.empty() && config.tls.cert.empty()) return invalid("--tls-client-ca needs --tls-cert");
  for (const char* const name : kOfCluster) {
    if (!config.cluster && std::getenv(name) != nullptr) config.without_effect.emplace_back(name);
  }
  if (auto checked = check_cluster(config); !checked) return std::move(checked).error();
  if (auto checked = check_regions(config.region); !checked) return std::move(checked).error();
  if (!config.postgres_dsn.empty()) config.data_folder = config.own_keys_folder;
  while (config.public_url.ends_with('/')) config.public_url.pop_back();
  return config;
}

}  // namespace refserver
