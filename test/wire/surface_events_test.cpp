// Events through the surface without a socket: streams in every mode, resume, batches, polls, the JSON form.
#include "support/engine_rig.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::string events_of(const std::string& run, const std::string& query = "") {
  return "/v1/runs/" + run + "/events" + query;
}

std::vector<std::string> lines_of(const std::string& text, const std::string& field) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(field + ": ")) found.push_back(line.substr(field.size() + 2));
  }
  return found;
}

}  // namespace

TEST_CASE("each mode shows its events and every mode ends after the terminal one", "[wire][events]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  const auto labels = [&](const std::string& mode) {
    const auto stream = rig.stream(events_of(run, "?streamMode=" + mode));
    const std::string text = SurfaceRig::drain(*stream);
    CHECK(stream->next(0).kind == http::StreamFrame::Kind::end);
    return lines_of(text, "event");
  };
  CHECK(labels("updates") == Lines{"run.started", "node.completed", "run.completed"});
  CHECK(labels("debug") == Lines{"run.started", "node.started", "node.completed", "run.completed"});
  CHECK(labels("updates,debug,updates") == Lines{"run.started", "node.started", "node.completed", "run.completed"});
  CHECK(labels("messages").empty());
  CHECK(labels("messages,updates") == Lines{"run.started", "node.completed", "run.completed"});
  CHECK(labels("values") == Lines(4, "state.snapshot"));
  CHECK(rig.stream(events_of(run))->head().headers.find("Content-Type")->second == "text/event-stream");
}

TEST_CASE("frames carry the sequence, the type and one event document on one line", "[wire][events]") {
  SurfaceRig rig;
  // A payload with line breaks between its tokens, as people write JSON.
  const std::string run = rig.run("wire-echo", "{\"payload\":{\n\"a\":\r\n1}}");
  const std::string text = SurfaceRig::drain(*rig.stream(events_of(run, "?streamMode=debug")));
  CHECK(lines_of(text, "id") == Lines{"0", "1", "2", "3"});
  for (const std::string& data : lines_of(text, "data")) {
    CHECK(json::check(data).ok());
    for (const char* name : {"eventId", "runId", "type", "payload", "timestamp", "sequence"}) {
      CHECK(json::member(data, name).has_value());
    }
  }
  CHECK(occurrences(text, "\n\n") == 4);
  CHECK(text.find('\r') == std::string::npos);
}

TEST_CASE("a bad mode or window is 400 for every kind of client", "[wire][events]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  for (const char* accept : {"application/json", "text/event-stream"}) {
    for (const char* mode :
         {"bogus", "updates,bogus", "values,debug", "", "updates,", ",", "Updates", "updates, debug"}) {
      const Answer answer =
          rig.get(events_of(run, std::string("?streamMode=") +
                                     (mode == std::string("updates, debug") ? "updates,%20debug" : mode)),
                  {{"Accept", accept}});
      INFO(mode);
      CHECK(answer.status == 400);
      CHECK(answer.at({"error"}) == "unsupported_stream_mode");
      CHECK(answer.at({"details", "supported"}) == R"(["values","updates","messages","debug"])");
    }
    for (const char* window : {"-1", "5001", "1.5", "x", ""}) {
      const Answer answer = rig.get(events_of(run, std::string("?bufferMs=") + window), {{"Accept", accept}});
      INFO(window);
      CHECK(answer.at({"error"}) == "validation_error");
    }
  }
  CHECK(rig.get(events_of("01m84eg61bbkpgpmj4x7bjqfcv", "?streamMode=bogus")).status == 404);
}

TEST_CASE("the events route answers JSON to those who accept only that", "[wire][events]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  const Answer answer = rig.get(events_of(run), {{"Accept", "application/json"}});
  CHECK(answer.status == 200);
  CHECK(occurrences(answer.at({"events"}), "eventId") == 4);
  CHECK(answer.at({"isComplete"}) == "true");
  for (const char* accept : {"text/event-stream", "*/*", "Application/JSON, TEXT/event-stream"}) {
    CHECK_FALSE(SurfaceRig::drain(*rig.stream(events_of(run), {{"Accept", accept}})).empty());
  }
}

