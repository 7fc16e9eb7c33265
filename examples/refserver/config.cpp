#include "config.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "keys.h"
#include "openwop/json.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Status;
namespace json = openwop::json;

namespace {

enum class Values : std::uint8_t { none, one, many };

struct Option {
  std::string_view name;
  Values values;
  std::string_view environment;
  std::string_view value;  // what the value is called in the help
  std::string_view help;
};

constexpr std::array kOptions = {
    Option{"listen", Values::one, "OPENWOP_LISTEN", "HOST:PORT",
           "where to listen; port 0 = any free port (127.0.0.1:8080)"},
    Option{"store", Values::one, "OPENWOP_STORE", "KIND", "memory, or rocksdb:DIR (rocksdb:openwop-data)"},
    Option{"workflows", Values::many, "OPENWOP_WORKFLOWS", "DIR",
           "folder of workflow definitions, *.json; may be repeated"},
    Option{"api-key", Values::many, "OPENWOP_API_KEY", "KEY[=TENANT[:SCOPE,...]]", "a bearer key; may be repeated"},
    Option{"test-api-key", Values::many, "OPENWOP_TEST_API_KEY", "KEY[=...]",
           "a bearer key that may use test features"},
    Option{"test-key-prefix", Values::one, "OPENWOP_TEST_KEY_PREFIX", "TEXT", "how test keys begin, for discovery"},
    Option{"token-secret", Values::many, "OPENWOP_TOKEN_SECRET", "ID=SECRET",
           "signs interrupt tokens; of several the first signs, all verify"},
    Option{"public-url", Values::one, "OPENWOP_PUBLIC_URL", "URL", "prefix of URLs in answers"},
    Option{"fixtures", Values::none, "OPENWOP_CONFORMANCE_SEED", "",
           "node types and discovery for the conformance fixtures"},
    Option{"no-conversations", Values::none, "OPENWOP_NO_CONVERSATIONS", "", "refuse workflows with conversations"},
    Option{"config", Values::one, "OPENWOP_CONFIG", "FILE", "JSON object with these options as members"},
    Option{"log-level", Values::one, "OPENWOP_LOG_LEVEL", "LEVEL", "debug, info, warning or error (info)"},
    Option{"threads", Values::one, "OPENWOP_THREADS", "N", "engine threads (2)"},
    Option{"durability", Values::one, "OPENWOP_DURABILITY", "MODE", "sync or async (sync)"},
    Option{"max-connections", Values::one, "OPENWOP_MAX_CONNECTIONS", "N", "connections served at once (512)"},
    Option{"help", Values::none, "", "", "this text"},
    Option{"version", Values::none, "", "", "name and version"},
};

const Option* find_option(std::string_view name) {
  for (const Option& option : kOptions) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

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
  for (const Option& option : kOptions) {
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
  if (const auto folder = variable("OPENWOP_FIXTURES_DIR"); !folder.empty()) {
    source["workflows"].emplace_back(folder);
  }
  if (const auto key = variable("OPENWOP_SECONDARY_API_KEY"); !key.empty()) source["api-key"].emplace_back(key);
  if (const auto key = variable("OPENWOP_TENANT2_API_KEY"); !key.empty()) {
    source["api-key"].push_back(std::string(key) + "=tenant2");
  }
  return source;
}

std::string plain_value(std::string_view raw) {
  const auto text = json::as_string(raw);
  return text ? *text : std::string(raw);
}

Result<Source> from_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return invalid("config file " + path + " cannot be read");
  const std::string body = text.str();
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
    return invalid("--" + std::string(name) + " has to be a number from " + std::to_string(min) + " to " +
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
    } else {
      return invalid("--store has to be memory or rocksdb:DIR");
    }
  } else if (name == "durability") {
    if (value != "sync" && value != "async") return invalid("--durability has to be sync or async");
    config.durability = value == "sync" ? openwop::Durability::sync : openwop::Durability::async;
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

bool is_true(std::string_view value) { return value == "true" || value == "1"; }

Status apply(std::string_view name, const std::vector<std::string>& values, Config& config) {
  if (values.empty()) return {};
  const std::string& last = values.back();
  if (name == "listen") return read_listen(last, config);
  if (name == "workflows") config.workflow_folders = values;
  if (name == "public-url") config.public_url = last;
  if (name == "test-key-prefix") config.test_key_prefix = last;
  if (name == "fixtures") config.fixtures = is_true(last);
  if (name == "no-conversations") config.conversations = !is_true(last);
  if (name == "help") config.show_help = true;
  if (name == "version") config.show_version = true;
  if (name == "threads" || name == "max-connections") {
    const auto count = read_count(name, last, 1, name == "threads" ? 256 : 100'000);
    if (!count) return count.error();
    (name == "threads" ? config.threads : config.max_connections) = *count;
  }
  if (name == "token-secret") {
    for (const std::string& value : values) {
      auto key = parse_token_key(value);
      if (!key) return invalid("--token-secret: " + key.error().message);
      config.token_keys.push_back(*std::move(key));
    }
  }
  if (name == "api-key" || name == "test-api-key") {
    for (const std::string& value : values) {
      auto key = parse_key(value);
      if (!key) return invalid("--" + std::string(name) + ": " + key.error().message);
      key->test = name == "test-api-key";
      config.keys.push_back(*std::move(key));
    }
  }
  return read_choices(name, last, config);
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
  while (config.public_url.ends_with('/')) config.public_url.pop_back();
  return config;
}

std::string help_text() {
  std::string text = "openwop-refserver: OpenWOP 1.0 over HTTP, on one data folder\n\n";
  for (const Option& option : kOptions) {
    constexpr std::size_t kHelpColumn = 44;
    std::string line = "  --" + std::string(option.name) + " " + std::string(option.value);
    line.resize(std::max(line.size() + 1, kHelpColumn), ' ');
    text.append(line).append(option.help).append("\n");
    if (!option.environment.empty()) text.append(kHelpColumn, ' ').append(option.environment).append("\n");
  }
  text +=
      "\nThe command line wins over the environment, that over --config FILE. Also read: OPENWOP_HOST, OPENWOP_PORT,\n"
      "OPENWOP_FIXTURES_DIR (one more folder of workflows), OPENWOP_SECONDARY_API_KEY, OPENWOP_TENANT2_API_KEY.\n"
      "Without a key the server makes one, keeps it in the data folder and prints it.\n";
  return text;
}

}  // namespace refserver
