#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "net/exchange_internal.h"
#include "net/server.h"

namespace malmoi::net {

// The concrete executor keeps type erasure out of every asynchronous call (and halves the compile).
using Executor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
using Timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

class Session;
class TlsContext;
class TlsStream;

// What a connection needs from its server. Called on the I/O thread.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual const ServerOptions& options() const = 0;
  virtual bool stopping() const = 0;
  virtual TlsContext* tls() = 0;  // Null: plain text.
  // False when the queue is full.
  virtual bool Submit(Request request, std::shared_ptr<Exchange> exchange) = 0;
  virtual void Closed(Session* session) = 0;
};

// One connection. Everything runs on the I/O thread; at most one read and one write are pending,
// and one timer tells what the connection is allowed to wait for. The pending read goes on while a
// handler works, which is how a client that hangs up is noticed.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(SessionHost* host, boost::asio::io_context* io, Socket socket);
  ~Session();
  void Run();
  void Close();  // At once; an exchange under way is told.
  // For a graceful stop: a request under way is the last one, and without one the session closes.
  void DropKeepAlive();
  void CloseIfIdle();

 private:
  struct Parser;  // Beast's, confined to session.cc.
  enum class State {
    kGreeting,  // In a TLS handshake.
    kIdle,      // Before the first byte of a request.
    kReading,   // In a head or a body.
    kWorking,   // A handler has it, or its answer is being written.
    kRefused,   // Writing an error after which the connection ends.
    kLinger,    // Throwing away what the client still sends, so that it can read the error.
    kClosed,
  };

  void Expect(double seconds);  // Arms the timer.
  void OnTimer();
  void Read();
  void OnRead(std::size_t n, bool end);
  void ReadBody();
  void OnBody(std::size_t n, bool end);
  void OnEnd();
  void Parse();
  bool ParseSome(bool* failed);
  bool HeadDone();
  void Dispatch();
  Response OwnResponse(int status, const char* code, const std::string& message) const;
  void Refuse(const Response& response);
  bool Refill();
  void WriteSome();
  void OnWritten(std::size_t n, bool failed);
  void Linger();
  void AnswerDone();
  void NextRequest();

  SessionHost* const host_;
  boost::asio::io_context* const io_;
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;  // Null: plain text.
  Timer timer_;
  std::uint64_t timer_round_ = 0;  // Tells a late expiry from the one that is armed.
  State state_ = State::kIdle;
  bool first_ = true;
  bool reading_ = false;
  bool ended_ = false;  // The client has sent its last byte.
  std::string input_;   // Received and not yet parsed.
  std::string chunk_;   // Where the pending read goes, unless it is one of ReadBody.
  // A body of known length is read to where the handler gets it from, past the parser: large ones
  // would be copied twice more.
  std::string body_;
  std::size_t body_filled_ = 0;  // Of body_.
  std::uint64_t body_left_ = 0;
  std::unique_ptr<Parser> parser_;
  std::shared_ptr<Exchange> exchange_;
  std::string prelude_;  // "100 Continue" or an error, written outside an exchange.
  std::string wire_;     // What the pending write sends; untouched until it is done.
  std::size_t written_ = 0;
  bool of_exchange_ = false;  // Whose bytes wire_ holds.
  bool last_ = false;         // The answer is all in wire_.
  bool keep_alive_ = false;   // Of that answer.
  bool writing_ = false;
  std::string remote_;
};

}  // namespace malmoi::net
