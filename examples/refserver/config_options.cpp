#include "config_options.h"

#include <algorithm>
#include <array>
#include <string>

#include "config.h"

namespace refserver {

namespace {

constexpr std::array kOptions = {
    Option{"listen", Values::one, "OPENWOP_LISTEN", "HOST:PORT",
           "where to listen; port 0 = any free port (127.0.0.1:8080)"},
    Option{"store", Values::one, "OPENWOP_STORE", "KIND", "memory, rocksdb:DIR or postgres:DSN (rocksdb:openwop-data)"},
    Option{"data-folder", Values::one, "OPENWOP_DATA_FOLDER", "DIR",
           "with --store postgres: folder of the keys that the server makes itself; none = new ones each start"},
    Option{"cluster", Values::none, "OPENWOP_CLUSTER", "", "one of several servers on one PostgreSQL database"},
    Option{"host-address", Values::one, "OPENWOP_HOST_ADDRESS", "URL",
           "where the other servers reach this one (the address of --listen)"},
    Option{"host-id", Values::one, "OPENWOP_HOST_ID", "TEXT", "names this server to people (a random id)"},
    Option{"claim-ttl-ms", Values::one, "OPENWOP_CLAIM_TTL_MS", "N",
           "how long runs wait for a server that has died (30000)"},
    Option{"heartbeat-ms", Values::one, "OPENWOP_HEARTBEAT_INTERVAL_MS", "N",
           "how often a server renews its claims, at most half of claim-ttl-ms (10000)"},
    Option{"region", Values::one, "OPENWOP_REGION", "NAME",
           "names this region where there are others with stores of their own"},
    Option{"region-peer", Values::many, "OPENWOP_REGION_PEER", "NAME=URL",
           "another region and where it is reached; may be repeated"},
    Option{"region-key", Values::many, "OPENWOP_REGION_KEY", "NAME=KEY",
           "a key of that region with the scope regions:exchange; may be repeated"},
    Option{"workflows", Values::many, "OPENWOP_WORKFLOWS", "DIR",
           "folder of workflow definitions, *.json; may be repeated"},
    Option{"api-key", Values::many, "OPENWOP_API_KEY", "KEY[=TENANT[:SCOPE,...]]", "a bearer key; may be repeated"},
    Option{"test-api-key", Values::many, "OPENWOP_TEST_API_KEY", "KEY[=...]",
           "a bearer key that may use test features"},
    Option{"secondary-api-key", Values::one, "OPENWOP_SECONDARY_API_KEY", "KEY[=...]", "one more bearer key"},
    Option{"tenant2-api-key", Values::one, "OPENWOP_TENANT2_API_KEY", "KEY", "a bearer key of the tenant `tenant2`"},
    Option{"keys", Values::one, "OPENWOP_KEYS_FILE", "FILE", "keys by their hash; read again on SIGHUP"},
    Option{"new-key", Values::one, "", "TENANT[:SCOPE,...]",
           "make a key, print it with its entry for --keys, and exit"},
    Option{"test-key-prefix", Values::one, "OPENWOP_TEST_KEY_PREFIX", "TEXT", "how test keys begin, for discovery"},
    Option{"separate-test-data", Values::none, "OPENWOP_SEPARATE_TEST_DATA", "",
           "test keys act in a tenant of their own, TENANT/test"},
    Option{"token-secret", Values::many, "OPENWOP_TOKEN_SECRET", "ID=SECRET",
           "signs interrupt tokens; of several the first signs, all verify"},
    Option{"public-url", Values::one, "OPENWOP_PUBLIC_URL", "URL", "prefix of URLs in answers"},
    Option{"callback-secret", Values::one, "OPENWOP_CALLBACK_SECRET", "SECRET", "signs the POSTs to callback URLs"},
    Option{"tls-cert", Values::one, "OPENWOP_TLS_CERT", "FILE",
           "certificate chain, PEM: serve https only; read again on SIGHUP"},
    Option{"tls-key", Values::one, "OPENWOP_TLS_KEY", "FILE", "its private key, PEM, without passphrase"},
    Option{"tls-client-ca", Values::one, "OPENWOP_TLS_CLIENT_CA", "FILE",
           "authorities, PEM: clients have to show a certificate of theirs"},
    Option{"fixtures-dir", Values::one, "OPENWOP_FIXTURES_DIR", "DIR", "one more folder of workflow definitions"},
    Option{"fixtures", Values::none, "OPENWOP_CONFORMANCE_SEED", "",
           "node types and discovery for the conformance fixtures"},
    Option{"no-conversations", Values::none, "OPENWOP_NO_CONVERSATIONS", "", "refuse workflows with conversations"},
    Option{"ui", Values::none, "OPENWOP_UI", "", "serve the timeline page at /ui"},
    Option{"config", Values::one, "OPENWOP_CONFIG", "FILE", "JSON object with these options as members"},
    Option{"log-level", Values::one, "OPENWOP_LOG_LEVEL", "LEVEL", "debug, info, warning or error (info)"},
    Option{"threads", Values::one, "OPENWOP_THREADS", "N", "engine threads (2)"},
    Option{"durability", Values::one, "OPENWOP_DURABILITY", "MODE", "sync or async (sync)"},
    Option{"max-connections", Values::one, "OPENWOP_MAX_CONNECTIONS", "N", "connections served at once (512)"},
    Option{"webhook-retries", Values::one, "OPENWOP_WEBHOOK_RETRIES", "N",
           "deliveries are repeated, then kept as dead letters (0: one attempt)"},
    Option{"webhook-allow-private", Values::none, "OPENWOP_WEBHOOK_ALLOW_PRIVATE", "",
           "tests only: webhooks to http URLs and private addresses"},
    Option{"audit-log", Values::one, "OPENWOP_AUDIT_LOG", "on|off", "audit log (on with a data folder)"},
    Option{"debug-bundle-bytes", Values::one, "OPENWOP_DEBUG_BUNDLE_BYTE_CAP", "N",
           "cap of a debug bundle; 0 = none are made (8388608)"},
    Option{"max-inflight", Values::one, "OPENWOP_MAX_INFLIGHT", "N", "requests worked on at once (512)"},
    Option{"max-waiting", Values::one, "OPENWOP_MAX_WAITING", "N", "requests that wait for one of those places (1024)"},
    Option{"rate-limit", Values::one, "OPENWOP_RATE_LIMIT", "N", "requests a second of each key; 0 = no limit (0)"},
    Option{"rate-burst", Values::one, "OPENWOP_RATE_BURST", "N",
           "requests of a key that may come at once (rate-limit)"},
    Option{"force-rate-limit", Values::none, "OPENWOP_FORCE_RATE_LIMIT", "", "429 for clients that hammer discovery"},
    Option{"retry-after", Values::one, "OPENWOP_RETRY_AFTER_SECONDS", "N", "Retry-After of answers to try again (1)"},
    Option{"run-options", Values::one, "OPENWOP_RUN_OPTIONS", "FILE",
           "JSON object: what `configurable` of a run may carry"},
    Option{"otlp-endpoint", Values::one, "OTEL_EXPORTER_OTLP_ENDPOINT", "URL",
           "OpenTelemetry collector that takes OTLP over HTTP as JSON"},
    Option{"otlp-protocol", Values::one, "OTEL_EXPORTER_OTLP_PROTOCOL", "NAME", "http/json, the only one there is"},
    Option{"otlp-headers", Values::one, "OTEL_EXPORTER_OTLP_HEADERS", "NAME=VALUE,...",
           "headers of requests to the collector"},
    Option{"service-name", Values::one, "OTEL_SERVICE_NAME", "TEXT", "service.name of spans (openwop-refserver)"},
    Option{"traces-sampler", Values::one, "OTEL_TRACES_SAMPLER", "NAME",
           "parentbased_traceidratio, always_on or always_off (parentbased_traceidratio)"},
    Option{"traces-sampler-arg", Values::one, "OTEL_TRACES_SAMPLER_ARG", "RATIO", "from 0 to 1 (0.1)"},
    Option{"metrics-listen", Values::one, "OPENWOP_METRICS_LISTEN", "HOST:PORT",
           "serve /metrics as Prometheus text, without a key"},
    Option{"run-log", Values::none, "OPENWOP_RUN_LOG", "", "log a record for each run and node"},
    Option{"retention-days", Values::one, "OPENWOP_EVENT_RETENTION_DAYS", "DAYS",
           "runs are removed so long after their end; 0 = never (0)"},
    Option{"verify", Values::one, "", "STORE",
           "check rocksdb:DIR, DIR or postgres:DSN, print what is wrong as JSON lines, and exit"},
    Option{"rebuild", Values::one, "", "STORE",
           "put right what derives from the logs of runs, print what was changed, and exit"},
    Option{"export", Values::one, "", "STORE", "write the run of --run to stdout as one file, and exit"},
    Option{"run", Values::one, "", "ID", "the run that is exported"},
    Option{"import", Values::one, "", "STORE", "make the run that such a file on stdin holds, and exit"},
    Option{"rotate-audit-key", Values::one, "", "DIR",
           "make a new signing key of the audit log in the data folder, which the next start takes up, and exit"},
    Option{"backup-folder", Values::one, "OPENWOP_BACKUP_FOLDER", "DIR",
           "SIGUSR1 copies the data folder, as it is then, into a new folder there"},
    Option{"help", Values::none, "", "", "this text"},
    Option{"version", Values::none, "", "", "name and version"},
};

}  // namespace

std::span<const Option> all_options() { return kOptions; }

const Option* find_option(std::string_view name) {
  for (const Option& option : kOptions) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::string help_text() {
  std::string text = "openwop-refserver: OpenWOP 1.0 over HTTP, on one data folder or database\n\n";
  for (const Option& option : kOptions) {
    constexpr std::size_t kHelpColumn = 44;
    std::string line = "  --" + std::string(option.name) + " " + std::string(option.value);
    line.resize(std::max(line.size() + 1, kHelpColumn), ' ');
    text.append(line).append(option.help).append("\n");
    if (!option.environment.empty()) text.append(kHelpColumn, ' ').append(option.environment).append("\n");
  }
  text +=
      "\nThe command line wins over the environment, that over --config FILE. Also read: OPENWOP_HOST, OPENWOP_PORT.\n"
      "Without a key the server makes one, prints it once and keeps its hash in the data folder. SIGHUP reads the keys "
      "file,\n"
      "the TLS files and the workflow folders again; SIGUSR1 makes a backup (--backup-folder).\n";
  return text;
}

}  // namespace refserver
