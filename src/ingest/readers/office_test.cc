// Goal: each office format gives its text, tables as rows, headings and title; locked files say so.
// Method: the smallest files of each format, written here; HWP through a writer of compound files.
#include <doctest/doctest.h>
#include <zip.h>
#include <zlib.h>

#include <cstdlib>

#include "base/bytes.h"
#include "base/utf8.h"
#include "ingest/reader.h"

using namespace malmoi;
using namespace malmoi::ingest;

namespace {

using Parts = std::vector<std::pair<std::string, std::string>>;

std::string MakeZip(const Parts& parts) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(source);
  zip_t* zip = zip_open_from_source(source, ZIP_TRUNCATE, &error);
  REQUIRE(zip != nullptr);
  for (const auto& [name, bytes] : parts) {
    zip_source_t* part = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    REQUIRE(zip_file_add(zip, name.c_str(), part, 0) >= 0);
  }
  REQUIRE(zip_close(zip) == 0);
  REQUIRE(zip_source_open(source) == 0);
  zip_source_seek(source, 0, SEEK_END);
  std::string out(static_cast<std::size_t>(zip_source_tell(source)), '\0');
  zip_source_seek(source, 0, SEEK_SET);
  REQUIRE(zip_source_read(source, out.data(), out.size()) == static_cast<zip_int64_t>(out.size()));
  zip_source_close(source);
  zip_source_free(source);
  return out;
}

Document Read(const std::string& bytes) {
  auto d = ParseDocument(bytes, "file", {});
  if (!d.ok()) FAIL(d.error().message());
  return std::move(d).value();
}

std::string Wide(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    Put<std::uint16_t>(&out, static_cast<std::uint16_t>(rune.value));
    at += rune.size;
  }
  return out;
}

// A compound file of 512-byte sectors with streams of at least 4,096 bytes (padded with zeros), all
// in one flat directory but for names with "BodyText/".
class CompoundWriter {
 public:
  void Add(const std::string& name, std::string bytes) {
    bytes.resize(std::max<std::size_t>((bytes.size() + 511) / 512 * 512, 4096));
    streams_.push_back({name, std::move(bytes)});
  }

  std::string Finish() const {
    std::string sectors;
    std::vector<std::uint32_t> fat;
    const auto chain = [&](std::string_view bytes) {
      const auto start = static_cast<std::uint32_t>(fat.size());
      const std::size_t count = bytes.size() / 512;
      for (std::size_t i = 1; i < count; ++i)
        fat.push_back(static_cast<std::uint32_t>(fat.size() + 1));
      fat.push_back(0xFFFFFFFE);
      sectors += bytes;
      return start;
    };
    std::vector<std::uint32_t> starts;
    for (const auto& [name, bytes] : streams_) starts.push_back(chain(bytes));
    const std::string directory = Directory(starts);
    const std::uint32_t directory_start = chain(directory);
    const auto fat_sector = static_cast<std::uint32_t>(fat.size());
    fat.push_back(0xFFFFFFFD);
    REQUIRE(fat.size() <= 128);
    fat.resize(128, 0xFFFFFFFF);
    for (const std::uint32_t entry : fat) Put(&sectors, entry);
    return Header(directory_start, fat_sector) + sectors;
  }

