// Three reference servers on one PostgreSQL database under load, while each of them in turn is killed, or stopped and
// woken up after others have taken its runs over. What was acknowledged is there, and every run went its way once.
//
// OPENWOP_CLUSTER_TEST_SECONDS is how long that goes on (12).
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "crash/crash_workflows.h"
#include "openwop/json.h"
#include "support/catch.h"
#include "support/postgres_server.h"
#include "support/server.h"

namespace openwop::test {
namespace {

constexpr std::size_t kHosts = 3;
constexpr int kClaimTtlMs = 2'000;

bool can_run() {
  if (PostgresServer::installed()) return true;
  if (std::getenv("CI") != nullptr) FAIL("CI has to have PostgreSQL");
  WARN("not run: PostgreSQL is not installed");
  return false;
}

void sleep_ms(std::int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

struct Hosts {
  TempDir files;
  std::string dsn;
  std::array<int, kHosts> ports{};
  std::array<std::unique_ptr<Server>, kHosts> servers;

  explicit Hosts(std::string schema_dsn) : dsn(std::move(schema_dsn)) {
    for (const char* id : kCrashWorkflowIds) std::ofstream(files.file(std::string(id) + ".json")) << crash_workflow(id);
    std::ofstream(files.file("gate.json"))
        << R"({"id":"gate","name":"g","version":"1","nodes":[)" +
               crash_node("gate", "core.approvalGate", R"({"title":"?","actions":["accept","reject"]})") + "," +
               crash_node("wait", "core.delay", R"({"ms":100})") + R"(],"edges":[)" + crash_edge("gate", "wait") +
               R"(],"triggers":[],"variables":[],"metadata":{},"settings":{}})";
    for (int& port : ports) port = free_port();
    for (std::size_t i = 0; i < kHosts; ++i) start(i);
  }

  void start(std::size_t i) {
    const std::string address = "127.0.0.1:" + std::to_string(ports[i]);
    servers[i] = std::make_unique<Server>(std::vector<std::string>{
        "--listen", address, "--store", "postgres:" + dsn, "--cluster", "--host-id", "host-" + std::to_string(i),
        "--claim-ttl-ms", std::to_string(kClaimTtlMs), "--heartbeat-ms", "400", "--workflows", files.path().string(),
        "--data-folder", files.file("keys"), "--threads", "1"});
    INFO(servers[i]->log());
    REQUIRE(servers[i]->ready());
  }
};

/// Every host knows of all of them, and has its share of the partitions; false when that takes too long.
bool wait_for_shares(const Hosts& hosts) {
  const std::string all = "\"hosts\":" + std::to_string(kHosts);
  const auto has_share = [&](const Server& server) {
    const std::string log = server.log();
    const auto last = log.rfind("claims changed");
    if (last == std::string::npos) return false;
    const std::string_view line = std::string_view(log).substr(last, log.find('\n', last) - last);
    const bool even = line.find("\"claimed\":21,") != std::string_view::npos ||
                      line.find("\"claimed\":22,") != std::string_view::npos;
    return even && line.find(all) != std::string_view::npos;
  };
  for (int i = 0; i < 1'000; ++i) {
    if (std::all_of(hosts.servers.begin(), hosts.servers.end(), [&](const auto& each) { return has_share(*each); })) {
      return true;
    }
    sleep_ms(10);
  }
  return false;
}

/// What hosts have acknowledged.
struct Acknowledged {
  std::mutex mutex;
  std::map<std::string, std::string> runs;     // key -> run
  std::map<std::string, std::string> cancels;  // run -> status as answered
  std::set<std::string> resolved;              // runs whose gate was answered
  std::vector<std::string> gates;
  std::atomic<int> twice{0};
};

/// A caller who goes to another host when one does not answer, and repeats with the same key.
class Caller {
 public:
  Caller(const Hosts& hosts, std::uint64_t seed) : hosts_(hosts), random_(seed) {}

  std::uint64_t draw(std::uint64_t below) { return random_() % below; }

  /// The first answer that says what came of it; status 0 when time is over.
  Answer post(const std::string& target, const std::string& body, const std::string& key,
              const std::atomic<bool>& stop) {
    for (int i = 0; i < 200 && (!stop || i < 100); ++i) {
      httplib::Client client("127.0.0.1", hosts_.ports[draw(kHosts)]);
      client.set_connection_timeout(1);
      client.set_read_timeout(3);
      httplib::Headers headers = {{"Authorization", std::string("Bearer ") + kServerKey}};
      if (!key.empty()) headers.emplace("Idempotency-Key", key);
      const auto answer = client.Post(target, headers, body, "application/json");
      const bool passing = !answer || answer->status >= 500 || answer->status == 429 ||
                           (answer->status == 409 && answer->body.find("idempotency_in_flight") != std::string::npos);
      if (!passing) return {.status = answer->status, .body = answer->body, .headers = answer->headers};
      sleep_ms(20);
    }
    return {};
  }

 private:
  const Hosts& hosts_;
  std::mt19937_64 random_;
};

void load(const Hosts& hosts, std::uint64_t seed, Acknowledged& seen, const std::atomic<bool>& stop) {
  Caller caller(hosts, seed);
  for (int n = 0; !stop; ++n) {
    const std::string key = "k-" + std::to_string(seed) + "-" + std::to_string(n);
    const std::uint64_t choice = caller.draw(4);
    const std::string workflow = choice == 3 ? "gate" : kCrashWorkflowIds[choice];
    const Answer created = caller.post("/v1/runs", R"({"workflowId":")" + workflow + R"(","inputs":{}})", key, stop);
    if (created.status != 201) continue;
    const std::string run = created.at({"runId"});
    {
      const std::lock_guard lock(seen.mutex);
      seen.runs.emplace(key, run);
    }
    if (choice == 3) {
      // Two answers at once, on whatever hosts: at most one is the first.
      std::atomic<int> won{0};
      const auto resolve = [&](std::uint64_t voter) {
        Caller other(hosts, seed * 1'000'003 + static_cast<std::uint64_t>(n) * 2 + voter);
        const Answer answer = other.post("/v1/runs/" + run + "/approvals/gate", R"({"action":"accept"})",
                                         key + "-" + std::to_string(voter), stop);
        if (answer.status == 200) won.fetch_add(1);
      };
      if (caller.draw(3) == 0) continue;  // left for later
      std::thread second(resolve, 1);
      resolve(0);
      second.join();
      const std::lock_guard lock(seen.mutex);
      if (won > 1) seen.twice.fetch_add(1);
      if (won > 0) seen.resolved.insert(run);
    } else if (caller.draw(5) == 0) {
      const Answer cancelled = caller.post("/v1/runs/" + run + "/cancel", "{}", key + "-c", stop);
      if (cancelled.status != 200) continue;
      const std::lock_guard lock(seen.mutex);
      seen.cancels.emplace(run, cancelled.at({"status"}));
    }
    sleep_ms(static_cast<std::int64_t>(caller.draw(20)));
  }
}

/// Follows runs as SSE on whatever host, until each is over; what a stream shows has no gap and no repetition.
void follow(const Hosts& hosts, Acknowledged& seen, std::atomic<int>& gaps, std::atomic<int>& whole,
            const std::atomic<bool>& stop) {
  std::mt19937_64 random(99);
  while (!stop) {
    std::string run;
    {
      const std::lock_guard lock(seen.mutex);
      if (!seen.runs.empty())
        run = std::next(seen.runs.begin(), static_cast<long>(random() % seen.runs.size()))->second;
    }
    if (run.empty()) {
      sleep_ms(20);
      continue;
    }
    std::string text;
    std::int64_t next = 0;
    httplib::Client client("127.0.0.1", hosts.ports[random() % kHosts]);
    client.set_connection_timeout(1);
    client.set_read_timeout(3);
    const auto answer =
        client.Get("/v1/runs/" + run + "/events?streamMode=debug",
                   {{"Authorization", std::string("Bearer ") + kServerKey}, {"Accept", "text/event-stream"}},
                   [&](const char* data, std::size_t size) {
                     text.append(data, size);
                     return !stop.load();
                   });
    text.insert(0, "\n");
    for (std::size_t at = text.find("\nid: "); at != std::string::npos; at = text.find("\nid: ", at + 1)) {
      const std::size_t end = text.find('\n', at + 1);
      if (end == std::string::npos) break;  // the host was killed in the middle of it
      if (std::stoll(text.substr(at + 5, end - at - 5)) != next++) gaps.fetch_add(1);
    }
    if (answer && text.find("event: run.") != std::string::npos) whole.fetch_add(1);
  }
}

/// One host after the other is killed and started again, or sleeps for longer than its claims last.
void trouble(Hosts& hosts, std::mt19937_64& random, std::int64_t for_ms, std::map<std::string, int>& what) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(for_ms);
  while (std::chrono::steady_clock::now() < until) {
    const std::size_t i = random() % kHosts;
    sleep_ms(static_cast<std::int64_t>(random() % 800));
    switch (random() % 3) {
      case 0:
        ++what["killed"];
        hosts.servers[i]->kill();
        sleep_ms(static_cast<std::int64_t>(random() % (2 * kClaimTtlMs)));
        hosts.start(i);
        break;
      case 1:
        ++what["stopped"];
        ::kill(hosts.servers[i]->pid(), SIGSTOP);
        sleep_ms(500 + static_cast<std::int64_t>(random() % (2 * kClaimTtlMs)));
        ::kill(hosts.servers[i]->pid(), SIGCONT);
        break;
      default:
        ++what["ended"];
        CHECK(hosts.servers[i]->terminate() == 0);
        hosts.start(i);
        break;
    }
  }
}

struct RunLog {
  std::vector<std::string> types;
  bool gapless = true;

