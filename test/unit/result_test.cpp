#include "openwop/result.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "support/catch.h"

using namespace openwop;

TEST_CASE("every error code has its wire name and HTTP status") {
  // Protocol 01, error codes; the last six never reach the wire under their own name.
  const std::map<std::string_view, int> expected = {
      {"unauthenticated", 401},
      {"key_expired", 401},
      {"key_revoked", 401},
      {"forbidden", 403},
      {"force_engine_version_forbidden", 403},
      {"mock_provider_forbidden", 403},
      {"credential_forbidden", 403},
      {"provider_policy_denied", 403},
      {"validation_error", 400},
      {"unsupported_stream_mode", 400},
      {"unsupported_force_engine_version", 400},
      {"unsupported_mock_provider", 400},
      {"channel_access_denied", 400},
      {"channel_cross_engine_write_forbidden", 400},
      {"webhook_url_rejected", 400},
      {"unsupported_version", 400},
      {"not_found", 404},
      {"run_not_found", 404},
      {"workflow_not_found", 404},
      {"artifact_not_found", 404},
      {"interrupt_not_found", 404},
      {"method_not_allowed", 405},
      {"conflict", 409},
      {"run_already_active", 409},
      {"idempotency_in_flight", 409},
      {"idempotency_key_mismatch", 409},
      {"interrupt_already_resolved", 409},
      {"engine_version_mismatch", 409},
      {"interrupt_expired", 410},
      {"interrupt_gone", 410},
      {"interrupt_cancelled", 409},
      {"auth_elevation_required", 403},
      {"payload_too_large", 413},
      {"uri_too_long", 414},
      {"unsupported_media_type", 415},
      {"correlation_mismatch", 422},
      {"rate_limited", 429},
      {"headers_too_large", 431},
      {"internal_error", 500},
      {"not_implemented", 501},
      {"service_unavailable", 503},
      {"store_locked", 503},
      {"store_version_unsupported", 500},
      {"store_corrupt", 500},
      {"store_io_error", 503},
      {"precondition_failed", 409},
      {"lease_lost", 409},
      {"version_out_of_range", 409},
      {"channel_schema_breaking_change", 409},
      {"not_owner", 503},
  };
  std::map<std::string_view, int> found;
  for (const auto& info : kErrorCodes) {
    found.emplace(error_name(info.code), http_status(info.code));
    CHECK(error_name(info.code) == info.name);
  }
  CHECK(found == expected);
  // fork_refused is a validation_error with a status of its own.
  CHECK(kErrorCodes.size() == expected.size() + 1);
  CHECK(error_name(ErrorCode::fork_refused) == "validation_error");
  CHECK(http_status(ErrorCode::fork_refused) == 422);
}

TEST_CASE("a result holds a value or an error, and says which") {
  const Result<std::string> good("value");
  REQUIRE(good.ok());
  CHECK(static_cast<bool>(good));
  CHECK(*good == "value");
  CHECK(good->size() == 5);

  const Result<std::string> bad(Error{ErrorCode::conflict, "taken", R"({"a":1})"});
  REQUIRE_FALSE(bad.ok());
  CHECK_FALSE(static_cast<bool>(bad));
  CHECK(bad.error().code == ErrorCode::conflict);
  CHECK(bad.error().message == "taken");
  CHECK(bad.error().details == R"({"a":1})");
}

TEST_CASE("a result hands a value that cannot be copied on to its new owner") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> owned = *std::move(result);
  CHECK(*owned == 7);
}

TEST_CASE("value_or falls back only on an error") {
  CHECK(Result<int>(3).value_or(9) == 3);
  CHECK(Result<int>(Error{ErrorCode::not_found, "no"}).value_or(9) == 9);
}

TEST_CASE("a value in a result can be changed in place") {
  Result<std::string> result("a");
  result->append("b");
  result.value() += "c";
  CHECK(result.value() == "abc");
}

TEST_CASE("a status is success until it is given an error") {
  Status status;
  CHECK(status.ok());
  status = Error{ErrorCode::lease_lost, "late"};
  REQUIRE_FALSE(status);
  CHECK(std::move(status).error().code == ErrorCode::lease_lost);
}

TEST_CASE("a default error is an internal one") { CHECK(Error{}.code == ErrorCode::internal_error); }
