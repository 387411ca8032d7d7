// Goal: the server keeps HTTP/1.1's framing, its limits and its promises to handlers whatever a
// client does.
// Method: raw sockets against a server on a free loopback port; handlers and clients order
// themselves by promises and by what arrives, never by sleeping.
#include "net/server.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace malmoi;
using namespace malmoi::net;

namespace {

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { Close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void EndSending() { ::shutdown(fd_, SHUT_WR); }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  // Reads until `mark` was seen (all that arrived so far is returned), the end, or 20 s.
  std::string Until(std::string_view mark) {
    while (mark.empty() || got_.find(mark) == std::string::npos) {
      pollfd p{fd_, POLLIN, 0};
      if (::poll(&p, 1, 20'000) != 1) return got_ + "<timeout>";
      char bytes[8192];
      const ssize_t n = ::recv(fd_, bytes, sizeof(bytes), 0);
      if (n <= 0) return got_;
      got_.append(bytes, static_cast<std::size_t>(n));
    }
    return std::exchange(got_, {});
  }
  std::string All() { return Until(""); }

 private:
  int fd_;
  bool connected_ = false;
  std::string got_;
};

void Echo(const Request& r, Responder& out) {
  if (r.path == "/throw") (void)std::string().at(1);  // The standard library throws.
  if (r.path == "/nothing") return;
  if (r.path == "/stream" || r.path == "/cut") {
    out.Start(200, "text/plain", {});
    out.Write("one ");
    out.Write(std::string(100'000, 'x'));
    out.Write(" two");
    if (r.path == "/stream") out.Finish();
    return;
  }
  const std::string q = r.Parameter("q").value_or("-");
  out.Send({.status = 200,
            .content_type = "text/plain",
            .body = r.method + "|" + r.path + "|" + q + "|" + r.body + "|",
            .headers = {{"X-Evil", "a\r\nSet-Cookie: b"}}});
}

std::unique_ptr<HttpServer> Serve(const ServerOptions& options = {}, Handler handler = Echo) {
  auto server = HttpServer::Start(options, std::move(handler));
  REQUIRE(server.ok());
  return std::move(server).value();
}

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string Ask(const HttpServer& server, std::string_view bytes) {
  Client c(server.port());
  c.Send(bytes);
  return c.All();
}

const std::string kEnd = "Host: a\r\nConnection: close\r\n\r\n";

}  // namespace

TEST_CASE("requests are parsed, decoded and answered") {
  const auto server = Serve();
  std::string a = Ask(*server, "GET /%EA%B0%80+b?q=a%20b+c&z=1 HTTP/1.1\r\n" + kEnd);
  CHECK(Has(a, "HTTP/1.1 200 OK\r\n"));
  CHECK(Has(a, "GET|/가+b|a b c||"));
  CHECK_FALSE(Has(a, "\nSet-Cookie"));
  CHECK(Has(a, "Connection: close"));
  a = Ask(*server, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + kEnd +
                       "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
  CHECK(Has(a, "POST|/|-|abcde|"));
  a = Ask(*server, "HEAD /x HTTP/1.1\r\n" + kEnd);
  CHECK(Has(a, "Content-Length: 11\r\n"));
  CHECK(a.ends_with("\r\n\r\n"));
  a = Ask(*server, "GET /old HTTP/1.0\r\n\r\n");
  CHECK(Has(a, "GET|/old|"));
}

TEST_CASE("malformed requests get 400 and the connection ends") {
  const auto server = Serve();
  for (const char* bytes :
       {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    CAPTURE(bytes);
    const std::string a = Ask(*server, bytes);
    CHECK(a.starts_with("HTTP/1.1 400 "));
    CHECK(Has(a, "invalid_argument"));
  }
}

TEST_CASE("limits: long heads 431, long bodies 413, slow requests 408") {
  const auto server =
      Serve({.body_bytes_max = 1000, .header_bytes_max = 2000, .read_seconds_max = 0.2});
  const std::string big(5000, 'a');
  CHECK(Ask(*server, "GET / HTTP/1.1\r\nX: " + big + "\r\n" + kEnd).starts_with("HTTP/1.1 431 "));
  std::string a = Ask(*server, "POST / HTTP/1.1\r\nContent-Length: 5000\r\n" + kEnd + big);
  CHECK(a.starts_with("HTTP/1.1 413 "));
  a = Ask(*server, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + kEnd + "1388\r\n" + big);
  CHECK(a.starts_with("HTTP/1.1 413 "));
  a = Ask(*server, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n" + kEnd);
  CHECK(a.starts_with("HTTP/1.1 413 "));
  CHECK(Ask(*server, "GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408 "));
  a = Ask(*server, "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" + kEnd);
  CHECK(a.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 "));
  CHECK(Ask(*server, "") == "");
}

TEST_CASE("keep-alive, pipelining and Expect: 100-continue") {
  const auto server = Serve({.idle_seconds_max = 0.3});
  Client c(server->port());
  std::string all;
  for (int i = 0; i < 20; ++i) {
    all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  c.Send(all);
  std::string got = c.Until("GET|/19|");
  for (int i = 0; i < 20; ++i) CHECK(Has(got, "GET|/" + std::to_string(i) + "|"));
  c.Send("POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(Has(c.Until("100 Continue\r\n\r\n"), "HTTP/1.1 100 Continue"));
  c.Send("hi");
  CHECK(Has(c.Until("POST|/e|-|hi|"), "HTTP/1.1 200 OK"));
  CHECK_FALSE(Has(c.All(), "<timeout>"));  // Idle: closed without a word.
}

TEST_CASE(
    "long bodies arrive whole, in whatever pieces, and what follows them is the next request") {
  const auto server = Serve();
  std::string body;
  while (body.size() < 1'500'000) body += std::to_string(body.size() * 7919) + ",";
  const auto request = [&](std::string_view path, const std::string& content) {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(content.size()) +
           "\r\n\r\n" + content;
  };
  const std::string all = request("/a", body) + request("/b", "") + request("/c", "short") +
                          request("/d", body.substr(0, 70'001)) +
                          "POST /e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + kEnd +
                          "5\r\nchunk\r\n0\r\n\r\n";
  for (const std::size_t piece : {all.size(), std::size_t{65'536}, std::size_t{10'007}}) {
    Client c(server->port());
    std::thread sender([&] {
      for (std::size_t at = 0; at < all.size(); at += piece) {
        c.Send(std::string_view(all).substr(at, piece));
      }
    });
    const std::string got = c.All();
    sender.join();
    CHECK(Has(got, "POST|/a|-|" + body + "|"));
    CHECK(Has(got, "POST|/b|-||"));
    CHECK(Has(got, "POST|/c|-|short|"));
    CHECK(Has(got, "POST|/d|-|" + body.substr(0, 70'001) + "|"));
    CHECK(Has(got, "POST|/e|-|chunk|"));
  }
  // A body that ends early is no request.
  Client c(server->port());
  c.Send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
         body.substr(0, 500'000));
  c.Close();
  CHECK(Has(Ask(*server, "GET /x HTTP/1.1\r\n" + kEnd), "GET|/x|"));
}

TEST_CASE("streams are chunked; a handler's failure is 500 or a cut stream") {
  const auto server = Serve();
  std::string a = Ask(*server, "GET /stream HTTP/1.1\r\n" + kEnd);
  CHECK(Has(a, "Transfer-Encoding: chunked"));
  CHECK(Has(a, "\r\n4\r\none \r\n10000\r\nxxx"));
  CHECK(a.ends_with("4\r\n two\r\n0\r\n\r\n"));
  a = Ask(*server, "GET /stream HTTP/1.0\r\n\r\n");
  CHECK(a.ends_with("xxx two"));
  a = Ask(*server, "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(a.ends_with(" two\r\n"));
  CHECK(Ask(*server, "GET /throw HTTP/1.1\r\n" + kEnd).starts_with("HTTP/1.1 500 "));
  CHECK(Ask(*server, "GET /nothing HTTP/1.1\r\n" + kEnd).starts_with("HTTP/1.1 500 "));
}

TEST_CASE("a client that leaves during a stream sets cancel and ends Write") {
  std::promise<bool> ended;
  const auto server = Serve({}, [&](const Request&, Responder& out) {
    out.Start(200, "text/event-stream", {});
    while (out.Write("data: x\n\n")) {
    }
    ended.set_value(out.cancel().IsSet());
  });
  Client c(server->port());
  c.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  c.Until("data: x");
  c.Close();
  CHECK(ended.get_future().get());
}

TEST_CASE("a client that leaves while a handler computes sets cancel") {
  std::promise<void> started;
  std::promise<void> ended;
  const auto server = Serve({}, [&](const Request&, Responder& out) {
    started.set_value();
    while (!out.cancel().IsSet()) ::poll(nullptr, 0, 1);
    ended.set_value();
  });
  Client c(server->port());
  c.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  started.get_future().wait();
  c.Close();
  CHECK(ended.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
}

TEST_CASE("a client that does not read holds Write back, and is dropped in the end") {
  std::promise<std::size_t> sent;
  const auto server = Serve({.write_seconds_max = 0.3}, [&](const Request&, Responder& out) {
    out.Start(200, "text/plain", {});
    const std::string piece(64 << 10, 'x');
    std::size_t n = 0;
    while (n < 4096 && out.Write(piece)) ++n;
    sent.set_value(n);
  });
  Client c(server->port());
  c.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(sent.get_future().get() < 4096);  // 256 MiB would have passed without back-pressure.
}

TEST_CASE("requests past the queue get 503 with Retry-After") {
  std::promise<void> open;
  const auto gate = open.get_future().share();
  std::promise<void> busy;
  std::atomic<bool> once{false};
  const auto server =
      Serve({.handler_threads = 1, .queue_max = 1}, [&](const Request&, Responder& out) {
        if (!once.exchange(true)) busy.set_value();
        gate.wait();
        out.Send({.body = "done"});
      });
  Client first(server->port());
  first.Send("GET /1 HTTP/1.1\r\n" + kEnd);
  busy.get_future().wait();
  Client others[2] = {Client(server->port()), Client(server->port())};
  for (auto& c : others) c.Send("GET /2 HTTP/1.1\r\n" + kEnd);
  // One of the two waits, the other is refused at once; which one is the network's business.
  std::string texts[2];
  std::thread readers[2];
  std::promise<int> who;
  for (int i = 0; i < 2; ++i) {
    readers[i] = std::thread([&, i] {
      texts[i] = others[i].All();
      if (Has(texts[i], " 503 ")) who.set_value(i);
    });
  }
  const int refused = who.get_future().get();
  open.set_value();
  for (auto& t : readers) t.join();
  CHECK(Has(texts[refused], "Retry-After: 1\r\n"));
  CHECK(Has(texts[1 - refused], "done"));
  CHECK(Has(first.All(), "done"));
}

TEST_CASE("a client that ends while its request waits leaves no connection behind") {
  std::promise<void> open, busy;
  const auto gate = open.get_future().share();
  const auto server = Serve({.handler_threads = 1}, [&](const Request& r, Responder& out) {
    if (r.path == "/1") {
      busy.set_value();
      gate.wait();
    }
    out.Send({.body = "done"});
  });
  Client first(server->port());
  first.Send("GET /1 HTTP/1.1\r\n" + kEnd);
  busy.get_future().wait();
  Client leaver(server->port());
  leaver.Send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  leaver.EndSending();
  // The I/O thread answers this by itself, after it has seen the end above.
  Client third(server->port());
  third.Send("GET / HTTP/9.9\r\n" + kEnd);
  CHECK(Has(third.All(), " 400 "));
  open.set_value();
  CHECK(Has(first.All(), "done"));
  const std::string answer = leaver.All();  // To the end, which was missing.
  CHECK(Has(answer, "HTTP/1.1 "));
  CHECK(!Has(answer, "<timeout>"));
}

TEST_CASE("50 clients at once") {
  const auto server = Serve();
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&, i] {
      Client c(server->port());
      for (int k = 0; k < 10; ++k) {
        const std::string body(static_cast<std::size_t>(i * 100 + k), 'b');
        c.Send("POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body);
        if (Has(c.Until("|" + body + "|"), "POST|/" + std::to_string(i) + "|")) ++right;
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(right == 500);
}

TEST_CASE("stop: requests under way finish, endless streams are cut, nothing is accepted") {
  std::promise<void> started;
  std::promise<void> open;
  const auto gate = open.get_future().share();
  auto server = Serve({}, [&](const Request& r, Responder& out) {
    if (r.path == "/endless") {
      out.Start(200, "text/plain", {});
      while (out.Write("more ")) {
      }
      return;
    }
    started.set_value();
    gate.wait();
    out.Send({.body = "finished"});
  });
  const std::uint16_t port = server->port();
  Client endless(port);
  endless.Send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
  endless.Until("more");
  Client slow(port);
  slow.Send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  started.get_future().wait();
  Client idle(port);
  std::thread stop([&] { server->Stop(1.0); });
  std::thread drain([&] { endless.All(); });
  CHECK(idle.All() == "");  // Closed: so stopping has begun.
  open.set_value();
  const std::string a = slow.All();
  CHECK(Has(a, "finished"));
  CHECK(Has(a, "Connection: close"));
  stop.join();
  drain.join();
  CHECK_FALSE(Client(port).connected());
  server->Stop(0);
}

TEST_CASE("more connections than allowed are closed; a taken port is an error") {
  const auto server = Serve({.connections_max = 1});
  Client first(server->port());
  first.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  first.Until("GET|/|");
  Client second(server->port());
  CHECK(second.All() == "");
  const auto taken = HttpServer::Start({.port = server->port()}, Echo);
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.error().code() == Code::kUnavailable);
  CHECK(Has(taken.error().message(), std::to_string(server->port())));
  CHECK_FALSE(HttpServer::Start({.host = "no.such.host"}, Echo).ok());
}
