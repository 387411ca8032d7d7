// Goal: the embedded engine answers, stops, cancels and refuses as generator.h says.
// Method: TextStream over every cut; the smallest model of the assets, greedy, twice.
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "base/utf8.h"
#include "llm/generator.h"
#include "llm/text_stream_internal.h"
#include "os/paths.h"

using namespace malmoi;
using namespace malmoi::llm;

TEST_CASE("TextStream gives whole code points and nothing of a stop string, for every cut") {
  const std::string text = "가나 a😀b<en><end>after";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    for (std::size_t width : {1, 2, 5, 100}) {
      CAPTURE(cut);
      CAPTURE(width);
      std::string seen;
      TextStream stream({"<end>", "never"}, [&](std::string_view piece) {
        CHECK(IsValidUtf8(piece));
        seen += piece;
        return true;
      });
      auto state = stream.Add(std::string_view(text).substr(0, cut));
      for (std::size_t at = cut; at < text.size() && state == TextStream::State::kGoOn;
           at += width) {
        state = stream.Add(std::string_view(text).substr(at, width));
      }
      CHECK(state == TextStream::State::kStopped);
      CHECK(stream.Finish() == TextStream::State::kGoOn);
      CHECK(seen == "가나 a😀b<en>");
      CHECK(stream.text() == seen);
    }
  }
  TextStream held({"<end>"}, nullptr);
  held.Add("x<en");
  CHECK(held.text() == "x");
  held.Finish();
  CHECK(held.text() == "x<en");
}

TEST_CASE("a missing model or library is kUnavailable with the remedy") {
  const auto r = OpenLocal({.gguf = "/nonexistent/model.gguf"});
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code() == Code::kUnavailable);
  CHECK(r.error().message().find("/nonexistent/model.gguf") != std::string::npos);
}

TEST_CASE("the embedded engine with the asset's model") {
  if (!os::FindAsset("llama") || !os::FindAsset("llm")) {
    std::puts("skipped: the embedded engine: the assets llama/ and llm/ are absent");
    return;
  }
  auto opened = OpenLocal({.gguf = "", .context = 512, .threads = 2});
  if (!opened.ok()) MESSAGE(opened.error().message());
  REQUIRE(opened.ok());
  Generator& g = *opened.value();
  CHECK(g.context_tokens() == 512);
  CHECK(g.CountTokens("hello world") > 0);
  const std::vector<Message> ask = {{"user", "What is the capital of France?"}};
  GenerateOptions options;
  options.max_tokens = 24;
  std::string streamed;
  const auto first = g.Generate(ask, options, [&](std::string_view t) {
    streamed += t;
    return true;
  });
  REQUIRE(first.ok());
  CHECK(streamed == first.value().text);
  CHECK(first.value().text.find("Paris") != std::string::npos);
  CHECK(first.value().prompt_tokens > 8);
  CHECK(first.value().completion_tokens <= 24);
  const auto second = g.Generate(ask, options, nullptr);
  CHECK(second.value().text == first.value().text);
  options.stop = {"Paris"};
  const auto stopped = g.Generate(ask, options, nullptr);
  CHECK(stopped.value().finish_reason == "stop");
  CHECK(stopped.value().text == first.value().text.substr(0, first.value().text.find("Paris")));
  CHECK(g.Generate(ask, {}, [](std::string_view) { return false; }).error().code() ==
        Code::kCancelled);
  Cancel cancel;
  cancel.Set();
  CHECK(g.Generate(ask, {.cancel = &cancel}, nullptr).error().code() == Code::kCancelled);
  std::string lengthy;
  for (int i = 0; i < 600; ++i) lengthy += "word ";
  const auto over = g.Generate({{"user", lengthy}}, {}, nullptr);
  REQUIRE_FALSE(over.ok());
  CHECK(over.error().code() == Code::kOutOfRange);
  CHECK(over.error().message().find("512") != std::string::npos);
}
