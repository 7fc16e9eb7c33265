// Secrets as they look, for tests that plant them and then look for them everywhere. None of them is real; they are put
// together here so that no scanner of source code takes them for keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace openwop::test {

inline std::vector<std::string> secret_shapes() {
  const std::string body = "Zq4Xw9Lk2Vn7Rt5Bm8Yh3Jd6";
  const std::string b64 = "eyJzdWIiOiJ1c2VyLTEifQ";
  return {
      "sk-" + body,
      "sk-proj-" + body,
      "sk-ant-api03-" + body,
      "sk_live_" + body,
      "AIza" + body + "01234567890",
      "AKIA" + std::string("IOSFODNN7QWERTYZ"),
      "ASIA" + std::string("IOSFODNN7QWERTYX"),
      "xoxb-1234567890-" + body,
      "xoxp-1234567890-" + body,
      "xoxa-" + body,
      "xoxr-" + body,
      "xoxs-" + body,
      "ghp_" + body + "abcdefghijkl",
      "gho_" + body + "abcdefghijkl",
      "ghu_" + body + "abcdefghijkl",
      "ghs_" + body + "abcdefghijkl",
      "ghr_" + body + "abcdefghijkl",
      "github_pat_" + body,
      "cred_" + body,
      "secret_" + body,
      "whsec_" + body,
      "glpat-" + body,
      "ya29." + body,
      "Bearer " + body,
      "eyJhbGciOiJIUzI1NiJ9." + b64 + ".Zq4-Xw9_Lk2Vn7Rt5Bm8",
      "-----BEGIN PRIVATE KEY-----\nMIIEvQ" + body + "\n-----END PRIVATE KEY-----",
      "https://user:pw" + body + "@example.com/",
  };
}

/// The part of a shape that must not be seen: some of its middle, without the well-known prefix and the ends.
inline std::string secret_part(std::string_view secret) {
  for (const std::string_view part : {"Xw9Lk2Vn7Rt5", "IOSFODNN7", "eyJzdWIiOiJ1c2VyLTEifQ"}) {
    if (secret.find(part) != std::string_view::npos) return std::string(part);
  }
  return std::string(secret);
}

}  // namespace openwop::test
