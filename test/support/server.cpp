#include "support/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "openwop/json.h"
#include "openwop/run_status.h"
#include "support/wire_contract.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace openwop::test {

namespace {

using Clock = std::chrono::steady_clock;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Answer to_answer(const httplib::Result& result) {
  if (!result) return {};
  return {.status = result->status, .body = result->body, .headers = result->headers};
}

pid_t start_process(std::vector<std::string> words, const std::string& out, const std::string& err) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), flags, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), flags, 0600);
  pid_t pid = -1;
  if (posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

}  // namespace

Server::Server(std::vector<std::string> arguments) {
  std::vector<std::string> words = {std::string(OPENWOP_TEST_BIN_DIR) + "/openwop-refserver"};
  const auto has = [&](std::string_view name) {
    return std::find(arguments.begin(), arguments.end(), name) != arguments.end();
  };
  if (!has("--listen")) words.insert(words.end(), {"--listen", "127.0.0.1:0"});
  if (!has("--api-key") && !has("--own-key")) words.insert(words.end(), {"--api-key", kServerKey});
  std::erase(arguments, "--own-key");  // not an option: the server shall make its own
  words.insert(words.end(), arguments.begin(), arguments.end());
  pid_ = start_process(words, files_.file("out"), files_.file("err"));
  const auto deadline = Clock::now() + std::chrono::seconds(30);
  while (pid_ > 0 && Clock::now() < deadline) {
    const std::string line = output();
    if (line.ends_with('\n') && line.starts_with("{\"listening\"")) {
      const std::string url = Answer{.body = line}.at({"listening"});
      port_ = std::stoi(url.substr(url.rfind(':') + 1));
      return;
    }
    if (wait_for_exit(10) >= 0) return;
  }
}

Server::~Server() { kill(); }

int Server::wait_for_exit(int timeout_ms) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (pid_ > 0) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      pid_ = -1;
      break;
    }
    if (Clock::now() >= deadline) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return exit_code_;
}

int Server::terminate() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
  return wait_for_exit();
}

void Server::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

std::string Server::log() const { return read_file(files_.file("err")); }
std::string Server::output() const { return read_file(files_.file("out")); }

std::unique_ptr<httplib::Client> Server::client(const std::string& key) const {
  auto made = std::make_unique<httplib::Client>("127.0.0.1", port_);
  httplib::Headers headers = {{"Accept", "application/json"}};
  if (!key.empty()) headers.emplace("Authorization", "Bearer " + key);
  made->set_default_headers(headers);
  made->set_read_timeout(60);
  made->set_keep_alive(true);
  return made;
}

Answer Server::get(const std::string& target, httplib::Headers headers, const std::string& key) const {
  const auto used = client(key);
  if (headers.count("Accept") > 0) {
    used->set_default_headers({{"Authorization", "Bearer " + key}});  // a multimap: a second Accept would be sent too
  }
  Answer answer = to_answer(used->Get(target, headers));
  expect_contract({"GET", target}, answer);
  return answer;
}

Answer Server::post(const std::string& target, const std::string& body, httplib::Headers headers,
                    const std::string& key) const {
  const auto type = headers.find("Content-Type");
  const std::string content_type = type == headers.end() ? "application/json" : type->second;
  headers.erase("Content-Type");
  Answer answer = to_answer(client(key)->Post(target, headers, body, content_type));
  expect_contract({"POST", target, body}, answer);
  return answer;
}

Answer Server::send(const std::string& method, const std::string& target, const std::string& body,
                    httplib::Headers headers, const std::string& key) const {
  httplib::Request request;
  request.method = method;
  request.path = target;
  request.headers = std::move(headers);
  if (request.headers.count("Accept") == 0) request.headers.emplace("Accept", "application/json");
  if (!key.empty()) request.headers.emplace("Authorization", "Bearer " + key);
  if (!body.empty() && request.headers.count("Content-Type") == 0) {
    request.headers.emplace("Content-Type", "application/json");
  }
  request.body = body;
  httplib::Client used("127.0.0.1", port_);
  used.set_read_timeout(60);
  Answer answer = to_answer(used.send(request));
  expect_contract({method, target, body}, answer);
  return answer;
}

std::string Server::create_run(const std::string& workflow_id, const std::string& inputs) const {
  return post("/v1/runs", R"({"workflowId":")" + workflow_id + R"(","inputs":)" + inputs + "}").at({"runId"});
}

Answer Server::wait_for_end(const std::string& run_id, int timeout_ms) const {
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    Answer snapshot = get("/v1/runs/" + run_id);
    const auto status = status_of(snapshot.at({"status"}));
    if ((status && is_terminal(*status)) || Clock::now() >= deadline) return snapshot;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

int Server::connect() const {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

std::string Server::raw(std::string_view bytes, After after, int timeout_ms) const {
  const int fd = connect();
  std::string got;
  if (fd < 0) return got;
  (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (after == After::shut_down) ::shutdown(fd, SHUT_WR);
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&entry, 1, static_cast<int>(left)) <= 0) break;
    char buffer[4096];
    const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
    if (count <= 0) break;
    got.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(fd);
  return got;
}

std::string wire_workflows() { return std::string(OPENWOP_SOURCE_DIR) + "/test/wire/workflows"; }

int free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const name = reinterpret_cast<sockaddr*>(&address);  // NOLINT(*-reinterpret-cast)
  const bool bound = ::bind(probe, name, size) == 0 && ::getsockname(probe, name, &size) == 0;
  ::close(probe);
  return bound ? ntohs(address.sin_port) : 0;
}

}  // namespace openwop::test