 private:
  static std::string Header(std::uint32_t directory_start, std::uint32_t fat_sector) {
    std::string h("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
    h.resize(24);
    Put<std::uint16_t>(&h, 0x3E);
    Put<std::uint16_t>(&h, 3);
    Put<std::uint16_t>(&h, 0xFFFE);
    Put<std::uint16_t>(&h, 9);
    Put<std::uint16_t>(&h, 6);
    h.resize(44);
    Put<std::uint32_t>(&h, 1);
    Put<std::uint32_t>(&h, directory_start);
    Put<std::uint32_t>(&h, 0);
    Put<std::uint32_t>(&h, 4096);
    Put<std::uint32_t>(&h, 0xFFFFFFFE);
    Put<std::uint32_t>(&h, 0);
    Put<std::uint32_t>(&h, 0xFFFFFFFE);
    Put<std::uint32_t>(&h, 0);
    Put<std::uint32_t>(&h, fat_sector);
    while (h.size() < 512) Put<std::uint32_t>(&h, 0xFFFFFFFF);
    return h;
  }

  static void Entry(std::string* out, const std::string& name, char type, std::uint32_t right,
                    std::uint32_t child, std::uint32_t start, std::size_t size) {
    std::string e = Wide(name);
    const auto name_bytes = static_cast<std::uint16_t>(e.size() + 2);
    e.resize(64);
    Put<std::uint16_t>(&e, name_bytes);
    e.push_back(type);
    e.push_back(1);
    Put<std::uint32_t>(&e, 0xFFFFFFFF);
    Put<std::uint32_t>(&e, right);
    Put<std::uint32_t>(&e, child);
    e.resize(116);
    Put<std::uint32_t>(&e, start);
    Put<std::uint64_t>(&e, size);
    *out += e;
  }

  // Entry 0 is the root, 1 the storage BodyText, then the streams; siblings are a list to the
  // right.
  std::string Directory(const std::vector<std::uint32_t>& starts) const {
    constexpr std::uint32_t kNone = 0xFFFFFFFF;
    std::uint32_t first_inner = kNone;
    std::uint32_t first_outer = kNone;
    std::vector<std::uint32_t> rights(streams_.size(), kNone);
    for (std::size_t i = streams_.size(); i-- > 0;) {
      auto& first = streams_[i].first.starts_with("BodyText/") ? first_inner : first_outer;
      rights[i] = first;
      first = static_cast<std::uint32_t>(i + 2);
    }
    std::string out;
    Entry(&out, "Root Entry", 5, kNone, 1, 0xFFFFFFFE, 0);
    Entry(&out, "BodyText", 1, first_outer, first_inner, 0, 0);
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      const std::string& name = streams_[i].first;
      const std::size_t slash = name.find('/');
      Entry(&out, slash == name.npos ? name : name.substr(slash + 1), 2, rights[i], kNone,
            starts[i], streams_[i].second.size());
    }
    out.resize((out.size() + 511) / 512 * 512);
    return out;
  }

  std::vector<std::pair<std::string, std::string>> streams_;
};

void PutRecord(std::string* out, std::uint32_t tag, std::uint32_t level, std::string_view data) {
  Put<std::uint32_t>(out, tag | level << 10 | static_cast<std::uint32_t>(data.size()) << 20);
  *out += data;
}

void PutParagraph(std::string* out, std::uint32_t level, std::uint8_t style,
                  std::string_view text) {
  std::string header(22, '\0');
  header[10] = static_cast<char>(style);
  PutRecord(out, 0x42, level, header);
  PutRecord(out, 0x43, level + 1, Wide(text) + Wide("\r"));
}

std::string Deflate(const std::string& bytes) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(bytes.size() + 100, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

std::string MakeHwp(std::uint32_t flags) {
  std::string header = "HWP Document File";
  header.resize(32);
  Put<std::uint32_t>(&header, 0x05000300);
  Put<std::uint32_t>(&header, flags);
  std::string styles;
  for (const char* name : {"바탕글", "개요 1"}) {
    std::string style;
    Put<std::uint16_t>(&style, static_cast<std::uint16_t>(CountRunes(name)));
    PutRecord(&styles, 0x1A, 0, style + Wide(name));
  }
  std::string body;
  PutParagraph(&body, 0, 1, "첫째 장");
  // A tab (9) is a control of eight places, of which six are its own.
  PutParagraph(&body, 0, 0, "앞\t123456\t뒤");
  PutParagraph(&body, 0, 0, "표가 든 문단");
  PutRecord(&body, 0x47, 1, std::string(" lbt") + std::string(20, '\0'));
  PutRecord(&body, 0x4D, 2, std::string(20, '\0'));
  for (const int cell : {0, 1, 2, 3}) {
    std::string list(8, '\0');
    Put<std::uint16_t>(&list, static_cast<std::uint16_t>(cell % 2));
    Put<std::uint16_t>(&list, static_cast<std::uint16_t>(cell / 2));
    PutRecord(&body, 0x48, 2, list);
    PutParagraph(&body, 2, 0, "칸" + std::to_string(cell));
  }
  PutParagraph(&body, 0, 0, "끝");
  CompoundWriter file;
  file.Add("FileHeader", header);
  file.Add("DocInfo", Deflate(styles));
  file.Add("BodyText/Section0", Deflate(body));
  return file.Finish();
}

const std::string kRels =
    "<Relationships><Relationship Id=\"r1\" Target=\"s/a.xml\"/>"
    "<Relationship Id=\"r2\" Target=\"/x/b.xml\"/></Relationships>";

}  // namespace

