// Goal: an index says what the files say, however it came to be: built at once, step by step, with
// interruptions, or with another model; and what it cannot do it says in words.
// Method: made-up Markdown in scratch folders, an embedder and readers without model or children;
// ranked lists compared with those of a fresh index, to the last bit.
#include "rag/library.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "json/value.h"
#include "rag/library_fixture_internal.h"
#include "vec/collection.h"

namespace malmoi::rag {
namespace {

using fixture::DirectReaders;
using fixture::Folder;
using fixture::MakeMarkdown;
using fixture::RankedLists;
using fixture::WordEmbedder;

LibraryOptions OptionsFor(const Folder& data, std::shared_ptr<embed::Embedder> embedder,
                          std::shared_ptr<ingest::ReaderPool> readers = nullptr) {
  LibraryOptions options;
  options.data_directory = data.path();
  options.threads = 2;
  options.jobs = 2;
  options.model = "none";
  options.embedder = std::move(embedder);
  options.readers = readers != nullptr ? std::move(readers) : std::make_shared<DirectReaders>();
  return options;
}

std::unique_ptr<Library> MustOpen(const LibraryOptions& options) {
  auto library = Library::Open(options);
  if (!library.ok()) FAIL(library.error().message());
  return std::move(library).value();
}

RetrieveOptions InMode(SearchMode mode) {
  RetrieveOptions options;
  options.mode = mode;
  return options;
}

IndexReport MustIndex(Library& library, const std::string& path) {
  auto report = library.Index(path, "c", nullptr, nullptr);
  if (!report.ok()) FAIL(report.error().message());
  return std::move(report).value();
}

std::string FreshLists(const std::string& docs, std::shared_ptr<embed::Embedder> embedder) {
  const Folder data;
  const auto library = MustOpen(OptionsFor(data, std::move(embedder)));
  MustIndex(*library, docs);
  return RankedLists(*library, "c");
}

TEST_CASE("a hit names the bytes of its file") {
  const Folder data;
  const Folder docs;
  docs.Write("a/one.md", "# 도서관\n\n## 대출\n\n책은 두 주 동안 빌릴 수 있습니다.\n");
  docs.Write("two.md", "# Garden\n\nThe orchard is open in winter.\n\n## Tools\n\nLanterns.\n");
  const auto library = MustOpen(OptionsFor(data, std::make_shared<WordEmbedder>("w", 16)));
  const IndexReport report = MustIndex(*library, docs.path());
  CHECK(report.files == 2);
  CHECK(report.added == 2);
  CHECK(report.vectors_complete);
  CHECK(report.vectors_added == report.chunks);
  for (const char* query : {"orchard winter", "책을 빌리는 기간"}) {
    const auto found = library->Search("c", query, {}, nullptr);
    REQUIRE(found.ok());
    CHECK(found.value().mode == "hybrid");
    REQUIRE(!found.value().hits.empty());
    for (const SearchHit& hit : found.value().hits) {
      const Passage& p = hit.passage;
      const std::string bytes = os::ReadFile(os::PosixVfs(), docs.At(p.path)).value();
      CHECK(bytes.substr(p.start, p.end - p.start) == p.text);
      const auto lines =
          std::count(bytes.begin(), bytes.begin() + static_cast<long>(p.start), '\n');
      CHECK(p.line == 1 + lines);
      CHECK(p.page == 0);
    }
  }
  const auto best = library->Search("c", "빌릴 책", InMode(SearchMode::kLexical), nullptr);
  REQUIRE(best.ok());
  REQUIRE(!best.value().hits.empty());
  CHECK(best.value().hits[0].passage.path == "a/one.md");

  const auto json = json::Parse(ToJson(best.value()));
  REQUIRE(json.ok());
  const json::Value& hit = json.value().Find("hits")->items()[0];
  CHECK(hit.GetString("path") == "a/one.md");
  CHECK(hit.Find("page")->is_null());
  CHECK(hit.GetInt("line") > 0);
  CHECK(hit.Find("scores")->GetDouble("lexical") > 0);
  CHECK(hit.Find("scores")->Find("dense")->is_null());
  CHECK(json::Parse(ToJson(report)).value().GetInt("chunks") > 0);
  const auto status = library->StatusOf("c");
  REQUIRE(status.ok());
  CHECK(status.value().points == report.chunks);
  CHECK(json::Parse(ToJson(status.value())).value().GetString("model") == "w");
  const auto document = library->ReadDocument("c", "", "two.md");
  REQUIRE(document.ok());
  CHECK(document.value().text == os::ReadFile(os::PosixVfs(), docs.At("two.md")).value());
}

TEST_CASE("only what changed is read, and gone files are gone") {
  const Folder data;
  const Folder docs;
  for (int i = 0; i < 5; ++i) {
    docs.Write("d" + std::to_string(i) + ".md", MakeMarkdown(static_cast<std::uint32_t>(i), 3));
  }
  docs.Write("bad.png", "\x89PNG\r\n\x1a\n not a text");
  const auto readers = std::make_shared<DirectReaders>();
  const auto library = MustOpen(OptionsFor(data, nullptr, readers));
  IndexReport report = MustIndex(*library, docs.path());
  CHECK(report.added == 5);
  CHECK(report.failed == 1);
  REQUIRE(report.failures.size() == 1);
  CHECK(report.failures[0].path == "bad.png");
  CHECK(!report.failures[0].reason.empty());
  CHECK(!report.vectors_complete);
  CHECK(!report.note.empty());
  CHECK(readers->reads == 6);

  report = MustIndex(*library, docs.path());
  CHECK(report.unchanged == 6);
  CHECK(report.failed == 1);
  CHECK(readers->reads == 6);

  docs.Write("d1.md", MakeMarkdown(100, 4));
  docs.Write("new.md", MakeMarkdown(101, 1));
  docs.Remove("d2.md");
  report = MustIndex(*library, docs.path());
  CHECK(report.changed == 1);
  CHECK(report.added == 1);
  CHECK(report.removed == 1);
  CHECK(report.unchanged == 4);
  CHECK(readers->reads == 8);
  CHECK(library->ReadDocument("c", "", "d2.md").error().code() == Code::kNotFound);
  CHECK(library->ReadDocument("c", "", "bad.png").error().code() == Code::kUnsupported);
  CHECK(library->StatusOf("c").value().points == report.chunks);

  // One file of the folder: the others are not looked at.
  docs.Write("d3.md", MakeMarkdown(102, 2));
  docs.Remove("d4.md");
  report = MustIndex(*library, docs.At("d3.md"));
  CHECK(report.root == docs.path());
  CHECK(report.files == 1);
  CHECK(report.changed == 1);
  CHECK(report.removed == 0);
  CHECK(library->ReadDocument("c", docs.path(), "d4.md").ok());
  // Every stored document has a row, and the rest was swept.
  CHECK(os::PosixVfs().List(data.At("content")).value().size() == 5);
}

TEST_CASE("a file whose reader was missing is read when the reader is there") {
  class Readers : public ingest::ReaderPool {
   public:
    Result<ingest::Document> Read(const std::string&) override {
      if (missing) return Error(Code::kUnavailable, "no library for this format");
      ingest::Document document;
      document.text = "harbour lantern";
      document.format = "text";
      return document;
    }
    std::uint64_t peak_child_bytes() const override { return 0; }
    bool missing = true;
  };
  const Folder data;
  const Folder docs;
  docs.Write("a.bin", "x");
  const auto readers = std::make_shared<Readers>();
  const auto library = MustOpen(OptionsFor(data, nullptr, readers));
  CHECK(MustIndex(*library, docs.path()).failed == 1);
  readers->missing = false;
  CHECK(MustIndex(*library, docs.path()).failed == 0);
  CHECK(library->Search("c", "harbour", {}, nullptr).value().hits.size() == 1);
}

TEST_CASE("a change that keeps size and time of a young file is seen") {
  const Folder data;
  const Folder docs;
  docs.Write("a.md", "# A\n\nharbour harbour\n");
  const auto library = MustOpen(OptionsFor(data, nullptr));
  MustIndex(*library, docs.path());
  docs.Write("a.md", "# A\n\nlantern lantern\n");
  CHECK(MustIndex(*library, docs.path()).changed == 1);
  CHECK(library->Search("c", "harbour", {}, nullptr).value().hits.empty());
  CHECK(library->Search("c", "lantern", {}, nullptr).value().hits.size() == 1);
}

TEST_CASE("step by step equals at once, to the last bit") {
  std::mt19937 random(11);
  const Folder data;
  const Folder docs;
  const auto embedder = std::make_shared<WordEmbedder>("w", 24);
  auto library = MustOpen(OptionsFor(data, embedder));
  std::vector<std::string> names;
  for (int step = 0; step < 12; ++step) {
    for (unsigned change = 0; change < 1 + random() % 6; ++change) {
      const std::string name = "f" + std::to_string(random() % 14) + ".md";
      if (random() % 4 == 0) {
        docs.Remove(name);
      } else {
        // Later documents are longer, so that the average moves from bucket to bucket.
        docs.Write(name, MakeMarkdown(static_cast<std::uint32_t>(random() % 1000), 1 + step / 2));
      }
    }
    docs.Write("stays.md", MakeMarkdown(1, 2));
    MustIndex(*library, docs.path());
    if (step % 4 == 3) {
      library.reset();
      library = MustOpen(OptionsFor(data, embedder));
    }
    CAPTURE(step);
    CHECK(RankedLists(*library, "c") == FreshLists(docs.path(), embedder));
  }
}

TEST_CASE("without a model search is lexical; a model fills in; another one starts over") {
  const Folder data;
  const Folder docs;
  for (std::uint32_t i = 0; i < 4; ++i) docs.Write(std::to_string(i) + ".md", MakeMarkdown(i, 3));
  const auto small = std::make_shared<WordEmbedder>("small", 8);
  const auto large = std::make_shared<WordEmbedder>("large", 32);
  {
    const auto library = MustOpen(OptionsFor(data, nullptr));
    MustIndex(*library, docs.path());
    CHECK(library->Search("c", "harbour", {}, nullptr).value().mode == "lexical");
    const auto dense = library->Search("c", "harbour", InMode(SearchMode::kDense), nullptr);
    REQUIRE(!dense.ok());
    CHECK(dense.error().code() == Code::kUnavailable);
  }
  {
    const auto library = MustOpen(OptionsFor(data, small));
    CHECK(library->Search("c", "harbour", {}, nullptr).value().mode == "lexical");
    const IndexReport report = MustIndex(*library, docs.path());
    CHECK(report.unchanged == 4);
    CHECK(report.vectors_added == report.chunks);
    CHECK(library->Search("c", "harbour", {}, nullptr).value().mode == "hybrid");
    CHECK(RankedLists(*library, "c") == FreshLists(docs.path(), small));
  }
  const auto library = MustOpen(OptionsFor(data, large));
  const auto refused = library->Search("c", "harbour", {}, nullptr);
  REQUIRE(!refused.ok());
  CHECK(refused.error().code() == Code::kInvalidArgument);
  CHECK(refused.error().message().find("'small'") != std::string::npos);
  CHECK(refused.error().message().find("'large'") != std::string::npos);
  CHECK(library->Search("c", "harbour", InMode(SearchMode::kLexical), nullptr).ok());
  CHECK(MustIndex(*library, docs.path()).vectors_complete);
  CHECK(RankedLists(*library, "c") == FreshLists(docs.path(), large));
  CHECK(library->Collections() == std::vector<std::string>{"c"});
}

TEST_CASE("vectors that an interruption left out are made by the next run, others not again") {
  const Folder data;
  const Folder docs;
  for (std::uint32_t i = 0; i < 30; ++i) {
    docs.Write(std::to_string(i) + ".md", MakeMarkdown(i, 30));
  }
  const auto embedder = std::make_shared<WordEmbedder>("w", 8);
  const auto library = MustOpen(OptionsFor(data, embedder));
  embedder->fail_after = 300;
  CHECK(library->Index(docs.path(), "c", nullptr, nullptr).error().code() == Code::kIo);
  embedder->fail_after = ~std::uint64_t{0};
  const auto between = library->Search("c", "harbour", {}, nullptr);
  REQUIRE(between.ok());
  CHECK(!between.value().vectors_complete);
  CHECK(!between.value().hits.empty());
  const std::uint64_t before = embedder->embedded();
  const IndexReport report = MustIndex(*library, docs.path());
  CHECK(report.vectors_complete);
  CHECK(report.vectors_added < report.chunks);
  CHECK(embedder->embedded() - before == report.vectors_added);
  CHECK(RankedLists(*library, "c") == FreshLists(docs.path(), embedder));
}

TEST_CASE("a search beside an index run finds every document, whole, in one version") {
  const Folder data;
  const Folder docs;
  const auto write_all = [&](int round) {
    for (int i = 0; i < 6; ++i) {
      docs.Write(std::to_string(i) + ".md", "# Keeper\n\nThe harbour lantern of round " +
                                                std::to_string(round) + " shines.\n");
    }
  };
  write_all(0);
  const auto library = MustOpen(OptionsFor(data, std::make_shared<WordEmbedder>("w", 8)));
  MustIndex(*library, docs.path());
  std::atomic<bool> done = false;
  std::atomic<int> searches = 0;
  std::vector<std::string> wrong;
  std::thread reader([&] {
    while (!done) {
      const auto found = library->Search("c", "harbour lantern", {}, nullptr);
      ++searches;
      if (!found.ok()) {
        wrong.push_back(found.error().message());
        continue;
      }
      std::map<std::string, std::set<std::string>> versions;
      for (const SearchHit& hit : found.value().hits) {
        versions[hit.passage.path].insert(hit.passage.version);
      }
      if (versions.size() != 6) wrong.push_back(std::to_string(versions.size()) + " documents");
      for (const auto& [path, seen] : versions) {
        if (seen.size() != 1) wrong.push_back(path + " in two versions");
      }
    }
  });
  for (int round = 1; round < 12; ++round) {
    write_all(round);
    MustIndex(*library, docs.path());
  }
  // The index runs may outpace the first search: it is waited for.
  while (searches < 2) std::this_thread::yield();
  done = true;
  reader.join();
  CHECK(wrong == std::vector<std::string>{});
}

TEST_CASE("cancelled at any report of progress, a later run completes the index") {
  const Folder docs;
  for (std::uint32_t i = 0; i < 9; ++i) docs.Write(std::to_string(i) + ".md", MakeMarkdown(i, 6));
  const auto embedder = std::make_shared<WordEmbedder>("w", 8);
  const std::string fresh = FreshLists(docs.path(), embedder);
  for (int stop = 1; stop < 24; stop += 2) {
    const Folder data;
    const auto library = MustOpen(OptionsFor(data, embedder));
    Cancel cancel;
    int reports = 0;
    const auto progress = [&](const IndexProgress&) {
      if (++reports == stop) cancel.Set();
    };
    const auto first = library->Index(docs.path(), "c", progress, &cancel);
    if (!first.ok()) CHECK(first.error().code() == Code::kCancelled);
    CAPTURE(stop);
    const IndexReport report = MustIndex(*library, docs.path());
    CHECK(library->StatusOf("c").value().points == report.chunks);
    CHECK(RankedLists(*library, "c") == fresh);
  }
}

TEST_CASE("citations are checked against what is indexed now") {
  const Folder data;
  const Folder docs;
  const std::string text = "# A\n\nThe harbour opens at nine.\n";
  docs.Write("a.md", text);
  docs.Write("b.md", text);
  const auto library = MustOpen(OptionsFor(data, nullptr));
  MustIndex(*library, docs.path());
  const auto found = library->Search("c", "harbour", {}, nullptr);
  REQUIRE(found.ok());
  REQUIRE(found.value().hits.size() == 2);
  Answer answer;
  for (const SearchHit& hit : found.value().hits) {
    Citation citation;
    citation.n = static_cast<std::uint32_t>(answer.citations.size() + 1);
    citation.root = hit.passage.root;
    citation.path = hit.passage.path;
    citation.version = hit.passage.version;
    citation.start = text.find("The");
    citation.end = text.size() - 1;
    citation.quote = "The harbour opens at nine.";
    answer.citations.push_back(citation);
  }
  std::sort(answer.citations.begin(), answer.citations.end(),
            [](const Citation& a, const Citation& b) { return a.path < b.path; });
  auto checks = library->Verify("c", answer);
  REQUIRE(checks.ok());
  CHECK(checks.value()[0].holds);
  CHECK(checks.value()[1].holds);

  docs.Write("a.md", text + "And closes at six.\n");  // The quote still stands where it stood.
  docs.Write("b.md", "# A\n\nThe harbour opens at ten.\n");
  MustIndex(*library, docs.path());
  checks = library->Verify("c", answer);
  CHECK(checks.value()[0].holds);
  CHECK(!checks.value()[1].holds);
  CHECK(checks.value()[1].reason == "the file has changed since");
  docs.Remove("a.md");
  MustIndex(*library, docs.path());
  checks = library->Verify("c", answer);
  CHECK(!checks.value()[0].holds);
  CHECK(checks.value()[0].reason == "no longer indexed");
  CHECK(json::Parse(ToJson(checks.value())).value().GetBool("all_hold", true) == false);

  answer.citations[1].version.clear();
  answer.citations[1].start = ~std::uint64_t{0};
  checks = library->Verify("c", answer);
  CHECK(checks.value()[1].reason == "the quote does not stand at the cited place");
}

TEST_CASE("one owner, unknown names, dropped collections") {
  const Folder data;
  const Folder docs;
  docs.Write("a.md", "# A\n\nharbour\n");
  const auto library = MustOpen(OptionsFor(data, nullptr));
  const auto second = Library::Open(OptionsFor(data, nullptr));
  REQUIRE(!second.ok());
  CHECK(second.error().code() == Code::kAlreadyExists);
  CHECK(library->Search("c", "x", {}, nullptr).error().code() == Code::kNotFound);
  CHECK(library->StatusOf("c").error().code() == Code::kNotFound);
  CHECK(library->Index(docs.At("none"), "c", nullptr, nullptr).error().code() == Code::kNotFound);
  CHECK(library->Index(docs.path(), "c.rebuild", nullptr, nullptr).error().code() ==
        Code::kInvalidArgument);
  MustIndex(*library, docs.path());
  REQUIRE(library->Drop("c").ok());
  CHECK(library->Collections().empty());
  CHECK(library->Drop("c").error().code() == Code::kNotFound);
  const IndexReport again = MustIndex(*library, docs.path());
  CHECK(again.added == 1);
  CHECK(library->Search("c", "harbour", {}, nullptr).value().hits.size() == 1);
}

}  // namespace
}  // namespace malmoi::rag
