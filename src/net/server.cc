#include "net/server.h"

#include <pthread.h>

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/strings.h"
#include "net/session_internal.h"
#include "net/tls_internal.h"
#include "obs/log.h"

namespace malmoi::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;

constexpr double kAcceptPauseSeconds = 0.05;  // After EMFILE and the like: do not spin.

// Threads that run handlers, and the bounded queue before them.
class HandlerPool {
 public:
  struct Job {
    Request request;
    std::shared_ptr<Exchange> exchange;
  };

  HandlerPool(std::size_t threads, std::size_t queue_max, const Handler* handler)
      : threads_max_(std::max<std::size_t>(threads, 1)), queue_max_(queue_max), handler_(handler) {
    Grow();  // What starts later may fail to, for want of memory: then the first one serves.
  }
  ~HandlerPool() { Join(); }

  bool Add(Job job) {
    const std::lock_guard lock(mutex_);
    if (closed_ || queue_.size() + busy_ >= threads_max_ + queue_max_) return false;
    queue_.push_back(std::move(job));
    if (queue_.size() + busy_ > threads_.size() && threads_.size() < threads_max_) Grow();
    wake_.notify_one();
    return true;
  }

  void Join() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      queue_.clear();
      wake_.notify_all();
    }
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void Grow() {
    try {
      threads_.emplace_back([this, i = threads_.size()] {
        ::pthread_setname_np(::pthread_self(), ("http-" + std::to_string(i)).c_str());
        Loop();
      });
    } catch (const std::exception& e) {
      obs::LogLine(obs::Level::kError, "http_thread_failed").Field("what", e.what());
    }
  }

  void Loop() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return closed_ || !queue_.empty(); });
      if (closed_) return;
      Job job = std::move(queue_.front());
      queue_.pop_front();
      ++busy_;
      lock.unlock();
      if (job.exchange->cancel().IsSet()) {
        // Without an answer the connection would stay, and with it a file and the server's stop.
        job.exchange->Send(ErrorResponse(503, "gone", "the client ended before its turn came"));
      } else {
        Handle(job);
      }
      job = {};
      lock.lock();
      --busy_;
    }
  }

  void Handle(Job& job) {
    std::string failure = "the handler did not answer";
    try {
      (*handler_)(job.request, *job.exchange);
    } catch (const std::exception& e) {
      failure = e.what();
      Log(job.request, failure);
      failure = "an unexpected failure: see the server's log";
    } catch (...) {
      Log(job.request, "not a std::exception");
      failure = "an unexpected failure: see the server's log";
    }
    job.exchange->HandlerDone(failure);
  }

  static void Log(const Request& request, const std::string& what) {
    obs::LogLine(obs::Level::kError, "handler_exception")
        .Field("method", request.method)
        .Field("path", request.path)
        .Field("what", what);
  }

  const std::size_t threads_max_;
  const std::size_t queue_max_;
  const Handler* const handler_;
  std::mutex mutex_;  // guards: queue_, busy_, closed_, threads_ until closed_
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::size_t busy_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

class Server : public HttpServer, public SessionHost {
 public:
  Server(const ServerOptions& options, Handler handler)
      : options_(options), handler_(std::move(handler)), acceptor_(io_), pause_(io_) {}
  ~Server() override { Stop(0); }

