#include "engine/node_writes.h"

#include "engine/agent_events.h"
#include "engine/channel_writes.h"
#include "engine/event_redaction.h"
#include "engine/run_turn.h"

namespace openwop::runtime {

namespace {

constexpr std::size_t kMaxHostKeyBytes = 512;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxFailureMessageBytes = 16'384;
constexpr std::size_t kMaxFailureDetailsBytes = 65'536;

Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

bool is_text(std::string_view text, std::size_t max_bytes) {
  return !text.empty() && text.size() <= max_bytes && simdjson::validate_utf8(text.data(), text.size());
}

class WritePlan {
 public:
  WritePlan(const EngineOptions& options, const Run& run, const WorkflowNode& node)
      : options_(options), run_(run), node_(node), channels_(options, run) {}

  Status add(const VariableWrite& write) {
    const Workflow& workflow = *run_.workflow;
    if (!is_text(write.name, kMaxNameBytes)) return invalid("a variable's name has 1 to 256 bytes of UTF-8");
    if (workflow.declares_channels && workflow.find_channel(write.name) != nullptr) {
      return invalid("'" + write.name + "' is a channel; write it with core.channelWrite");
    }
    if (auto checked = check_value("variable '" + write.name + "'", write.value); !checked) return checked;
    const WorkflowVariable* declared = workflow.find_variable(write.name);
    // Null is the absence of a value, which any variable may have.
    if (declared != nullptr && !has_type(declared->type, write.value) && json::kind(write.value) != json::Kind::null) {
      return invalid("variable '" + write.name + "' is declared with another type");
    }
    const auto current = run_.state.variables.find(write.name);
    const bool known = current != run_.state.variables.end();
    if (known && current->second == write.value) return {};
    state_bytes_ += write.value.size() + (known ? 0 : write.name.size());
    if (known) state_bytes_ -= std::min(state_bytes_, current->second.size());
    commands_.emplace_back(command::WriteVariable{node_.id, write.name, write.value,
                                                  declared != nullptr && declared->sensitive, run_.header->masking});
    return {};
  }

  Status add(const ChannelWrite& write) {
    if (!is_text(write.channel, kMaxNameBytes)) return invalid("a channel's name has 1 to 256 bytes of UTF-8");
    if (auto checked = check_value("a write to channel '" + write.channel + "'", write.value); !checked) return checked;
    auto command = channels_.plan(write, node_.id, node_.type_id);
    if (!command) return std::move(command).error();
    state_bytes_ += write.value.size();
    commands_.emplace_back(std::move(*command));
    return {};
  }

  Status add(const Event& event) {
    if (changes_state(event.type)) return invalid("a node must not emit '" + std::string(event_name(event.type)) + "'");
    const bool named = event.type != EventType::unknown || is_text(event.unknown_name, kMaxNameBytes);
    if (!named || (!event.node_id.empty() && !is_text(event.node_id, kMaxNameBytes))) {
      return invalid("an event needs a type, and names of at most 256 bytes of UTF-8");
    }
    if (auto checked = check_value("an event of the node", event.payload); !checked) return checked;
    Event note = event;
    note.hidden.clear();  // the engine's own
    if (event.type == EventType::run_orchestrator_decided) {
      if (auto valid = check_decided(run_, event.payload); !valid) return valid;
    }
    auto admitted = admit_agent_event(options_, run_.header->configurable, node_, std::move(note));
    if (!admitted) return std::move(admitted).error();
    if (!*admitted) return {};
    command::AppendNote append{**std::move(admitted)};
    if (event.type != EventType::output_chunk || redact_chunk(append.event, streams_[chunk_channel(event)])) {
      commands_.emplace_back(std::move(append));
    }
    return {};
  }

  /// What the streams of the node's chunks still held back.
  void finish_streams() {
    const std::string run_id = run_.id.text();
    for (auto& [channel, stream] : streams_) {
      if (auto rest = rest_of_stream(stream, run_id, node_.id, channel)) {
        commands_.emplace_back(command::AppendNote{std::move(*rest)});
      }
    }
  }

  Status check(const NodeArtifact& artifact) {
    if (!is_text(artifact.artifact_id, kMaxNameBytes) || !is_text(artifact.artifact_type, kMaxNameBytes)) {
      return invalid("an artifact's id and type have 1 to 256 bytes of UTF-8");
    }
    for (const std::string* text : {&artifact.version, &artifact.summary}) {
      if (!text->empty() && !is_text(*text, kMaxFailureMessageBytes)) {
        return invalid("an artifact's version and summary are UTF-8 of at most 16384 bytes");
      }
    }
    const std::string what = "artifact '" + artifact.artifact_id + "'";
    completion_bytes_ += artifact.content.size();
    if (artifact.content.size() > options_.max_artifact_bytes) {
      return too_large(what, "max_artifact_bytes", options_.max_artifact_bytes);
    }
    if (auto checked = json::check(artifact.content, {options_.max_artifact_bytes, options_.max_json_depth});
        !checked) {
      return invalid(what + ": " + checked.error().message);
    }
    return {};
  }

