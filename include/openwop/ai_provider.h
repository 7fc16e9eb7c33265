// AI providers: what `core.ai.callPrompt` calls. A host implements AiProvider for a model that it can reach; the mocks
// of protocol 01 §10.6 come with the library and answer the same every time.
//
//   AiProviders providers;
//   providers.by_name["acme"] = std::make_shared<AcmeProvider>(…);
//   add_ai_nodes(options.nodes, providers);
//
// Thread-safety: an AiProvider is called from any thread, several times at once. An AiSink may be used from any thread,
// by one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/node.h"
#include "openwop/run_command.h"

namespace openwop {

/// What a provider is asked.
struct AiCall {
  std::string model = {};           // configurable.ai.model or configurable.model; empty: the provider's own
  std::string prompt_id = {};       // config.promptId
  std::string prompt = {};          // configurable.promptOverrides of that id, else config.prompt
  std::string inputs = "{}";        // serialized object: the node's input ports
  std::string config = "{}";        // serialized object: configurable.mockProvider.config for a mock
  std::string credential_ref = {};  // configurable.ai.credentialRef: a name of the host's, never a key
  /// Send this to the provider as its idempotency key: the same for every re-run of the attempt.
  std::string invocation_id = {};
};

/// One piece of an answer (protocol 02 §2.4).
struct AiChunk {
  std::string text = {};
  bool last = false;
  std::string meta = {};  // serialized ChunkMeta, or empty
};

struct AiUsage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
};

/// What an answer was in the end.
struct AiResult {
  std::string model = {};
  std::string finish_reason = {};
  std::string tool_calls = {};  // serialized array, or empty
  std::optional<AiUsage> usage = {};
  std::optional<double> usd = {};
};

/// Where a provider's answer goes. After finish() or fail(), or once cancelled() is true, nothing counts any more.
class AiSink {
 public:
  virtual ~AiSink() = default;

  /// Recorded as output.chunk, in order, without waiting. Errors: as NodeContext::emit().
  [[nodiscard]] virtual Status chunk(AiChunk chunk) = 0;
  virtual void finish(AiResult result) = 0;
  virtual void fail(Failure failure) = 0;

  /// As NodeContext: a call that is told to stop, waits that hold no thread, secrets that are kept out.
  [[nodiscard]] virtual bool cancelled() const = 0;
  virtual void on_cancel(std::function<void()> callback) = 0;
  virtual void after(std::int64_t delay_ms, std::function<void()> callback) = 0;
  virtual void conceal(std::string secret) = 0;
  /// Chunks of this call that an earlier run of it had recorded before a crash. A provider that gives the same answer
  /// again gives it from the start; that many of its chunks are passed over.
  [[nodiscard]] virtual std::uint64_t recorded_chunks() const = 0;
};

class AiProvider {
 public:
  virtual ~AiProvider() = default;
  /// Starts the call and returns; the answer comes through the sink, now or later.
  virtual void call(AiCall call, std::shared_ptr<AiSink> sink) = 0;
};

struct AiProviders {
  std::map<std::string, std::shared_ptr<AiProvider>, std::less<>> by_name = {};
  /// For runs that name none in configurable.ai.provider; empty: such calls fail with capability_not_provided.
  std::string default_name = {};
};

/// The mocks, deterministic by construction.
inline constexpr std::array<std::string_view, 4> kMockProviderIds = {"stream-text", "tool-calls", "error",
                                                                     "usage-only"};

/// configurable.mockProvider.config of a mock. Errors: validation_error that names the member;
/// unsupported_mock_provider.
[[nodiscard]] Status check_mock_config(std::string_view provider_id, std::string_view config);

/// Adds core.ai.callPrompt. Runs with configurable.mockProvider go to that mock, all others to `providers`.
void add_ai_nodes(NodeRegistry& registry, AiProviders providers = {});

}  // namespace openwop
