// The only file that sees OpenSSL.
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <utility>

#include "net/tls_internal.h"

namespace malmoi::net {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

class Stream final : public TlsStream {
 public:
  Stream(Socket* socket, ssl::context* context) : stream_(*socket, *context) {}
  void Handshake(Done done) override {
    stream_.async_handshake(ssl::stream_base::server,
                            [done = std::move(done)](error_code error) { done(error, 0); });
  }
  void Read(boost::asio::mutable_buffer to, Done done) override {
    stream_.async_read_some(boost::asio::buffer(to), std::move(done));
  }
  void Write(boost::asio::const_buffer from, Done done) override {
    stream_.async_write_some(boost::asio::buffer(from), std::move(done));
  }
  void Shutdown(Done done) override {
    stream_.async_shutdown([done = std::move(done)](error_code error) { done(error, 0); });
  }

 private:
  ssl::stream<Socket&> stream_;
};

class Context final : public TlsContext {
 public:
  Status Use(const std::string& certificate, const std::string& key) {
    error_code error;
    context_.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                             ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                             ssl::context::no_tlsv1_1,
                         error);
    context_.use_certificate_chain_file(certificate, error);
    if (error) return Wrong("certificate", certificate, error);
    context_.use_private_key_file(key, ssl::context::pem, error);
    if (error) return Wrong("key", key, error);
    return Ok();
  }
  std::unique_ptr<TlsStream> Wrap(Socket* socket) override {
    return std::make_unique<Stream>(socket, &context_);
  }

 private:
  static Error Wrong(const char* what, const std::string& path, error_code error) {
    return Error(Code::kInvalidArgument, std::string("TLS ") + what + " '" + path +
                                             "' cannot be used: " + error.message() +
                                             "; give PEM files of a chain and its key");
  }
  ssl::context context_{ssl::context::tls_server};
};

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::Load(const std::string& certificate,
                                                     const std::string& key) {
  auto context = std::make_unique<Context>();
  MALMOI_TRY(context->Use(certificate, key));
  return std::unique_ptr<TlsContext>(std::move(context));
}

}  // namespace malmoi::net