  Status check(const HostWrite& write) {
    if (write.key.empty() || write.key.size() > kMaxHostKeyBytes) return invalid("a host key has 1 to 512 bytes");
    return count("a host row", write.value ? write.value->size() : 0);
  }

  Status check_outputs(std::string_view outputs) {
    if (outputs.empty()) return {};
    if (auto checked = check_value("the node's output", outputs); !checked) return checked;
    if (json::kind(outputs) != json::Kind::object) return invalid("the node's output is not an object");
    return {};
  }

  Status check_totals() const {
    if (completion_bytes_ > options_.max_completion_bytes) {
      return too_large("what the node wrote", "max_completion_bytes", options_.max_completion_bytes);
    }
    if (commands_.empty()) return {};
    std::size_t total = state_bytes_;
    for (const auto& [name, value] : run_.state.variables) total += name.size() + value.size();
    for (const auto& [name, value] : run_.state.channels) total += name.size() + value.size();
    if (total <= options_.max_run_state_bytes) return {};
    return too_large("variables and channels together", "max_run_state_bytes", options_.max_run_state_bytes);
  }

  std::vector<RunCommand> take() { return std::move(commands_); }

 private:
  static Error too_large(std::string_view what, std::string_view limit, std::size_t bytes) {
    return Error{ErrorCode::payload_too_large,
                 std::string(what) + " exceeds " + std::string(limit) + " (" + std::to_string(bytes) + ")"};
  }

  Status count(std::string_view what, std::size_t bytes) {
    completion_bytes_ += bytes;
    if (bytes <= options_.max_event_payload_bytes) return {};
    return too_large(what, "max_event_payload_bytes", options_.max_event_payload_bytes);
  }

  /// What a handler gives is stored as it is, so it has to be JSON.
  Status check_value(const std::string& what, std::string_view value) {
    if (auto size = count(what, value.size()); !size) return size;
    if (auto checked = json::check(value, {options_.max_event_payload_bytes, options_.max_json_depth}); !checked) {
      return invalid(what + ": " + checked.error().message);
    }
    return {};
  }

  const EngineOptions& options_;
  const Run& run_;
  const WorkflowNode& node_;
  ChannelPlan channels_;
  std::map<std::string, StreamScrubber> streams_;
  std::vector<RunCommand> commands_;
  std::size_t completion_bytes_ = 0;
  std::size_t state_bytes_ = 0;  // by how much the state grows
};

}  // namespace

Result<std::vector<RunCommand>> plan_writes(const EngineOptions& options, const Run& run, const WorkflowNode& node,
                                            const NodeCompleted& completed) {
  WritePlan plan(options, run, node);
  if (auto ok = plan.check_outputs(completed.outputs); !ok) return std::move(ok).error();
  for (const VariableWrite& write : completed.variables) {
    if (auto ok = plan.add(write); !ok) return std::move(ok).error();
  }
  for (const ChannelWrite& write : completed.channels) {
    if (auto ok = plan.add(write); !ok) return std::move(ok).error();
  }
  for (const Event& event : completed.events) {
    if (auto ok = plan.add(event); !ok) return std::move(ok).error();
  }
  plan.finish_streams();
  for (const NodeArtifact& artifact : completed.artifacts) {
    if (auto ok = plan.check(artifact); !ok) return std::move(ok).error();
  }
  for (const HostWrite& write : completed.host_writes) {
    if (auto ok = plan.check(write); !ok) return std::move(ok).error();
  }
  if (auto ok = plan.check_totals(); !ok) return std::move(ok).error();
  return plan.take();
}

Failure storable(Failure failure) {
  const auto clean = [](std::string& text, std::size_t max_bytes) {
    if (!simdjson::validate_utf8(text.data(), text.size())) {
      for (char& c : text) c = static_cast<unsigned char>(c) < 0x80 ? c : '?';
    }
    std::size_t size = std::min(text.size(), max_bytes);
    while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
    text.resize(size);
  };
  clean(failure.code, kMaxNameBytes);
  clean(failure.message, kMaxFailureMessageBytes);
  const bool details_fit =
      failure.details.empty() || (json::check(failure.details, {kMaxFailureDetailsBytes, 64}).ok() &&
                                  json::kind(failure.details) == json::Kind::object);
  if (!details_fit) failure.details.clear();
  const bool outputs_fit =
      failure.outputs.empty() || (json::check(failure.outputs, {kMaxFailureDetailsBytes, 64}).ok() &&
                                  json::kind(failure.outputs) == json::Kind::object);
  if (!outputs_fit) failure.outputs.clear();
  return failure;
}

}  // namespace openwop::runtime
