// Goal: contents decide the type and encoding; text formats keep their bytes and find headings.
// Method: small files written here, in the encodings that Korean offices use.
#include <doctest/doctest.h>

#include "base/strings.h"
#include "ingest/reader.h"

using namespace malmoi;
using namespace malmoi::ingest;
using std::string_literals::operator""s;

namespace {

Document Read(const std::string& bytes, const std::string& name) {
  auto d = ParseDocument(bytes, name, {});
  if (!d.ok()) FAIL(d.error().message());
  return std::move(d).value();
}

std::vector<std::string> Titles(const Document& d) {
  std::vector<std::string> out;
  for (const auto& h : d.headings) out.push_back(std::to_string(h.level) + " " + h.title);
  return out;
}

}  // namespace

TEST_CASE("Markdown: bytes unchanged, ATX and setext headings, front matter, fences") {
  const std::string text =
      "---\ntitle: \"안내\"\ntags: [a]\n---\n# [첫](a.md) `코드` { #first }\n\n본문\n====\n\n"
      "```sh\n# 주석\n```\n~~~~\n# 아님\n~~~\n# 아님\n~~~~\n## 둘 ##\n- 목록\n---\n";
  const Document d = Read(text, "a.md");
  CHECK(d.text == text);
  CHECK(d.format == "markdown");
  CHECK(d.encoding == "utf-8");
  CHECK(d.title == "안내");
  CHECK(Titles(d) == std::vector<std::string>{"1 첫 코드", "1 본문", "2 둘"});
  CHECK(d.text.substr(d.headings[1].begin, d.headings[1].end - d.headings[1].begin) ==
        "본문\n====");
}

TEST_CASE("Markdown: a byte order mark stays so that offsets are the file's") {
  const Document d = Read("\xEF\xBB\xBF# 제목\r\n본문\r\n", "a.md");
  CHECK(d.text.starts_with("\xEF\xBB\xBF#"));
  REQUIRE(d.headings.size() == 1);
  CHECK(d.headings[0].begin == 3);
  CHECK(d.title == "제목");
}

TEST_CASE("reStructuredText: levels by order of appearance, title of a preamble") {
  const Document d = Read(
      "PEP: 8\nTitle: Style Guide\n\nIntroduction\n============\n\nText.\n\nNaming\n------\n\n"
      "::\n\n    not\n    ---\n\nEnd\n===\n",
      "pep-0008.rst");
  CHECK(d.title == "Style Guide");
  CHECK(Titles(d) == std::vector<std::string>{"1 Introduction", "2 Naming", "1 End"});
}

TEST_CASE("Korean in CP949, with syllables outside KS X 1001, becomes UTF-8") {
  // "한글 문서는 똠방각하와 펲시콜라를 읽는다." The syllables of rank two are in Microsoft's part.
  const std::string cp949 =
      "\xC7\xD1\xB1\xDB \xB9\xAE\xBC\xAD\xB4\xC2 \x8C\x63\xB9\xE6\xB0\xA2\xC7\xCF\xBF\xCD "
      "\xC0\xD0\xB4\xC2\xB4\xD9."s;
  const Document d = Read(cp949, "a.txt");
  CHECK(d.encoding == "cp949");
  CHECK(d.text == "한글 문서는 똠방각하와 읽는다.");
}

TEST_CASE("other encodings by mark and by statistics") {
  CHECK(Read("\xFF\xFE\x00\xAC\x41\x00"s, "a.txt").text == "가A");
  CHECK(Read("\xFE\xFF\xAC\x00\x00\x41"s, "a.txt").encoding == "utf-16be");
  CHECK(Read("h\0e\0l\0l\0o\0 \0w\0o\0r\0l\0d\0"s, "a.txt").text == "hello world");
  // "これはテストです" in Shift_JIS and EUC-JP; "这是一个中文测试文件" in GB18030.
  const Document sjis =
      Read("\x82\xB1\x82\xEA\x82\xCD\x83\x65\x83\x58\x83\x67\x82\xC5\x82\xB7", "a");
  CHECK(sjis.text == "これはテストです");
  const Document euc =
      Read("\xA4\xB3\xA4\xEC\xA4\xCF\xA5\xC6\xA5\xB9\xA5\xC8\xA4\xC7\xA4\xB9", "a");
  CHECK(euc.text == "これはテストです");
  const Document gb =
      Read("\xD5\xE2\xCA\xC7\xD2\xBB\xB8\xF6\xD6\xD0\xCE\xC4\xB2\xE2\xCA\xD4\xCE\xC4\xBC\xFE", "a");
  CHECK(gb.text == "这是一个中文测试文件");
  const Document latin = Read("Le caf\xE9 \xE9tait ferm\xE9 \xE0 No\xEBl, \x93hier\x94.", "a.txt");
  CHECK(latin.text == "Le café était fermé à Noël, “hier”.");
}

