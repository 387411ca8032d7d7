#include <algorithm>
#include <cstdio>
#include <ctime>

#include "json/writer.h"
#include "net/exchange_internal.h"

namespace malmoi::net {
namespace {

constexpr std::size_t kPendingMax = 256 << 10;  // The promise of Responder.
constexpr std::size_t kPiece = 64 << 10;        // Four pieces on the way keep the socket busy.

const char* Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

std::string DateNow() {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm t{};
  ::gmtime_r(&now, &t);
  char text[64];  // Not strftime: a locale must not reach the wire.
  std::snprintf(text, sizeof(text), "%s, %02d %s %d %02d:%02d:%02d GMT", kDays[t.tm_wday],
                t.tm_mday, kMonths[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  return text;
}

void AppendHeader(std::string* out, std::string_view name, std::string_view value) {
  const auto append = [&](std::string_view s) {
    for (const char c : s) {
      const auto byte = static_cast<unsigned char>(c);
      out->push_back((byte < 0x20 && c != '\t') || byte == 0x7f ? ' ' : c);
    }
  };
  append(name);
  out->append(": ");
  append(value);
  out->append("\r\n");
}

bool StatusWithoutBody(int status) {
  return status == 204 || status == 304 || status < 200;
}

}  // namespace

std::string FormatHead(const ResponseHead& head) {
  std::string out = "HTTP/1.1 " + std::to_string(head.status) + " " + Reason(head.status) + "\r\n";
  AppendHeader(&out, "Date", DateNow());
  if (!head.content_type.empty()) AppendHeader(&out, "Content-Type", head.content_type);
  for (const auto& [name, value] : head.headers) AppendHeader(&out, name, value);
  if (head.has_length) AppendHeader(&out, "Content-Length", std::to_string(head.length));
  if (head.chunked) AppendHeader(&out, "Transfer-Encoding", "chunked");
  AppendHeader(&out, "Connection", head.keep_alive ? "keep-alive" : "close");
  return out + "\r\n";
}

Response ErrorResponse(int status, std::string_view code, std::string_view message) {
  json::Writer w;
  w.BeginObject().Key("error").BeginObject();
  w.Field("code", code).Field("message", message).EndObject().EndObject();
  Response response;
  response.status = status;
  response.body = std::move(w).Take();
  return response;
}

Exchange::Exchange(const Shape& shape, std::function<void()> wake)
    : shape_(shape), wake_(std::move(wake)), keep_alive_(shape.keep_alive) {}

void Exchange::Put(std::unique_lock<std::mutex>& lock, std::string_view bytes) {
  out_.append(bytes);
  pending_ += bytes.size();
  Wake(lock);
}

void Exchange::Wake(std::unique_lock<std::mutex>& lock) {
  if (woken_) return;
  woken_ = true;
  lock.unlock();
  wake_();
  lock.lock();
}

void Exchange::Send(const Response& response) {
  std::unique_lock lock(mutex_);
  if (started_) return;
  started_ = true;
  finished_ = true;
  const bool bodyless = StatusWithoutBody(response.status);
  std::string bytes = FormatHead({.status = response.status,
                                  .content_type = bodyless ? "" : response.content_type,
                                  .headers = response.headers,
                                  .keep_alive = keep_alive_,
                                  .has_length = !bodyless,
                                  .length = response.body.size()});
  if (!bodyless && !shape_.head_only) bytes += response.body;
  pending_ += bytes.size();
  out_ = std::move(bytes);  // Nothing was put before it started.
  Wake(lock);
}

void Exchange::Start(int status, const std::string& content_type, const Headers& headers) {
  std::unique_lock lock(mutex_);
  if (started_) return;
  started_ = true;
  bodyless_ = shape_.head_only || StatusWithoutBody(status);
  chunked_ = shape_.can_chunk && !StatusWithoutBody(status);
  if (!chunked_ && !bodyless_) keep_alive_ = false;
  Put(lock, FormatHead({.status = status,
                        .content_type = content_type,
                        .headers = headers,
                        .keep_alive = keep_alive_,
                        .chunked = chunked_}));
}

bool Exchange::Write(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  if (!started_ || finished_) return false;
  while (!bytes.empty() && !bodyless_) {
    const std::string_view piece = bytes.substr(0, kPiece);
    space_.wait(lock, [&] { return gone_ || pending_ + kPiece <= kPendingMax; });
    if (gone_) return false;
    if (chunked_) {
      char size[24];
      std::snprintf(size, sizeof(size), "%zx\r\n", piece.size());
      Put(lock, std::string(size).append(piece).append("\r\n"));
    } else {
      Put(lock, piece);
    }
    bytes.remove_prefix(piece.size());
  }
  return !gone_;
}

void Exchange::Finish() {
  std::unique_lock lock(mutex_);
  if (!started_ || finished_) return;
  finished_ = true;
  Put(lock, chunked_ && !bodyless_ ? "0\r\n\r\n" : "");
}

void Exchange::HandlerDone(std::string_view failure) {
  bool answered;
  {
    std::unique_lock lock(mutex_);
    answered = started_;
    if (started_ && !finished_) {
      finished_ = true;
      keep_alive_ = false;
      gone_ = true;  // The I/O side closes without the last chunk.
      cancel_.Set();
      Put(lock, "");
    }
  }
  if (!answered) Send(ErrorResponse(500, "internal", failure));
}

Exchange::Output Exchange::Take() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  return {std::exchange(out_, {}), finished_, keep_alive_ && finished_};
}

void Exchange::Written(std::size_t n) {
  const std::lock_guard lock(mutex_);
  pending_ -= std::min(n, pending_);
  space_.notify_all();
}

void Exchange::SetGone() {
  cancel_.Set();
  const std::lock_guard lock(mutex_);
  gone_ = true;
  space_.notify_all();
}

void Exchange::DropKeepAlive() {
  const std::lock_guard lock(mutex_);
  keep_alive_ = false;
}

}  // namespace malmoi::net
