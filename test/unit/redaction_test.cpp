// Shapes of secrets, and everything that must not be taken for one.
#include "openwop/redaction.h"

#include <chrono>

#include "support/catch.h"
#include "support/secret_shapes.h"

using namespace openwop;

TEST_CASE("every shape of a secret is found alone, in a sentence, in JSON and behind escapes", "[redaction]") {
  for (const std::string& secret : test::secret_shapes()) {
    INFO(secret);
    const auto alone = scrub_text(secret);
    REQUIRE(alone);
    CHECK(alone->find(test::secret_part(secret)) == std::string::npos);
    const auto sentence = scrub_text("use " + secret + " for the call, please");
    REQUIRE(sentence);
    CHECK(sentence->find(test::secret_part(secret)) == std::string::npos);
    CHECK(sentence->starts_with("use "));
    const std::string object = "{\"a\":[1.0,{\"b\":" + json::quoted(secret) + "}],\"c\":true}";
    const auto in_json = scrub_json(object);
    REQUIRE(in_json);
    CHECK(json::check(*in_json).ok());
    CHECK(in_json->starts_with("{\"a\":[1.0,{\"b\":\""));
    CHECK(in_json->ends_with("}],\"c\":true}"));
    CHECK(in_json->find(test::secret_part(secret)) == std::string::npos);
    // As a key too.
    CHECK(scrub_json("{" + json::quoted(secret) + ":1}"));
  }
  CHECK(scrub_json(R"({"a":"\u0073k-\u0061bcdefgh12345678"})") == R"({"a":"[REDACTED]"})");
  CHECK(scrub_text("path%20sk-abcdefgh12345678") == "path%20[REDACTED]");
}

TEST_CASE("ordinary text stays as it is", "[redaction]") {
  for (const std::string_view text : {
           "",
           "a",
           "sk-learn",
           "task-force-and-others",
           "desk-1234567890-abcdef",
           "secret_name",
           "secret_description",
           "cred_ref",
           "my_secret_1234567890x",
           "bearer authentication",
           "a Bearer token is needed",
           "https://example.com/a:b@c",
           "http://user@example.com/path",
           "eyJ",
           "eyJhbGciOiJub25lIn0",
           "version 1.2.3",
           "vendor.acme.charge",
           "AKIA",
           "AIza",
           "xox",
           "-----BEGI",
           "2026-01-01T00:00:00.000Z",
           "550e8400-e29b-41d4-a716-446655440000",
           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
           "ghp_short",
           "SG.",
           "ya29",
           "user:pass",
       }) {
    INFO(text);
    CHECK_FALSE(scrub_text(text));
  }
  CHECK_FALSE(scrub_json(R"( {"n" : 1.0, "big": 12345678901234567890, "e":1e5, "s":"a\u00e9\n", "a":[ ]} )"));
}

TEST_CASE("only the match goes", "[redaction]") {
  CHECK(scrub_text("key=sk-abcdefgh12345678, next") == "key=[REDACTED], next");
  CHECK(scrub_text("Authorization: Bearer abcdef123456") == "Authorization: Bearer [REDACTED]");
  CHECK(scrub_text("postgres://me:hunter22@db/x") == "postgres://me:[REDACTED]@db/x");
  CHECK(scrub_text("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- rest") == "[REDACTED] rest");
  CHECK(scrub_text("-----BEGIN PRIVATE KEY-----\nMIIE") == "[REDACTED]");
  CHECK(scrub_text("sk-aaaaaaaaaaaaaaaa1 and sk-bbbbbbbbbbbbbbbb2") == "[REDACTED] and [REDACTED]");
}

TEST_CASE("the time that redaction takes grows with the length of the text only", "[redaction]") {
  for (const std::string_view unit : {"eyJ-", "eyJa.", "sk-", "-----BEGIN ", "://a:", "bearer ", "Bearer        ",
                                      "-----END ", "\\\"", "eyJaaaaaaaa.bbb."}) {
    std::string text;
    while (text.size() < (std::size_t{1} << 20)) text += unit;
    const auto began = std::chrono::steady_clock::now();
    (void)scrub_text(text);
    (void)scrub_json("\"" + text + "\"");
    INFO(unit);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
  }
}

