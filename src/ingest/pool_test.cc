// Goal: whatever is in a file, reading it ends with a document or a typed error, within the limits,
// and costs no other file.
// Method: hostile files written here, read by sandboxed children of this very binary; the corpus of
// real, broken and hostile documents where it is present (its core part, or with MALMOI_FULL=1
// all).
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cstdio>
#include <random>
#include <thread>

#include "base/strings.h"
#include "ingest/reader.h"
#include "os/paths.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"

using namespace malmoi;
using namespace malmoi::ingest;
using std::string_literals::operator""s;

void BeforeTests(int argc, char** argv) {
  MaybeRunReaderChild(argc, argv);
}

namespace {

using Parts = std::vector<std::pair<std::string, std::string>>;

std::string WriteZip(const os::ScratchDir& folder, const std::string& name, const Parts& parts) {
  const std::string path = os::JoinPath(folder.path(), name);
  int error = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
  REQUIRE(zip != nullptr);
  for (const auto& [part, bytes] : parts) {
    zip_source_t* source = zip_source_buffer(zip, bytes.data(), bytes.size(), 0);
    REQUIRE(zip_file_add(zip, part.c_str(), source, 0) >= 0);
  }
  REQUIRE(zip_close(zip) == 0);
  return path;
}

std::unique_ptr<ReaderPool> StartPool(std::size_t children = 1, const ReaderLimits& limits = {}) {
  auto pool = ReaderPool::Start(children, limits);
  if (!pool.ok()) FAIL(pool.error().message());
  return std::move(pool).value();
}

std::string Outcome(ReaderPool* pool, const std::string& path) {
  const auto d = pool->Read(path);
  return d.ok() ? "ok" : std::string(CodeName(d.error().code()));
}

// A PDF of one page that shows `text`.
std::string MakePdf(const std::string& text) {
  const std::string stream = "BT /F 12 Tf 72 700 Td (" + text + ") Tj ET";
  const std::vector<std::string> objects = {
      "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
      "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
      "/Resources<</Font<</F 5 0 R>>>>>>",
      "<</Length " + std::to_string(stream.size()) + ">>stream\n" + stream + "\nendstream",
      "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"};
  std::string pdf = "%PDF-1.4\n";
  std::string table = "0000000000 65535 f \n";
  for (std::size_t i = 0; i < objects.size(); ++i) {
    char entry[32];
    std::snprintf(entry, sizeof(entry), "%010zu 00000 n \n", pdf.size());
    table += entry;
    pdf += std::to_string(i + 1) + " 0 obj" + objects[i] + "endobj\n";
  }
  const std::size_t start = pdf.size();
  return pdf + "xref\n0 6\n" + table + "trailer<</Size 6/Root 1 0 R>>\nstartxref\n" +
         std::to_string(start) + "\n%%EOF\n";
}

std::string DocxBody(const std::string& body) {
  return "<?xml version=\"1.0\"?><w:document xmlns:w=\"w\"><w:body>" + body +
         "</w:body></w:document>";
}

const std::string kLaughs =
    "<!DOCTYPE x [<!ENTITY a \"ha ha ha ha ha ha ha ha ha ha\">"
    "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">"
    "<!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e "
    "\"&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;\">]>";

}  // namespace

