#include <curl/curl.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "openwop/net.h"

namespace openwop {

namespace {

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, FreeHandle>;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

void append(List& list, const std::string& text) { list.reset(curl_slist_append(list.release(), text.c_str())); }

/// One call while libcurl works on it.
struct Exchange {
  const HttpCall& call;
  HttpAnswer answer = {};
  bool too_large = false;
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  const std::size_t bytes = size * count;
  if (exchange.answer.body.size() + bytes > exchange.call.max_response_bytes) {
    exchange.too_large = true;
    return 0;
  }
  exchange.answer.body.append(data, bytes);
  return bytes;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  constexpr std::size_t kMaxHeaders = 256;
  const std::string_view line(data, size * count);
  // A status line begins a new answer: what an interim one (1xx) carried is over.
  if (line.starts_with("HTTP/")) exchange.answer.headers.clear();
  const auto colon = line.find(':');
  if (colon != std::string_view::npos && exchange.answer.headers.size() < kMaxHeaders) {
    exchange.answer.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  }
  return line.size();
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchange*>(context)->call.stop.stop_requested() ? 1 : 0;
}

HttpFailure failure_of(CURLcode code, const Exchange& exchange) {
  if (exchange.too_large) return HttpFailure::too_large;
  switch (static_cast<int>(code)) {
    case CURLE_OK: return HttpFailure::none;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return HttpFailure::invalid_call;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST: return HttpFailure::unresolved;
    case CURLE_COULDNT_CONNECT: return HttpFailure::connect;
    case CURLE_OPERATION_TIMEDOUT: return HttpFailure::timeout;
    case CURLE_ABORTED_BY_CALLBACK: return HttpFailure::cancelled;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: return HttpFailure::tls;
    default: return HttpFailure::protocol;  // libcurl's codes are open-ended
  }
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

bool is_valid(const HttpCall& call) {
  return !has_line_break(call.url) && !has_line_break(call.method) && call.timeout_ms > 0 &&
         std::none_of(call.headers.begin(), call.headers.end(), [](const auto& header) {
           return has_line_break(header.first) || has_line_break(header.second) || header.first.empty();
         });
}

class CurlHttpClient final : public HttpClient {
 public:
  explicit CurlHttpClient(CurlOptions options) : options_(std::move(options)) {
    static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
    static_cast<void>(initialised);
  }

  HttpAnswer send(const HttpCall& call) override {
    if (!is_valid(call)) return {.failure = HttpFailure::invalid_call};
    Handle handle = take_handle();
    if (!handle) return {.failure = HttpFailure::connect};
    Exchange exchange{call};
    List headers;
    for (const auto& [name, value] : call.headers) {
      std::string line = name;
      append(headers, value.empty() ? line.append(";") : line.append(": ").append(value));
    }
    append(headers, "Expect:");  // no waiting for 100-continue
    List route;
    if (!call.connect_to.empty()) append(route, "::" + bracketed(call.connect_to) + ":");
    prepare(handle.get(), exchange, headers.get(), route.get());
    const CURLcode code = curl_easy_perform(handle.get());
    exchange.answer.failure = failure_of(code, exchange);
    if (exchange.answer.failure == HttpFailure::none) {
      long status = 0;
      curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
      exchange.answer.status = static_cast<int>(status);
    } else {
      exchange.answer.headers.clear();
      exchange.answer.body.clear();
    }
    curl_easy_reset(handle.get());
    give_back(std::move(handle));
    return std::move(exchange.answer);
  }

 private:
  static std::string bracketed(const std::string& address) {
    return address.find(':') == std::string::npos ? address : "[" + address + "]";
  }

  void prepare(CURL* handle, Exchange& exchange, curl_slist* headers, curl_slist* route) const {
    const HttpCall& call = exchange.call;
    curl_easy_setopt(handle, CURLOPT_URL, call.url.c_str());
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(call.timeout_ms));
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call.timeout_ms));
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!options_.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, options_.ca_file.c_str());
    if (route != nullptr) {
      curl_easy_setopt(handle, CURLOPT_CONNECT_TO, route);
      curl_easy_setopt(handle, CURLOPT_PROXY, "");
    }
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &exchange);
    set_method(handle, call);
  }

  static void set_method(CURL* handle, const HttpCall& call) {
    if (call.method == "HEAD") {
      curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (call.method != "GET" || !call.body.empty()) {
      curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
      curl_easy_setopt(handle, CURLOPT_POSTFIELDS, call.body.data());
      curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
  }

  Handle take_handle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return Handle(curl_easy_init());
    Handle handle = std::move(idle_.back());
    idle_.pop_back();
    return handle;
  }

  void give_back(Handle handle) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < options_.max_idle_handles) idle_.push_back(std::move(handle));
  }

  CurlOptions options_;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

}  // namespace

std::shared_ptr<HttpClient> make_curl_http_client(CurlOptions options) {
  return std::make_shared<CurlHttpClient>(std::move(options));
}

}  // namespace openwop
