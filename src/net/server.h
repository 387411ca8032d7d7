#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/result.h"
#include "net/http.h"

namespace malmoi::net {

struct Request {
  std::string method;  // "GET"
  std::string path;    // Decoded, without the query.
  std::string query;   // As sent, without '?'.
  Headers headers = {};
  std::string body = {};
  std::string remote;  // "127.0.0.1:50412"

  // The decoded value of a query parameter.
  std::optional<std::string> Parameter(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  Headers headers = {};
};

// The answer to one request: either one Send, or Start, any number of Write, and Finish. Used from
// the handler's thread only. Write blocks while the client is slow (the server holds at most
// 256 KiB for it) and returns false when the client is gone.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void Send(const Response& response) = 0;
  virtual void Start(int status, const std::string& content_type, const Headers& headers) = 0;
  virtual bool Write(std::string_view bytes) = 0;
  virtual void Finish() = 0;
  // Set when the client goes away or the server stops; hand it to long work.
  virtual const Cancel& cancel() const = 0;
};

// Runs on a handler thread; may block. Exceptions that escape are answered with 500.
using Handler = std::function<void(const Request&, Responder&)>;

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one.
  // Requests worked on at the same time. A thread is started when all others are busy.
  std::size_t handler_threads = 8;
  std::size_t queue_max = 64;                  // Requests waiting; more get 503 with Retry-After.
  std::size_t connections_max = 1024;          // More are closed at once.
  std::uint64_t body_bytes_max = 32ull << 20;  // Larger bodies get 413.
  std::uint64_t header_bytes_max = 64ull << 10;
  double read_seconds_max = 30;   // For one request's head and body (slow clients), 408.
  double idle_seconds_max = 75;   // Keep-alive.
  double write_seconds_max = 60;  // Without a byte taken: the client counts as gone.
  // PEM files of a certificate chain and its key: the port then speaks TLS (1.2 and 1.3) and
  // nothing else. Both or none.
  std::string tls_certificate = {};
  std::string tls_key = {};
  // PEM file of authorities: only clients that show a certificate of one of them are served.
  std::string tls_client_authorities = {};
  // Connections after so many seconds use the files as they are then; files that cannot be used
  // leave what was. 0: read once.
  double tls_reload_seconds = 0;
  // How the answers look that the server makes itself (the statuses are listed in README.md);
  // null: {"error":{"code":...,"message":...}}. May change the status.
  std::function<Response(int status, const std::string& message)> refusal = nullptr;
};

// HTTP/1.1 with keep-alive, chunked bodies both ways, HEAD, Expect: 100-continue, and graceful
// stop. One I/O thread; handlers on their own threads. Boost.Beast parses.
class HttpServer {
 public:
  // Errors: kUnavailable where the address is taken or not local, naming it; kInvalidArgument for a
  // certificate or key that cannot be used.
  static Result<std::unique_ptr<HttpServer>> Start(const ServerOptions& options, Handler handler);
  virtual ~HttpServer() = default;  // Stops at once.
  virtual std::uint16_t port() const = 0;
  // Accepts no more, finishes requests under way for at most `seconds`, then closes.
  virtual void Stop(double seconds) = 0;
};

}  // namespace malmoi::net
