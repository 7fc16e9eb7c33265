#include "support/wire_contract.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <optional>

#include "openwop/embedded_schemas.h"
#include "support/component_schemas.h"
#include "support/server.h"

namespace openwop::test {

namespace {

using Problems = std::vector<std::string>;

const json::Value* find(const json::Value& node, std::string_view name) {
  if (!node.IsObject()) return nullptr;
  const auto member = node.FindMember(json::Value(rapidjson::StringRef(name.data(), name.size())));
  return member < node.MemberEnd() ? &member->value : nullptr;
}

/// Schemas keep what they compile, so one thread at a time.
struct Judge {
  std::mutex mutex;
  ComponentSchemas schemas{openapi_document()};
};

Judge& judge() {
  static auto* const made = new Judge;  // other static objects may still use it
  return *made;
}

Problems judged(const json::Value& schema, std::string_view text) {
  const std::lock_guard lock(judge().mutex);
  return judge().schemas.problems(schema, text);
}

const json::Value& component(std::string_view name) {
  const json::Value* node = find(openapi_document()["components"]["schemas"], name);
  if (node == nullptr) std::abort();
  return *node;
}

void append(Problems& problems, std::string_view prefix, const Problems& more) {
  for (const std::string& problem : more) problems.push_back(std::string(prefix) + problem);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool segment_matches(std::string_view pattern, std::string_view segment) {
  if (!pattern.starts_with('{')) return pattern == segment;
  const std::string_view verb = pattern.substr(pattern.find('}') + 1);
  if (verb.empty()) return !segment.empty() && segment.find(':') == std::string_view::npos;
  // Whoever escapes a whole segment escapes the colon too.
  for (const char* colon : {":", "%3A", "%3a"}) {
    const std::string end = colon + std::string(verb.substr(1));
    if (segment.size() > end.size() && segment.ends_with(end)) return true;
  }
  return false;
}

bool path_matches(std::string_view pattern, std::string_view path) {
  const auto expected = split(pattern, '/');
  const auto got = split(path, '/');
  return std::equal(expected.begin(), expected.end(), got.begin(), got.end(), segment_matches);
}

std::string_view path_of(std::string_view target) {
  if (const auto scheme = target.find("://"); scheme != std::string_view::npos && scheme < 6) {
    target.remove_prefix(std::min(target.find('/', scheme + 3), target.size()));
  }
  return target.substr(0, target.find('?'));
}

std::string media_type(const Answer& answer) {
  const std::string type = answer.header("Content-Type");
  return type.substr(0, type.find(';'));
}

void check_headers(const json::Value& response, const Answer& answer, Problems& problems) {
  const json::Value* headers = find(response, "headers");
  if (headers == nullptr) return;
  for (auto header = headers->MemberBegin(); header < headers->MemberEnd(); ++header) {
    const std::string name(json::string_of(header->name));
    const json::Value& node = resolve(header->value);
    const json::Value* required = find(node, "required");
    const bool given = answer.headers.contains(name);
    if (!given && required != nullptr && required->GetBool()) problems.push_back("header " + name + " is missing");
    if (given) append(problems, "header " + name + ": ", judged(node["schema"], json::quoted(answer.header(name))));
  }
}

void check_body(const json::Value& response, const Answer& answer, bool is_head, Problems& problems) {
  const json::Value* content = find(response, "content");
  if (content == nullptr) {
    if (!answer.body.empty()) problems.emplace_back("a body where the document has none");
    return;
  }
  if (is_head) return;
  const std::string type = media_type(answer);
  const json::Value* media = find(*content, type);
  if (media == nullptr) return problems.push_back("content type '" + type + "' is not documented");
  if (type == "text/event-stream") return append(problems, "", frame_problems(answer.body));
  append(problems, "body", judged((*media)["schema"], answer.body));
}

/// Answers that belong to no operation: refusals only.
Problems outside_problems(const Answer& answer) {
  if (answer.status < 400) return {"a success outside every operation"};
  Problems problems;
  if (media_type(answer) == "application/json" && !answer.body.empty()) {
    append(problems, "body", judged(component("Error"), answer.body));
  }
  if (answer.status == 405 && answer.header("Allow").empty()) problems.emplace_back("header Allow is missing");
  return problems;
}

struct Frame {
  std::string_view event;
  std::string data;
  bool has_id = false;
};

std::optional<Frame> parse_frame(std::string_view text) {
  Frame frame;
  bool has_data = false;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("id: ")) frame.has_id = true;
    if (line.starts_with("event: ")) frame.event = line.substr(7);
    if (!line.starts_with("data: ")) continue;
    if (has_data) frame.data += '\n';
    has_data = true;
    frame.data += line.substr(6);
  }
  if (!has_data) return std::nullopt;  // a comment
  return frame;
}

/// What one item of a stream is: a snapshot and a chunk have members that an event document cannot have.
std::string_view item_schema(std::string_view item) {
  if (json::member(item, "sequence")) return "RunEventDoc";
  return json::member(item, "chunk") ? "MessageChunk" : "RunSnapshot";
}

std::string_view frame_schema(std::string_view event) {
  if (event == "state.snapshot") return "RunSnapshot";
  return event == "ai.message.chunk" ? "MessageChunk" : "RunEventDoc";
}

}  // namespace

