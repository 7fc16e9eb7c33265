// Result<T>: a value or an Error. Nothing in the public API throws.
//
// An Error carries a code from the wire vocabulary (OpenWOP rest-endpoints §errors), a message that is safe to show
// to a caller, and optional details: one serialized JSON object. One table below maps each code to its wire name and
// its HTTP status; no other place decides either.
//
// Thread-safety: plain values; share like any other value.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace openwop {

enum class ErrorCode : std::uint8_t {
  unauthenticated,
  key_expired,
  key_revoked,
  forbidden,
  force_engine_version_forbidden,
  mock_provider_forbidden,
  credential_forbidden,
  auth_elevation_required,
  provider_policy_denied,
  validation_error,
  unsupported_stream_mode,
  unsupported_force_engine_version,
  unsupported_mock_provider,
  channel_access_denied,
  channel_cross_engine_write_forbidden,
  webhook_url_rejected,
  unsupported_version,
  not_found,
  run_not_found,
  workflow_not_found,
  artifact_not_found,
  interrupt_not_found,
  method_not_allowed,
  conflict,
  run_already_active,
  idempotency_in_flight,
  idempotency_key_mismatch,
  interrupt_already_resolved,
  interrupt_cancelled,
  engine_version_mismatch,
  interrupt_expired,
  interrupt_gone,
  payload_too_large,
  unsupported_media_type,
  correlation_mismatch,
  /// OpenWOP fixes the status of a fork that cannot be, not its code (protocol 01 §25).
  fork_refused,
  uri_too_long,
  rate_limited,
  headers_too_large,
  internal_error,
  not_implemented,
  service_unavailable,
  // Not wire codes of OpenWOP: they reach a C++ host, and the wire as internal_error or service_unavailable.
  store_locked,
  store_version_unsupported,
  store_corrupt,
  store_io_error,
  precondition_failed,
  lease_lost,
  version_out_of_range,
  channel_schema_breaking_change,
  /// Another host has the run (openwop/cluster.h); details say which.
  not_owner,
};

struct ErrorCodeInfo {
  ErrorCode code;
  std::string_view name;
  int http_status;
};

