// The server under TLS, as curl and openssl see it. Certificates are made anew for each test.
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct Ran {
  int code = -1;
  std::string output = {};
};

/// A shell command: its exit code, and what it wrote to stdout and stderr.
Ran run_shell(const std::string& command) {
  Ran ran;
  FILE* const pipe = ::popen(("( " + command + " ) 2>&1 </dev/null").c_str(), "r");
  if (pipe == nullptr) return ran;
  std::array<char, 4096> buffer{};
  for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    ran.output.append(buffer.data(), count);
  }
  const int status = ::pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

/// Two authorities, `ours` and `other`, and whatever they have signed: NAME.pem and NAME.key.
class Certificates {
 public:
  Certificates() {
    for (const std::string authority : {"ours", "other"}) {
      must("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=" + authority +
           " -keyout " + file(authority + ".key") + " -out " + file(authority + ".pem"));
    }
  }

  void sign(const std::string& name, const std::string& authority, const std::string& extensions) {
    std::ofstream(file("extensions")) << extensions << "\n";
    must("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name + " -keyout " +
         file(name + ".key") + " -out " + file("request"));
    must("openssl x509 -req -days 2 -in " + file("request") + " -CA " + file(authority + ".pem") + " -CAkey " +
         file(authority + ".key") + " -set_serial " + std::to_string(++serial_) + " -extfile " + file("extensions") +
         " -out " + file(name + ".pem"));
  }
  void sign_server(const std::string& name, const std::string& authority) {
    sign(name, authority, "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth");
  }
  void sign_client(const std::string& name, const std::string& authority) {
    sign(name, authority, "extendedKeyUsage=clientAuth");
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

  [[nodiscard]] std::vector<std::string> options(const std::string& server, std::vector<std::string> more = {}) const {
    std::vector<std::string> all = {"--store",
                                    "memory",
                                    "--fixtures",
                                    "--workflows",
                                    wire_workflows(),
                                    "--tls-cert",
                                    file(server + ".pem"),
                                    "--tls-key",
                                    file(server + ".key")};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

 private:
  static void must(const std::string& command) {
    const Ran ran = run_shell(command);
    INFO(command << "\n" << ran.output);
    REQUIRE(ran.code == 0);
  }

  TempDir folder_;
  int serial_ = 0;
};

std::string url(const Server& server, const std::string& target) {
  return "'https://127.0.0.1:" + std::to_string(server.port()) + target + "'";
}

/// curl, trusting `ours`, with the server's key; stdout and stderr are one.
Ran curl(const Certificates& certificates, const std::string& arguments) {
  return run_shell("curl -sS --max-time 30 --cacert " + certificates.file("ours.pem") + " -H 'Authorization: Bearer " +
                   kServerKey + "' -H 'Content-Type: application/json' " + arguments);
}

std::string client_certificate(const Certificates& certificates, const std::string& name) {
  return "--cert " + certificates.file(name + ".pem") + " --key " + certificates.file(name + ".key") + " ";
}

std::string create_run(const Certificates& certificates, const Server& server, const std::string& workflow,
                       const std::string& inputs = "{}") {
  std::ofstream(certificates.file("body")) << R"({"workflowId":")" << workflow << R"(","inputs":)" << inputs << "}";
  const Ran made = curl(certificates, "-d @" + certificates.file("body") + " " + url(server, "/v1/runs"));
  INFO(made.output);
  const std::string run = Answer{.body = made.output}.at({"runId"});
  REQUIRE_FALSE(run.empty());
  return run;
}

Ran s_client(const Server& server, const std::string& arguments) {
  return run_shell("timeout 20 openssl s_client -connect 127.0.0.1:" + std::to_string(server.port()) + " " + arguments);
}

void reload(const Server& server, std::size_t times) {
  ::kill(server.pid(), SIGHUP);
  for (int i = 0; i < 1'000; ++i) {
    const std::string log = server.log();
    std::size_t seen = 0;
    for (auto at = log.find("workflows reloaded"); at != std::string::npos; at = log.find("workflows reloaded", at + 1))
      ++seen;
    if (seen >= times) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("the server did not reload");
}

}  // namespace

TEST_CASE("under TLS the server says https, answers over it, and tells browsers to stay with it", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  Server server(certificates.options("server"));
  REQUIRE(server.ready());
  CHECK(server.output() == "{\"listening\":\"https://127.0.0.1:" + std::to_string(server.port()) + "\"}\n");
  CHECK_THAT(server.log(), Catch::Contains("certificates loaded") && Catch::Contains("expires"));

  const std::string run = create_run(certificates, server, "wire-noop");
  const Ran snapshot = curl(certificates, "-i " + url(server, "/v1/runs/" + run));
  CHECK_THAT(snapshot.output, Catch::StartsWith("HTTP/1.1 200") &&
                                  Catch::Contains("Strict-Transport-Security: max-age=31536000\r\n") &&
                                  Catch::Contains("X-Content-Type-Options: nosniff\r\n"));
  const Ran unknown_ca = run_shell("curl -sS --max-time 30 " + url(server, "/.well-known/openwop"));
  CHECK(unknown_ca.code == 60);
  // One connection, several requests, bodies in both directions.
  const Ran both = curl(certificates, "-v " + url(server, "/v1/runs") + " " + url(server, "/v1/runs/" + run));
  CHECK_THAT(both.output, Catch::Contains("Re-using existing connection"));
}

TEST_CASE("only TLS 1.2 and 1.3 with forward secrecy are spoken", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  Server server(certificates.options("server"));
  REQUIRE(server.ready());
  const std::string any = "-cipher ALL:@SECLEVEL=0 ";
  CHECK_THAT(s_client(server, "-tls1_3").output, Catch::Contains("New, TLSv1.3, Cipher is"));
  CHECK_THAT(s_client(server, "-tls1_2").output, Catch::Contains("New, TLSv1.2, Cipher is ECDHE"));
  CHECK_THAT(s_client(server, "-tls1_1 " + any).output, Catch::Contains("alert protocol version"));
  CHECK_THAT(s_client(server, "-tls1 " + any).output, Catch::Contains("alert protocol version"));
  CHECK_THAT(s_client(server, "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256").output,
             Catch::Contains("handshake failure"));
}

TEST_CASE("a stream over TLS comes as it is written, ends properly, and gives its connection back", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  Server server(certificates.options("server"));
  REQUIRE(server.ready());
  const std::string run = create_run(certificates, server, "wire-sleep", R"({"delayMs":300})");
  const std::string accept = "-H 'Accept: text/event-stream' ";
  const Ran followed = curl(
      certificates, "-v -N " + accept + url(server, "/v1/runs/" + run + "/events") + " " + url(server, "/v1/runs"));
  CHECK(followed.code == 0);
  CHECK_THAT(followed.output, Catch::Contains("run.started") && Catch::Contains("run.completed") &&
                                  Catch::Contains("Re-using existing connection") &&
                                  Catch::Contains("Strict-Transport-Security"));
  // In HTTP/1.0 the end of the connection is the end of the body: TLS has to say it, or it might have been cut.
  const Ran old = curl(certificates, "-0 -N " + accept + url(server, "/v1/runs/" + run + "/events"));
  CHECK(old.code == 0);
  CHECK_THAT(old.output, Catch::Contains("run.completed"));
}

TEST_CASE("clients that read slowly get large answers and streams whole over TLS", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  Server server(certificates.options("server"));
  REQUIRE(server.ready());
  // More than the sockets hold.
  const std::string text(900'000, 'x');
  const std::string run = create_run(certificates, server, "wire-echo", R"({"payload":{"text":")" + text + R"("}})");
  for (const std::string limit : {"", "--limit-rate 4M "}) {
    for (const std::string& target : {"/v1/runs/" + run, "/v1/runs/" + run + "/events"}) {
      INFO(limit << target);
      const Ran got = curl(certificates, limit + "-N -H 'Accept: " +
                                             (target.ends_with("/events") ? "text/event-stream" : "application/json") +
                                             "' " + url(server, target));
      CHECK(got.code == 0);
      CHECK_THAT(got.output, Catch::Contains(text));
    }
  }
}

TEST_CASE("with a client CA only certificates of its get through the handshake, and a key is still needed",
          "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  certificates.sign_client("client", "ours");
  certificates.sign_client("stranger", "other");
  certificates.sign_server("misused", "ours");
  Server server(
      certificates.options("server", {"--tls-client-ca", certificates.file("ours.pem"), "--log-level", "debug"}));
  REQUIRE(server.ready());
  const std::string target = url(server, "/v1/runs");
  const std::string with = client_certificate(certificates, "client");
  CHECK_THAT(curl(certificates, with + "-i " + target).output, Catch::StartsWith("HTTP/1.1 200"));
  CHECK_THAT(run_shell("curl -sS -i --cacert " + certificates.file("ours.pem") + " " + with + target).output,
             Catch::StartsWith("HTTP/1.1 401"));
  for (const std::string& refused :
       {std::string(), client_certificate(certificates, "stranger"), client_certificate(certificates, "misused")}) {
    for (const std::string version : {"--tlsv1.2 --tls-max 1.2 ", "--tlsv1.3 "}) {
      INFO(refused << version);
      const Ran got = curl(certificates, version + refused + "-i " + target);
      CHECK((got.code == 35 || got.code == 55 || got.code == 56));
      CHECK_THAT(got.output, !Catch::Contains("HTTP/1.1"));
    }
  }
  CHECK_THAT(server.log(), Catch::Contains("a TLS handshake has failed") && Catch::Contains("peer did not return"));
  // Nothing is resumed: each connection shows its certificate.
  const Ran session = s_client(server, "-reconnect -tls1_2 " + with);
  CHECK_THAT(session.output, Catch::Contains("New, TLSv1.2") && !Catch::Contains("Reused, TLSv1.2"));
}

TEST_CASE("SIGHUP takes new certificates for new connections; bad ones are told and the old stay", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "other");
  Server server(certificates.options("server"));
  REQUIRE(server.ready());
  const std::string target = url(server, "/.well-known/openwop");
  CHECK(curl(certificates, target).code == 60);  // not of an authority that is trusted
  certificates.sign_server("server", "ours");
  reload(server, 1);
  CHECK_THAT(server.log(), Catch::Contains("certificates reloaded"));
  CHECK(curl(certificates, target).code == 0);
  std::ofstream(certificates.file("server.pem")) << "no certificate\n";
  reload(server, 2);
  CHECK_THAT(server.log(),
             Catch::Contains("certificates cannot be reloaded; the old ones stay") && Catch::Contains("server.pem"));
  CHECK(curl(certificates, target).code == 0);
  CHECK(server.terminate() == 0);
}

TEST_CASE("who talks to the TLS port without TLS is told so, and served nothing", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  Server server(certificates.options("server"));
  REQUIRE(server.ready());
  const std::string answer =
      server.raw("GET /.well-known/openwop HTTP/1.1\r\nHost: x\r\n\r\n", Server::After::keep_open);
  CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 400 ") && Catch::Contains("this port takes TLS only") &&
                         !Catch::Contains("protocolVersion"));
  const std::string other = server.raw(std::string(64, '\xFF'), Server::After::keep_open);
  CHECK_THAT(other, !Catch::Contains("HTTP"));
  // After a handshake that is broken off, others are served as before.
  CHECK_THAT(server.raw("\x16\x03\x01", Server::After::shut_down), !Catch::Contains("HTTP"));
  CHECK(curl(certificates, url(server, "/.well-known/openwop")).code == 0);
}

TEST_CASE("clients that wait in a handshake or between requests do not hold up the end of the server", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  Server server(certificates.options("server"));
  REQUIRE(server.ready());
  const int silent = server.connect();
  REQUIRE(silent >= 0);
  httplib::SSLClient idle("127.0.0.1", server.port());
  idle.enable_server_certificate_verification(false);
  idle.set_keep_alive(true);
  REQUIRE(idle.Get("/.well-known/openwop"));
  const auto before = std::chrono::steady_clock::now();
  CHECK(server.terminate() == 0);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(8));  // the limits are 10 s and more
  ::close(silent);
}

