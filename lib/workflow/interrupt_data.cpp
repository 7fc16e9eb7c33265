#include "workflow/interrupt_data.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "openwop/json.h"

namespace openwop::workflow {

namespace {

constexpr std::int64_t kMaxRequiredApprovals = 1'000;
constexpr std::size_t kMaxApprovers = 1'000;
constexpr std::size_t kMaxQuestions = 100;
constexpr std::size_t kMaxConversationIdBytes = 256;

Error invalid(std::string message) { return Error{ErrorCode::validation_error, "data: " + std::move(message)}; }

/// The text of a member that is a string; empty for anything else.
std::string text(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

Status require_texts(std::string_view object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (text(object, name).empty()) return invalid("'" + std::string(name) + "' has to be a non-empty string");
  }
  return {};
}

Status require_closed(std::string_view object, std::initializer_list<std::string_view> allowed) {
  std::string unknown;
  json::for_each_member(object, [&](std::string_view key, std::string_view) {
    const std::string name = json::unescape(key);
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) unknown = name;
    return unknown.empty();
  });
  if (!unknown.empty()) return invalid("'" + unknown + "' is not a member of it");
  return {};
}

Status check_actions(std::string_view data) {
  bool seen[kApprovalActionNames.size()] = {};
  std::size_t count = 0;
  bool valid = true;
  json::for_each_element(json::member(data, "actions").value_or("[]"), [&](std::string_view raw) {
    const auto action = approval_action_of(json::as_string(raw).value_or(""));
    valid = action && !seen[static_cast<std::size_t>(*action)];
    if (valid) seen[static_cast<std::size_t>(*action)] = true;
    ++count;
    return valid;
  });
  if (valid && count > 0) return {};
  return invalid("'actions' has to name one or more of accept, reject, refine, edit-accept and ask, each once");
}

Status check_approval(std::string_view data) {
  if (auto texts = require_texts(data, {"artifactId", "artifactType", "title"}); !texts) return texts;
  if (auto actions = check_actions(data); !actions) return actions;
  const auto description = json::member(data, "description");
  if (description && json::kind(*description) != json::Kind::string) return invalid("'description' has to be a string");
  const auto required = json::member(data, "requiredApprovals");
  const std::int64_t votes = required ? json::as_int(*required).value_or(0) : 1;
  if (votes < 1 || votes > kMaxRequiredApprovals) {
    return invalid("'requiredApprovals' has to be an integer from 1 to " + std::to_string(kMaxRequiredApprovals));
  }
  const auto policy = json::member(data, "rejectionPolicy");
  if (policy && *policy != "\"single-veto\"" && *policy != "\"majority\"") {
    return invalid("'rejectionPolicy' has to be single-veto or majority");
  }
  const auto list = json::member(data, "approversList");
  if (!list) return {};
  std::size_t approvers = 0;
  bool strings = json::kind(*list) == json::Kind::array;
  json::for_each_element(*list, [&](std::string_view approver) {
    strings = strings && !json::as_string(approver).value_or("").empty();
    return ++approvers > 0;
  });
  if (!strings || approvers > kMaxApprovers) return invalid("'approversList' has to hold at most 1000 names");
  if (approvers > 0 && static_cast<std::int64_t>(approvers) < votes) {
    return invalid("'requiredApprovals' is more than 'approversList' can give");
  }
  return {};
}

Status check_question(std::string_view question) {
  if (json::kind(question) != json::Kind::object) return invalid("a question has to be an object");
  if (auto closed = require_closed(question, {"id", "question", "schema"}); !closed) return closed;
  if (auto texts = require_texts(question, {"id", "question"}); !texts) return texts;
  const auto schema = json::member(question, "schema");
  if (!schema) return {};
  return check_resume_schema(*schema);
}

Status check_clarification(std::string_view data) {
  if (auto closed = require_closed(data, {"questions", "contextType"}); !closed) return closed;
  const auto context = json::member(data, "contextType");
  if (context && json::kind(*context) != json::Kind::string) return invalid("'contextType' has to be a string");
  std::vector<std::string> ids;
  Status checked;
  json::for_each_element(json::member(data, "questions").value_or("[]"), [&](std::string_view question) {
    checked = check_question(question);
    if (checked) ids.push_back(text(question, "id"));
    return checked.ok();
  });
  if (!checked) return checked;
  std::sort(ids.begin(), ids.end());
  const bool repeated = std::adjacent_find(ids.begin(), ids.end()) != ids.end();
  if (ids.empty() || ids.size() > kMaxQuestions || repeated) {
    return invalid("'questions' has to hold 1 to 100 questions with different ids");
  }
  return {};
}

Status check_external_event(std::string_view data) {
  if (auto closed = require_closed(data, {"eventType", "correlation"}); !closed) return closed;
  if (auto texts = require_texts(data, {"eventType"}); !texts) return texts;
  const auto correlation = json::member(data, "correlation");
  if (!correlation || json::kind(*correlation) != json::Kind::object) {
    return invalid("'correlation' has to be an object");
  }
  return {};
}

/// `{conversationId}` alone would be valid both as start and as close, and so match no kind (trap 17 of 03 §16).
Status check_conversation(InterruptKind kind, std::string_view data) {
  if (text(data, "conversationId").empty() || text(data, "conversationId").size() > kMaxConversationIdBytes) {
    return invalid("'conversationId' has to be a string of 1 to 256 bytes");
  }
  if (kind == InterruptKind::conversation_exchange) {
    if (auto closed = require_closed(data, {"conversationId", "prompt", "outcomeSchema", "turnIndex"}); !closed) {
      return closed;
    }
    if (auto texts = require_texts(data, {"prompt"}); !texts) return texts;
    const auto turn = json::member(data, "turnIndex");
    if (turn && json::as_int(*turn).value_or(-1) < 0) return invalid("'turnIndex' has to be an integer of at least 0");
    const auto schema = json::member(data, "outcomeSchema");
    return schema ? check_resume_schema(*schema) : Status();
  }
  if (kind == InterruptKind::conversation_close) {
    if (auto closed = require_closed(data, {"conversationId", "reason"}); !closed) return closed;
    return require_texts(data, {"reason"});
  }
  if (auto closed = require_closed(data, {"conversationId", "title", "initialPrompt"}); !closed) return closed;
  if (!text(data, "title").empty() || !text(data, "initialPrompt").empty()) return {};
  return invalid("the start of a conversation needs a 'title' or an 'initialPrompt'");
}

Status check_low_confidence(std::string_view data) {
  if (auto closed = require_closed(data, {"agentId", "threshold", "observed", "decision"}); !closed) return closed;
  const std::size_t id_bytes = text(data, "agentId").size();
  if (id_bytes < 3 || id_bytes > 256) return invalid("'agentId' has to be a string of 3 to 256 bytes");
  for (const std::string_view name : {"threshold", "observed"}) {
    const auto raw = json::member(data, name);
    const double value = raw ? json::as_number(*raw).value_or(-1) : -1;
    if (value < 0 || value > 1) return invalid("'" + std::string(name) + "' has to be a number from 0 to 1");
  }
  return {};
}

}  // namespace

Status check_interrupt_data(InterruptKind kind, std::string_view data) {
  if (json::kind(data) != json::Kind::object) return invalid("has to be an object");
  switch (kind) {
    case InterruptKind::approval: return check_approval(data);
    case InterruptKind::clarification: return check_clarification(data);
    case InterruptKind::external_event: return check_external_event(data);
    case InterruptKind::custom:
      if (auto closed = require_closed(data, {"customKind", "payload"}); !closed) return closed;
      return require_texts(data, {"customKind"});
    case InterruptKind::conversation_start:
    case InterruptKind::conversation_exchange:
    case InterruptKind::conversation_close: return check_conversation(kind, data);
    case InterruptKind::low_confidence: return check_low_confidence(data);
  }
  return {};
}

}  // namespace openwop::workflow