TEST_CASE("DOCX: paragraphs, headings by style, table rows, notes, title; deletions left out") {
  const std::string body =
      "<w:document xmlns:w=\"w\"><w:body>"
      "<w:p><w:pPr><w:pStyle "
      "w:val=\"a1\"/></w:pPr><w:r><w:t>개</w:t></w:r><w:r><w:t>요</w:t></w:r></w:p>"
      "<w:p><w:r><w:t xml:space=\"preserve\">본문 </w:t></w:r><w:r><w:t>둘</w:t></w:r>"
      "<w:del><w:r><w:delText>지움</w:delText></w:r></w:del></w:p>"
      "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>가</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>나</w:t>"
      "</w:r></w:p><w:p><w:r><w:t>나2</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></"
      "w:document>";
  const Document d = Read(MakeZip(
      {{"word/document.xml", body},
       {"word/styles.xml",
        "<w:styles xmlns:w=\"w\"><w:style w:styleId=\"h\"><w:name w:val=\"heading 2\"/></w:style>"
        "<w:style w:styleId=\"a1\"><w:name w:val=\"내 제목\"/><w:basedOn w:val=\"h\"/></w:style>"
        "</w:styles>"},
       {"word/footnotes.xml",
        "<w:footnotes xmlns:w=\"w\"><w:footnote><w:p><w:r><w:t>각주</w:t></w:r></w:p></w:footnote>"
        "</w:footnotes>"},
       {"docProps/core.xml", "<p xmlns:dc=\"d\"><dc:title>보고서</dc:title></p>"}}));
  CHECK(d.text == "개요\n\n본문 둘\n\n가\t나 나2\n\n각주\n");
  CHECK(d.format == "docx");
  CHECK(d.title == "보고서");
  REQUIRE(d.headings.size() == 1);
  CHECK(d.headings[0].level == 2);
  CHECK(d.headings[0].title == "개요");
}

TEST_CASE("HWPX: sections in order, outline styles, tables; encryption told") {
  const Parts parts = {
      {"Contents/content.hpf", "<p><opf:title xmlns:opf=\"o\">공문</opf:title></p>"},
      {"Contents/header.xml",
       "<hh:head xmlns:hh=\"h\"><hh:style id=\"3\" name=\"개요 2\"/></hh:head>"},
      {"Contents/section0.xml",
       "<hs:sec xmlns:hs=\"s\" xmlns:hp=\"p\"><hp:p "
       "styleIDRef=\"3\"><hp:run><hp:t>장</hp:t></hp:run></hp:p>"
       "<hp:p><hp:run><hp:t>앞<hp:tab/>뒤</hp:t><hp:tbl><hp:tr><hp:tc><hp:subList><hp:p><hp:run>"
       "<hp:t>가</hp:t></hp:run></hp:p></hp:subList></hp:tc><hp:tc><hp:subList><hp:p><hp:run>"
       "<hp:t>나</hp:t></hp:run></hp:p></hp:subList></hp:tc></hp:tr></hp:tbl></hp:run></hp:p></"
       "hs:sec>"},
      {"Contents/section1.xml",
       "<hs:sec xmlns:hs=\"s\" "
       "xmlns:hp=\"p\"><hp:p><hp:run><hp:t>둘째</hp:t></hp:run></hp:p></hs:sec>"}};
  const Document d = Read(MakeZip(parts));
  CHECK(d.text == "장\n\n앞 뒤\n가\t나\n\n둘째\n");
  CHECK(d.title == "공문");
  REQUIRE(d.headings.size() == 1);
  CHECK(d.headings[0].level == 2);
  Parts locked = parts;
  locked.emplace_back("META-INF/manifest.xml", "<m><odf:encryption-data/></m>");
  const auto refused = ParseDocument(MakeZip(locked), "a.hwpx", {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kUnsupported);
  CHECK(refused.error().message().find("password") != std::string::npos);
}

TEST_CASE("HWP 5: paragraphs, controls, outline styles, cells by row; locked files told") {
  const Document d = Read(MakeHwp(1));
  CHECK(d.text == "첫째 장\n\n앞 뒤\n\n표가 든 문단\n\n칸0\t칸1\n칸2\t칸3\n\n끝\n");
  CHECK(d.format == "hwp");
  REQUIRE(d.headings.size() == 1);
  CHECK(d.headings[0].title == "첫째 장");
  for (const auto& [flags, word] : {std::pair{3u, "password"}, {5u, "배포용"}, {17u, "rights"}}) {
    const auto locked = ParseDocument(MakeHwp(flags), "a.hwp", {});
    REQUIRE_FALSE(locked.ok());
    CHECK(locked.error().code() == Code::kUnsupported);
    CHECK(locked.error().message().find(word) != std::string::npos);
  }
}

TEST_CASE("HWP: every byte of the file may be wrong without a crash") {
  const std::string good = MakeHwp(1);
  std::size_t answers = 0;
  for (std::size_t at = 8; at < good.size(); at += at < 600 ? 1 : 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0xFF);
    const auto d = ParseDocument(bad, "a.hwp", {});
    answers += d.ok() || !d.error().message().empty();
  }
  CHECK(answers > 600);
}

