#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/strings.h"
#include "base/utf8.h"
#include "net/session_internal.h"
#include "net/tls_internal.h"

namespace malmoi::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kReadSize = 64 << 10;
constexpr std::size_t kBodyFirst = 256 << 10;   // Made room for; then twice as much at a time.
constexpr std::size_t kPipelineMax = 64 << 10;  // Received ahead while a handler works.
constexpr double kLingerSeconds = 2;

std::string_view View(boost::beast::string_view s) {
  return {s.data(), s.size()};
}

struct Refused {
  int status;
  const char* code;
  std::string message;
};

Refused RefusalOf(error_code error, const ServerOptions& options) {
  if (error == http::error::body_limit) {
    return {413, "out_of_range",
            "the body is longer than " + FormatBytes(options.body_bytes_max) +
                ": send it in smaller requests"};
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return {431, "out_of_range",
            "the request's headers are longer than " + FormatBytes(options.header_bytes_max)};
  }
  return {400, "invalid_argument", "not an HTTP/1.1 request: " + error.message()};
}

}  // namespace

struct Session::Parser {
  http::request_parser<http::string_body> http;
  bool head_done = false;
  bool own_body = false;  // Session's body_ has it.
};

Session::Session(SessionHost* host, asio::io_context* io, Socket socket)
    : host_(host), io_(io), socket_(std::move(socket)), timer_(*io) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto end = socket_.remote_endpoint(ignored);
  remote_ =
      end.address().is_v6() ? "[" + end.address().to_string() + "]" : end.address().to_string();
  remote_ += ":" + std::to_string(end.port());
  NextRequest();
}

Session::~Session() = default;

void Session::Run() {
  Expect(host_->options().read_seconds_max);
  if (host_->tls() == nullptr) {
    Read();
    return;
  }
  tls_ = host_->tls()->Wrap(&socket_);
  state_ = State::kGreeting;
  tls_->Handshake([self = shared_from_this()](error_code error, std::size_t) {
    if (self->state_ != State::kGreeting) return;
    if (error) {
      self->Close();
      return;
    }
    self->state_ = State::kIdle;
    self->Read();
  });
}

void Session::NextRequest() {
  parser_ = std::make_unique<Parser>();
  const ServerOptions& options = host_->options();
  parser_->http.header_limit(static_cast<std::uint32_t>(options.header_bytes_max));
  parser_->http.body_limit(options.body_bytes_max);
  body_left_ = 0;
  state_ = State::kIdle;
}

void Session::Expect(double seconds) {
  const std::uint64_t round = ++timer_round_;
  if (seconds <= 0) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
  timer_.async_wait([self = shared_from_this(), round](error_code error) {
    if (!error && round == self->timer_round_) self->OnTimer();
  });
}

void Session::OnTimer() {
  if (state_ == State::kReading) {
    Refuse(OwnResponse(408, "deadline",
                       "the request did not arrive within " +
                           FormatFixed(host_->options().read_seconds_max, 0) + " s"));
    return;
  }
  Close();
}

void Session::Read() {
  if (reading_ || ended_ || state_ == State::kClosed) return;
  if (state_ == State::kWorking && input_.size() >= kPipelineMax) return;
  reading_ = true;
  if (state_ == State::kReading && body_left_ > 0) {
    ReadBody();
    return;
  }
  chunk_.resize(kReadSize);
  auto done = [self = shared_from_this()](error_code error, std::size_t n) {
    self->reading_ = false;
    self->OnRead(n, static_cast<bool>(error));
  };
  if (tls_ != nullptr) {
    tls_->Read(asio::buffer(chunk_), std::move(done));
  } else {
    socket_.async_read_some(asio::buffer(chunk_), std::move(done));
  }
}

// Room is made as bytes arrive, not as they are announced, and cleared once.
void Session::ReadBody() {
  const std::size_t whole = body_filled_ + static_cast<std::size_t>(body_left_);
  if (body_filled_ == body_.size()) {
    body_.resize(std::min(whole, std::max(kBodyFirst, 2 * body_filled_)));
  }
  auto done = [self = shared_from_this()](error_code error, std::size_t n) {
    self->reading_ = false;
    self->OnBody(n, static_cast<bool>(error));
  };
  const auto to = asio::buffer(body_.data() + body_filled_, body_.size() - body_filled_);
  if (tls_ != nullptr) {
    tls_->Read(to, std::move(done));
  } else {
    socket_.async_read_some(to, std::move(done));
  }
}

