#include "openwop/trace_context.h"

#include <set>

#include "support/catch.h"

using namespace openwop;

namespace {
const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSpan = "00f067aa0ba902b7";
const std::string kGood = "00-" + kTrace + "-" + kSpan + "-01";
}  // namespace

TEST_CASE("a traceparent is read and written as it came", "[telemetry]") {
  const auto context = parse_traceparent(kGood, "acme=1,b=2");
  REQUIRE(context);
  CHECK(to_hex(context->trace_id) == kTrace);
  CHECK(to_hex(context->span_id) == kSpan);
  CHECK(context->sampled);
  CHECK(context->tracestate == "acme=1,b=2");
  CHECK(format_traceparent(*context) == kGood);
  CHECK_FALSE(parse_traceparent("00-" + kTrace + "-" + kSpan + "-00")->sampled);
  CHECK(parse_traceparent("00-" + kTrace + "-" + kSpan + "-03")->sampled);
}

TEST_CASE("a later version of traceparent is read as far as it is known", "[telemetry]") {
  CHECK(parse_traceparent("01-" + kTrace + "-" + kSpan + "-01-more"));
  CHECK(parse_traceparent("01-" + kTrace + "-" + kSpan + "-01"));
  CHECK_FALSE(parse_traceparent("01-" + kTrace + "-" + kSpan + "-01more"));
}

TEST_CASE("a malformed traceparent is no context", "[telemetry]") {
  for (const std::string& text : std::vector<std::string>{
           "", "00", kGood + "-", kGood + "x", "ff" + kGood.substr(2), "0G" + kGood.substr(2),
           "00-" + std::string(32, '0') + "-" + kSpan + "-01", "00-" + kTrace + "-" + std::string(16, '0') + "-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kSpan + "-01", "00_" + kTrace + "_" + kSpan + "_01",
           "00-" + kTrace + "-" + kSpan + "-0x", kGood.substr(0, 54)}) {
    INFO(text);
    CHECK_FALSE(parse_traceparent(text));
  }
}

TEST_CASE("a tracestate that is too long or no plain text is dropped, the context is not", "[telemetry]") {
  CHECK(parse_traceparent(kGood, std::string(513, 'x'))->tracestate.empty());
  CHECK(parse_traceparent(kGood, "a=\n")->tracestate.empty());
}

TEST_CASE("span ids of a run differ by part and sequence and are never zero", "[telemetry]") {
  RandomIdSource ids(7);
  const RunId run = ids.next(1'700'000'000'000);
  std::set<SpanId> seen;
  for (std::uint64_t sequence = 0; sequence < 1000; ++sequence) {
    for (const char part : {'r', 'n', 'a', 'e', 'i'}) CHECK(seen.insert(span_id_of(run, part, sequence)).second);
  }
  CHECK_FALSE(seen.contains(SpanId{}));
  CHECK(run_span_id(run) == run_span_id(run));
}