const json::Value& openapi_document() {
  static const auto* const document = new json::Document([] {
    auto parsed = json::parse(schemas::openapi);
    if (!parsed) std::abort();
    return *std::move(parsed);
  }());
  return *document;
}

const json::Value& resolve(const json::Value& node) {
  const json::Value* reference = find(node, "$ref");
  if (reference == nullptr) return node;
  const json::Value* at = &openapi_document();
  for (const std::string_view part : split(json::string_of(*reference).substr(2), '/')) {
    at = find(*at, part);
    if (at == nullptr) std::abort();
  }
  return resolve(*at);
}

const std::vector<Operation>& operations() {
  static const auto* const all = [] {
    auto* list = new std::vector<Operation>;
    const json::Value& paths = openapi_document()["paths"];
    for (auto path = paths.MemberBegin(); path < paths.MemberEnd(); ++path) {
      for (auto method = path->value.MemberBegin(); method < path->value.MemberEnd(); ++method) {
        std::string name(json::string_of(method->name));
        std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
        list->push_back({std::move(name), std::string(json::string_of(path->name)), &method->value});
      }
    }
    return list;
  }();
  return *all;
}

const Operation* find_operation(std::string_view method, std::string_view target) {
  const std::string_view path = path_of(target);
  for (const Operation& operation : operations()) {
    if (operation.method == method && path_matches(operation.path, path)) return &operation;
  }
  return nullptr;
}

Problems contract_problems(const Exchange& exchange, const Answer& answer) {
  if (answer.status == 0) return {};  // no answer
  const bool is_head = exchange.method == "HEAD";
  const Operation* operation = find_operation(is_head ? std::string_view("GET") : exchange.method, exchange.target);
  if (operation == nullptr) return outside_problems(answer);
  const json::Value* response = find((*operation->node)["responses"], std::to_string(answer.status));
  if (response == nullptr) return {"status " + std::to_string(answer.status) + " is not documented"};
  Problems problems;
  check_headers(resolve(*response), answer, problems);
  check_body(resolve(*response), answer, is_head, problems);
  const json::Value* body = find(*operation->node, "requestBody");
  if (answer.status < 300 && body != nullptr && !exchange.request_body.empty()) {
    append(problems, "the host took a body that the document refuses: body",
           judged((*body)["content"]["application/json"]["schema"], exchange.request_body));
  }
  return problems;
}

Problems frame_problems(std::string_view frames) {
  Problems problems;
  while (!frames.empty()) {
    const auto end = frames.find("\n\n");
    if (end == std::string_view::npos) break;  // cut off by whoever read it
    const auto frame = parse_frame(frames.substr(0, end));
    frames.remove_prefix(end + 2);
    if (!frame) continue;
    if (!frame->has_id) problems.emplace_back("a frame without id");
    const std::string prefix = "frame " + std::string(frame->event) + " ";
    if (frame->event != "batch") {
      append(problems, prefix, judged(component(frame_schema(frame->event)), frame->data));
      continue;
    }
    json::for_each_element(frame->data, [&](std::string_view item) {
      append(problems, prefix, judged(component(item_schema(item)), item));
      return true;
    });
  }
  return problems;
}

Problems schema_problems(std::string_view name, std::string_view json_text) {
  return judged(component(name), json_text);
}

}  // namespace openwop::test
