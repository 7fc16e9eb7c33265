#include "protocol/openwop/region_claims.h"

#include <algorithm>
#include <array>
#include <optional>

#include "openwop/hex.h"
#include "openwop/json.h"
#include "openwop/protocol/region_link.h"
#include "openwop/trace_context.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/remembered_answer.h"
#include "protocol/openwop/request_body.h"

namespace openwop::wire {

namespace {

constexpr int kCreated = 201;

std::string_view bytes_of(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};  // NOLINT(*-reinterpret-cast)
}

std::optional<Sha256> digest_of(std::string_view bytes) {
  Sha256 digest{};
  if (bytes.size() != digest.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

void append_claim(std::string& out, const RegionClaim& claim) {
  json::ObjectWriter object(out);
  object.string("key", to_hex(claim.key));
  object.string("request", to_hex(claim.request));
  object.integer("expiresMs", claim.expires_ms);
  object.integer("status", claim.answer.status);
  {
    json::ObjectWriter headers(object.value_of("headers"));
    for (const auto& [name, value] : claim.answer.headers) headers.raw_member(name, json::quoted(value));
  }
  object.string("body", claim.answer.body);
}

/// Of a create's answer. What else came along is nothing to hand to callers.
bool is_location(const std::string& name) {
  return !http::NameLess{}(name, "Location") && !http::NameLess{}("Location", name);
}

Status read_headers(std::string_view raw, http::Headers& headers) {
  Status status;
  json::for_each_member(raw, [&](std::string_view name, std::string_view value) {
    const auto text = json::as_string(value);
    const bool sound =
        text && !text->empty() && text->find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
    if (!sound) status = invalid_field("headers", "has to hold strings without line breaks");
    if (sound && is_location(json::unescape(name))) headers.emplace("Location", *text);
    return status.ok();
  });
  return status;
}

/// Callers get it as it is: what a create answers (protocol 01 §3.2), and nothing else.
bool is_creates_body(std::string_view body) {
  constexpr std::array kAtAcceptance = {"pending", "running", "waiting-approval", "waiting-input"};
  const auto text_of = [&](std::string_view name, std::string if_absent) {
    const auto raw = json::member(body, name);
    return raw ? json::as_string(*raw).value_or("") : std::move(if_absent);
  };
  return std::find(kAtAcceptance.begin(), kAtAcceptance.end(), text_of("status", "")) != kAtAcceptance.end() &&
         !text_of("eventsUrl", "").empty() && !text_of("statusUrl", "none").empty() &&
         !text_of("workflowId", "none").empty();
}

Result<Sha256> read_digest(std::string_view raw, std::string_view name) {
  const auto value = json::member(raw, name);
  const auto text = value ? json::as_string(*value) : std::nullopt;
  const auto digest = text ? array_from_hex<32>(*text) : std::nullopt;
  if (!digest) return invalid_field(name, "has to be 64 lower-case hex digits");
  return *digest;
}

Result<RegionClaim> read_claim(std::string_view raw) {
  if (json::kind(raw) != json::Kind::object) return invalid_field("claims", "has to be an array of objects");
  if (auto known = require_members(raw, {"key", "request", "expiresMs", "status", "headers", "body"}); !known) {
    return std::move(known).error();
  }
  RegionClaim claim;
  const auto key = read_digest(raw, "key");
  if (!key) return key.error();
  const auto request = read_digest(raw, "request");
  if (!request) return request.error();
  claim.key = *key;
  claim.request = *request;
  claim.expires_ms = json::as_int(json::member(raw, "expiresMs").value_or("")).value_or(0);
  if (claim.expires_ms <= 0) return invalid_field("expiresMs", "has to be a time in milliseconds");
  claim.answer.status = static_cast<int>(
      std::clamp<std::int64_t>(json::as_int(json::member(raw, "status").value_or("")).value_or(0), 0, 999));
  claim.answer.body = json::as_string(json::member(raw, "body").value_or("")).value_or("");
  if (auto headers = read_headers(json::member(raw, "headers").value_or("{}"), claim.answer.headers); !headers) {
    return std::move(headers).error();
  }
  claim.answer.headers.emplace("Content-Type", "application/json");
  const auto run = created_run(claim.answer);
  if (!run || !is_creates_body(claim.answer.body)) {
    return invalid_field("claims", "have to be answers that tell of a created run");
  }
  claim.run = *run;
  return claim;
}

}  // namespace

std::string RegionClaim::row_key() const { return Ledger::row_key(kRequestScope, bytes_of(key)); }

LedgerEntry RegionClaim::entry() const {
  return {
      .request_digest = std::string(bytes_of(request)), .outcome = remembered_answer(answer), .expires_ms = expires_ms};
}

std::optional<RegionClaim> claim_of(std::string_view row_key, const LedgerEntry& entry) {
  const std::string prefix = Ledger::row_key(kRequestScope, {});
  if (!row_key.starts_with(prefix) || entry.expires_ms <= 0) return std::nullopt;
  const auto key = digest_of(row_key.substr(prefix.size()));
  const auto request = digest_of(entry.request_digest);
  auto answer = read_remembered_answer(entry.outcome);
  if (!key || !request || !answer) return std::nullopt;
  const auto run = created_run(*answer);
  if (!run || answer->status != kCreated) return std::nullopt;
  return RegionClaim{*key, *request, entry.expires_ms, *run, *std::move(answer)};
}

std::string region_message(std::string_view region, std::span<const RegionClaim> claims) {
  std::string body;
  {
    json::ObjectWriter object(body);
    object.string("region", region);
    std::string& list = object.value_of("claims");
    list += '[';
    for (std::size_t i = 0; i < claims.size(); ++i) {
      if (i > 0) list += ',';
      append_claim(list, claims[i]);
    }
    list += ']';
  }
  return body;
}

Result<RegionMessage> read_region_message(std::string_view body) {
  if (auto known = require_members(body, {"region", "claims"}); !known) return std::move(known).error();
  RegionMessage message;
  auto region = json::as_string(json::member(body, "region").value_or(""));
  if (!region) return invalid_field("region", "has to be a string");
  message.region = *std::move(region);
  const auto raw = json::member(body, "claims");
  if (!raw || json::kind(*raw) != json::Kind::array) return invalid_field("claims", "has to be an array");
  Status status;
  json::for_each_element(*raw, [&](std::string_view element) {
    if (message.claims.size() == kMaxRegionClaims) {
      status = invalid_field("claims", "has more than " + std::to_string(kMaxRegionClaims) + " elements");
      return false;
    }
    auto claim = read_claim(element);
    if (claim) {
      message.claims.push_back(*std::move(claim));
    } else {
      status = std::move(claim).error();
    }
    return status.ok();
  });
  if (!status) return std::move(status).error();
  return message;
}

}  // namespace openwop::wire