  [[nodiscard]] std::size_t count(std::string_view type) const {
    return static_cast<std::size_t>(std::count(types.begin(), types.end(), type));
  }
};

RunLog read_log(const Server& server, const std::string& run) {
  const Answer events = server.get("/v1/runs/" + run + "/events/poll?timeout=1");
  REQUIRE(events.status == 200);
  RunLog log;
  json::for_each_element(json::member(events.body, "events").value_or("[]"), [&](std::string_view event) {
    const auto sequence = json::as_int(json::member(event, "sequence").value_or("-1"));
    log.gapless = log.gapless && sequence == static_cast<std::int64_t>(log.types.size());
    log.types.push_back(json::as_string(json::member(event, "type").value_or("null")).value_or(""));
    return true;
  });
  return log;
}

std::string last_words(const Server& server) {
  constexpr std::size_t kShownBytes = 8'000;
  const std::string log = server.log();
  return log.substr(log.size() - std::min(log.size(), kShownBytes));
}

/// A machine at its limits answers late, not wrongly.
Answer read_run(const Server& server, const std::string& run) {
  constexpr int kTries = 6;  // each waits for seconds
  Answer snapshot;
  for (int i = 0; i < kTries && (snapshot.status == 0 || snapshot.status == 503); ++i) {
    snapshot = server.get("/v1/runs/" + run);
  }
  return snapshot;
}

void check_run(const Server& server, const std::string& run, const Acknowledged& seen) {
  Answer snapshot = read_run(server, run);
  if (snapshot.status != 200) UNSCOPED_INFO(last_words(server));
  REQUIRE(snapshot.status == 200);
  if (snapshot.at({"status"}) == "waiting-approval") {
    CHECK_FALSE(seen.resolved.contains(run));
    CHECK(server.post("/v1/runs/" + run + "/cancel", "{}").status == 200);
  }
  snapshot = server.wait_for_end(run, 30'000);
  INFO(run << ": " << snapshot.body);
  const std::string status = snapshot.at({"status"});
  CHECK((status == "completed" || status == "cancelled"));
  const auto cancel = seen.cancels.find(run);
  if (cancel != seen.cancels.end()) CHECK(status == cancel->second);
  const RunLog log = read_log(server, run);
  CHECK(log.gapless);
  CHECK(log.count("run.started") == 1);
  CHECK(log.count("run.completed") + log.count("run.failed") + log.count("run.cancelled") == 1);
  CHECK(log.types.back() == "run." + status);
  CHECK(log.count("interrupt.resolved") <= 1);
  if (seen.resolved.contains(run)) CHECK(log.count("interrupt.resolved") == 1);
}

TEST_CASE("hosts on one database are killed, stopped and woken under load, and nothing is lost or done twice",
          "[crash][cluster]") {
  if (!can_run()) return;
  const char* const seconds = std::getenv("OPENWOP_CLUSTER_TEST_SECONDS");
  const std::int64_t for_ms = 1'000 * (seconds == nullptr ? 12 : std::strtoll(seconds, nullptr, 10));
  PostgresServer database;
  database.start();
  Hosts hosts(database.new_schema());
  Acknowledged seen;
  std::atomic<bool> stop{false};
  std::atomic<int> gaps{0};
  std::atomic<int> followed{0};
  std::vector<std::thread> threads;
  for (std::uint64_t i = 1; i <= 4; ++i) threads.emplace_back([&, i] { load(hosts, i, seen, stop); });
  threads.emplace_back([&] { follow(hosts, seen, gaps, followed, stop); });
  std::mt19937_64 random(20'261'129);
  std::map<std::string, int> what;
  trouble(hosts, random, for_ms, what);
  stop = true;
  for (std::thread& thread : threads) thread.join();

  CHECK(gaps == 0);
  CHECK(seen.twice == 0);
  CHECK(seen.runs.size() > 20);
  Caller caller(hosts, 5);
  std::set<std::string> distinct;
  std::size_t n = 0;
  for (const auto& [key, run] : seen.runs) {
    check_run(*hosts.servers[n++ % kHosts], run, seen);
    distinct.insert(run);
  }
  CHECK(distinct.size() == seen.runs.size());
  const Answer audit = hosts.servers[0]->get("/v1/audit/verify");
  CHECK(audit.at({"chainValid"}) == "true");
  WARN(seen.runs.size() << " runs, " << seen.cancels.size() << " cancels, " << seen.resolved.size() << " answers, "
                        << followed.load() << " streams; hosts were " << what["killed"] << " times killed, "
                        << what["stopped"] << " stopped, " << what["ended"] << " ended");
}

TEST_CASE("a server in no cluster has the database to itself", "[crash][cluster]") {
  if (!can_run()) return;
  PostgresServer database;
  database.start();
  const std::vector<std::string> arguments = {"--store", "postgres:" + database.new_schema()};
  Server first(arguments);
  INFO(first.log());
  REQUIRE(first.ready());
  Server second(arguments);
  CHECK_FALSE(second.ready());
  CHECK(second.log().find("store_locked") != std::string::npos);
  // The lock dies with the process.
  first.kill();
  Server third(arguments);
  CHECK(third.ready());
  std::vector<std::string> joining = arguments;
  const std::string address = "127.0.0.1:" + std::to_string(free_port());
  joining.insert(joining.end(), {"--cluster", "--listen", address});
  CHECK_FALSE(Server(joining).ready());
}

TEST_CASE("a host answers for runs of another one by asking it", "[crash][cluster]") {
  if (!can_run()) return;
  PostgresServer database;
  database.start();
  Hosts hosts(database.new_schema());
  REQUIRE(wait_for_shares(hosts));
  const std::string run = hosts.servers[0]->create_run("gate");
  const std::string other = hosts.servers[0]->create_run("gate");
  // Whoever has them, each host answers as if it did.
  std::string first;
  for (std::size_t i = 0; i < kHosts; ++i) {
    const Answer answer = hosts.servers[i]->post("/v1/runs/" + run + "/cancel", R"({"reason":"enough"})",
                                                 {{"Idempotency-Key", "one-key"}});
    INFO(answer.body << hosts.servers[i]->log());
    CHECK(answer.status == 200);
    CHECK(answer.at({"status"}) == "cancelled");
    CHECK(answer.header("openwop-Idempotent-Replay") == (i == 0 ? "false" : "true"));
    if (i == 0) first = answer.body;
    CHECK(answer.body == first);
  }
  CHECK(hosts.servers[1]->post("/v1/runs/" + other + "/cancel", "{}", {}, "wrong-key").status == 401);
  CHECK(hosts.servers[1]->post("/v1/runs/" + other + "/cancel", R"({"reason":7})").status == 400);
  // A request that has been handed on is not handed on again.
  int refused = 0;
  for (std::size_t i = 0; i < kHosts; ++i) {
    const Answer answer = hosts.servers[i]->post("/v1/runs/" + other + ":pause", "{}", {{"openwop-forwarded", "1"}});
    if (answer.status != 503) continue;
    ++refused;
    CHECK(answer.header("openwop-not-owner") == "1");
    CHECK_FALSE(answer.header("Retry-After").empty());
    CHECK(answer.body.find("127.0.0.1") == std::string::npos);
  }
  CHECK(refused == 2);
}

}  // namespace
}  // namespace openwop::test
