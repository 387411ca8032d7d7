// Goal: sentences end where readers of Korean, English and Japanese end them, and nothing is lost.
// Method: a table with '|' between the expected sentences; properties on mixed and random bytes.
#include "text/sentences.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "base/strings.h"

namespace malmoi::text {
namespace {

std::string Joined(std::string_view text) {
  std::string out;
  for (const ByteSpan& span : Sentences(text)) {
    if (!out.empty()) out += '|';
    out += text.substr(span.begin, span.end - span.begin);
  }
  return out;
}

TEST_CASE("Sentences end where they should") {
  struct Row {
    std::string_view text;
    std::string_view want;
  };
  const Row rows[] = {
      {"도서관은 9시에 엽니다. 월요일은 쉽니다.", "도서관은 9시에 엽니다.|월요일은 쉽니다."},
      {"책을 빌렸다.그리고 읽었다.", "책을 빌렸다.|그리고 읽었다."},
      {"정말요? 네! 그렇습니다…", "정말요?|네!|그렇습니다…"},
      {"“언제 오나요?”라고 물었다. 답은 없었다.", "“언제 오나요?”라고 물었다.|답은 없었다."},
      {"\"언제 오나요?\" 하고 물었다.", "\"언제 오나요?\" 하고 물었다."},
      {"버전은 3.14입니다. 2024. 3. 15. 배포했다.", "버전은 3.14입니다.|2024. 3. 15. 배포했다."},
      {"Dr. Smith met J. Doe at 3.5 p.m. yesterday. He left.",
       "Dr. Smith met J. Doe at 3.5 p.m. yesterday.|He left."},
      {"See e.g. Figure 2. It works.", "See e.g. Figure 2.|It works."},
      {"See No. 5 and Fig. 2. She said no. Then Apple Inc. Then",
       "See No. 5 and Fig. 2.|She said no.|Then Apple Inc.|Then"},
      {"He said \"Stop.\" Then he left.", "He said \"Stop.\"|Then he left."},
      {"Really?! Yes.", "Really?!|Yes."},
      {"今日は晴れ。明日は雨！", "今日は晴れ。|明日は雨！"},
      {"彼は「はい。」と言った。次へ。", "彼は「はい。」と言った。|次へ。"},
      {"# Title\nText one.\nStill one more\nline.\n\nNext",
       "# Title|Text one.|Still one more\nline.|Next"},
      {"- one\n- two\n  more\n1. three. Four.", "- one|- two\n  more|1. three.|Four."},
      {"| a | b. C |\n|---|---|\n| 1 | 2 |", "| a | b. C |||---|---||| 1 | 2 |"},
      {"Use:\n```py\na.b()\n\nc = 1. \n```\nDone.", "Use:|```py|a.b()|c = 1.|```|Done."},
      {"example.com is up. v1.2.3 too.", "example.com is up. v1.2.3 too."},
      {"  \n\t ", ""},
      {"", ""},
      {"one\r\n\r\ntwo\r\n", "one|two"},
  };
  for (const Row& row : rows) CHECK(Joined(row.text) == row.want);
}

void CheckSpans(std::string_view text) {
  std::uint64_t at = 0;
  const auto blank = [&](std::uint64_t b, std::uint64_t e) {
    return Trim(text.substr(b, e - b)).empty();
  };
  for (const ByteSpan& span : Sentences(text)) {
    REQUIRE(span.begin >= at);
    REQUIRE(span.begin < span.end);
    REQUIRE(span.end <= text.size());
    REQUIRE(blank(at, span.begin));
    at = span.end;
  }
  REQUIRE(blank(at, text.size()));
}

TEST_CASE("Every non-blank byte is in one span, for any bytes") {
  std::mt19937 random(7);
  static constexpr std::string_view kPieces[] = {
      "다.", "\n",  "\n\n", " ",    "Dr.",  "3", ".",  "。", "」", "\"",  "#", "# ",
      "- ",  "```", "|",    "\xff", "\xe3", "a", "가", "?",  "…",  "1. ", "A"};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (unsigned n = random() % 30; n > 0; --n) text += kPieces[random() % std::size(kPieces)];
    CAPTURE(text);
    CheckSpans(text);
  }
}

TEST_CASE("A megabyte of one kind takes one pass") {
  for (const std::string_view piece : {".", "\"", "a. ", "다.", "1. ", "-\n", "(", " ", "```\n"}) {
    std::string text;
    while (text.size() < (1u << 20)) text += piece;
    std::uint64_t end = 0;
    for (const ByteSpan& span : Sentences(text)) {
      CHECK_MESSAGE(span.begin >= end, piece);
      end = span.end;
    }
    CHECK(end <= text.size());
  }
}

}  // namespace
}  // namespace malmoi::text