  Status Listen() {
    if (options_.tls_certificate.empty() != options_.tls_key.empty()) {
      return Error(Code::kInvalidArgument, "TLS needs both a certificate and its key");
    }
    if (!options_.tls_key.empty()) {
      MALMOI_TRY(tls_, TlsContext::Load({.certificate = options_.tls_certificate,
                                         .key = options_.tls_key,
                                         .client_authorities = options_.tls_client_authorities,
                                         .reload_seconds = options_.tls_reload_seconds}));
    }
    error_code error;
    const std::string host = options_.host == "localhost" ? "127.0.0.1" : options_.host;
    const auto address = asio::ip::make_address(host, error);
    if (error) {
      return Error(Code::kUnavailable,
                   "listen on '" + options_.host + "': not an IP address; use 127.0.0.1 or ::1");
    }
    const tcp::endpoint end(address, options_.port);
    acceptor_.open(end.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(end, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return Error(Code::kUnavailable, "listen on " + options_.host + ":" +
                                           std::to_string(options_.port) + ": " +
                                           AsciiLower(error.message()) + "; choose another port");
    }
    port_ = acceptor_.local_endpoint(error).port();
    pool_ = std::make_unique<HandlerPool>(options_.handler_threads, options_.queue_max, &handler_);
    Accept();
    io_thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "http-io");
      while (!RunIo()) {
      }
    });
    return Ok();
  }

  std::uint16_t port() const override { return port_; }

  void Stop(double seconds) override {
    if (!io_thread_.joinable()) return;
    asio::post(io_, [this] { StopAccepting(); });
    {
      std::unique_lock lock(mutex_);
      const auto wait = std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
      none_left_.wait_for(lock, wait, [&] { return stopping_ && session_count_ == 0; });
    }
    // Sessions that are left are closed, which also sets their handlers' cancel().
    asio::post(io_, [this] {
      StopAccepting();
      const auto left = sessions_;
      for (const auto& [raw, session] : left) session->Close();
      work_.reset();
    });
    pool_->Join();
    io_thread_.join();
  }

  const ServerOptions& options() const override { return options_; }
  bool stopping() const override { return stopping_; }
  TlsContext* tls() override { return tls_.get(); }

  bool Submit(Request request, std::shared_ptr<Exchange> exchange) override {
    return pool_->Add({std::move(request), std::move(exchange)});
  }

  void Closed(Session* session) override {
    sessions_.erase(session);
    Count();
  }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, Socket socket) {
      if (stopping_ || error == asio::error::operation_aborted) return;
      if (error) {
        pause_.expires_after(
            std::chrono::milliseconds(static_cast<std::int64_t>(kAcceptPauseSeconds * 1000)));
        pause_.async_wait([this](error_code stopped) {
          if (!stopped && !stopping_) Accept();
        });
        return;
      }
      if (sessions_.size() < options_.connections_max) {
        auto session = std::make_shared<Session>(this, &io_, std::move(socket));
        sessions_.emplace(session.get(), session);
        Count();
        session->Run();
      }
      Accept();
    });
  }

  // False when an exception cut the loop short: out of memory, most likely.
  bool RunIo() {
    try {
      io_.run();
      return true;
    } catch (const std::exception& e) {
      obs::LogLine(obs::Level::kError, "http_io_exception").Field("what", e.what());
      return false;
    }
  }

  void StopAccepting() {
    if (stopping_) return;
    stopping_ = true;
    const auto all = sessions_;
    // First all answers under way: who sees a connection closed knows that these are the last.
    for (const auto& [raw, session] : all) session->DropKeepAlive();
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    for (const auto& [raw, session] : all) session->CloseIfIdle();
    Count();
  }

  void Count() {
    const std::lock_guard lock(mutex_);
    session_count_ = sessions_.size();
    none_left_.notify_all();
  }

  const ServerOptions options_;
  const Handler handler_;
  std::uint16_t port_ = 0;
  std::unique_ptr<TlsContext> tls_;
  asio::io_context io_{1};
  asio::executor_work_guard<Executor> work_{io_.get_executor()};
  Acceptor acceptor_;
  Timer pause_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;  // I/O thread's.
  std::mutex mutex_;                                                 // guards: session_count_
  std::condition_variable none_left_;
  std::size_t session_count_ = 0;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<HandlerPool> pool_;
  std::thread io_thread_;
};

}  // namespace

std::optional<std::string> Request::Parameter(std::string_view name) const {
  for (const std::string_view part : Split(query, '&')) {
    const std::size_t equals = part.find('=');
    if (UrlDecode(part.substr(0, equals)) != name) continue;
    return equals == std::string_view::npos ? std::string() : UrlDecode(part.substr(equals + 1));
  }
  return std::nullopt;
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const ServerOptions& options,
                                                      Handler handler) {
  auto server = std::make_unique<Server>(options, std::move(handler));
  MALMOI_TRY(server->Listen());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace malmoi::net
