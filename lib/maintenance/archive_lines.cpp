#include "maintenance/archive_lines.h"

#include <array>
#include <cstdlib>

#include "openwop/json.h"

namespace openwop::maintenance {

namespace {

// A digest that silently is not one would let altered files pass.
void require_digest(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

RunningHash::RunningHash() : context_(EVP_MD_CTX_new()) {
  require_digest(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

RunningHash::RunningHash(const RunningHash& other) : RunningHash() { *this = other; }

RunningHash& RunningHash::operator=(const RunningHash& other) {
  if (this != &other) require_digest(EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1);
  return *this;
}

void RunningHash::add(std::string_view bytes) {
  require_digest(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string RunningHash::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  require_digest(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4U];
    hex += kDigits[digest[i] & 15U];
  }
  return hex;
}

void write_exactly(json::ObjectWriter& object, std::string_view name, std::string_view raw) {
  if (raw.find_first_of("\r\n") == std::string_view::npos) {
    object.raw(name, raw);
  } else {
    object.string(std::string(name) + "Text", raw);
  }
}

std::optional<std::string> read_exactly(std::string_view object, std::string_view name) {
  if (const auto raw = json::member(object, name)) return std::string(*raw);
  const auto text = json::member(object, std::string(name) + "Text");
  return text ? json::as_string(*text) : std::nullopt;
}

std::string event_line(const EventView& event) {
  std::string line;
  {
    json::ObjectWriter outer(line);
    json::ObjectWriter object(outer.value_of("event"));
    object.integer("sequence", static_cast<std::int64_t>(event.sequence));
    object.string("type", event.type_name);
    object.integer("timeMs", event.time_ms);
    if (!event.node_id.empty()) object.string("nodeId", event.node_id);
    if (event.caused_by) object.integer("causedBy", static_cast<std::int64_t>(*event.caused_by));
    object.integer("schemaVersion", event.schema_version);
    object.integer("engineVersion", event.engine_version);
    write_exactly(object, "payload", event.payload);
    if (!event.hidden.empty()) write_exactly(object, "hidden", event.hidden);
  }
  return line += '\n';
}

Result<ArchivedEvent> read_event_line(std::string_view object) {
  ArchivedEvent out;
  bool sound = true;
  const auto number = [&](std::string_view name) {
    const auto raw = json::member(object, name);
    const auto value = raw ? json::as_int(*raw) : std::nullopt;
    sound = sound && value && *value >= 0;
    return value.value_or(0);
  };
  const auto text = [&](std::string_view name) {
    const auto raw = json::member(object, name);
    const auto value = raw ? json::as_string(*raw) : std::nullopt;
    sound = sound && value;
    return value.value_or("");
  };
  out.sequence = static_cast<std::uint64_t>(number("sequence"));
  out.engine_version = static_cast<std::uint32_t>(number("engineVersion"));
  const std::string type = text("type");
  out.event.type = event_type(type);
  if (out.event.type == EventType::unknown) out.event.unknown_name = type;
  out.event.time_ms = number("timeMs");
  out.event.schema_version = static_cast<std::uint32_t>(number("schemaVersion"));
  if (json::member(object, "nodeId")) out.event.node_id = text("nodeId");
  if (json::member(object, "causedBy")) out.event.caused_by = static_cast<std::uint64_t>(number("causedBy"));
  auto payload = read_exactly(object, "payload");
  sound = sound && payload && json::kind(*payload) == json::Kind::object;
  if (!sound) return Error{ErrorCode::validation_error, "an event of the archive does not read"};
  out.event.payload = std::move(*payload);
  out.event.hidden = read_exactly(object, "hidden").value_or("");
  return out;
}

std::string artifact_line(std::string_view id, std::string_view row) {
  std::string line;
  {
    json::ObjectWriter outer(line);
    json::ObjectWriter object(outer.value_of("artifact"));
    object.string("id", id);
    write_exactly(object, "row", row);
  }
  return line += '\n';
}

}  // namespace openwop::maintenance
