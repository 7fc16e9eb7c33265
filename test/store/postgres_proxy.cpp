#include "store/postgres_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace openwop::test {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

int connect_to(const std::string& path) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = address_of(path);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return socket;
  ::close(socket);
  return -1;
}

/// Nothing at the end of the connection, or when none comes for so long.
std::string receive(int socket, int timeout_ms) {
  pollfd event{socket, POLLIN, 0};
  if (::poll(&event, 1, timeout_ms) <= 0) return {};
  std::string bytes(65'536, '\0');
  const auto count = ::recv(socket, bytes.data(), bytes.size(), 0);
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return bytes;
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// Until the server is ready for more: all of the pipeline has been worked off.
std::string receive_answers(int server) {
  const std::string ready("Z\0\0\0\5", 5);
  std::string all;
  for (std::string part = receive(server, 5'000); !part.empty(); part = receive(server, 5'000)) {
    all += part;
    if (all.size() >= 6 && all.compare(all.size() - 6, 5, ready) == 0) break;
  }
  return all;
}

}  // namespace

PostgresProxy::PostgresProxy(const PostgresServer& server) : server_path_(server.socket_path()) {
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = address_of(folder_.file(".s.PGSQL.5432"));
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 16) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  acceptor_ = std::thread([this] { accept_all(); });
}

PostgresProxy::~PostgresProxy() {
  stopping_ = true;
  acceptor_.join();
  for (auto& pump : pumps_) pump.join();
  ::close(listener_);
  if (kept_server_ >= 0) ::close(kept_server_);
}

void PostgresProxy::accept_all() {
  while (!stopping_) {
    pollfd event{listener_, POLLIN, 0};
    if (::poll(&event, 1, 20) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (!open_) {
      ::close(client);
      continue;
    }
    pumps_.emplace_back([this, client] { pump(client); });
  }
}

void PostgresProxy::pump(int client) {
  int server = connect_to(server_path_);
  while (!stopping_ && server >= 0) {
    std::array<pollfd, 2> events = {pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    if (::poll(events.data(), events.size(), 20) <= 0) continue;
    if (events[0].revents != 0) {
      const std::string bytes = receive(client, 0);
      // Parse messages name it too, and come with the SQL.
      const bool is_commit =
          bytes.find("claim_slot") != std::string::npos && bytes.find("INSERT INTO openwop_slots") == std::string::npos;
      const Loses what = is_commit ? loses_.load() : Loses::nothing;
      if (what != Loses::nothing) {
        handle_commit(what, bytes, client, server);
        if (what == Loses::until_delivered) server = -1;
        loses_ = Loses::nothing;
        break;
      }
      if (bytes.empty() || !send_all(server, bytes)) break;
    }
    if (events[1].revents != 0) {
      const std::string bytes = receive(server, 0);
      if (bytes.empty() || !send_all(client, bytes)) break;
    }
  }
  ::close(client);
  if (server >= 0) ::close(server);
}

void PostgresProxy::handle_commit(Loses what, const std::string& bytes, int client, int server) {
  static_cast<void>(client);
  if (what == Loses::answer && send_all(server, bytes)) static_cast<void>(receive_answers(server));
  if (what == Loses::until_delivered) {
    const std::lock_guard lock(mutex_);
    kept_ = bytes;
    kept_server_ = server;
  }
}

std::string PostgresProxy::deliver() {
  const std::lock_guard lock(mutex_);
  if (!send_all(kept_server_, kept_)) return "the server has gone";
  return receive_answers(kept_server_);
}

}  // namespace openwop::test
