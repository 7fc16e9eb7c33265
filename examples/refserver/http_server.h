// The OpenWOP surface on cpp-httplib: every method and path but those of the timeline page go to
// OpenWopSurface::handle. httplib parses requests and formats responses; connections, deadlines and threads are in
// connection.h and connection_threads.h.
//
// Thread-safety: serve() on one thread, drain() from any other.
#pragma once

#include <httplib.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "channel.h"
#include "connection.h"
#include "connection_threads.h"
#include "openwop/protocol/openwop_surface.h"
#include "security_headers.h"
#include "stream_pump.h"
#include "tls.h"
#include "ui.h"

namespace refserver {

class HttpServer final : private httplib::Server {
 public:
  /// `ui` may be null: no page is served then, and /ui is a path like any other. So may `tls`: clients talk in clear.
  HttpServer(openwop::OpenWopSurface& surface, const Ui* ui, const Tls* tls, std::size_t max_connections);

  /// Listens; port 0 takes a free one. The port, or an error when the address is not to be had.
  [[nodiscard]] openwop::Result<int> bind(const std::string& host, int port);

  /// Serves until drain(), and until every connection has ended.
  void serve();

  /// Takes no more connections, ends streams and idle connections, lets requests in flight finish.
  void drain();

 private:
  bool process_and_close_socket(socket_t socket) override;
  void refuse_connection(int socket) const;
  void serve_connection(Channel channel);
  void serve_requests(Connection& connection);
  void explain_failed_handshake(const Connection& connection) const;
  /// False when the server drains.
  [[nodiscard]] bool set_idle(int socket, bool idle);
  void abort_connections();

  void answer(const httplib::Request& request, httplib::Response& response, std::string body);
  void answer_with_body(const httplib::Request& request, httplib::Response& response,
                        const httplib::ContentReader& read);
  void set_response(httplib::Response& response, openwop::http::Response from) const;
  /// Hands the connection's channel to the pump, with the stream.
  void send_stream(const httplib::Request& request, std::unique_ptr<openwop::http::EventStream> stream);
  /// A stream has ended; its client may have further requests.
  void take_back(Channel channel);
  void refuse(httplib::Response& response, const openwop::Error& error) const;
  void explain_parse_error(const httplib::Request& request, httplib::Response& response) const;

  openwop::OpenWopSurface& surface_;
  const Ui* ui_;
  const Tls* tls_;
  const Transport transport_;
  ConnectionLimits limits_;
  StreamPump pump_{limits_.write};
  std::atomic<int> listening_socket_ = -1;
  std::mutex mutex_;
  std::set<int> connections_;
  std::set<int> idle_;
  ConnectionThreads* threads_ = nullptr;  // httplib's, while it listens
  bool draining_ = false;
};

}  // namespace refserver