TEST_CASE("masking modes show, hide or hash a marked value", "[redaction]") {
  CHECK(masked(MaskingMode::mask, "1") == "\"[REDACTED]\"");
  CHECK(masked(MaskingMode::omit, "1") == std::nullopt);
  CHECK(masked(MaskingMode::hash, "1") == "\"sha256:" + sha256_hex("1") + "\"");
  CHECK(masked(MaskingMode::passthrough, "1") == "1");
  CHECK(masked_in_place(MaskingMode::omit, "1") == "\"[REDACTED]\"");
  for (const MaskingMode mode : {MaskingMode::mask, MaskingMode::omit, MaskingMode::hash, MaskingMode::passthrough}) {
    CHECK(masking_mode_of(masking_mode_name(mode)) == mode);
  }
  CHECK_FALSE(masking_mode_of("Mask"));
}

TEST_CASE("secrets that the process knows go whatever they look like", "[redaction]") {
  const std::vector<std::string> secrets = {"hunter2", "abc", "with \"quotes\""};
  CHECK(scrub_known("pass hunter2 hunter2!", secrets) == "pass [REDACTED] [REDACTED]!");
  CHECK_FALSE(scrub_known("abc", secrets));
  CHECK(scrub_known_json(R"({"p":"with \"quotes\" in it"})", secrets) == R"({"p":"[REDACTED] in it"})");
}

TEST_CASE("a stream lets ordinary pieces through one by one", "[redaction]") {
  StreamScrubber stream;
  for (const std::string_view piece : {"Hello", " ", "world", "!", "A", "s", "e", "k", "-", "B", "ear", " to", "ken"}) {
    CHECK(stream.feed(piece) == piece);
  }
  CHECK(stream.finish().empty());
}

TEST_CASE("a secret that is cut anywhere into pieces does not get through a stream", "[redaction]") {
  for (const std::string& secret : test::secret_shapes()) {
    const std::string text = "say " + secret + " twice " + secret + " end";
    for (std::size_t step = 1; step <= text.size(); step = step < 9 ? step + 1 : step * 2) {
      StreamScrubber stream;
      std::string out;
      for (std::size_t at = 0; at < text.size(); at += step)
        out += stream.feed(std::string_view(text).substr(at, step));
      out += stream.finish();
      INFO(secret << " in steps of " << step << ": " << out);
      CHECK(out.find(test::secret_part(secret)) == std::string::npos);
      CHECK(out.starts_with("say "));
      CHECK(out.ends_with(" end"));
      CHECK(out.find("[REDACTED]") != std::string::npos);
    }
  }
}

TEST_CASE("a stream catches known secrets across its pieces, and gives back what only began like one", "[redaction]") {
  StreamScrubber stream({"hunter2xyz"});
  std::string out;
  for (const std::string_view piece : {"my hun", "ter", "2xyz is", " hunter2x", "y and more"})
    out += stream.feed(piece);
  out += stream.finish();
  CHECK(out == "my [REDACTED] is hunter2xy and more");
}

TEST_CASE("a stream holds back a bounded tail", "[redaction]") {
  StreamScrubber stream;
  std::string out = stream.feed("-----BEGIN PRIVATE KEY-----\n");
  for (int i = 0; i < 100; ++i) out += stream.feed(std::string(4096, 'k'));
  out += stream.feed("\n-----END PRIVATE KEY-----done");
  out += stream.finish();
  CHECK(out.find("kkkk") == std::string::npos);
  CHECK(out.ends_with("done"));
  StreamScrubber run;
  out = run.feed("sk-");
  for (int i = 0; i < 100; ++i) out += run.feed(std::string(4096, 'x'));
  out += run.feed(" end");
  out += run.finish();
  CHECK(out == "sk-[REDACTED] end");
}
