#include "net/client.h"

#include <curl/curl.h>

#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"

namespace malmoi::net {
namespace {

// curl_global_init is not thread-safe in every build of libcurl.
void InitCurl() {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// One transfer's state, handed to curl's callbacks.
struct Transfer {
  const ClientRequest* request;
  const std::function<bool(std::string_view)>* sink;
  ClientResponse response;
  Headers current;  // Of the answer whose head is being read.
  int current_status = 0;
  bool has_first = false;
  bool sink_stopped = false;
  bool too_long = false;
  bool stalled = false;
  std::int64_t last_byte_ns = 0;
  curl_off_t last_bytes = 0;
};

int StatusOf(std::string_view status_line) {
  const std::size_t blank = status_line.find(' ');
  if (blank == std::string_view::npos) return 0;
  return static_cast<int>(ParseInt(status_line.substr(blank + 1, 3)).value_or(0));
}

std::size_t OnHeader(char* bytes, std::size_t, std::size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const std::string_view line = Trim({bytes, n});
  if (line.starts_with("HTTP/")) {
    t.current.clear();
    t.current_status = StatusOf(line);
  } else if (line.empty()) {
    // 1xx heads and a proxy's answer to CONNECT come before the real one.
    if (t.current_status < 200) return n;
    if (!t.has_first) t.response.first_headers = t.current;
    t.has_first = true;
    t.response.headers = t.current;
    t.response.status = t.current_status;
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    t.current.emplace_back(Trim(line.substr(0, colon)), Trim(line.substr(colon + 1)));
  }
  return n;
}

std::size_t OnBody(char* bytes, std::size_t, std::size_t n, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  const bool success = t.current_status >= 200 && t.current_status < 300;
  if (*t.sink && success) {
    if ((*t.sink)({bytes, n})) return n;
    t.sink_stopped = true;
    return 0;
  }
  if (t.current_status >= 300 && t.current_status < 400) return n;  // Nobody reads those.
  if (t.response.body.size() + n > t.request->body_bytes_max) {
    t.too_long = true;
    return 0;
  }
  t.response.body.append(bytes, n);
  return n;
}

// Called about once a second, and with every piece: cancel and stall are looked at here.
int OnProgress(void* user, curl_off_t, curl_off_t down, curl_off_t, curl_off_t up) {
  auto& t = *static_cast<Transfer*>(user);
  if (t.request->cancel != nullptr && t.request->cancel->IsSet()) return 1;
  if (down + up != t.last_bytes) {
    t.last_bytes = down + up;
    t.last_byte_ns = MonotonicNs();
  }
  const double limit = t.request->stall_seconds_max;
  if (limit > 0 && SecondsSince(t.last_byte_ns) > limit) {
    t.stalled = true;
    return 1;
  }
  return 0;
}

// curl's objects for one transfer at a time, with the connections that servers left open.
struct Handles {
  CURL* easy = ::curl_easy_init();
  CURLM* multi = ::curl_multi_init();
  Handles() = default;
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles() {
    if (easy != nullptr) ::curl_easy_cleanup(easy);
    if (multi != nullptr) ::curl_multi_cleanup(multi);
  }
};

// Handles between transfers: the next one to the same host needs no new connection.
class IdleHandles {
 public:
  std::unique_ptr<Handles> Take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Handles>();
    auto handles = std::move(idle_.back());
    idle_.pop_back();
    return handles;
  }
  void Give(std::unique_ptr<Handles> handles) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(handles));
  }
  static IdleHandles& Of() {
    static IdleHandles* const all =
        new IdleHandles();  // Never destroyed: threads may outlive main.
    return *all;
  }

 private:
  static constexpr std::size_t kIdleMax = 16;
  std::mutex mutex_;  // guards: idle_.
  std::vector<std::unique_ptr<Handles>> idle_;
};

// A transfer's handles: returned when it went well, closed with their connections when not.
class Borrowed {
 public:
  Borrowed() : handles_(IdleHandles::Of().Take()) {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    if (multi() != nullptr && easy() != nullptr) ::curl_multi_remove_handle(multi(), easy());
    ::curl_slist_free_all(headers);
    if (!good) return;
    ::curl_easy_reset(easy());
    IdleHandles::Of().Give(std::move(handles_));
  }
  CURL* easy() const { return handles_->easy; }
  CURLM* multi() const { return handles_->multi; }

  curl_slist* headers = nullptr;
  bool good = false;

 private:
  std::unique_ptr<Handles> handles_;
};