void Session::OnBody(std::size_t n, bool end) {
  body_filled_ += n;
  if (state_ == State::kClosed) return;
  if (end) {
    OnEnd();
    return;
  }
  if (state_ == State::kReading) {
    body_left_ -= n;
    if (body_left_ == 0) Dispatch();
  }
  Read();
}

// The client sends no more. A client may shut its side and still wait for a short answer, so a
// working connection stays open until the write fails.
void Session::OnEnd() {
  ended_ = true;
  if (exchange_ != nullptr) exchange_->SetGone();
  if (state_ != State::kWorking && state_ != State::kRefused) Close();
}

void Session::OnRead(std::size_t n, bool end) {
  if (state_ == State::kClosed) return;
  if (end) {
    OnEnd();
    return;
  }
  const bool wanted = state_ != State::kRefused && state_ != State::kLinger;
  if (wanted) input_.append(chunk_, 0, n);
  if (state_ == State::kIdle || state_ == State::kReading) Parse();
  Read();
}

void Session::Parse() {
  if (input_.empty()) return;
  if (state_ == State::kIdle) {
    if (!first_) Expect(host_->options().read_seconds_max);
    first_ = false;
    state_ = State::kReading;
  }
  bool failed = false;
  while (ParseSome(&failed)) {
  }
  if (failed || state_ != State::kReading) return;
  if (parser_->own_body) {
    const auto here = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, input_.size()));
    body_.append(input_, 0, here);
    body_filled_ += here;
    input_.erase(0, here);
    body_left_ -= here;
    if (body_left_ == 0) Dispatch();
  } else if (parser_->http.is_done()) {
    Dispatch();
  }
}

// One step; false when more bytes are needed, the request is whole, or it was refused.
bool Session::ParseSome(bool* failed) {
  auto& parser = parser_->http;
  if (input_.empty() || parser.is_done() || parser_->own_body) return false;
  error_code error;
  parser.eager(parser_->head_done);
  const std::size_t used = parser.put(asio::const_buffer(input_.data(), input_.size()), error);
  input_.erase(0, used);
  if (error && error != http::error::need_more) {
    *failed = true;
    const Refused refused = RefusalOf(error, host_->options());
    Refuse(OwnResponse(refused.status, refused.code, refused.message));
    return false;
  }
  if (!parser_->head_done && parser.is_header_done()) {
    parser_->head_done = true;
    if (!HeadDone()) {
      *failed = true;
      return false;
    }
    return true;
  }
  return !error && used > 0;
}

// Checks what Beast's grammar leaves open. False when the request was refused.
bool Session::HeadDone() {
  const auto& message = parser_->http.get();
  const std::string_view target = View(message.target());
  const unsigned version = message.version();
  std::string wrong;
  if (version != 11 && version != 10) wrong = "only HTTP/1.0 and HTTP/1.1 are spoken";
  if (version == 11 && message.count(http::field::host) != 1) wrong = "one Host header is needed";
  if (!target.starts_with('/') && target != "*" && !target.starts_with("http://")) {
    wrong = "the request's target must start with '/'";
  }
  if (!wrong.empty()) {
    Refuse(OwnResponse(400, "invalid_argument", wrong));
    return false;
  }
  if (!parser_->http.is_done() && parser_->http.content_length()) {  // At most body_bytes_max.
    parser_->own_body = true;
    body_left_ = *parser_->http.content_length();
    body_.clear();
    body_filled_ = 0;
    body_.reserve(static_cast<std::size_t>(body_left_));
  }
  const auto expect = message.find(http::field::expect);
  if (expect == message.end() || parser_->http.is_done()) return true;
  if (!EqualsIgnoreCase(View(expect->value()), "100-continue")) {
    Refuse(OwnResponse(417, "invalid_argument", "only Expect: 100-continue is known"));
    return false;
  }
  if (version == 11 && input_.empty()) {
    prelude_ += "HTTP/1.1 100 Continue\r\n\r\n";
    WriteSome();
  }
  return true;
}

