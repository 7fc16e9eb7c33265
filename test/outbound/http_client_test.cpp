#include <future>
#include <thread>

#include "openwop/net.h"
#include "outbound/http_receiver.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::string header_of(const HttpAnswer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (key == name) return value;
  }
  return "none";
}

}  // namespace

TEST_CASE("the client sends method, headers and body as they are and gives status, headers and body") {
  HttpReceiver receiver;
  receiver.server.Post("/echo", [](const httplib::Request& request, httplib::Response& response) {
    response.status = 202;
    response.set_header("X-Seen", request.get_header_value("X-Sent") + request.get_header_value("Content-Type"));
    response.set_content(request.body, "text/plain");
  });
  receiver.start();
  const auto client = make_curl_http_client();
  for (int i = 0; i < 2; ++i) {
    const HttpAnswer answer = client->send({.method = "POST",
                                            .url = receiver.url("/echo"),
                                            .headers = {{"X-Sent", "a"}, {"Content-Type", "x/y"}},
                                            .body = std::string("b\0c", 3)});
    CHECK(answer.failure == HttpFailure::none);
    CHECK(answer.status == 202);
    CHECK(answer.success());
    CHECK(answer.body == std::string("b\0c", 3));
    CHECK(header_of(answer, "X-Seen") == "ax/y");
  }
}

TEST_CASE("a redirect is the answer and is not followed") {
  HttpReceiver receiver;
  int followed = 0;
  receiver.server.Get("/from", [&](const httplib::Request&, httplib::Response& response) {
    response.set_redirect(receiver.url("/to"));
  });
  receiver.server.Get("/to", [&](const httplib::Request&, httplib::Response&) { ++followed; });
  receiver.start();
  const HttpAnswer answer = make_curl_http_client()->send({.url = receiver.url("/from")});
  CHECK(answer.status == 302);
  CHECK_FALSE(answer.success());
  CHECK(followed == 0);
}

TEST_CASE("connect_to is where the client connects, whatever the URL's host says") {
  HttpReceiver receiver;
  receiver.server.Get("/", [](const httplib::Request& request, httplib::Response& response) {
    response.set_content(request.get_header_value("Host"), "text/plain");
  });
  receiver.start();
  const std::string port = std::to_string(receiver.port());
  const auto client = make_curl_http_client();
  const HttpAnswer answer = client->send({.url = "http://nowhere.invalid:" + port + "/", .connect_to = "127.0.0.1"});
  CHECK(answer.status == 200);
  CHECK(answer.body == "nowhere.invalid:" + port);
  CHECK(client->send({.url = "http://nowhere.invalid:" + port + "/"}).failure == HttpFailure::unresolved);
}

TEST_CASE("failures of a call have names") {
  HttpReceiver receiver;
  receiver.server.Get("/big", [](const httplib::Request&, httplib::Response& response) {
    response.set_content(std::string(5000, 'x'), "text/plain");
  });
  std::promise<void> given_up;
  const auto until_given_up = given_up.get_future().share();
  receiver.server.Get("/slow", [until_given_up](const httplib::Request&, httplib::Response& response) {
    until_given_up.wait();
    response.status = 200;
  });
  receiver.start();
  const auto client = make_curl_http_client();
  CHECK(client->send({.url = receiver.url("/big"), .max_response_bytes = 4999}).failure == HttpFailure::too_large);
  CHECK(client->send({.url = receiver.url("/big"), .max_response_bytes = 5000}).success());
  CHECK(client->send({.url = receiver.url("/slow"), .timeout_ms = 50}).failure == HttpFailure::timeout);
  CHECK(client->send({.url = "no url at all"}).failure == HttpFailure::invalid_call);
  CHECK(client->send({.url = "file:///etc/passwd"}).failure == HttpFailure::invalid_call);
  CHECK(client->send({.url = receiver.url(), .headers = {{"X", "a\r\nY: b"}}}).failure == HttpFailure::invalid_call);
  CHECK(client->send({.url = "https://127.0.0.1:" + std::to_string(receiver.port())}).failure == HttpFailure::tls);
  CHECK(client->send({.url = "http://127.0.0.1:1/"}).failure == HttpFailure::connect);
  std::stop_source stop;
  stop.request_stop();
  CHECK(client->send({.url = receiver.url("/slow"), .stop = stop.get_token()}).failure == HttpFailure::cancelled);
  given_up.set_value();
}

TEST_CASE("the system's resolver gives an address in text as itself and refuses a name that does not exist") {
  const auto resolver = make_system_resolver();
  CHECK(resolver->resolve("127.0.0.1", 5'000).value_or({}) == std::vector<std::string>{"127.0.0.1"});
  CHECK(resolver->resolve("::1", 5'000).value_or({}) == std::vector<std::string>{"::1"});
  // Spellings that the system takes for an address come out as that address.
  CHECK(resolver->resolve("0x7f.1", 5'000).value_or({}) == std::vector<std::string>{"127.0.0.1"});
  CHECK(resolver->resolve("nowhere.invalid", 5'000).error().code == ErrorCode::not_found);
}