inline constexpr std::array kErrorCodes = {
    ErrorCodeInfo{ErrorCode::unauthenticated, "unauthenticated", 401},
    ErrorCodeInfo{ErrorCode::key_expired, "key_expired", 401},
    ErrorCodeInfo{ErrorCode::key_revoked, "key_revoked", 401},
    ErrorCodeInfo{ErrorCode::forbidden, "forbidden", 403},
    ErrorCodeInfo{ErrorCode::force_engine_version_forbidden, "force_engine_version_forbidden", 403},
    ErrorCodeInfo{ErrorCode::mock_provider_forbidden, "mock_provider_forbidden", 403},
    ErrorCodeInfo{ErrorCode::credential_forbidden, "credential_forbidden", 403},
    ErrorCodeInfo{ErrorCode::auth_elevation_required, "auth_elevation_required", 403},
    ErrorCodeInfo{ErrorCode::provider_policy_denied, "provider_policy_denied", 403},
    ErrorCodeInfo{ErrorCode::validation_error, "validation_error", 400},
    ErrorCodeInfo{ErrorCode::unsupported_stream_mode, "unsupported_stream_mode", 400},
    ErrorCodeInfo{ErrorCode::unsupported_force_engine_version, "unsupported_force_engine_version", 400},
    ErrorCodeInfo{ErrorCode::unsupported_mock_provider, "unsupported_mock_provider", 400},
    ErrorCodeInfo{ErrorCode::channel_access_denied, "channel_access_denied", 400},
    ErrorCodeInfo{ErrorCode::channel_cross_engine_write_forbidden, "channel_cross_engine_write_forbidden", 400},
    ErrorCodeInfo{ErrorCode::webhook_url_rejected, "webhook_url_rejected", 400},
    ErrorCodeInfo{ErrorCode::unsupported_version, "unsupported_version", 400},
    ErrorCodeInfo{ErrorCode::not_found, "not_found", 404},
    ErrorCodeInfo{ErrorCode::run_not_found, "run_not_found", 404},
    ErrorCodeInfo{ErrorCode::workflow_not_found, "workflow_not_found", 404},
    ErrorCodeInfo{ErrorCode::artifact_not_found, "artifact_not_found", 404},
    ErrorCodeInfo{ErrorCode::interrupt_not_found, "interrupt_not_found", 404},
    ErrorCodeInfo{ErrorCode::method_not_allowed, "method_not_allowed", 405},
    ErrorCodeInfo{ErrorCode::conflict, "conflict", 409},
    ErrorCodeInfo{ErrorCode::run_already_active, "run_already_active", 409},
    ErrorCodeInfo{ErrorCode::idempotency_in_flight, "idempotency_in_flight", 409},
    ErrorCodeInfo{ErrorCode::idempotency_key_mismatch, "idempotency_key_mismatch", 409},
    ErrorCodeInfo{ErrorCode::interrupt_already_resolved, "interrupt_already_resolved", 409},
    // The 1.0 document says 422, which its own race scenario refuses (protocol 01 §26 T-13).
    ErrorCodeInfo{ErrorCode::interrupt_cancelled, "interrupt_cancelled", 409},
    ErrorCodeInfo{ErrorCode::engine_version_mismatch, "engine_version_mismatch", 409},
    ErrorCodeInfo{ErrorCode::interrupt_expired, "interrupt_expired", 410},
    ErrorCodeInfo{ErrorCode::interrupt_gone, "interrupt_gone", 410},
    ErrorCodeInfo{ErrorCode::payload_too_large, "payload_too_large", 413},
    ErrorCodeInfo{ErrorCode::unsupported_media_type, "unsupported_media_type", 415},
    ErrorCodeInfo{ErrorCode::correlation_mismatch, "correlation_mismatch", 422},
    ErrorCodeInfo{ErrorCode::fork_refused, "validation_error", 422},
    ErrorCodeInfo{ErrorCode::uri_too_long, "uri_too_long", 414},
    ErrorCodeInfo{ErrorCode::rate_limited, "rate_limited", 429},
    ErrorCodeInfo{ErrorCode::headers_too_large, "headers_too_large", 431},
    ErrorCodeInfo{ErrorCode::internal_error, "internal_error", 500},
    ErrorCodeInfo{ErrorCode::not_implemented, "not_implemented", 501},
    ErrorCodeInfo{ErrorCode::service_unavailable, "service_unavailable", 503},
    ErrorCodeInfo{ErrorCode::store_locked, "store_locked", 503},
    ErrorCodeInfo{ErrorCode::store_version_unsupported, "store_version_unsupported", 500},
    ErrorCodeInfo{ErrorCode::store_corrupt, "store_corrupt", 500},
    ErrorCodeInfo{ErrorCode::store_io_error, "store_io_error", 503},
    ErrorCodeInfo{ErrorCode::precondition_failed, "precondition_failed", 409},
    ErrorCodeInfo{ErrorCode::lease_lost, "lease_lost", 409},
    ErrorCodeInfo{ErrorCode::version_out_of_range, "version_out_of_range", 409},
    ErrorCodeInfo{ErrorCode::channel_schema_breaking_change, "channel_schema_breaking_change", 409},
    ErrorCodeInfo{ErrorCode::not_owner, "not_owner", 503},
};

namespace detail {
constexpr bool error_table_is_in_enum_order() {
  for (std::size_t i = 0; i < kErrorCodes.size(); ++i) {
    if (static_cast<std::size_t>(kErrorCodes[i].code) != i) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::error_table_is_in_enum_order());
static_assert(kErrorCodes.size() == static_cast<std::size_t>(ErrorCode::not_owner) + 1);

/// The wire name of a code, such as "run_not_found".
constexpr std::string_view error_name(ErrorCode code) { return kErrorCodes[static_cast<std::size_t>(code)].name; }

/// The HTTP status that a code is answered with.
constexpr int http_status(ErrorCode code) { return kErrorCodes[static_cast<std::size_t>(code)].http_status; }

struct Error {
  ErrorCode code = ErrorCode::internal_error;
  /// For people; never holds secrets or internals.
  std::string message;
  /// Empty, or one serialized JSON object.
  std::string details = {};
};

/// A value or an Error. `value()` on an error is a programmer error and asserts.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const& {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && {
    assert(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

  [[nodiscard]] T value_or(T fallback) && { return ok() ? std::move(*this).value() : std::move(fallback); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const& {
    assert(!ok());
    return *error_;
  }
  [[nodiscard]] Error&& error() && {
    assert(!ok());
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace openwop
