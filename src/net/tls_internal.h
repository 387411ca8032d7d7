#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>

#include "base/result.h"
#include "net/session_internal.h"

namespace malmoi::net {

// TLS over a session's socket, which outlives it. Handlers run on the I/O thread; at most one read
// and one write are pending, beside them nothing.
class TlsStream {
 public:
  using Done = std::function<void(boost::system::error_code error, std::size_t n)>;
  virtual ~TlsStream() = default;
  virtual void Handshake(Done done) = 0;
  virtual void Read(boost::asio::mutable_buffer to, Done done) = 0;
  virtual void Write(boost::asio::const_buffer from, Done done) = 0;
  virtual void Shutdown(Done done) = 0;  // Says goodbye to the client.
};

// PEM files, and how long they are taken for unchanged (ServerOptions).
struct TlsFiles {
  std::string certificate, key;
  std::string client_authorities = {};
  double reload_seconds = 0;
};

// A certificate with its key, for many streams. Of the I/O thread.
class TlsContext {
 public:
  // Errors: kInvalidArgument naming the file and what is wrong with it.
  static Result<std::unique_ptr<TlsContext>> Load(const TlsFiles& files);
  virtual ~TlsContext() = default;
  // Reads the files again where it is time.
  virtual std::unique_ptr<TlsStream> Wrap(Socket* socket) = 0;
};

}  // namespace malmoi::net