TEST_CASE("HTML: structure as lines, headings, title; scripts and navigation dropped") {
  const Document d = Read(
      "<!DOCTYPE html><html><head><title>제목 &amp; 부제</title><style>x{}</style></head><body>"
      "<nav>메뉴</nav><h1>큰 <b>제목</b></h1><p>한 문단\n  이어짐&nbsp;끝<p>둘째"
      "<script>alert(1)</script><table><tr><td>가<td><p>나</p></tr><tr><td>다<td>라</table>"
      "<ul><li>하나<li>둘</ul><pre>a\n  b</pre></body></html>",
      "a.html");
  CHECK(d.format == "html");
  CHECK(d.title == "제목 & 부제");
  CHECK(Titles(d) == std::vector<std::string>{"1 큰 제목"});
  CHECK(d.text ==
        "큰 제목\n\n한 문단 이어짐 끝\n\n둘째\n\n가\t나\n다\t라\n\n- 하나\n- 둘\n\na\n  b\n");
}

TEST_CASE("HTML: any depth is read, past the cap without structure") {
  std::string deep = "<html>";
  for (int i = 0; i < 200'000; ++i) deep += "<div>";
  const Document d = Read(deep + "깊은 글", "a.html");
  CHECK(d.text == "깊은 글\n");
  CHECK(d.warnings.size() == 1);
}

TEST_CASE("XML: no entity is expanded or fetched, depth is capped") {
  const Document d = Read(
      "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">"
      "<!ENTITY f SYSTEM \"file:///etc/passwd\">]><x><t>글 &lt;</t><t>&b;&f;</t></x>",
      "a.xml");
  CHECK(d.text == "글 <\n&b;&f;\n");
  std::string deep = "<?xml version=\"1.0\"?>";
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  const auto refused = ParseDocument(deep, "a.xml", {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kOutOfRange);
}

TEST_CASE("what is no document is refused with its type; limits are errors") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\x89PNG\r\n\x1A\n...."s, "PNG"},
      {"\x1F\x8B\x08...."s, "gzip"},
      {"7z\xBC\xAF\x27\x1C.."s, "7z"},
      {"HWP Document File V3.00 \x1A"s, "HWP 3.0"},
      {"abc\0def\0\0\0"s, "binary"},
      {"\x7F"
       "ELF...."s,
       "ELF"}};
  for (const auto& [bytes, type] : cases) {
    CAPTURE(type);
    const auto d = ParseDocument(bytes, "a.txt", {});
    REQUIRE_FALSE(d.ok());
    CHECK(d.error().code() == Code::kUnsupported);
    CHECK(d.error().message().find(type) != std::string::npos);
  }
  ReaderLimits limits;
  limits.file_bytes = 10;
  CHECK(ParseDocument(std::string(11, 'a'), "a", limits).error().code() == Code::kOutOfRange);
  limits = {};
  limits.text_bytes = 10;
  CHECK(ParseDocument(std::string(11, 'a'), "a", limits).error().code() == Code::kOutOfRange);
}

TEST_CASE("code and data keep their bytes under their format's name") {
  CHECK(Read("int main() {}\n", "a.cc").format == "code");
  CHECK(Read("{\"a\": 1}\n{\"a\": 2}\n", "a.jsonl").format == "jsonl");
  CHECK(Read("a\tb\n", "a.tsv").format == "csv");
  CHECK(Read("", "a.txt").text.empty());
}
