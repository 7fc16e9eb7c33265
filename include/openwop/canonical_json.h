// Canonical JSON (RFC 8785): one text for each JSON value, for hashes and signatures.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string>
#include <string_view>

namespace openwop {

/// Of checked text (json::check): members by the UTF-16 units of their names, numbers as ECMAScript writes doubles, no
/// space, no escape that is not needed.
[[nodiscard]] std::string canonical_json(std::string_view checked);

/// A double as ECMAScript's Number.prototype.toString writes it. Finite values only.
[[nodiscard]] std::string canonical_number(double value);

}  // namespace openwop
