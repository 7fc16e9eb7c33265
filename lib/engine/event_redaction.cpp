#include "engine/event_redaction.h"

namespace openwop::runtime {

namespace {

/// The member of the payload that fold() takes values from; empty when none is.
std::string_view folded_member(EventType type) {
  if (type == EventType::node_completed) return "outputs";
  if (type == EventType::variable_changed) return "next";
  if (type == EventType::channel_written) return "value";
  if (type == EventType::node_resumed || type == EventType::interrupt_resolved) return "resumeValue";
  if (type == EventType::interrupt_requested) return "data";
  if (type == EventType::approval_received) return "editedArtifactData";
  return {};
}

void keep_hidden(std::string& hidden, std::string_view name, std::string_view raw) {
  if (hidden.empty()) {
    json::ObjectWriter(hidden).raw(name, raw);
    return;
  }
  hidden.pop_back();  // the closing brace
  if (hidden.size() > 1) hidden += ',';
  json::append_quoted(hidden, name);
  hidden.append(":").append(raw).append("}");
}

std::optional<std::string> scrub(std::string_view text, const std::vector<std::string>& sensitive) {
  auto clean = scrub_known_json(text, sensitive);
  auto shapes = scrub_json(clean ? std::string_view(*clean) : text);
  return shapes ? std::move(shapes) : std::move(clean);
}

}  // namespace

void redact_event(Event& event, const std::vector<std::string>& sensitive) {
  if (!event.unknown_name.empty()) redact_text(event.unknown_name);
  auto clean = scrub(event.payload, sensitive);
  if (!clean) return;
  const std::string_view name = folded_member(event.type);
  const auto real = name.empty() ? std::nullopt : json::member(event.payload, name);
  if (real && (event.hidden.empty() || !json::member(event.hidden, name)) && scrub(*real, sensitive)) {
    keep_hidden(event.hidden, name, *real);
  }
  event.payload = std::move(*clean);
}

std::string chunk_channel(const Event& chunk) {
  const auto channel = json::member(chunk.payload, "channel");
  return channel ? json::as_string(*channel).value_or("") : std::string();
}

bool redact_chunk(Event& chunk, StreamScrubber& stream) {
  const auto text = json::member(chunk.payload, "chunk");
  const std::string given = text ? json::as_string(*text).value_or("") : std::string();
  const bool last = json::member(chunk.payload, "isLast") == std::string_view("true");
  std::string shown = stream.feed(given);
  if (last) shown += stream.finish();
  if (shown == given) return true;
  const bool has_meta = json::member(chunk.payload, "meta").has_value();
  std::string payload;
  {
    json::ObjectWriter object(payload);
    json::for_each_member(chunk.payload, [&](std::string_view key, std::string_view value) {
      if (json::key_is(key, "chunk")) {
        object.string("chunk", shown);
      } else {
        object.raw_member(json::unescape(key), value);
      }
      return true;
    });
  }
  chunk.payload = std::move(payload);
  return !shown.empty() || last || has_meta;
}

std::optional<Event> rest_of_stream(StreamScrubber& stream, std::string_view run_id, std::string_view node_id,
                                    std::string_view channel) {
  const std::string rest = stream.finish();
  if (rest.empty()) return std::nullopt;
  Event event;
  event.type = EventType::output_chunk;
  event.node_id = node_id;
  event.payload.clear();
  {
    json::ObjectWriter payload(event.payload);
    payload.string("nodeId", node_id).string("runId", run_id).string("chunk", rest).boolean("isLast", false);
    if (!channel.empty()) payload.string("channel", channel);
  }
  return event;
}

}  // namespace openwop::runtime
