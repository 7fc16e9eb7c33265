// Every operation of the OpenAPI document on the server over sockets, with good requests and with bad ones. What the
// server answers is held against the document besides.
#include <set>

#include "support/catch.h"
#include "wire/walk.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Operations that other tests visit: their requests need a token, a paused run, a name that resolves, or another
/// region.
const std::set<std::string, std::less<>> kNotWalked = {
    "resumeRun",       "forkRun",           "inspectInterruptByToken", "resolveInterruptByToken",
    "registerWebhook", "unregisterWebhook", "exchangeRegionClaims",
};

Server walked_server() {
  return Server({"--store", "memory", "--audit-log", "on", "--workflows", wire_workflows(), "--workflows",
                 std::string(OPENWOP_SOURCE_DIR) + "/test/wire/walk_workflows", "--fixtures", "--api-key", kServerKey,
                 "--api-key", "other-tenant=other", "--api-key", "no-scope=default:packs:yank"});
}

std::string id_of(const Operation& operation) { return std::string(json::string_of((*operation.node)["operationId"])); }

bool is_public(const Operation& operation) { return (*operation.node)["security"].Empty(); }

/// Calls `visit(operation, good request)` for every operation.
template <class Visit>
void visit_all(const Walk& walk, Visit&& visit) {
  for (const Operation& operation : operations()) {
    const auto make = Walk::good_requests().find(id_of(operation));
    if (make == Walk::good_requests().end()) {
      INFO(id_of(operation) << " is not in the table of good requests");
      CHECK(kNotWalked.contains(id_of(operation)));
      continue;
    }
    const GoodRequest good = make->second(walk);
    INFO(operation.method << " " << good.target);
    visit(operation, good);
  }
}

}  // namespace

TEST_CASE("every operation takes a good request", "[wire][server][walk]") {
  const Server server = walked_server();
  REQUIRE(server.ready());
  visit_all(Walk(server), [&](const Operation& operation, const GoodRequest& good) {
    CHECK(server.send(operation.method, good.target, good.body, good.headers).status == good.status);
    if (operation.method == "GET") {
      const Answer head = server.send("HEAD", good.target, {}, good.headers);
      CHECK(head.status == good.status);
      CHECK(head.body.empty());
    }
  });
}

TEST_CASE("every operation refuses a missing key, a wrong one, and one without its scope", "[wire][server][walk]") {
  const Server server = walked_server();
  REQUIRE(server.ready());
  visit_all(Walk(server), [&](const Operation& operation, const GoodRequest& good) {
    if (is_public(operation)) {
      // A key that nobody knows is no reason to refuse what needs none.
      CHECK(server.send(operation.method, good.target, good.body, good.headers, "unknown").status == good.status);
      return;
    }
    CHECK(server.send(operation.method, good.target, good.body, good.headers, "").status == 401);
    const Answer unknown = server.send(operation.method, good.target, good.body, good.headers, "unknown-key");
    CHECK(unknown.status == 401);
    CHECK(unknown.body.find("unknown-key") == std::string::npos);
    const Answer powerless = server.send(operation.method, good.target, good.body, good.headers, "no-scope");
    CHECK(powerless.status == 403);
    CHECK_FALSE(powerless.at({"details", "scopeRequired"}).empty());
  });
}

TEST_CASE("what belongs to another tenant is answered like what does not exist", "[wire][server][walk]") {
  const Server server = walked_server();
  REQUIRE(server.ready());
  visit_all(Walk(server), [&](const Operation& operation, const GoodRequest& good) {
    const auto run = operation.path.find("{runId}");
    if (run == std::string::npos) return;
    const Answer foreign = server.send(operation.method, good.target, good.body, good.headers, "other-tenant");
    CHECK(foreign.status == 404);
    std::string absent = good.target;
    absent.replace(run, 26, "00000000000000000000000000");
    const Answer nothing = server.send(operation.method, absent, good.body, good.headers);
    CHECK(nothing.status == 404);
    CHECK(nothing.body == foreign.body);
  });
}

TEST_CASE("every path answers other methods with 405 and what it takes", "[wire][server][walk]") {
  const Server server = walked_server();
  REQUIRE(server.ready());
  visit_all(Walk(server), [&](const Operation& operation, const GoodRequest& good) {
    for (const std::string method : {"PUT", "PATCH", "DELETE", "POST", "GET"}) {
      if (find_operation(method, good.target) != nullptr) continue;
      INFO(method);
      const Answer refused = server.send(method, good.target, method == "GET" ? "" : "{}");
      CHECK(refused.status == 405);
      CHECK(refused.header("Allow").find(operation.method) != std::string::npos);
    }
  });
}

TEST_CASE("every operation refuses what the document refuses, and nothing comes of it", "[wire][server][walk]") {
  const Server server = walked_server();
  REQUIRE(server.ready());
  visit_all(Walk(server), [&](const Operation& operation, const GoodRequest& good) {
    for (const BadRequest& bad : bad_requests(operation, good)) {
      INFO(bad.name << " " << bad.body);
      const Answer refused = server.send(operation.method, bad.target, bad.body, good.headers);
      CHECK(refused.status == bad.status);
    }
    if (operation.method == "POST") {
      CHECK(server.send("POST", good.target, good.body.empty() ? "{}" : good.body, {{"Content-Type", "text/plain"}})
                .status == 415);
      CHECK(server.send("POST", good.target, std::string(std::size_t{3} << 20, ' ')).status == 413);
      CHECK(server.send("POST", good.target, good.body, {{"Idempotency-Key", std::string(256, 'k')}}).status == 400);
    }
    // After all that, the good one still works.
    CHECK(server.send(operation.method, good.target, good.body, good.headers).status == good.status);
  });
}

TEST_CASE("ids are taken as they are: encoded slashes, dots and controls reach nothing", "[wire][server][walk]") {
  const Server server = walked_server();
  REQUIRE(server.ready());
  for (const Operation& operation : operations()) {
    if (operation.path.find('{') == std::string::npos || kNotWalked.contains(id_of(operation))) continue;
    for (const std::string id : {"..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "%zz", "%ff", "a%0d%0aX-Bad:%201"}) {
      std::string target = operation.path;
      for (auto from = target.find('{'); from != std::string::npos; from = target.find('{', from)) {
        target.replace(from, target.find('}', from) - from + 1, id);
        from += id.size();
      }
      INFO(operation.method << " " << target);
      const Answer answer = server.send(operation.method, target, operation.method == "POST" ? "{}" : "");
      CHECK((answer.status == 400 || answer.status == 404));
      CHECK(answer.header("X-Bad").empty());
    }
  }
}