TEST_CASE("PPTX: a page a slide in the order shown, titles are headings") {
  const auto slide = [](const std::string& title, const std::string& text) {
    return "<p:sld xmlns:p=\"p\" xmlns:a=\"a\"><p:sp><p:nvSpPr><p:nvPr><p:ph "
           "type=\"title\"/></p:nvPr>"
           "</p:nvSpPr><p:txBody><a:p><a:r><a:t>" +
           title + "</a:t></a:r></a:p></p:txBody></p:sp><p:sp><p:txBody><a:p><a:r><a:t>" + text +
           "</a:t></a:r></a:p></p:txBody></p:sp></p:sld>";
  };
  const Document d = Read(MakeZip({{"ppt/presentation.xml",
                                    "<p:x xmlns:p=\"p\" xmlns:r=\"r\"><p:sldId id=\"1\" "
                                    "r:id=\"r2\"/><p:sldId id=\"2\" r:id=\"r1\"/></p:x>"},
                                   {"ppt/_rels/presentation.xml.rels", kRels},
                                   {"ppt/s/a.xml", slide("둘", "나")},
                                   {"x/b.xml", slide("하나", "가")}}));
  CHECK(d.text == "하나\n\n가\n\n둘\n\n나\n");
  CHECK(d.page_starts.size() == 2);
  CHECK(PageAt(d, d.text.rfind("나\n")) == 2);
  CHECK(d.headings.size() == 2);
}

TEST_CASE("XLSX: sheets are headings, rows are lines; shared strings, numbers and dates") {
  const Document d = Read(MakeZip(
      {{"xl/workbook.xml", "<w xmlns:r=\"r\"><sheet name=\"매출\" sheetId=\"1\" r:id=\"r1\"/></w>"},
       {"xl/_rels/workbook.xml.rels", kRels},
       {"xl/styles.xml", "<s><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></s>"},
       {"xl/sharedStrings.xml",
        "<s><si><t>이름</t></si><si><r><t>날</t></r><r><t>짜</t></r></si></s>"},
       {"xl/s/a.xml",
        "<s><sheetData><row><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"C1\" t=\"s\"><v>1</v></c></row>"
        "<row><c r=\"A2\"><v>0.10000000000000001</v></c><c r=\"C2\" s=\"1\"><v>45352</v></c></row>"
        "<row><c r=\"A3\" t=\"inlineStr\"><is><t>줄</t></is></c><c r=\"B3\" "
        "t=\"b\"><v>1</v></c></row>"
        "</sheetData></s>"}}));
  CHECK(d.text == "매출\n\n이름\t\t날짜\n0.1\t\t2024-03-01\n줄\tTRUE\n");
  CHECK(d.headings.size() == 1);
}

