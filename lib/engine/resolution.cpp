#include "engine/resolution.h"

#include <algorithm>
#include <map>

#include "engine/conversation.h"
#include "workflow/interrupt_data.h"

namespace openwop::runtime {

namespace {

Error invalid(std::string_view field, std::string message) {
  Error error{ErrorCode::validation_error, std::move(message)};
  json::ObjectWriter(error.details).string("field", field);
  return error;
}

std::string text(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

// ---- approvals ----

/// The older spelling, `decision` without `action`.
Result<std::string> action_from_decision(std::string& value) {
  const std::string decision = text(value, "decision");
  if (decision == "approved") return std::string("accept");
  if (decision != "rejected") return invalid("action", "'action' is missing");
  const auto feedback = json::member(value, "feedback");
  const std::string words = feedback ? json::as_string(*feedback).value_or("") : std::string();
  if (words.empty()) return std::string("reject");
  std::string refine;
  json::ObjectWriter(refine).string("scope", "whole").string("text", words);
  value.insert(value.rfind('}'), R"(,"refineFeedback":)" + refine);
  return std::string("refine");
}

Status check_texts(std::string_view list, std::string_view field) {
  bool valid = json::kind(list) == json::Kind::array;
  json::for_each_element(list, [&](std::string_view item) {
    valid = valid && json::kind(item) == json::Kind::string;
    return valid;
  });
  if (valid) return {};
  return invalid(field, "'" + std::string(field) + "' has to be an array of strings");
}

Status check_refine_feedback(std::string_view value) {
  const auto feedback = json::member(value, "refineFeedback");
  if (!feedback || json::kind(*feedback) != json::Kind::object) {
    return invalid("refineFeedback", "'refine' needs the object 'refineFeedback'");
  }
  const std::string scope = text(*feedback, "scope");
  if (scope != "whole" && scope != "section" && scope != "items") {
    return invalid("refineFeedback.scope", "'refineFeedback.scope' has to be whole, section or items");
  }
  if (scope == "section" && text(*feedback, "sectionPath").empty()) {
    return invalid("refineFeedback.sectionPath", "the scope 'section' needs 'sectionPath'");
  }
  const auto items = json::member(*feedback, "itemIds");
  if (items) {
    if (auto checked = check_texts(*items, "refineFeedback.itemIds"); !checked) return checked;
  }
  bool has_items = false;
  json::for_each_element(items.value_or("[]"), [&](std::string_view) { return !(has_items = true); });
  if (scope == "items" && !has_items) return invalid("refineFeedback.itemIds", "the scope 'items' needs 'itemIds'");
  if (const auto tags = json::member(*feedback, "tags")) return check_texts(*tags, "refineFeedback.tags");
  return {};
}

Status check_action_fields(ApprovalAction action, std::string_view value) {
  switch (action) {
    case ApprovalAction::refine: return check_refine_feedback(value);
    case ApprovalAction::edit_accept:
      if (json::member(value, "editedArtifactData")) return {};
      return invalid("editedArtifactData", "'edit-accept' needs 'editedArtifactData'");
    case ApprovalAction::ask:
      if (!text(value, "question").empty()) return {};
      return invalid("question", "'ask' needs a non-empty string 'question'");
    case ApprovalAction::accept:
    case ApprovalAction::reject: break;
  }
  return {};
}

bool offers(std::string_view data, std::string_view action) {
  bool offered = false;
  json::for_each_element(json::member(data, "actions").value_or("[]"), [&](std::string_view raw) {
    offered = json::as_string(raw) == action;
    return !offered;
  });
  return offered;
}

Status check_approval(const InterruptState& interrupt, Resolution& resolution) {
  if (json::kind(resolution.value) != json::Kind::object) return invalid("resumeValue", "an approval takes an object");
  std::string name;
  if (const auto raw = json::member(resolution.value, "action")) {
    name = json::as_string(*raw).value_or("");
  } else {
    auto decided = action_from_decision(resolution.value);
    if (!decided) return std::move(decided).error();
    name = std::move(*decided);
  }
  if (!offers(interrupt.data, name)) {
    Error error = invalid("action", "the action is none of those that this approval offers");
    error.details.clear();
    json::ObjectWriter(error.details)
        .string("field", "action")
        .raw("supported", json::member(interrupt.data, "actions").value_or("[]"));
    return error;
  }
  resolution.action = approval_action_of(name);
  return check_action_fields(*resolution.action, resolution.value);
}

/// Whoever votes has to be one of the approvers, if the gate names some; and may have to be allowed to speak for them.
Status check_voter(const InterruptState& interrupt, const ResolveInterrupt& request, Resolution& resolution) {
  const std::string voter = text(resolution.value, "voter");
  if (!voter.empty() && request.may_act_as && !request.may_act_as(voter)) {
    return Error{ErrorCode::forbidden, "the caller may not vote in this voter's name"};
  }
  resolution.resolved_by = voter.empty() ? request.principal : voter;
  resolution.anonymous = resolution.resolved_by.empty();
  bool listed = false;
  bool restricted = false;
  json::for_each_element(json::member(interrupt.data, "approversList").value_or("[]"), [&](std::string_view approver) {
    restricted = true;
    listed = json::as_string(approver) == resolution.resolved_by;
    return !listed;
  });
  if (restricted && !listed) return Error{ErrorCode::forbidden, "only the approvers of this interrupt may answer it"};
  return {};
}

// ---- clarifications ----

/// Question id -> serialized answer, from the map and from the list that 1.0 also documents.
Result<std::map<std::string, std::string>> answers_of(std::string_view value) {
  std::map<std::string, std::string> answers;
  const auto given = json::member(value, "answers");
  if (!given) return invalid("answers", "'answers' is missing");
  if (json::kind(*given) == json::Kind::object) {
    json::for_each_member(*given, [&](std::string_view id, std::string_view answer) {
      answers.emplace(json::unescape(id), answer);
      return true;
    });
    return answers;
  }
  bool valid = json::kind(*given) == json::Kind::array;
  json::for_each_element(*given, [&](std::string_view entry) {
    const auto answer = json::member(entry, "answer");
    valid = valid && answer && answers.emplace(text(entry, "id"), std::string(*answer)).second;
    return valid;
  });
  if (valid) return answers;
  return invalid("answers", "'answers' has to map question ids to answers, or list each {id, answer} once");
}

/// Every question has to be answered: as its schema asks, or with a string.
Status check_clarification(const InterruptState& interrupt, Resolution& resolution) {
  if (json::kind(resolution.value) != json::Kind::object) {
    return invalid("resumeValue", "a clarification takes an object");
  }
  auto answers = answers_of(resolution.value);
  if (!answers) return std::move(answers).error();
  std::string normalised;
  Status checked;
  {
    json::ObjectWriter value(normalised);
    json::ObjectWriter map(value.value_of("answers"));
    const std::string_view questions = json::member(interrupt.data, "questions").value_or("[]");
    json::for_each_element(questions, [&](std::string_view question) {
      const std::string id = text(question, "id");
      const auto answer = answers->find(id);
      const auto schema = json::member(question, "schema");
      if (answer == answers->end()) {
        checked = invalid("answers." + id, "question '" + id + "' is not answered");
      } else if (schema) {
        checked = workflow::check_against_schema(*schema, answer->second);
        if (!checked) checked = invalid("answers." + id, "the answer to '" + id + "' does not match its schema");
      } else if (json::kind(answer->second) != json::Kind::string) {
        checked = invalid("answers." + id, "the answer to '" + id + "' has to be a string");
      }
      if (checked) map.raw_member(id, answer->second);
      return checked.ok();
    });
  }
  if (checked) resolution.value = std::move(normalised);
  return checked;
}

// ---- external events ----

/// Every member of the correlation has to be in the event, equal; the event may hold others. An event that comes
/// wrapped in `eventPayload` is looked into.
Status check_correlation(const InterruptState& interrupt, const Resolution& resolution) {
  const std::string_view correlation = json::member(interrupt.data, "correlation").value_or("{}");
  const auto matches = [&](std::string_view event) {
    bool all = json::kind(event) == json::Kind::object;
    json::for_each_member(correlation, [&](std::string_view key, std::string_view expected) {
      const auto given = json::member(event, json::unescape(key));
      all = all && given && json::equal(*given, expected);
      return all;
    });
    return all;
  };
  const auto inner = json::member(resolution.value, "eventPayload");
  if (matches(resolution.value) || (inner && matches(*inner))) return {};
  return Error{ErrorCode::correlation_mismatch, "the event does not belong to this interrupt"};
}

Status check_kind(const InterruptState& interrupt, Resolution& resolution) {
  const InterruptKindInfo* info = find_interrupt_kind(interrupt.kind);
  if (info == nullptr) return {};
  switch (info->kind) {
    case InterruptKind::approval: return check_approval(interrupt, resolution);
    case InterruptKind::clarification: return check_clarification(interrupt, resolution);
    case InterruptKind::external_event: return check_correlation(interrupt, resolution);
    case InterruptKind::conversation_exchange: return check_turn(interrupt, resolution.value);
    case InterruptKind::custom:
    case InterruptKind::conversation_start:
    case InterruptKind::conversation_close:
    case InterruptKind::low_confidence: break;
  }
  return {};
}

}  // namespace

Result<const InterruptState*> find_pending(const RunState& state, std::string_view node_id,
                                           std::string_view interrupt_id) {
  const InterruptState* interrupt = state.find_interrupt(node_id);
  if (interrupt == nullptr) return Error{ErrorCode::interrupt_not_found, "no interrupt was asked for at this node"};
  const bool other = !interrupt_id.empty() && interrupt->id != interrupt_id;
  // A loop that has begun again left what its body's nodes had asked behind: nobody would take the answer.
  const NodeState* node = state.find_node(node_id);
  const bool waits = node != nullptr && node->status == NodeStatus::suspended;
  if (!other && waits && interrupt->outcome == InterruptOutcome::pending) return interrupt;
  if (!other && interrupt->outcome == InterruptOutcome::cancelled && state.status == RunStatus::cancelled) {
    if (state.cancelled_by_parent) return Error{ErrorCode::interrupt_gone, "the run's parent was cancelled"};
    return Error{ErrorCode::interrupt_cancelled, "the run was cancelled"};
  }
  return Error{ErrorCode::interrupt_already_resolved, "the interrupt does not wait any more"};
}

namespace {

/// A further exchange with a conversation that has been closed: the answer is wrong, not only late (protocol 03 §4.1).
bool exchanges_behind_close(const EngineOptions& options, const RunState& state, const ResolveInterrupt& request) {
  const InterruptState* interrupt = state.find_interrupt(request.node_id);
  if (interrupt == nullptr || interrupt->outcome != InterruptOutcome::resumed) return false;
  if (interrupt->kind != interrupt_kind_name(InterruptKind::conversation_exchange)) return false;
  const auto conversation = state.agents.conversations.find(text(interrupt->data, "conversationId"));
  if (conversation == state.agents.conversations.end() || !conversation->second.closed) return false;
  if (!json::check(request.resume_value, {options.max_event_payload_bytes, options.max_json_depth})) return false;
  const auto operation = turn_operation(request.resume_value);
  return operation && *operation == TurnOperation::exchange;
}

}  // namespace

Result<Resolution> check_resolution(const EngineOptions& options, const RunView& run, const ResolveInterrupt& request) {
  const auto found = find_pending(run.state, request.node_id, request.interrupt_id);
  if (!found && exchanges_behind_close(options, run.state, request)) {
    return invalid("operation", "the conversation is closed");
  }
  if (!found) return found.error();
  const InterruptState& interrupt = **found;
  if (request.by_token && interrupt.bearer_only) {
    return Error{ErrorCode::auth_elevation_required, "this interrupt takes a bearer key, not a token"};
  }
  if (auto checked = json::check(request.resume_value, {options.max_event_payload_bytes, options.max_json_depth});
      !checked) {
    return std::move(checked).error();
  }
  Resolution resolution{request.node_id, interrupt.id, json::minified(request.resume_value), {}, false, {}};
  if (auto allowed = check_voter(interrupt, request, resolution); !allowed) return std::move(allowed).error();
  if (resolution.resolved_by.empty()) resolution.resolved_by = "token:" + interrupt.id;
  const std::string as_sent = resolution.value;
  if (auto valid = check_kind(interrupt, resolution); !valid) return std::move(valid).error();
  const bool leaves = resolution.action != ApprovalAction::ask;
  if (interrupt.resume_schema.empty() || !leaves) return resolution;
  // A schema may describe either spelling of a clarification's answers.
  auto matches = workflow::check_against_schema(interrupt.resume_schema, resolution.value);
  if (!matches && as_sent != resolution.value) {
    matches = workflow::check_against_schema(interrupt.resume_schema, as_sent);
  }
  if (!matches) return std::move(matches).error();
  return resolution;
}

Tally count_votes(const InterruptState& interrupt, const Resolution& vote, std::int64_t now_ms) {
  Tally tally;
  tally.votes = interrupt.votes;
  const std::string actor = vote.anonymous ? std::string() : vote.resolved_by;
  const std::string action(approval_action_name(*vote.action));
  const std::string edited(json::member(vote.value, "editedArtifactData").value_or(""));
  if (!actor.empty()) {
    std::erase_if(tally.votes, [&](const InterruptVote& earlier) {
      if (earlier.actor != actor) return false;
      tally.repeated = earlier.action == action && earlier.edited == edited;
      return true;
    });
  }
  tally.votes.push_back({actor, action, now_ms, edited});

  const auto raw_required = json::member(interrupt.data, "requiredApprovals");
  tally.required = raw_required ? json::as_int(*raw_required).value_or(1) : 1;
  const bool by_majority = text(interrupt.data, "rejectionPolicy") == "majority";
  const std::int64_t rejects_to_close = by_majority ? tally.required / 2 + 1 : 1;
  std::int64_t rejects = 0;
  for (const InterruptVote& each : tally.votes) {
    if (each.action == "reject") {
      ++rejects;
    } else {
      ++tally.accepts;
      if (!each.edited.empty()) tally.edited = each.edited;
    }
  }
  if (vote.action == ApprovalAction::refine) {
    tally.closed = true;
    tally.outcome = ApprovalAction::refine;
  } else if (rejects >= rejects_to_close) {
    tally.closed = true;
    tally.outcome = ApprovalAction::reject;
  } else if (tally.accepts >= tally.required) {
    tally.closed = true;
    tally.outcome = tally.edited.empty() ? ApprovalAction::accept : ApprovalAction::edit_accept;
  }
  return tally;
}

std::string resumed_value(const Resolution& vote, const Tally& tally, std::string_view decided_by,
                          std::int64_t now_ms) {
  std::string out;
  {
    json::ObjectWriter value(out);
    value.string("action", approval_action_name(tally.outcome));
    value.string("decidedBy", decided_by);
    value.string("decidedAt", format_rfc3339(now_ms));
    const bool edited = tally.outcome == ApprovalAction::edit_accept;
    if (edited) value.raw("editedArtifactData", tally.edited);
    json::for_each_member(vote.value, [&](std::string_view key, std::string_view raw) {
      for (const std::string_view own :
           {"action", "decidedBy", "decidedAt", "editedArtifactData", "decision", "votes"}) {
        if (json::key_is(key, own)) return true;
      }
      value.raw_member(json::unescape(key), raw);
      return true;
    });
    if (tally.required > 1) {
      std::string& list = value.value_of("votes");
      list += '[';
      bool first = true;
      for (const InterruptVote& each : tally.votes) {
        if (!std::exchange(first, false)) list += ',';
        json::ObjectWriter entry(list);
        if (!each.actor.empty()) entry.string("actor", each.actor);
        entry.string("action", each.action).string("at", format_rfc3339(each.at_ms));
      }
      list += ']';
    }
  }
  return out;
}

command::ApprovalRecord approval_record(const Resolution& vote, std::string decided_by) {
  command::ApprovalRecord record{std::string(approval_action_name(*vote.action)), std::move(decided_by),
                                 vote.anonymous};
  const auto take = [&](std::string_view name, json::Kind kind, std::string& into) {
    const auto raw = json::member(vote.value, name);
    if (raw && json::kind(*raw) == kind) into = *raw;
  };
  take("comment", json::Kind::string, record.comment);
  take("feedback", json::Kind::string, record.feedback);
  if (vote.action == ApprovalAction::refine) take("refineFeedback", json::Kind::object, record.refine_feedback);
  if (vote.action == ApprovalAction::edit_accept) {
    record.edited_artifact = json::member(vote.value, "editedArtifactData").value_or("");
  }
  return record;
}

}  // namespace openwop::runtime
