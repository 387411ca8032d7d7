#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "net/server.h"

namespace malmoi::net {

// "HTTP/1.1 200 OK\r\n...\r\n\r\n". Control characters in values become blanks, so that no value
// can start a header of its own.
struct ResponseHead {
  int status = 200;
  std::string content_type = {};
  Headers headers = {};
  bool keep_alive = true;
  bool chunked = false;
  bool has_length = false;  // Write Content-Length: `length`.
  std::uint64_t length = 0;
};
std::string FormatHead(const ResponseHead& head);

// A whole answer made by the server itself: {"error":{"code":CODE,"message":MESSAGE}}.
Response ErrorResponse(int status, std::string_view code, std::string_view message);

// The Responder of one request, between a handler's thread, which frames bytes into it, and the
// I/O thread, which takes them out. Thread-safe.
class Exchange : public Responder {
 public:
  struct Shape {
    bool head_only = false;  // HEAD: everything but the body.
    bool keep_alive = true;  // What the request asked for.
    bool can_chunk = true;   // HTTP/1.1; otherwise a stream ends with the connection.
  };
  // `wake` asks the I/O thread to come and Take(); called without the lock.
  Exchange(const Shape& shape, std::function<void()> wake);

  void Send(const Response& response) override;
  void Start(int status, const std::string& content_type, const Headers& headers) override;
  bool Write(std::string_view bytes) override;
  void Finish() override;
  const Cancel& cancel() const override { return cancel_; }

  // Handler's side, after the handler returned: answers 500 where nothing was sent, and breaks off
  // a stream that was not finished, so that the client can tell.
  void HandlerDone(std::string_view failure);

  // I/O side.
  struct Output {
    std::string bytes;
    bool last = false;        // Nothing follows.
    bool keep_alive = false;  // Of a finished answer.
  };
  Output Take();                // What there is to write now.
  void Written(std::size_t n);  // n bytes left the process.
  void SetGone();               // The client went away: wakes Write, sets cancel().
  void DropKeepAlive();         // The server stops: say so in the head, if it is not out yet.

 private:
  void Put(std::unique_lock<std::mutex>& lock, std::string_view bytes);
  void Wake(std::unique_lock<std::mutex>& lock);

  const Shape shape_;
  const std::function<void()> wake_;
  Cancel cancel_;
  std::mutex mutex_;  // guards: all below
  std::condition_variable space_;
  std::string out_;
  std::size_t pending_ = 0;  // Bytes given and not yet Written.
  bool woken_ = false;
  bool gone_ = false;
  bool started_ = false;
  bool bodyless_ = false;
  bool chunked_ = false;
  bool finished_ = false;
  bool keep_alive_;
};

}  // namespace malmoi::net