void SetMethod(CURL* curl, const ClientRequest& request) {
  if (request.method == "HEAD") {
    ::curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET" || !request.body.empty()) {
    ::curl_easy_setopt(curl, CURLOPT_POST, 1L);
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.c_str());
    ::curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
    ::curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

void SetOptions(Borrowed* h, Transfer* t) {
  CURL* curl = h->easy();
  const ClientRequest& request = *t->request;
  for (const auto& [name, value] : request.headers) {
    h->headers = ::curl_slist_append(h->headers, (name + ": " + value).c_str());
  }
  // Without it curl waits a second for "100 Continue" before larger bodies.
  h->headers = ::curl_slist_append(h->headers, "Expect:");
  ::curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  ::curl_easy_setopt(curl, CURLOPT_HTTPHEADER, h->headers);
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  const auto file = [&](CURLoption option, const std::string& path) {
    if (!path.empty()) ::curl_easy_setopt(curl, option, path.c_str());
  };
  file(CURLOPT_CAINFO, request.tls.authorities);
  file(CURLOPT_SSLCERT, request.tls.certificate);
  file(CURLOPT_SSLKEY, request.tls.key);
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_USERAGENT, "malmoi");
  ::curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request.connect_seconds_max * 1000));
  ::curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.seconds_max * 1000));
  // A custom Authorization header is curl's to drop on another host, port or scheme (7.58+).
  ::curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, request.redirects_max > 0 ? 1L : 0L);
  ::curl_easy_setopt(curl, CURLOPT_MAXREDIRS, static_cast<long>(request.redirects_max));
  ::curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  ::curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
  ::curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  ::curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
  SetMethod(curl, request);
}

// Drives the transfer in steps of at most 100 ms, so that a cancel is seen that soon even while
// nothing arrives.
CURLcode Perform(const Borrowed& h, Transfer* t) {
  constexpr int kStepMs = 100;
  ::curl_multi_add_handle(h.multi(), h.easy());
  int running = 1;
  while (running > 0) {
    if (::curl_multi_perform(h.multi(), &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) break;
    if (OnProgress(t, 0, t->last_bytes, 0, 0) != 0) return CURLE_ABORTED_BY_CALLBACK;
    ::curl_multi_poll(h.multi(), nullptr, 0, kStepMs, nullptr);
  }
  int left = 0;
  const CURLMsg* message = ::curl_multi_info_read(h.multi(), &left);
  return message == nullptr ? CURLE_FAILED_INIT : message->data.result;
}

Error Failure(CURLcode code, const Transfer& t, const char* detail) {
  const ClientRequest& request = *t.request;
  const std::string where = request.method + " " + request.url + ": ";
  if (t.too_long) {
    return Error(Code::kOutOfRange,
                 where + "the answer is longer than " + FormatBytes(request.body_bytes_max));
  }
  if (t.stalled) {
    return Error(Code::kDeadline,
                 where + "no byte for " + FormatFixed(request.stall_seconds_max, 0) + " s");
  }
  if (t.sink_stopped || code == CURLE_ABORTED_BY_CALLBACK) {
    return Error(Code::kCancelled, where + "cancelled");
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return Error(Code::kDeadline, where + AsciiLower(detail));
  }
  return Error(Code::kUnavailable,
               where + AsciiLower(*detail != '\0' ? detail : ::curl_easy_strerror(code)));
}

}  // namespace

Result<ClientResponse> Fetch(const ClientRequest& request,
                             const std::function<bool(std::string_view)>& sink) {
  if (!request.url.starts_with("http://") && !request.url.starts_with("https://")) {
    return Error(Code::kInvalidArgument, "'" + request.url + "' is not an http:// or https:// URL");
  }
  for (const auto& [name, value] : request.headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return Error(Code::kInvalidArgument, "header '" + name + "' holds a line break");
    }
  }
  InitCurl();
  Borrowed handles;
  if (handles.easy() == nullptr || handles.multi() == nullptr) {
    return Error(Code::kInternal, "libcurl gave no handle");
  }
  Transfer transfer;
  transfer.request = &request;
  transfer.sink = &sink;
  transfer.last_byte_ns = MonotonicNs();
  char detail[CURL_ERROR_SIZE] = "";
  ::curl_easy_setopt(handles.easy(), CURLOPT_ERRORBUFFER, detail);
  SetOptions(&handles, &transfer);
  const CURLcode code = Perform(handles, &transfer);
  if (code != CURLE_OK) return Failure(code, transfer, detail);
  handles.good = true;
  return std::move(transfer.response);
}

}  // namespace malmoi::net