TEST_CASE("TLS files that cannot be used are named, and the server does not start", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  certificates.sign_server("another", "ours");
  REQUIRE(run_shell("openssl ec -aes256 -passout pass:x -in " + certificates.file("server.key") + " -out " +
                    certificates.file("locked.key"))
              .code == 0);
  std::ofstream(certificates.file("text.pem")) << "text\n";
  std::ofstream(certificates.file("empty.pem"));
  const auto cert = certificates.file("server.pem");
  const auto key = certificates.file("server.key");
  struct Case {
    std::vector<std::string> options;
    std::string told;
  };
  const std::vector<Case> cases = {
      {{"--tls-cert", certificates.file("none.pem"), "--tls-key", key}, "none.pem cannot be read: No such file"},
      {{"--tls-cert", certificates.file("empty.pem"), "--tls-key", key}, "empty.pem cannot be read: it is empty"},
      {{"--tls-cert", certificates.file("text.pem"), "--tls-key", key}, "text.pem cannot be used"},
      {{"--tls-cert", cert, "--tls-key", certificates.file("none.key")}, "none.key cannot be read: No such file"},
      {{"--tls-cert", cert, "--tls-key", certificates.file("text.pem")}, "text.pem cannot be used"},
      {{"--tls-cert", cert, "--tls-key", certificates.file("locked.key")}, "locked.key cannot be used"},
      {{"--tls-cert", cert, "--tls-key", certificates.file("another.key")},
       "another.key is not the key of certificate"},
      {{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", certificates.file("none.pem")},
       "none.pem cannot be read: No such file"},
      {{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", certificates.file("text.pem")},
       "text.pem cannot be used"},
      {{"--tls-cert", cert}, "--tls-cert and --tls-key go together"},
      {{"--tls-key", key}, "--tls-cert and --tls-key go together"},
      {{"--tls-client-ca", cert}, "--tls-client-ca needs --tls-cert"},
  };
  for (const Case& one : cases) {
    INFO(one.told);
    std::vector<std::string> options = {"--store", "memory"};
    options.insert(options.end(), one.options.begin(), one.options.end());
    Server server(options);
    CHECK_FALSE(server.ready());
    CHECK(server.wait_for_exit() == 1);
    CHECK_THAT(server.log(), Catch::Contains(one.told));
  }
}

TEST_CASE("TLS is set up by the environment and by the file as by options", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  std::ofstream(certificates.file("config.json"))
      << R"({"store":"memory","tls-cert":")" << certificates.file("server.pem") << R"(","tls-key":")"
      << certificates.file("server.key") << R"(","tls-client-ca":")" << certificates.file("ours.pem") << R"("})";
  Server by_file({"--config", certificates.file("config.json")});
  CHECK_THAT(by_file.output(), Catch::Contains("https://"));
  CHECK(curl(certificates, url(by_file, "/.well-known/openwop")).code != 0);
  ::setenv("OPENWOP_TLS_CERT", certificates.file("server.pem").c_str(), 1);
  ::setenv("OPENWOP_TLS_KEY", certificates.file("server.key").c_str(), 1);
  Server by_environment;
  ::setenv("OPENWOP_TLS_CLIENT_CA", certificates.file("ours.pem").c_str(), 1);
  Server with_clients;
  for (const char* const name : {"OPENWOP_TLS_CERT", "OPENWOP_TLS_KEY", "OPENWOP_TLS_CLIENT_CA"}) ::unsetenv(name);
  CHECK_THAT(by_environment.output(), Catch::Contains("https://"));
  CHECK(curl(certificates, url(by_environment, "/.well-known/openwop")).code == 0);
  CHECK(curl(certificates, url(with_clients, "/.well-known/openwop")).code != 0);
}