TEST_CASE("the pool gives what the parser gives, from many threads") {
  const os::ScratchDir folder;
  std::vector<std::string> paths;
  for (int i = 0; i < 20; ++i) {
    const std::string n = std::to_string(i);
    paths.push_back(folder.Write(n + ".md", "# 글 " + n + "\n\n본문 " + n + "\n"));
  }
  const auto pool = StartPool(2);
  std::vector<std::thread> threads;
  std::vector<int> right(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < paths.size(); ++i) {
        const auto d = pool->Read(paths[i]);
        right[static_cast<std::size_t>(t)] += d.ok() &&
                                              d.value().title == "글 " + std::to_string(i) &&
                                              d.value().headings.size() == 1;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (const int n : right) CHECK(n == 20);
  CHECK(pool->peak_child_bytes() > 0);
}

TEST_CASE("hostile and broken files get a document or a typed error, and the pool goes on") {
  const os::ScratchDir folder;
  const auto pool = StartPool();
  std::string deep = "<html>";
  for (int i = 0; i < 300'000; ++i) deep += "<b><div>";
  std::string deep_xml;
  for (int i = 0; i < 100'000; ++i) deep_xml += "<w:r>";
  std::string many = "PK\x03\x04";
  many += std::string(1000, 'x');
  const std::string bomb(150 << 20, ' ');
  const std::vector<std::pair<std::string, std::string>> files = {
      {WriteZip(folder, "bomb.docx", {{"word/document.xml", bomb}}), "out_of_range"},
      {WriteZip(folder, "deep.docx", {{"word/document.xml", deep_xml}}), "out_of_range"},
      {WriteZip(
           folder, "laughs.docx",
           {{"word/document.xml", kLaughs + DocxBody("<w:p><w:r><w:t>&e;</w:t></w:r></w:p>")}}),
       "ok"},
      {WriteZip(folder, "broken.docx", {{"word/document.xml", "<w:document><w:p>"}}), "corruption"},
      {folder.Write("laughs.xml", "<?xml version=\"1.0\"?>" + kLaughs + "<x>&e;</x>"), "ok"},
      {folder.Write("cut.zip", many), "corruption"},
      {folder.Write("deep.html", deep), "ok"},
      {folder.Write("cut.hwp", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"s + std::string(300, '\0')),
       "corruption"},
      {folder.Write("zeros.bin", std::string(1000, '\0')), "unsupported"},
      {folder.Write("empty.txt", ""), "ok"},
      {folder.path(), "unsupported"},
      {folder.path() + "/none.txt", "not_found"},
  };
  for (const auto& [path, expected] : files) {
    CAPTURE(path);
    CHECK(Outcome(pool.get(), path) == expected);
  }
  // A pipe without a writer must not be waited for.
  const std::string pipe = folder.path() + "/pipe.txt";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(Outcome(pool.get(), pipe) == "unsupported");
  CHECK(Outcome(pool.get(), folder.Write("after.txt", "살아 있다")) == "ok");
  CHECK(pool->peak_child_bytes() <= 512ull << 20);
}

TEST_CASE("limits of size, text and memory are errors that name them") {
  const os::ScratchDir folder;
  ReaderLimits limits;
  limits.file_bytes = 1 << 20;
  limits.text_bytes = 1000;
  const auto pool = StartPool(1, limits);
  CHECK(Outcome(pool.get(), folder.Write("large.txt", std::string(2 << 20, 'x'))) ==
        "out_of_range");
  CHECK(Outcome(pool.get(), folder.Write("long.txt", std::string(2000, 'x'))) == "out_of_range");
  CHECK(Outcome(pool.get(), folder.Write("fits.txt", std::string(900, 'x'))) == "ok");
#if !defined(__SANITIZE_ADDRESS__)
  limits = {};
  limits.memory_bytes = 24 << 20;
  const auto small = StartPool(1, limits);
  const std::string path = folder.Write("needs.md", std::string(60 << 20, 'x'));
  const auto d = small->Read(path);
  REQUIRE_FALSE(d.ok());
  CHECK(d.error().code() == Code::kOutOfRange);
  CHECK(Outcome(small.get(), folder.Write("after.txt", "살아 있다")) == "ok");
#endif
}

TEST_CASE("damaged forms of every container never take the pool down") {
  const os::ScratchDir folder;
  const auto pool = StartPool();
  const std::string docx =
      WriteZip(folder, "a.docx",
               {{"word/document.xml", DocxBody("<w:p><w:r><w:t>가나다</w:t></w:r></w:p>")}});
  const auto zip = os::ReadFile(os::PosixVfs(), docx);
  REQUIRE(zip.ok());
  const std::vector<std::string> seeds = {
      zip.value(), MakePdf("Hello"),
      "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"s + std::string(4096, '\x01'),
      "<html><table><tr><td>a<b><p>x</table></html>", "{\\rtf1 abc}"};
  std::mt19937 random(7);
  int answered = 0;
  for (int round = 0; round < 120; ++round) {
    std::string bytes = seeds[static_cast<std::size_t>(round) % seeds.size()];
    const std::size_t keep = 8 + random() % bytes.size();
    for (unsigned i = random() % 12; i > 0; --i) {
      bytes[8 + random() % (bytes.size() - 8)] = static_cast<char>(random());
    }
    if (round % 3 == 0) bytes.resize(std::min(bytes.size(), keep));
    const auto d = pool->Read(folder.Write("damaged", bytes));
    const bool crashed =
        !d.ok() && (d.error().code() == Code::kInternal || d.error().code() == Code::kDeadline);
    if (crashed) FAIL_CHECK("round " << round << ": " << d.error().message());
    answered += !crashed;
  }
  CHECK(answered == 120);
}

TEST_CASE("PDF: text, page and refusal of damage") {
  if (!os::FindAsset("pdfium/libpdfium.so")) {
    MESSAGE("skipped: PDF: build/assets/pdfium is absent");
    return;
  }
  const os::ScratchDir folder;
  const auto pool = StartPool();
  const std::string pdf = MakePdf("Hello sandbox");
  const auto d = pool->Read(folder.Write("a.pdf", pdf));
  if (!d.ok()) FAIL(d.error().message());
  CHECK(d.value().text == "Hello sandbox\n");
  CHECK(d.value().format == "pdf");
  CHECK(d.value().page_starts == std::vector<std::uint64_t>{0});
  CHECK(Outcome(pool.get(), folder.Write("b.pdf", "%PDF-1.7\n" + std::string(99, 'x'))) ==
        "corruption");
  const auto blank = pool->Read(folder.Write("c.pdf", MakePdf("")));
  REQUIRE_FALSE(blank.ok());
  CHECK(blank.error().code() == Code::kUnsupported);
  CHECK(blank.error().message().find("text layer") != std::string::npos);
}

TEST_CASE("the corpus of documents: no crash, no hang, every file an answer") {
  const std::string shared =
      os::GetEnv("MALMOI_SHARED").value_or(std::string(MALMOI_SOURCE_DIR) + "/../shared");
  const std::string root = shared + "/data/documents";
  const auto manifest = os::ReadFile(os::PosixVfs(), root + "/MANIFEST.tsv");
  if (!manifest.ok()) {
    MESSAGE("skipped: the corpus of documents: ../shared is absent");
    return;
  }
  const bool full = os::GetEnv("MALMOI_FULL").has_value();
  const auto pool = StartPool();
  int files = 0;
  int documents = 0;
  for (const std::string_view line : Split(manifest.value(), '\n')) {
    const auto columns = Split(line, '\t');
    if (columns.size() < 12 || columns[0] == "file") continue;
    if (!full && columns[11] != "core" && columns[1] == "normal") continue;
    const std::string path = root + "/" + std::string(columns[0]);
    const auto d = pool->Read(path);
    ++files;
    documents += d.ok();
    if (d.ok()) {
      CHECK(Decode(Encode(d.value())).ok());
      CHECK(ChunkDocument(d.value()).size() <= d.value().text.size());
    } else if (d.error().code() == Code::kInternal || d.error().code() == Code::kDeadline ||
               d.error().code() == Code::kIo) {
      FAIL_CHECK(d.error().message());
    }
  }
  MESSAGE(documents << " of " << files << " files read, largest child "
                    << FormatBytes(pool->peak_child_bytes()));
  CHECK(files > 100);
  CHECK(documents > 50);
  CHECK(pool->peak_child_bytes() <= 512ull << 20);
}
