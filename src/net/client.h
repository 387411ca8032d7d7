#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/result.h"
#include "net/http.h"

namespace malmoi::net {

// PEM files; empty: none. `authorities` are trusted in place of the system's; `certificate`, with
// its `key`, is shown to a server that asks for one.
struct ClientTls {
  std::string authorities, certificate, key;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://; nothing else is spoken.
  Headers headers = {};
  std::string body = {};
  double connect_seconds_max = 10;
  double seconds_max = 0;                      // Whole transfer; 0: none.
  double stall_seconds_max = 60;               // Without a byte.
  int redirects_max = 5;                       // Authorization is dropped when the host changes.
  std::uint64_t body_bytes_max = 64ull << 20;  // Of the answer, when it is collected.
  const Cancel* cancel = nullptr;
  ClientTls tls = {};
};

struct ClientResponse {
  int status = 0;
  Headers headers = {};   // Of the last answer in a chain of redirects.
  Headers first_headers;  // Of the first: the hub puts its X-Linked-* there.
  std::string body;       // Empty when a sink took it.
};

// One HTTP exchange over libcurl with certificate checks on. `sink`, if given, gets the body of a
// 2xx answer as it arrives, and stops the transfer by returning false (kCancelled). An HTTP error
// status is not an Error: look at `status`.
// Errors: kUnavailable (name, connection, TLS, cut off), kDeadline (seconds_max, or stalled),
// kCancelled, kOutOfRange (body too long), kInvalidArgument (another scheme, a broken header).
// Proxies are taken from the environment as curl does. Thread-safe. Connections are kept for later
// calls to the same host, up to 16 idle ones; one that the server has closed is opened anew.
Result<ClientResponse> Fetch(const ClientRequest& request,
                             const std::function<bool(std::string_view)>& sink = nullptr);

// Splits a text/event-stream into the payloads of its `data:` lines. Feed any cut of the bytes.
class SseParser {
 public:
  // Calls `event` once for each complete event with its data lines joined by '\n'; stops early and
  // returns false when `event` does.
  bool Feed(std::string_view bytes, const std::function<bool(std::string_view data)>& event);

 private:
  std::string buffer_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace malmoi::net
