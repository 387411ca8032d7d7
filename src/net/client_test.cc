// Goal: Fetch follows, limits, streams and stops as its header says; SseParser cuts any stream.
// Method: a server of net/server.h on loopback that plays each part; every cut of a stream.
#include "net/client.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "net/server.h"

using namespace malmoi;
using namespace malmoi::net;

namespace {

struct Fixture {
  Fixture() {
    auto other = HttpServer::Start({}, [](const Request& r, Responder& out) {
      out.Send({.body = "auth=" + std::string(FindHeader(r.headers, "Authorization"))});
    });
    REQUIRE(other.ok());
    cdn = std::move(other).value();
    auto started =
        HttpServer::Start({}, [this](const Request& r, Responder& out) { Answer(r, out); });
    REQUIRE(started.ok());
    server = std::move(started).value();
    url = "http://127.0.0.1:" + std::to_string(server->port());
  }
  void Answer(const Request& r, Responder& out) const {
    if (r.path == "/away") {
      const std::string to = "http://127.0.0.1:" + std::to_string(cdn->port()) + "/file";
      return out.Send({.status = 302, .body = "gone", .headers = {{"Location", to}, {"X-A", "1"}}});
    }
    if (r.path == "/loop") return out.Send({.status = 302, .headers = {{"Location", "/loop"}}});
    if (r.path == "/file-url") {
      return out.Send({.status = 302, .headers = {{"Location", "file:///etc/passwd"}}});
    }
    if (r.path == "/missing") return out.Send({.status = 404, .body = "no such thing"});
    if (r.path == "/hang") {
      out.Start(200, "text/plain", {});
      out.Write("begin");
      while (!out.cancel().IsSet()) std::this_thread::yield();
      return;
    }
    if (r.path == "/cut") {
      out.Start(200, "text/plain", {});
      out.Write("begin");
      return;
    }
    out.Send({.body = r.method + ":" + r.body, .headers = {{"X-B", "2"}}});
  }
  std::unique_ptr<HttpServer> cdn;
  std::unique_ptr<HttpServer> server;
  std::string url;
};

}  // namespace

TEST_CASE("Fetch: methods, bodies, statuses, headers") {
  const Fixture f;
  auto r = Fetch({.method = "POST", .url = f.url + "/x", .body = std::string(200'000, 'b')});
  REQUIRE(r.ok());
  CHECK(r.value().body == "POST:" + std::string(200'000, 'b'));
  CHECK(FindHeader(r.value().headers, "x-b") == "2");
  r = Fetch({.method = "DELETE", .url = f.url + "/x"});
  CHECK(r.value().body == "DELETE:");
  r = Fetch({.method = "HEAD", .url = f.url + "/x"});
  CHECK(r.value().body == "");
  bool sunk = false;
  r = Fetch({.url = f.url + "/missing"}, [&](std::string_view) { return sunk = true; });
  CHECK(r.value().status == 404);
  CHECK(r.value().body == "no such thing");
  CHECK_FALSE(sunk);
}

TEST_CASE("Fetch: redirects keep the first headers and drop the key on another host") {
  const Fixture f;
  auto r = Fetch({.url = f.url + "/away", .headers = {{"Authorization", "Bearer secret"}}});
  REQUIRE(r.ok());
  CHECK(r.value().status == 200);
  CHECK(r.value().body == "auth=");
  CHECK(FindHeader(r.value().first_headers, "X-A") == "1");
  CHECK(FindHeader(r.value().headers, "X-A") == "");
  r = Fetch({.url = f.url + "/away", .redirects_max = 0});
  CHECK(r.value().status == 302);
  CHECK(Fetch({.url = f.url + "/loop"}).error().code() == Code::kUnavailable);
  CHECK(Fetch({.url = f.url + "/file-url"}).error().code() == Code::kUnavailable);
  CHECK(Fetch({.url = "file:///etc/passwd"}).error().code() == Code::kInvalidArgument);
  CHECK(Fetch({.url = f.url, .headers = {{"A", "b\r\nC: d"}}}).error().code() ==
        Code::kInvalidArgument);
}

TEST_CASE("Fetch: limits, stall, cancel, sink, cut and refused connections") {
  const Fixture f;
  CHECK(Fetch({.method = "POST", .url = f.url, .body = "12345", .body_bytes_max = 9})
            .error()
            .code() == Code::kOutOfRange);
  CHECK(Fetch({.url = f.url + "/hang", .stall_seconds_max = 0.2}).error().code() ==
        Code::kDeadline);
  CHECK(Fetch({.url = f.url + "/hang", .seconds_max = 0.2}).error().code() == Code::kDeadline);
  Cancel cancel;
  auto r = Fetch({.url = f.url + "/hang", .cancel = &cancel}, [&](std::string_view bytes) {
    CHECK(bytes == "begin");
    cancel.Set();
    return true;
  });
  CHECK(r.error().code() == Code::kCancelled);
  r = Fetch({.url = f.url + "/hang"}, [](std::string_view) { return false; });
  CHECK(r.error().code() == Code::kCancelled);
  CHECK(Fetch({.url = f.url + "/cut"}).error().code() == Code::kUnavailable);
  std::uint16_t closed;
  {
    auto gone = HttpServer::Start({}, [](const Request&, Responder&) {});
    closed = gone.value()->port();
  }
  r = Fetch({.url = "http://127.0.0.1:" + std::to_string(closed) + "/v1"});
  CHECK(r.error().code() == Code::kUnavailable);
  CHECK(r.error().message().find(std::to_string(closed)) != std::string::npos);
}

TEST_CASE("SseParser gives the same events for every cut") {
  const std::string text =
      ": hello\r\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:one\ndata: two\n\ndata\n\n\n\rid: 1\rdata: "
      "[DONE]\r\r\ndata: unfinished";
  const std::vector<std::string> expected = {"{\"a\":1}", "one\ntwo", "", "[DONE]"};
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    CAPTURE(cut);
    SseParser parser;
    std::vector<std::string> got;
    const auto add = [&](std::string_view data) {
      got.emplace_back(data);
      return true;
    };
    CHECK(parser.Feed(std::string_view(text).substr(0, cut), add));
    CHECK(parser.Feed(std::string_view(text).substr(cut), add));
    CHECK(got == expected);
  }
  SseParser parser;
  int n = 0;
  CHECK_FALSE(parser.Feed("data: 1\n\ndata: 2\n\n", [&](std::string_view) { return ++n > 1; }));
  CHECK(n == 1);
}
