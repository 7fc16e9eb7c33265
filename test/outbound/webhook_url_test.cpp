#include "outbound/webhook_rig.h"
#include "webhooks/ip_address.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct UrlRig : WebhookRig {
  UrlRig() { open_all(); }
  ErrorCode code(const std::string& url) {
    const auto made = webhooks->register_webhook({.url = url, .events = {"run.completed"}});
    return made.ok() ? ErrorCode::internal_error : made.error().code;
  }
};
constexpr ErrorCode kAccepted = ErrorCode::internal_error;

}  // namespace

TEST_CASE("addresses of private, local and special networks are not public") {
  for (const char* address : {"0.0.0.0",
                              "10.0.0.1",
                              "100.64.0.1",
                              "127.0.0.1",
                              "127.255.255.255",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "192.0.0.1",
                              "198.18.0.1",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:8.8.8.8",
                              "::ffff:127.0.0.1",
                              "::8.8.8.8",
                              "fe80::1",
                              "febf::1",
                              "fc00::1",
                              "fd12:3456::1",
                              "ff02::1",
                              "64:ff9b::10.0.0.1",
                              "2002:0a00:0001::",
                              "2001:0:1::",
                              "fe80::1%eth0",
                              "1.2.3",
                              "01.2.3.4",
                              "1.2.3.4.5",
                              "text",
                              ""}) {
    INFO(address);
    CHECK_FALSE(webhooks::is_public_address(address));
  }
  for (const char* address : {"8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "11.0.0.1",
                              "2606:4700::1111", "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "2002:0808:0808::"}) {
    INFO(address);
    CHECK(webhooks::is_public_address(address));
  }
}

TEST_CASE("text that is no http URL is a validation error") {
  UrlRig rig;
  for (const char* url : {"nothing", "//hooks.example", "https:/hooks.example", "https://", "https://hooks .example",
                          "https://hooks.example\\@x", "https://h\xC3\xB6oks.example", "https://hooks.example:0/",
                          "https://hooks.example:99999/", "https://hooks.example:x/", "https://[::1", "https://[zz]/",
                          "https://a..b/", "https://%31%32%37.0.0.1/"}) {
    INFO(url);
    CHECK(rig.code(url) == ErrorCode::validation_error);
  }
  CHECK(rig.code("https://hooks.example/" + std::string(2048, 'a')) == ErrorCode::validation_error);
}

TEST_CASE("URLs that lead inside are rejected however they are spelt") {
  UrlRig rig;
  for (const char* url : {"http://hooks.example/",
                          "ftp://hooks.example/",
                          "https://127.0.0.1/",
                          "https://10.1.2.3:8443/x",
                          "https://[::1]/",
                          "https://[::ffff:10.0.0.1]/",
                          "https://[fd00::1]/",
                          "https://169.254.169.254/latest",
                          "https://localhost/",
                          "https://LOCALHOST./",
                          "https://a.localhost/",
                          "https://metadata/",
                          "https://metadata.google.internal/",
                          "https://printer.local/",
                          "https://svc.ns.svc.cluster.local/",
                          "https://x.cluster/",
                          "https://user@hooks.example/",
                          "https://user:pass@hooks.example/",
                          "https://2130706433/",
                          "https://0x7f000001/",
                          "https://0177.0.0.1/",
                          "https://127.1/",
                          "https://0x7f.1/",
                          "https://8.8.8.8.8/",
                          "https://127.0.0.1./"}) {
    INFO(url);
    CHECK(rig.code(url) == ErrorCode::webhook_url_rejected);
  }
}

TEST_CASE("public https URLs are accepted, also of names that cannot be resolved yet") {
  UrlRig rig;
  for (const char* url : {"https://hooks.example/in?x=1#f", "HTTPS://Hooks.Example:8443", "https://8.8.8.8/",
                          "https://[2606:4700::1111]:443/", "https://not-there-yet.example/"}) {
    INFO(url);
    CHECK(rig.code(url) == kAccepted);
  }
}

TEST_CASE("a name with one private address among public ones is rejected at registration") {
  UrlRig rig;
  rig.resolver->hosts["mixed.example"] = {"8.8.8.8", "10.0.0.1"};
  CHECK(rig.code("https://mixed.example/") == ErrorCode::webhook_url_rejected);
}

TEST_CASE("a name that resolves to a private address later is not connected to") {
  UrlRig rig;
  rig.hook();
  rig.resolver->hosts["hooks.example"] = {"127.0.0.1"};
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.empty());
  REQUIRE(rig.troubles.size() == 1);
  CHECK(rig.troubles[0].find("address rejected") != std::string::npos);
  rig.resolver->hosts.clear();
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.empty());
  CHECK(rig.troubles.back().find("unresolved") != std::string::npos);
}

TEST_CASE("allow_private lets http and private addresses through, but no malformed URL and no credentials") {
  WebhookRig rig;
  rig.webhook_options.allow_private = true;
  rig.open_all();
  const auto code = [&](const std::string& url) {
    const auto made = rig.webhooks->register_webhook({.url = url, .events = {"run.completed"}});
    return made.ok() ? kAccepted : made.error().code;
  };
  CHECK(code("http://127.0.0.1:8080/in") == kAccepted);
  CHECK(code("http://localhost/in") == kAccepted);
  CHECK(code("nothing") == ErrorCode::validation_error);
  CHECK(code("http://a@localhost/in") == ErrorCode::webhook_url_rejected);
  CHECK(code("ftp://localhost/in") == ErrorCode::webhook_url_rejected);
}

TEST_CASE("registrations are bounded and their parts are checked") {
  WebhookRig rig;
  rig.webhook_options.max_subscriptions_per_tenant = 2;
  rig.open_all();
  CHECK(rig.webhooks->register_webhook({.url = "https://hooks.example/"}).error().code == ErrorCode::validation_error);
  CHECK(rig.webhooks->register_webhook({.url = "https://hooks.example/", .events = {""}}).error().code ==
        ErrorCode::validation_error);
  CHECK(rig.webhooks
            ->register_webhook({.url = "https://hooks.example/", .events = {"a"}, .secret = std::string(1025, 's')})
            .error()
            .code == ErrorCode::validation_error);
  const auto first = rig.hook();
  CHECK(first.secret.size() == 64);
  CHECK(first.secret_fingerprint == webhook_secret_fingerprint(first.secret));
  const auto second = rig.hook();
  CHECK(first.secret != second.secret);
  const auto third = rig.webhooks->register_webhook({.url = "https://hooks.example/", .events = {"a"}});
  CHECK(third.error().code == ErrorCode::conflict);
  REQUIRE(rig.webhooks->unregister_webhook("default", first.id).ok());
  rig.hook();
}
