#include "regions.h"

#include <utility>

#include "log.h"
#include "openwop/net.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Status;

namespace {

Error invalid(std::string message) { return {ErrorCode::validation_error, std::move(message)}; }

/// NAME=VALUE, neither of them empty.
std::optional<std::pair<std::string, std::string>> split_pair(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) return std::nullopt;
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

}  // namespace

Status read_region(std::string_view name, const std::vector<std::string>& values, RegionConfig& config) {
  if (name == "region") config.name = values.back();
  if (name != "region-peer" && name != "region-key") return {};
  for (const std::string& value : values) {
    auto pair = split_pair(value);
    if (!pair) return invalid("--" + std::string(name) + " has to be NAME=" + (name == "region-key" ? "KEY" : "URL"));
    while (name == "region-peer" && pair->second.ends_with('/')) pair->second.pop_back();
    (name == "region-peer" ? config.urls : config.keys).insert_or_assign(pair->first, pair->second);
  }
  return {};
}

Status check_regions(const RegionConfig& config) {
  if (config.name.empty() != config.urls.empty()) return invalid("--region and --region-peer go together");
  for (const auto& [name, url] : config.urls) {
    if (!config.keys.contains(name)) return invalid("--region-key is missing for the region '" + name + "'");
  }
  for (const auto& [name, key] : config.keys) {
    if (!config.urls.contains(name)) return invalid("--region-peer is missing for the region '" + name + "'");
  }
  return {};
}

Result<std::shared_ptr<openwop::RegionLink>> open_regions(const Config& config, std::shared_ptr<openwop::Store> store,
                                                          std::shared_ptr<openwop::MetricSink> metrics) {
  if (config.region.name.empty()) return std::shared_ptr<openwop::RegionLink>();
#ifdef OPENWOP_HAS_CURL
  openwop::RegionOptions options;
  options.region = config.region.name;
  options.store = std::move(store);
  for (const auto& [name, url] : config.region.urls) options.peers.push_back({name, url, config.region.keys.at(name)});
  options.client = openwop::make_curl_http_client();
  options.metrics = std::move(metrics);
  options.cluster = config.cluster;
  options.on_trouble = [](std::string_view message, std::string_view fields) {
    log(LogLevel::warning, message, fields);
  };
  return openwop::RegionLink::open(std::move(options));
#else
  static_cast<void>(store);
  static_cast<void>(metrics);
  return invalid("this server was built without libcurl, so that it reaches no other region");
#endif
}

}  // namespace refserver