TEST_CASE("a stream resumes behind the last event that its client has seen", "[wire][events]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  const auto ids = [&](const std::string& last, const std::string& mode = "debug") {
    const auto stream = rig.stream(events_of(run, "?streamMode=" + mode), {{"Last-Event-ID", last}});
    const Lines found = lines_of(SurfaceRig::drain(*stream), "id");
    CHECK(stream->next(0).kind == http::StreamFrame::Kind::end);
    return found;
  };
  CHECK(ids("0") == Lines{"1", "2", "3"});
  CHECK(ids("evt_" + run + "_1") == Lines{"2", "3"});
  CHECK(ids("3").empty());
  CHECK(ids("999").empty());
  CHECK(ids("18446744073709551615").empty());
  CHECK(ids("nonsense") == Lines{"0", "1", "2", "3"});
  CHECK(ids("-1") == Lines{"0", "1", "2", "3"});
  // `values` begins with the state that the client left.
  CHECK(ids("1", "values") == Lines{"1", "2", "3"});
  CHECK(ids("3", "values").empty());
}

TEST_CASE("snapshots of a late subscriber grow with the log", "[wire][events]") {
  SurfaceRig rig;
  const std::string text = SurfaceRig::drain(*rig.stream(events_of(rig.run("wire-steps"), "?streamMode=values")));
  const Lines data = lines_of(text, "data");
  REQUIRE(data.size() == 12);
  std::size_t completed = 0;
  for (const std::string& snapshot : data) {
    const std::size_t now = occurrences(snapshot, R"("status":"completed","attempt")");
    CHECK(now >= completed);
    completed = now;
  }
  CHECK(Answer{.body = data.front()}.at({"status"}) == "running");
  CHECK(Answer{.body = data.back()}.at({"status"}) == "completed");
  CHECK(completed == 5);
}

TEST_CASE("a live stream says nothing until something happens, and cancel ends it", "[wire][events]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-sleep", R"({"delayMs":500})");
  const auto stream = rig.stream(events_of(run));
  CHECK(lines_of(SurfaceRig::drain(*stream), "event") == Lines{"run.started"});
  CHECK(stream->next(0).kind == http::StreamFrame::Kind::idle);
  rig.advance(500);
  CHECK(lines_of(SurfaceRig::drain(*stream), "event") == Lines{"node.completed", "run.completed"});
  CHECK(stream->next(0).kind == http::StreamFrame::Kind::end);

  const auto left = rig.stream(events_of(rig.run("wire-sleep")));
  left->cancel();
  CHECK(left->next(0).kind == http::StreamFrame::Kind::end);
  const auto closed = rig.stream(events_of(rig.run("wire-sleep")));
  (void)SurfaceRig::drain(*closed);
  rig.surface->close();
  CHECK(closed->next(60'000).kind == http::StreamFrame::Kind::end);
  CHECK(rig.stream(events_of(rig.run("wire-sleep")))->next(0).kind == http::StreamFrame::Kind::end);
}

TEST_CASE("batches hold events for their window and not beyond the end", "[wire][events]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-sleep", R"({"delayMs":500})");
  const auto stream = rig.stream(events_of(run, "?streamMode=debug&bufferMs=200"));
  CHECK(SurfaceRig::drain(*stream).empty());
  rig.advance(199);
  CHECK(SurfaceRig::drain(*stream).empty());
  rig.advance(1);
  const std::string first = SurfaceRig::drain(*stream);
  CHECK(lines_of(first, "event") == Lines{"batch"});
  CHECK(lines_of(first, "id") == Lines{"1"});
  CHECK(SurfaceRig::drain(*stream).empty());
  rig.advance(300);
  const std::string last = SurfaceRig::drain(*stream);
  CHECK(lines_of(last, "id") == Lines{"3"});
  CHECK(occurrences(last, "eventId") == 2);
  CHECK(stream->next(0).kind == http::StreamFrame::Kind::end);
  CHECK(SurfaceRig::drain(*rig.stream(events_of(run, "?bufferMs=0"))).find("batch") == std::string::npos);
}

