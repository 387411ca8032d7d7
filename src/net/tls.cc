// The only file that sees OpenSSL.
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <utility>

#include "base/clock.h"
#include "net/tls_files.h"
#include "net/tls_internal.h"
#include "obs/log.h"

namespace malmoi::net {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

class Stream final : public TlsStream {
 public:
  Stream(Socket* socket, std::shared_ptr<ssl::context> context)
      : context_(std::move(context)), stream_(*socket, *context_) {}
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
  std::shared_ptr<ssl::context> context_;
  ssl::stream<Socket&> stream_;
};

Error Wrong(const char* what, const std::string& path, error_code error) {
  return Error(Code::kInvalidArgument, std::string("TLS ") + what + " '" + path +
                                           "' cannot be used: " + error.message() +
                                           "; give PEM files of a chain and its key");
}

Result<std::shared_ptr<ssl::context>> Read(const TlsFiles& files) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                           ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                           ssl::context::no_tlsv1_1,
                       error);
  context->use_certificate_chain_file(files.certificate, error);
  if (error) return Wrong("certificate", files.certificate, error);
  context->use_private_key_file(files.key, ssl::context::pem, error);
  if (error) return Wrong("key", files.key, error);
  if (files.client_authorities.empty()) return context;
  context->load_verify_file(files.client_authorities, error);
  if (error) return Wrong("authorities of clients", files.client_authorities, error);
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert, error);
  if (error) return Wrong("authorities of clients", files.client_authorities, error);
  return context;
}

class Context final : public TlsContext {
 public:
  Context(const TlsFiles& files, std::shared_ptr<ssl::context> context)
      : files_(files), context_(std::move(context)), read_ns_(MonotonicNs()) {}

  std::unique_ptr<TlsStream> Wrap(Socket* socket) override {
    if (files_.reload_seconds > 0 && SecondsSince(read_ns_) >= files_.reload_seconds) {
      read_ns_ = MonotonicNs();
      if (auto fresh = Read(files_); fresh.ok()) {
        context_ = std::move(fresh).value();
      } else {
        obs::LogLine(obs::Level::kError, "tls_reload_failed")
            .Field("error", fresh.error().message())
            .Field("now", "the certificate read before stays in use");
      }
    }
    return std::make_unique<Stream>(socket, context_);
  }

 private:
  TlsFiles files_;
  std::shared_ptr<ssl::context> context_;
  std::int64_t read_ns_;
};

}  // namespace

Status CheckTlsFiles(const std::string& certificate, const std::string& key,
                     const std::string& client_authorities) {
  MALMOI_TRY(Read({.certificate = certificate,
                   .key = key,
                   .client_authorities = client_authorities,
                   .reload_seconds = 0}));
  return Ok();
}

Result<std::unique_ptr<TlsContext>> TlsContext::Load(const TlsFiles& files) {
  MALMOI_TRY(auto context, Read(files));
  return std::unique_ptr<TlsContext>(std::make_unique<Context>(files, std::move(context)));
}

}  // namespace malmoi::net
