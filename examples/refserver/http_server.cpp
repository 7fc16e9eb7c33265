#include "http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "log.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
namespace http = openwop::http;

namespace {

constexpr int kListenBacklog = 1024;
constexpr std::chrono::seconds kDrainTime{10};

/// A whole answer as bytes, for a connection that is closed behind it; `headers`: lines of its own.
std::string last_words(std::string_view status, std::string_view headers, std::string_view body) {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n" +
         std::string(headers) + "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

std::string busy_response() {
  return last_words("503 Service Unavailable", "Retry-After: 1\r\n",
                    R"({"error":"service_unavailable","message":"too many connections","details":{"retryAfter":1}})");
}

std::string tls_only_response() {
  return last_words("400 Bad Request", "",
                    R"({"error":"validation_error","message":"this port takes TLS only: use https","details":{}})");
}

http::Request to_request(const httplib::Request& request, std::string body) {
  http::Request out{.method = request.method, .target = request.target, .body = std::move(body)};
  for (const auto& [name, value] : request.headers) out.headers.emplace(name, value);
  return out;
}

enum class Framing : std::uint8_t { none, sized, chunked, broken };

// How the body of a request is delimited. Two answers to that question are how requests are smuggled.
Framing body_framing(const httplib::Request& request, std::uint64_t& length) {
  const auto lengths = request.get_header_value_count("Content-Length");
  const auto codings = request.get_header_value_count("Transfer-Encoding");
  if (lengths + codings == 0) return Framing::none;
  if (lengths + codings > 1) return Framing::broken;
  if (codings == 1) {
    return request.get_header_value("Transfer-Encoding") == "chunked" ? Framing::chunked : Framing::broken;
  }
  const std::string text = request.get_header_value("Content-Length");
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), length);
  return code == std::errc{} && end == text.data() + text.size() ? Framing::sized : Framing::broken;
}

}  // namespace

HttpServer::HttpServer(openwop::OpenWopSurface& surface, const Ui* ui, const Tls* tls, std::size_t max_connections)
    : surface_(surface), ui_(ui), tls_(tls), transport_(tls == nullptr ? Transport::clear : Transport::tls) {
  new_task_queue = [this, max_connections] {
    auto* threads = new ConnectionThreads(max_connections, [this] { abort_connections(); });
    const std::lock_guard lock(mutex_);
    return threads_ = threads;
  };
  // SO_REUSEADDR only: a restart gets its port at once, a second server on it fails. httplib would share the port.
  set_socket_options([this](socket_t socket) {
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    listening_socket_ = socket;
  });
  // Methods without a body are answered here; the others need the reader that only a routed handler gets. The path is
  // set to "/" beforehand: routing is the surface's business.
  set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    const auto& method = request.method;
    if (method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE" || method == "PRI") {
      return HandlerResponse::Unhandled;
    }
    std::uint64_t length = 0;
    // A body that nobody reads would be taken for the next request.
    if (body_framing(request, length) != Framing::none) Connection::current()->close_after_response();
    answer(request, response, {});
    return HandlerResponse::Handled;
  });
  const HandlerWithContentReader with_body = [this](const httplib::Request& request, httplib::Response& response,
                                                    const httplib::ContentReader& read) {
    answer_with_body(request, response, read);
  };
  Post("/", with_body).Put("/", with_body).Patch("/", with_body).Delete("/", with_body);
  set_error_handler(HandlerWithResponse([this](const httplib::Request& request, httplib::Response& response) {
    if (!response.body.empty()) return HandlerResponse::Unhandled;
    explain_parse_error(request, response);
    return HandlerResponse::Handled;
  }));
  set_exception_handler([this](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
    refuse(response, {ErrorCode::internal_error, "unhandled exception"});
  });
  set_keep_alive_timeout(limits_.idle.count() / 1000);
  set_keep_alive_max_count(100'000);
}

openwop::Result<int> HttpServer::bind(const std::string& host, int port) {
  const int bound = port == 0 ? bind_to_any_port(host) : (bind_to_port(host, port) ? port : -1);
  if (bound <= 0) {
    return Error{ErrorCode::validation_error,
                 "cannot listen on " + host + ":" + std::to_string(port) + ": in use, or no such address"};
  }
  // httplib's own backlog of 5 makes clients wait for a retransmission in every burst.
  ::listen(listening_socket_, kListenBacklog);
  return bound;
}