TEST_CASE("a suspension does not wait for the window of its batch", "[wire][events]") {
  SurfaceRig rig;
  const auto text = WorkflowText("pausing")
                        .node("wait", "core.delay", R"({"ms":100})")
                        .node("gate", "core.approvalGate", R"({"actions":["accept","ask"]})")
                        .edge("wait", "gate");
  REQUIRE(rig.engine->register_workflow(text.json()).ok());
  const std::string run = rig.run("pausing");
  const auto stream = rig.stream(events_of(run, "?streamMode=debug&bufferMs=5000"));
  CHECK(SurfaceRig::drain(*stream).empty());
  rig.advance(100);
  const std::string batch = SurfaceRig::drain(*stream);
  CHECK(lines_of(batch, "event") == Lines{"batch"});
  for (const char* type : {"run.started", "node.suspended", "interrupt.requested", "approval.requested"}) {
    CHECK(occurrences(batch, R"("type":")" + std::string(type) + "\"") == 1);
  }
  // What comes behind it waits for its window again.
  REQUIRE(rig.post("/v1/runs/" + run + "/interrupts/gate", R"({"resumeValue":{"action":"ask","question":"why?"}})")
              .status == 200);
  CHECK(SurfaceRig::drain(*stream).empty());
  rig.advance(5'000);
  CHECK(lines_of(SurfaceRig::drain(*stream), "event") == Lines{"batch"});
}

TEST_CASE("silence is broken by keep-alive comments", "[wire][events]") {
  SurfaceRig rig({.keepalive_ms = 20});
  const auto stream = rig.stream(events_of(rig.run("wire-sleep")));
  (void)SurfaceRig::drain(*stream);
  CHECK(stream->next(5).kind == http::StreamFrame::Kind::idle);
  CHECK(stream->next(1000).bytes == ":keepalive\n\n");
  CHECK(stream->next(1000).bytes == ":keepalive\n\n");
  // Of a run that waits for somebody too.
  REQUIRE(rig.engine->register_workflow(WorkflowText("asks").node("g", "core.approvalGate").json()).ok());
  const auto waiting = rig.stream(events_of(rig.run("asks")));
  (void)SurfaceRig::drain(*waiting);
  CHECK(waiting->next(1000).bytes == ":keepalive\n\n");
}

TEST_CASE("streams beyond the limit are refused and places are given back", "[wire][events]") {
  SurfaceRig rig({.max_streams = 1});
  const std::string run = rig.run("wire-sleep");
  {
    const auto stream = rig.stream(events_of(run));
    const Answer refused = rig.get(events_of(run));
    CHECK(refused.status == 503);
    CHECK(refused.header("Retry-After") == "1");
    CHECK(refused.at({"details", "retryAfter"}) == "1");
  }
  CHECK_FALSE(SurfaceRig::drain(*rig.stream(events_of(run))).empty());
}

TEST_CASE("a poll of an ended run answers at once, from behind the last sequence on", "[wire][events]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  const auto poll = [&](const std::string& query) { return rig.get(events_of(run, "/poll" + query)); };
  const Answer all = poll("");
  CHECK(occurrences(all.at({"events"}), "eventId") == 4);
  CHECK(all.at({"isComplete"}) == "true");
  CHECK(poll("").body == all.body);
  CHECK(poll("?lastSequence=-1").body == all.body);
  CHECK(occurrences(poll("?lastSequence=0").body, "eventId") == 3);
  CHECK(occurrences(poll("?since=2").body, "eventId") == 1);
  CHECK(poll("?lastSequence=3").body == R"({"events":[],"isComplete":true})");
  CHECK(poll("?lastSequence=12345&timeout=60").body == R"({"events":[],"isComplete":true})");
  CHECK(poll("?lastSequence=99999999999999999999").body == R"({"events":[],"isComplete":true})");
  for (const char* bad :
       {"lastSequence=x", "lastSequence=-2", "lastSequence=", "timeout=0", "timeout=61", "timeout=1.5"}) {
    INFO(bad);
    CHECK(poll(std::string("?") + bad).at({"error"}) == "validation_error");
  }
}

TEST_CASE("a long log is polled in pages", "[wire][events]") {
  SurfaceRig rig({.max_poll_events = 5});
  const std::string run = rig.run("wire-steps");
  int events = 0;
  int pages = 0;
  for (std::string complete = "false"; complete == "false"; ++pages) {
    const Answer page = rig.get(events_of(run, "/poll?lastSequence=" + std::to_string(events - 1)));
    events += static_cast<int>(occurrences(page.body, "eventId"));
    complete = page.at({"isComplete"});
    REQUIRE(pages < 10);
  }
  CHECK(events == 12);
  CHECK(pages == 3);
}