TEST_CASE("the configuration that the deployment files come with is one that the server takes", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  std::ostringstream read;
  read << std::ifstream(std::string(OPENWOP_SOURCE_DIR) + "/examples/refserver/deploy/refserver.json").rdbuf();
  std::string text = read.str();
  const auto move = [&](const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    INFO(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
  };
  move("/etc/openwop/workflows", wire_workflows());
  move("/etc/openwop/keys.json", certificates.file("keys.json"));
  move("/etc/openwop/tls/server.pem", certificates.file("server.pem"));
  move("/etc/openwop/tls/server.key", certificates.file("server.key"));
  move("/var/lib/openwop/data", certificates.file("data"));
  std::ofstream(certificates.file("config.json")) << text;
  std::ofstream(certificates.file("keys.json")) << R"({"keys":[]})";
  // Ports are the machine's; --listen comes from Server.
  Server server({"--config", certificates.file("config.json"), "--metrics-listen", "127.0.0.1:0"});
  REQUIRE(server.ready());
  CHECK(curl(certificates, url(server, "/v1/workflows/wire-noop")).code == 0);
  CHECK(server.terminate() == 0);
}

TEST_CASE("many clients at once are served over TLS, and those beyond the limit are closed", "[wire][tls]") {
  Certificates certificates;
  certificates.sign_server("server", "ours");
  Server server(certificates.options("server", {"--max-connections", "8"}));
  REQUIRE(server.ready());
  std::vector<int> held;
  for (int i = 0; i < 8; ++i) held.push_back(server.connect());
  // All threads wait for these; the next is closed, not kept waiting.
  bool closed = false;
  for (int i = 0; i < 100 && !closed; ++i) {
    httplib::SSLClient beyond("127.0.0.1", server.port());
    beyond.enable_server_certificate_verification(false);
    beyond.set_connection_timeout(2);
    closed = !beyond.Get("/.well-known/openwop");
  }
  CHECK(closed);
  for (const int fd : held) ::close(fd);
  // The server takes and drops connections in its own time.
  const auto is_served = [&] {
    httplib::SSLClient client("127.0.0.1", server.port());
    client.enable_server_certificate_verification(false);
    return static_cast<bool>(client.Get("/.well-known/openwop"));
  };
  for (int i = 0; i < 1'000 && !is_served(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::vector<std::thread> clients;
  std::atomic<int> served = 0;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&] {
      httplib::SSLClient client("127.0.0.1", server.port());
      client.enable_server_certificate_verification(false);
      client.set_keep_alive(true);
      for (int n = 0; n < 50; ++n) {
        const auto answer = client.Get("/.well-known/openwop");
        if (answer && answer->status == 200) ++served;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(served == 300);
}