void Session::Dispatch() {
  const auto& message = parser_->http.get();
  Request request;
  request.method = View(message.method_string());
  std::string_view target = View(message.target());
  if (target.starts_with("http://")) {
    const std::size_t slash = target.find('/', 7);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  request.path = PathDecode(target.substr(0, question));
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(View(field.name_string()), View(field.value()));
  }
  request.remote = remote_;
  if (request.path.find('\0') != std::string::npos || !IsValidUtf8(request.path)) {
    Refuse(OwnResponse(400, "invalid_argument", "the path is not UTF-8 text"));
    return;
  }
  const Exchange::Shape shape = {
      .head_only = request.method == "HEAD",
      .keep_alive = message.keep_alive() && !host_->stopping(),
      .can_chunk = message.version() == 11,
  };
  request.body = std::move(parser_->own_body ? body_ : parser_->http.get().body());
  Expect(0);
  state_ = State::kWorking;
  exchange_ = std::make_shared<Exchange>(shape, [weak = weak_from_this(), io = io_] {
    asio::post(*io, [weak] {
      if (const auto self = weak.lock()) self->WriteSome();
    });
  });
  if (!host_->Submit(std::move(request), exchange_)) {
    Response busy = OwnResponse(503, "overloaded", "too many requests wait: retry in a second");
    if (net::FindHeader(busy.headers, "Retry-After").empty()) {
      busy.headers.emplace_back("Retry-After", "1");
    }
    exchange_->Send(busy);
  }
}

Response Session::OwnResponse(int status, const char* code, const std::string& message) const {
  const auto& refusal = host_->options().refusal;
  return refusal ? refusal(status, message) : ErrorResponse(status, code, message);
}

void Session::Refuse(const Response& response) {
  state_ = State::kRefused;
  exchange_.reset();
  const bool bodyless = parser_->head_done && parser_->http.get().method() == http::verb::head;
  prelude_ += FormatHead({.status = response.status,
                          .content_type = response.content_type,
                          .headers = response.headers,
                          .keep_alive = false,
                          .has_length = true,
                          .length = response.body.size()});
  if (!bodyless) prelude_ += response.body;
  WriteSome();
}

// Takes the next bytes for the wire; false when there are none now.
bool Session::Refill() {
  if (written_ < wire_.size()) return true;
  wire_.clear();
  written_ = 0;
  if (!prelude_.empty()) {
    wire_.swap(prelude_);
    of_exchange_ = false;
  } else if (state_ == State::kWorking && !last_) {
    Exchange::Output output = exchange_->Take();
    wire_.swap(output.bytes);
    last_ = output.last;
    keep_alive_ = output.keep_alive;
    of_exchange_ = true;
  }
  return !wire_.empty();
}

void Session::WriteSome() {
  if (writing_ || state_ == State::kClosed) return;
  if (!Refill()) {
    if (state_ == State::kRefused) {
      Linger();
    } else if (state_ == State::kWorking && last_) {
      AnswerDone();
    }
    return;
  }
  writing_ = true;
  if (state_ != State::kReading) Expect(host_->options().write_seconds_max);
  const auto bytes = asio::buffer(wire_.data() + written_, wire_.size() - written_);
  auto done = [self = shared_from_this()](error_code error, std::size_t n) {
    self->writing_ = false;
    self->OnWritten(n, static_cast<bool>(error));
  };
  if (tls_ != nullptr) {
    tls_->Write(bytes, std::move(done));
  } else {
    socket_.async_write_some(bytes, std::move(done));
  }
}

void Session::OnWritten(std::size_t n, bool failed) {
  if (state_ == State::kClosed) return;
  if (failed) {
    Close();
    return;
  }
  if (state_ == State::kWorking) Expect(0);
  written_ += n;
  if (of_exchange_) exchange_->Written(n);
  WriteSome();
}

// Lets the client read the answer before the connection goes: closing with unread input would
// reset it.
void Session::Linger() {
  if (ended_ || host_->stopping()) {
    Close();
    return;
  }
  if (tls_ != nullptr) {
    state_ = State::kLinger;
    Expect(kLingerSeconds);
    // A read may be pending: the goodbye is written beside it, and its answer not waited for.
    tls_->Shutdown([self = shared_from_this()](error_code, std::size_t) { self->Close(); });
    return;
  }
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  state_ = State::kLinger;
  Expect(kLingerSeconds);
  Read();
}

void Session::AnswerDone() {
  exchange_.reset();
  last_ = false;
  of_exchange_ = false;
  if (!keep_alive_ || ended_ || host_->stopping()) {
    Linger();
    return;
  }
  NextRequest();
  Expect(host_->options().idle_seconds_max);
  Parse();
  Read();
}

void Session::CloseIfIdle() {
  if (state_ == State::kIdle || state_ == State::kGreeting || state_ == State::kLinger) {
    Close();
  }
}

void Session::DropKeepAlive() {
  if (exchange_ != nullptr) exchange_->DropKeepAlive();
}

void Session::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  ++timer_round_;
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (exchange_ != nullptr) exchange_->SetGone();
  exchange_.reset();
  host_->Closed(this);
}

}  // namespace malmoi::net
