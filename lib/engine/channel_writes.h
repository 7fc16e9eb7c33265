// Writes to channels, checked against the channel's declaration (protocol 02 §8): who may write, what a value may be,
// how large the channel may grow; and the declaration against writes of older schema versions.
#pragma once

#include "openwop/engine.h"
#include "openwop/run_command.h"

namespace openwop::runtime {

struct Run;

/// The channel writes of one commit, in order: later ones see what earlier ones have left.
class ChannelPlan {
 public:
  ChannelPlan(const EngineOptions& options, const Run& run) : options_(options), run_(run) {}

  /// A node's write; it may also name a channel that the workflow does not declare, which is then kept in the variable
  /// of that name. Errors: channel_access_denied, validation_error.
  [[nodiscard]] Result<command::WriteChannel> plan(const ChannelWrite& write, std::string_view node_id,
                                                   std::string_view type_id);
  /// Another engine's write, to declared channels only. Errors: channel_cross_engine_write_forbidden, validation_error.
  [[nodiscard]] Result<command::WriteChannel> plan(const ForeignChannelWrite& write);

 private:
  Status finish(command::WriteChannel& command, const WorkflowChannel* declared);
  [[nodiscard]] std::string_view current(std::string_view channel) const;

  const EngineOptions& options_;
  const Run& run_;
  /// Values after the writes planned so far, where a later write has to know.
  VariableMap planned_;
};

/// Protocol 02 §8.4, for a write that was recorded under `schema_version` (0: none was recorded).
/// Errors: channel_schema_breaking_change.
[[nodiscard]] Status check_channel_version(const WorkflowChannel& channel, std::int64_t schema_version,
                                           std::string_view value, std::string_view event_id);

/// The same for an event of the run's log, whatever it is.
[[nodiscard]] Status check_channel_event(const Workflow& workflow, const RunId& run, const EventView& event);

/// At registration: the schemas of channels can be enforced. Errors: as workflow_error().
[[nodiscard]] Status check_channel_schemas(const Workflow& workflow);

/// A write against the schema of the channel's declaration; fine when it has none. For reducers that make a list, the
/// schema may describe the write or the list. Errors: validation_error with details {channel, pointer}.
[[nodiscard]] Status check_channel_schema(const WorkflowChannel& channel, std::string_view value);

}  // namespace openwop::runtime
