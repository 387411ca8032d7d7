// Goal: an endpoint's stream becomes text, its errors become codes.
// Method: a scripted server on loopback; the whole request is looked at.
#include <doctest/doctest.h>

#include "json/value.h"
#include "llm/generator.h"
#include "net/server.h"

using namespace malmoi;
using namespace malmoi::llm;

namespace {

struct Fake {
  Fake() {
    auto started = net::HttpServer::Start(
        {}, [this](const net::Request& r, net::Responder& out) { Answer(r, out); });
    REQUIRE(started.ok());
    server = std::move(started).value();
    url = "http://127.0.0.1:" + std::to_string(server->port()) + "/v1/";
  }
  void Answer(const net::Request& r, net::Responder& out) {
    key = net::FindHeader(r.headers, "Authorization");
    if (r.path == "/v1/models") {
      return out.Send({.body = R"({"data":[{"id":"first"},{"id":"second"}]})"});
    }
    body = r.body;
    if (status != 200) {
      return out.Send({.status = status, .body = R"({"error":{"message":"because"}})"});
    }
    out.Start(200, "text/event-stream", {});
    out.Write(stream);
    out.Finish();
  }
  std::unique_ptr<net::HttpServer> server;
  std::string url;
  int status = 200;
  std::string stream;
  std::string key;
  std::string body;
};

const char kStream[] =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"안녕\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\" there\"},\"finish_reason\":\"length\"}]}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n"
    "data: [DONE]\n\n";

}  // namespace

TEST_CASE("a stream is joined, counted and passed on") {
  Fake fake;
  fake.stream = kStream;
  auto opened = OpenEndpoint({.url = fake.url, .api_key = "k1", .model = ""});
  REQUIRE(opened.ok());
  Generator& g = *opened.value();
  CHECK(g.name() == "first");
  std::vector<std::string> pieces;
  GenerateOptions options;
  options.max_tokens = 5;
  options.stop = {"END"};
  const auto r =
      g.Generate({{"system", "s"}, {"user", "질문 \"1\""}}, options, [&](std::string_view t) {
        pieces.emplace_back(t);
        return true;
      });
  REQUIRE(r.ok());
  CHECK(r.value().text == "안녕 there");
  CHECK(pieces == std::vector<std::string>{"안녕", " there"});
  CHECK(r.value().finish_reason == "length");
  CHECK(r.value().prompt_tokens == 7);
  CHECK(r.value().completion_tokens == 3);
  CHECK(fake.key == "Bearer k1");
  const auto sent = json::Parse(fake.body);
  REQUIRE(sent.ok());
  CHECK(sent.value().GetString("model") == "first");
  CHECK(sent.value().GetInt("max_tokens") == 5);
  CHECK(sent.value().Find("messages")->items()[1].GetString("content") == "질문 \"1\"");
  CHECK(sent.value().Find("stop")->items()[0].AsString() == "END");
  CHECK(g.CountTokens("four words of text") >= 4);
  const auto stopped = g.Generate({}, {}, [](std::string_view) { return false; });
  CHECK(stopped.error().code() == Code::kCancelled);
}

TEST_CASE("statuses, broken streams and dead endpoints are errors with the url") {
  Fake fake;
  auto opened = OpenEndpoint({.url = fake.url, .api_key = "", .model = "m"});
  REQUIRE(opened.ok());
  Generator& g = *opened.value();
  const std::pair<int, Code> table[] = {
      {401, Code::kPermissionDenied}, {403, Code::kPermissionDenied}, {429, Code::kOverloaded},
      {500, Code::kUnavailable},      {503, Code::kUnavailable},      {404, Code::kUnavailable},
      {400, Code::kInvalidArgument}};
  for (const auto& [status, code] : table) {
    CAPTURE(status);
    fake.status = status;
    const auto r = g.Generate({}, {}, nullptr);
    REQUIRE_FALSE(r.ok());
    CHECK(r.error().code() == code);
    CHECK(r.error().message().find("because") != std::string::npos);
    CHECK(r.error().message().find("/v1/chat/completions") != std::string::npos);
  }
  fake.status = 200;
  for (const char* stream : {"data: {broken\n\n", "data: {\"error\":{\"message\":\"x\"}}\n\n",
                             "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n"}) {
    fake.stream = stream;
    CHECK(g.Generate({}, {}, nullptr).error().code() == Code::kUnavailable);
  }
  fake.server.reset();
  CHECK(g.Generate({}, {}, nullptr).error().code() == Code::kUnavailable);
  CHECK(OpenEndpoint({.url = "ftp://x", .api_key = "", .model = "m"}).error().code() ==
        Code::kInvalidArgument);
}
