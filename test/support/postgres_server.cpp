#include "support/postgres_server.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace openwop::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUser = "openwop";

/// The folder of the newest version's programs; empty: not installed.
const std::string& programs() {
  static const std::string found = [] {
    std::vector<fs::path> folders;
    std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
    for (std::string folder; std::getline(path, folder, ':');) folders.emplace_back(folder);
    std::error_code none;
    std::vector<fs::path> versions;
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", none)) versions.push_back(version.path());
    std::sort(versions.begin(), versions.end(), [](const fs::path& a, const fs::path& b) {
      return std::atoi(a.filename().c_str()) > std::atoi(b.filename().c_str());
    });
    for (const auto& version : versions) folders.push_back(version / "bin");
    for (const auto& folder : folders) {
      // Together: initdb wants the server beside it, and PATH may have some of them only.
      const auto has = [&](const char* program) { return fs::exists(folder / program, none); };
      if (has("initdb") && has("postgres") && has("psql") && has("pg_isready")) return folder.string();
    }
    return std::string();
  }();
  return found;
}

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// PostgreSQL refuses to run as root. Nothing: this is somebody else already.
std::optional<User> server_user() {
  static const std::optional<User> user = []() -> std::optional<User> {
    if (::geteuid() != 0) return std::nullopt;
    for (const char* name : {"postgres", "nobody"}) {
      if (const passwd* found = ::getpwnam(name)) return User{found->pw_uid, found->pw_gid};
    }
    throw std::runtime_error("there is no user to run PostgreSQL as");
  }();
  return user;
}

/// Starts a program of PostgreSQL's with its output in a file.
pid_t spawn(const std::string& program, std::vector<std::string> arguments, const std::string& output) {
  const std::string path = programs() + "/" + program;
  arguments.insert(arguments.begin(), path);
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const auto user = server_user();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  // System calls only: another thread may have held any lock, the allocator's among them.
  const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  ::dup2(file, STDOUT_FILENO);
  ::dup2(file, STDERR_FILENO);
  const bool is_user = !user || (::setgroups(0, nullptr) == 0 && ::setgid(user->gid) == 0 && ::setuid(user->uid) == 0);
  if (!is_user) ::_exit(126);
  // After the change of user, which would take it back: an immediate shutdown when the tests die.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::chdir("/") != 0) ::_exit(126);
  ::execv(path.c_str(), argv.data());
  ::_exit(127);
}

int wait_for(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Each of the server's processes has a session of its own, so there is no group to signal.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = text_of(entry.path() / "stat");
    // pid (name) state parent
    const auto name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream fields(stat.substr(name_end + 1));
    char state = 0;
    pid_t its_parent = 0;
    fields >> state >> its_parent;
    if (its_parent == parent) children.push_back(std::stoi(name));
  }
  return children;
}

}  // namespace

bool PostgresServer::installed() { return !programs().empty(); }

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

PostgresServer::PostgresServer() {
  fs::permissions(folder_.path(), fs::perms::all);
  const std::string log = folder_.file("initdb.log");
  if (wait_for(spawn("initdb",
                     {"-D", folder_.file("data"), "-U", kUser, "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"},
                     log)) != 0) {
    throw std::runtime_error("initdb failed: " + text_of(log));
  }
  start();
}

PostgresServer::~PostgresServer() { stop(Stop::immediate); }

void PostgresServer::start() {
  if (pid_ > 0) return;
  pid_ = spawn(
      "postgres",
      {"-D", folder_.file("data"), "-k", folder_.path().string(), "-c", "listen_addresses=", "-c", "fsync=off", "-c",
       "max_connections=60", "-c", "shared_buffers=32MB", "-c", "autovacuum_naptime=5s", "-c", "deadlock_timeout=20ms"},
      folder_.file("server.log"));
  bool ready = answers();
  for (int i = 0; i < 600 && !ready; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ready = answers();
  }
  if (!ready) throw std::runtime_error("postgres did not start: " + text_of(folder_.file("server.log")));
}

void PostgresServer::stop(Stop how) {
  if (pid_ <= 0) return;
  ::kill(pid_, how == Stop::fast ? SIGINT : SIGQUIT);
  wait_for(pid_);
  pid_ = -1;
}

void PostgresServer::freeze() {
  ::kill(pid_, SIGSTOP);
  for (const pid_t child : children_of(pid_)) ::kill(child, SIGSTOP);
}

void PostgresServer::thaw() {
  for (const pid_t child : children_of(pid_)) ::kill(child, SIGCONT);
  ::kill(pid_, SIGCONT);
}

std::string PostgresServer::new_schema() {
  ++schemas_;
  sql("CREATE SCHEMA " + last_schema());
  return dsn(last_schema());
}

std::string PostgresServer::dsn(const std::string& schema, const std::string& socket_folder) const {
  return "host=" + (socket_folder.empty() ? folder_.path().string() : socket_folder) + " user=" + kUser +
         " dbname=postgres options='-c search_path=" + schema + "'";
}

std::string PostgresServer::socket_path() const { return folder_.file(".s.PGSQL.5432"); }

std::string PostgresServer::sql(const std::string& statement) const {
  const TempDir work;
  fs::permissions(work.path(), fs::perms::all);
  const std::string output = work.file("output");
  const int code = wait_for(spawn("psql",
                                  {"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder_.path().string(), "-U",
                                   kUser, "-d", "postgres", "-c", statement},
                                  output));
  std::string text = text_of(output);
  if (code != 0) throw std::runtime_error("psql: " + text);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool PostgresServer::answers() const {
  return wait_for(spawn("pg_isready", {"-q", "-h", folder_.path().string()}, "/dev/null")) == 0;
}

}  // namespace openwop::test