void HttpServer::serve() {
  listen_after_bind();
  pump_.drain(kDrainTime);
  // What drain() did happened before what the caller does next, and not only by way of a socket.
  const std::lock_guard lock(mutex_);
}

void HttpServer::drain() {
  surface_.close();
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    for (const int socket : idle_) ::shutdown(socket, SHUT_RD);
  }
  // Last: serve() may return right after it, and what it served may be gone. httplib closes the socket.
  ::shutdown(listening_socket_, SHUT_RDWR);
}

void HttpServer::abort_connections() {
  const std::lock_guard lock(mutex_);
  for (const int socket : connections_) ::shutdown(socket, SHUT_RDWR);
}

bool HttpServer::set_idle(int socket, bool idle) {
  const std::lock_guard lock(mutex_);
  if (idle) {
    idle_.insert(socket);
  } else {
    idle_.erase(socket);
  }
  return !draining_;
}

void HttpServer::refuse_connection(int socket) const {
  // On the accepting thread: no waiting, neither for the request nor for the client to read the answer.
  std::array<char, 4096> ignored;
  (void)::recv(socket, ignored.data(), ignored.size(), MSG_DONTWAIT);
  static const std::string busy = busy_response();
  // Under TLS nothing can be said before a handshake.
  if (tls_ == nullptr) (void)::send(socket, busy.data(), busy.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::shutdown(socket, SHUT_WR);
  (void)::recv(socket, ignored.data(), ignored.size(), MSG_DONTWAIT);
  ::close(socket);
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  if (ConnectionThreads::over_limit()) {
    refuse_connection(socket);
    return true;
  }
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  serve_connection(tls_ == nullptr ? Channel(socket) : tls_->accept(socket));
  return true;
}

void HttpServer::serve_connection(Channel channel) {
  const int socket = channel.socket();
  {
    const std::lock_guard lock(mutex_);
    connections_.insert(socket);
  }
  std::function<void(Channel)> take;
  Channel taken;
  {
    Connection connection(std::move(channel), limits_);
    // A drain does not wait for those who have asked nothing yet.
    if (set_idle(socket, true)) {
      if (connection.open()) {
        serve_requests(connection);
      } else {
        explain_failed_handshake(connection);
      }
    }
    take = connection.taker();
    if (take) taken = connection.release();
    const std::lock_guard lock(mutex_);
    idle_.erase(socket);
    connections_.erase(socket);
  }
  if (take) take(std::move(taken));
}

void HttpServer::serve_requests(Connection& connection) {
  const int socket = static_cast<int>(connection.socket());
  while (set_idle(socket, true)) {
    const bool has_request = connection.wait_for_request();
    if (!set_idle(socket, false)) connection.close_after_response();
    if (!has_request) return;
    bool closed = false;
    const bool served = process_request(connection, false, closed, [&](httplib::Request& request) {
      request.ranges.clear();                    // httplib would cut answers to a Range that nobody offered
      request.headers.erase("Accept-Encoding");  // and compress them, streams included
      request.path = "/";
      connection.begin_body();
    });
    if (connection.detached()) return;
    if (!served || closed || connection.closes()) {
      connection.close_after_response();
      return;
    }
  }
}

void HttpServer::explain_failed_handshake(const Connection& connection) const {
  const Channel& channel = connection.channel();
  static const std::string tls_only = tls_only_response();
  if (channel.got_http()) channel.send_in_clear(tls_only);
  if (channel.failure().empty()) return;
  log(LogLevel::debug, "a TLS handshake has failed", text_fields({{"reason", channel.failure()}}));
}

void HttpServer::answer(const httplib::Request& request, httplib::Response& response, std::string body) {
  const http::Request asked = to_request(request, std::move(body));
  auto page = ui_ == nullptr ? std::nullopt : ui_->answer(asked);
  http::Reply reply = page ? http::Reply(*std::move(page)) : surface_.handle(asked);
  if (auto* stream = std::get_if<std::unique_ptr<http::EventStream>>(&reply)) {
    response.status = (*stream)->head().status;
    return send_stream(request, std::move(*stream));
  }
  auto& plain = std::get<http::Response>(reply);
  set_response(response, std::move(plain));
  if (Connection::current()->closes()) response.set_header("Connection", "close");
}

void HttpServer::answer_with_body(const httplib::Request& request, httplib::Response& response,
                                  const httplib::ContentReader& read) {
  Connection& connection = *Connection::current();
  const std::size_t limit = surface_.options().max_request_body_bytes;
  const Error too_large{ErrorCode::payload_too_large,
                        "the body exceeds max_request_body_bytes = " + std::to_string(limit)};
  const auto refuse_and_close = [&](const Error& error) {
    connection.close_after_response();
    response.body.clear();
    refuse(response, error);
    response.set_header("Connection", "close");
  };
  std::uint64_t length = 0;
  const Framing framing = body_framing(request, length);
  if (framing == Framing::none) return answer(request, response, {});
  if (framing == Framing::broken) {
    return refuse_and_close({ErrorCode::validation_error, "Content-Length or Transfer-Encoding is malformed"});
  }
  // httplib would parse these, with limits of its own.
  if (request.is_multipart_form_data()) {
    return refuse_and_close({ErrorCode::unsupported_media_type, "the body has to be application/json"});
  }
  const auto refuse_too_large = [&] {
    connection.close_after_response();
    response.body.clear();
    set_response(response, surface_.refuse(to_request(request, {}), too_large));
    response.set_header("Connection", "close");
  };
  if (length > limit) return refuse_too_large();
  std::string body;
  body.reserve(static_cast<std::size_t>(length));
  bool overflow = false;
  const bool complete = read([&](const char* data, std::size_t size) {
    overflow = body.size() + size > limit;
    if (!overflow) body.append(data, size);
    return !overflow;
  });
  if (overflow) return refuse_too_large();
  if (!complete) {
    const bool bad_encoding = response.status == 415;
    if (bad_encoding) {
      return refuse_and_close({ErrorCode::unsupported_media_type, "the Content-Encoding is not supported"});
    }
    return refuse_and_close({ErrorCode::validation_error, "the body did not arrive whole and in time"});
  }
  response.status = -1;
  answer(request, response, std::move(body));
}

void HttpServer::send_stream(const httplib::Request& request, std::unique_ptr<http::EventStream> stream) {
  Connection& connection = *Connection::current();
  const bool chunked = request.version != "HTTP/1.0";
  const auto job = std::make_shared<StreamPump::Job>();
  job->head = request.version + " " + std::to_string(stream->head().status) + " OK\r\n";
  http::Headers headers = stream->head().headers;
  add_security_headers(headers, transport_);
  for (const auto& [name, value] : headers) job->head.append(name).append(": ").append(value).append("\r\n");
  job->head += chunked ? "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  job->chunked = chunked;
  job->stream = std::move(stream);
  // Requests that were sent behind this one are in a buffer that goes with the connection.
  const bool reusable = chunked && !connection.closes() && !connection.has_input();
  if (reusable) job->done = [this](Channel channel) { take_back(std::move(channel)); };
  // From here on httplib writes a response that nobody gets; what it has written before is out.
  connection.flush();
  connection.detach([this, job](Channel channel) {
    job->channel = std::move(channel);
    pump_.take(std::move(*job));
  });
}

void HttpServer::take_back(Channel channel) {
  const std::lock_guard lock(mutex_);
  if (draining_ || threads_ == nullptr) return;
  // Where there is no thread for it the task goes, and the channel with it.
  const auto kept = std::make_shared<Channel>(std::move(channel));
  (void)threads_->try_enqueue([this, kept] { serve_connection(std::move(*kept)); });
}

void HttpServer::refuse(httplib::Response& response, const Error& error) const {
  set_response(response, surface_.refuse(error));
}

void HttpServer::set_response(httplib::Response& response, http::Response from) const {
  add_security_headers(from.headers, transport_);
  response.status = from.status;
  for (const auto& [name, value] : from.headers) response.set_header(name, value);
  response.body = std::move(from.body);
}

// httplib answers what it cannot parse with a bare status: give it the envelope, and trust the connection no further.
void HttpServer::explain_parse_error(const httplib::Request&, httplib::Response& response) const {
  Connection& connection = *Connection::current();
  connection.close_after_response();
  if (connection.headers_too_large()) {
    refuse(response, {ErrorCode::headers_too_large, "the request's headers are too large"});
  } else if (response.status == 414) {
    refuse(response, {ErrorCode::uri_too_long, "the request target is too long"});
  } else if (response.status >= 500) {
    refuse(response, {ErrorCode::internal_error, "http status " + std::to_string(response.status)});
  } else if (connection.timed_out()) {
    refuse(response, {ErrorCode::validation_error, "the request did not arrive whole and in time"});
  } else {
    refuse(response, {ErrorCode::validation_error, "this is not an HTTP request that can be served"});
  }
  response.set_header("Connection", "close");
}

}  // namespace refserver
