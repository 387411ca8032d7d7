// Goal: a Document survives its bytes, damaged bytes are refused, and chunks keep their laws.
// Method: round trips, every truncation, and laws checked over generated documents.
#include "ingest/document.h"

#include <doctest/doctest.h>

#include <random>

#include "base/bytes.h"
#include "base/utf8.h"
#include "ingest/reader.h"

using namespace malmoi;
using namespace malmoi::ingest;

namespace {

Document Sample() {
  Document d;
  d.text = "# 제목\n\n본문입니다.\n\f둘째 쪽.\n";
  d.title = "제목";
  d.format = "markdown";
  d.encoding = "utf-8";
  d.page_starts = {0, d.text.find('\f')};
  d.headings = {{0, 8, 1, "제목"}};
  d.warnings = {"page 3: no text layer"};
  return d;
}

bool IsBlank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

double WeightOf(std::string_view text) {
  double weight = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    weight += rune.value >= 0xAC00 && rune.value <= 0xD7A3 ? 1.0 : 0.4;
    at += rune.size;
  }
  return weight;
}

// The laws in document.h: in order, no overlap, at most max, no code point cut, every byte that is
// not blank in exactly one chunk.
void CheckLaws(const Document& d, const ChunkOptions& options) {
  std::uint64_t last = 0;
  for (const Chunk& chunk : ChunkDocument(d, options)) {
    REQUIRE(chunk.begin >= last);
    REQUIRE(chunk.end > chunk.begin);
    REQUIRE(chunk.end <= d.text.size());
    for (std::uint64_t i = last; i < chunk.begin; ++i) REQUIRE(IsBlank(d.text[i]));
    const std::string_view text(d.text.data() + chunk.begin, chunk.end - chunk.begin);
    REQUIRE(IsValidUtf8(text));
    REQUIRE(WeightOf(text) <= options.max + 0.01);
    last = chunk.end;
  }
  for (std::uint64_t i = last; i < d.text.size(); ++i) REQUIRE(IsBlank(d.text[i]));
}

Document Markdown(std::string text) {
  auto d = ParseDocument(text, "x.md", {});
  REQUIRE(d.ok());
  return std::move(d).value();
}

}  // namespace

TEST_CASE("Encode and Decode are inverse; every truncation and a stray byte are refused") {
  const Document d = Sample();
  const std::string bytes = Encode(d);
  auto back = Decode(bytes);
  REQUIRE(back.ok());
  CHECK(Encode(back.value()) == bytes);
  CHECK(back.value().headings[0].title == "제목");
  CHECK(back.value().page_starts == d.page_starts);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto cut = Decode(std::string_view(bytes).substr(0, n));
    REQUIRE_FALSE(cut.ok());
    REQUIRE(cut.error().code() == Code::kCorruption);
  }
  CHECK_FALSE(Decode(bytes + "x").ok());
}

TEST_CASE("Decode refuses counts that promise more than the bytes hold, and offsets out of order") {
  std::string bytes;
  Put<std::uint32_t>(&bytes, 0x31444D4D);
  for (int i = 0; i < 4; ++i) Put<std::uint64_t>(&bytes, 0);
  Put<std::uint64_t>(&bytes, ~0ull);
  CHECK(Decode(bytes).error().code() == Code::kCorruption);
  Document d = Sample();
  d.page_starts = {5, 2};
  CHECK(Decode(Encode(d)).error().code() == Code::kCorruption);
  d = Sample();
  d.headings[0].end = d.text.size() + 1;
  CHECK(Decode(Encode(d)).error().code() == Code::kCorruption);
}

TEST_CASE("LineAt counts from 1 and PageAt is 0 without pages") {
  Document d = Sample();
  CHECK(LineAt(d, 0) == 1);
  CHECK(LineAt(d, d.text.find("본문")) == 3);
  CHECK(LineAt(d, 1u << 30) == 5);
  CHECK(PageAt(d, 0) == 1);
  CHECK(PageAt(d, d.text.find("둘째")) == 2);
  d.page_starts.clear();
  CHECK(PageAt(d, 3) == 0);
}