TEST_CASE("OpenDocument: headings, lists, tables; encryption told") {
  const std::string content =
      "<o xmlns:text=\"t\" xmlns:table=\"b\"><text:h text:outline-level=\"2\">장</text:h>"
      "<text:p>글<text:s/>자</text:p><table:table><table:table-row><table:table-cell><text:p>가</"
      "text:p>"
      "</table:table-cell><table:table-cell><text:p>나</text:p></table:table-cell></"
      "table:table-row>"
      "</table:table></o>";
  Parts parts = {{"mimetype", "application/vnd.oasis.opendocument.text"}, {"content.xml", content}};
  const Document d = Read(MakeZip(parts));
  CHECK(d.text == "장\n\n글 자\n\n가\t나\n");
  CHECK(d.format == "odt");
  REQUIRE(d.headings.size() == 1);
  CHECK(d.headings[0].level == 2);
  parts.emplace_back("META-INF/manifest.xml", "<m><encryption-data/></m>");
  CHECK(ParseDocument(MakeZip(parts), "a.odt", {}).error().code() == Code::kUnsupported);
}

TEST_CASE("EPUB: chapters in the spine's order") {
  const Document d = Read(MakeZip(
      {{"mimetype", "application/epub+zip"},
       {"META-INF/container.xml", "<c><rootfile full-path=\"O/p.opf\"/></c>"},
       {"O/p.opf",
        "<p xmlns:dc=\"d\"><dc:title>책</dc:title><item id=\"a\" href=\"%61.xhtml\"/>"
        "<item id=\"b\" href=\"b.xhtml\"/><itemref idref=\"b\"/><itemref idref=\"a\"/></p>"},
       {"O/a.xhtml", "<html><body><h1>둘째</h1></body></html>"},
       {"O/b.xhtml", "<html><body><h1>첫째</h1><p>글</p></body></html>"}}));
  CHECK(d.text == "첫째\n\n글\n\n둘째\n\n");
  CHECK(d.title == "책");
  REQUIRE(d.headings.size() == 2);
  CHECK(d.text.substr(d.headings[1].begin, 6) == "둘째");
}

TEST_CASE("RTF: Korean by code page, font and Unicode; groups without text left out") {
  const Document d = Read(
      "{\\rtf1\\ansi\\ansicpg949\\deff0{\\fonttbl{\\f0\\fcharset129 Batang;}{\\f1\\fcharset0 "
      "Arial;}}"
      "{\\info{\\title \\'c1\\'a6\\'b8\\'f1}}{\\*\\generator x;}\\'b0\\'a1\\'b3\\'aa \\f1 "
      "caf\\'e9\\par "
      "\\u45796?\\uc0\\u46972 {\\b bold}\\tab x\\par}");
  CHECK(d.text == "가나 café\n\n다라bold x\n");
  CHECK(d.title == "제목");
  const auto deep = ParseDocument("{\\rtf1" + std::string(100'000, '{'), "a.rtf", {});
  CHECK(deep.error().code() == Code::kOutOfRange);
}

TEST_CASE("mail: headers and text decoded, attachments named, encryption told") {
  const Document d = Read(
      "From: =?utf-8?B?7ZmN6ri464+Z?= <a@example.com>\r\nTo: b@example.com\r\n"
      "Subject: =?euc-kr?Q?=BE=C8=B3=E7?=\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\n"
      "Content-Type: text/plain; charset=euc-kr\r\nContent-Transfer-Encoding: base64\r\n\r\n"
      "vsiz5w==\r\n--x\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n\r\nxx\r\n--x--\r\n");
  CHECK(d.title == "안녕");
  CHECK(d.text.find("\nFrom: 홍길동 <a@example.com>\n") != std::string::npos);
  CHECK(d.text.ends_with("\n\n안녕\n"));
  CHECK(d.warnings == std::vector<std::string>{"attachment not read: a.pdf"});
}
