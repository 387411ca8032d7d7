// Goal: word boundaries are those of UAX #29; runs are the segments with letters, cut by script.
// Method: the Unicode conformance file, and a table of runs.
#include <doctest/doctest.h>

#include <string>

#include "base/strings.h"
#include "base/utf8.h"
#include "text/analysis/test_data_internal.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {
namespace {

TEST_CASE("WordBoundaries agrees with WordBreakTest.txt") {
  const auto file = SharedFile("WordBreakTest", "data/unicode/WordBreakTest.txt");
  if (!file.ok()) return;
  int lines = 0;
  for (std::string_view line : Split(file.value().bytes(), '\n')) {
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    std::string text;
    std::vector<std::uint32_t> want;
    for (const auto token : Split(line, ' ')) {
      if (token == "÷") {
        if (!text.empty()) want.push_back(static_cast<std::uint32_t>(text.size()));
      } else if (token != "×") {
        AppendRune(&text, static_cast<char32_t>(std::stoul(std::string(token), nullptr, 16)));
      }
    }
    std::vector<std::uint32_t> ends;
    WordBoundaries(text, &ends);
    CAPTURE(line);
    CHECK(ends == want);
    ++lines;
  }
  CHECK(lines > 1800);
}

TEST_CASE("SplitRuns cuts where the script changes") {
  struct Row {
    std::string_view text;
    std::string_view want;  // Runs with their kind: word, hangul, cjk, complex.
  };
  const Row rows[] = {
      {"FastAPI에서 Depends를", "w:FastAPI h:에서 w:Depends h:를"},
      {"don't 3.14 snake_case", "w:don't w:3.14 w:snake_case"},
      {"東京タワーに行く", "c:東京タワーに行く"},
      {"한국韓國", "h:한국 c:韓國"},
      {"ภาษาไทย ok", "x:ภาษาไทย w:ok"},
      {"हिन्दी भाषा", "w:हिन्दी w:भाषा"},
      {"... -- !", ""},
      {"", ""},
  };
  for (const Row& row : rows) {
    std::vector<Run> runs;
    SplitRuns(row.text, &runs);
    std::string got;
    for (const Run& run : runs) {
      if (!got.empty()) got += ' ';
      got += "whcx"[static_cast<int>(run.kind)];
      got += ':';
      got += row.text.substr(run.begin, run.end - run.begin);
    }
    CHECK(got == row.want);
  }
}

}  // namespace
}  // namespace malmoi::text