TEST_CASE("chunks carry the titles above them; a bare heading goes with what follows") {
  std::string body;
  for (int i = 0; i < 40; ++i) body += "이 문장은 조각의 크기를 채우기 위한 것입니다. ";
  const Document d =
      Markdown("# 안내서\n\n## 설치\n\n" + body + "\n\n## 사용\n\n### 시작\n\n" + body + "\n");
  const auto chunks = ChunkDocument(d);
  REQUIRE(chunks.size() >= 4);
  CHECK(chunks.front().heading_path == "안내서 > 설치");
  CHECK(d.text.substr(chunks.front().begin, 11) == "# 안내서");
  CHECK(chunks.back().heading_path == "안내서 > 사용 > 시작");
  std::size_t with_heading = 0;
  for (const Chunk& c : chunks) {
    const std::string text = d.text.substr(c.begin, c.end - c.begin);
    with_heading += text.starts_with("## 사용\n\n### 시작");
  }
  CHECK(with_heading == 1);
  CheckLaws(d, {});
}

TEST_CASE("neighbours of a few words are joined under the heading they share") {
  const Document d = Markdown("# 질문\n\n## 하나\n\n짧다.\n\n## 둘\n\n이것도 짧다.\n");
  const auto chunks = ChunkDocument(d);
  REQUIRE(chunks.size() == 1);
  CHECK(chunks[0].heading_path == "질문");
}

TEST_CASE("a fence is not cut while it fits, and its lines are no headings") {
  std::string code = "```python\n";
  for (int i = 0; i < 20; ++i) code += "# 주석 " + std::to_string(i) + "\n\n";
  code += "```";
  std::string text = "# 글\n\n";
  for (int i = 0; i < 20; ++i) text += "앞 문단의 문장입니다. ";
  const Document d = Markdown(text + "\n\n" + code + "\n\n뒤 문단.\n");
  CHECK(d.headings.size() == 1);
  std::size_t whole = 0;
  for (const Chunk& c : ChunkDocument(d)) {
    whole += d.text.substr(c.begin, c.end - c.begin).find(code) != std::string::npos;
  }
  CHECK(whole == 1);
}

TEST_CASE("rows of a table file know their columns") {
  std::string csv = "이름,나이\n";
  for (int i = 0; i < 200; ++i) csv += "홍길동" + std::to_string(i) + ",30\n";
  const auto d = ParseDocument(csv, "x.csv", {});
  REQUIRE(d.ok());
  for (const Chunk& c : ChunkDocument(d.value())) CHECK(c.heading_path == "이름,나이");
  CheckLaws(d.value(), {});
}

TEST_CASE("the laws of chunks hold for any text") {
  std::mt19937 random(20240611);
  const std::vector<std::string> parts = {"가나다",
                                          "한국어 문장입니다. ",
                                          "word ",
                                          "\n",
                                          "\n\n",
                                          "# ",
                                          "```\n",
                                          "| a | b |\n",
                                          "\xEF\xBB\xBF",
                                          "🚀",
                                          ". ",
                                          "- 항목\n",
                                          std::string(900, 'x'),
                                          "=====\n",
                                          "  "};
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (unsigned i = random() % 300; i > 0; --i) text += parts[random() % parts.size()];
    CAPTURE(round);
    for (const char* name : {"a.md", "a.txt", "a.csv", "a.py", "a.rst"}) {
      const auto d = ParseDocument(text, name, {});
      if (!d.ok()) continue;
      CheckLaws(d.value(), {});
      CheckLaws(d.value(), {.target = 20, .max = 30});
    }
  }
}

TEST_CASE("a document of white space has no chunks") {
  Document d;
  d.text = " \n\t\n";
  CHECK(ChunkDocument(d).empty());
  d.text.clear();
  CHECK(ChunkDocument(d).empty());
}
