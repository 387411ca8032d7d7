// Goal: the catalogue keeps exactly the rows given to it, over reopening, from any thread, and the
// content store gives back the bytes it was given or says that it cannot.
// Method: a std::map as the reference for random operations; damaged and foreign files by hand.
#include "catalog/catalog.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "base/hash.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"

namespace malmoi::catalog {
namespace {

DocumentRow MakeRow(const std::string& collection, const std::string& root, int file, int draw) {
  DocumentRow row;
  row.collection = collection;
  row.root = root;
  row.path = "문서/" + std::to_string(file) + ".md";
  row.file_hash = Sha256Hex(std::to_string(draw));
  row.size = static_cast<std::uint64_t>(draw) << 33;
  row.mtime_ns = 1'700'000'000'000'000'000LL + draw;
  row.fingerprint = "f1";
  if (draw % 5 == 0) {
    row.error_code = "unsupported";
    row.error = "암호가 걸린 파일";
    return row;
  }
  row.version = UuidV5(Uuid{}, row.path + row.collection + row.root + row.file_hash).ToString();
  row.content = Sha256Hex(row.version);
  row.format = "markdown";
  row.encoding = "utf-8";
  row.title = "제목 " + std::to_string(draw);
  row.language = draw % 3 == 0 ? "ko" : "en";
  row.chunks = static_cast<std::uint32_t>(draw % 7);
  row.term_length = draw * 0.25;
  row.has_vectors = draw % 2 == 0;
  return row;
}

bool Same(const DocumentRow& a, const DocumentRow& b) {
  return a.collection == b.collection && a.root == b.root && a.path == b.path &&
         a.file_hash == b.file_hash && a.size == b.size && a.mtime_ns == b.mtime_ns &&
         a.version == b.version && a.fingerprint == b.fingerprint && a.content == b.content &&
         a.format == b.format && a.encoding == b.encoding && a.title == b.title &&
         a.language == b.language && a.chunks == b.chunks && a.term_length == b.term_length &&
         a.has_vectors == b.has_vectors && a.error_code == b.error_code && a.error == b.error;
}

using Reference = std::map<std::tuple<std::string, std::string, std::string>, DocumentRow>;

void CheckEqual(Catalog& catalog, const Reference& reference, const std::string& collection) {
  CollectionTotals expected;
  std::map<std::string, std::uint64_t> languages;
  std::vector<const DocumentRow*> rows;
  for (const auto& [key, row] : reference) {
    if (row.collection != collection) continue;
    rows.push_back(&row);
    (row.error_code.empty() ? expected.documents : expected.failed) += 1;
    expected.chunks += row.chunks;
    if (row.has_vectors) expected.chunks_with_vectors += row.chunks;
    expected.term_length += row.term_length;
    if (row.chunks > 0) languages[row.language] += row.chunks;
  }
  const auto listed = catalog.List(collection, "");
  REQUIRE(listed.ok());
  REQUIRE(listed.value().size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) CHECK(Same(listed.value()[i], *rows[i]));
  const auto totals = catalog.Totals(collection);
  REQUIRE(totals.ok());
  CHECK(totals.value().documents == expected.documents);
  CHECK(totals.value().failed == expected.failed);
  CHECK(totals.value().chunks == expected.chunks);
  CHECK(totals.value().chunks_with_vectors == expected.chunks_with_vectors);
  CHECK(totals.value().term_length == doctest::Approx(expected.term_length));
  REQUIRE(totals.value().languages.size() == languages.size());
  for (std::size_t i = 0; i < totals.value().languages.size(); ++i) {
    const auto& [language, chunks] = totals.value().languages[i];
    CHECK(languages[language] == chunks);
    if (i > 0) CHECK(chunks <= totals.value().languages[i - 1].second);
  }
}

TEST_CASE("random writes leave what a map holds, also after reopening") {
  const os::ScratchDir folder;
  auto catalog = Catalog::Open(folder.At("c.db"));
  REQUIRE(catalog.ok());
  Reference reference;
  std::mt19937 random(7);
  for (int step = 0; step < 60; ++step) {
    const std::string collection = random() % 2 == 0 ? "a" : "b";
    if (random() % 3 != 0) {
      std::vector<DocumentRow> rows;
      for (unsigned i = 0; i < 1 + random() % 5; ++i) {
        rows.push_back(MakeRow(collection, random() % 2 == 0 ? "/r" : "/s",
                               static_cast<int>(random() % 12), static_cast<int>(random() % 100)));
        const DocumentRow& row = rows.back();
        reference[{row.collection, row.root, row.path}] = row;
      }
      REQUIRE(catalog.value()->Put(rows).ok());
    } else if (!reference.empty()) {
      const DocumentRow row = reference.begin()->second;
      REQUIRE(catalog.value()
                  ->Remove(std::vector<Catalog::Key>{{row.collection, row.root, row.path},
                                                     {"none", "/none", "none"}})
                  .ok());
      reference.erase(reference.begin());
    }
    if (step % 10 == 9) {
      catalog = Catalog::Open(folder.At("c.db"));
      REQUIRE(catalog.ok());
    }
    CheckEqual(*catalog.value(), reference, "a");
    CheckEqual(*catalog.value(), reference, "b");
  }
  for (const auto& [key, row] : reference) {
    const auto found = catalog.value()->Find({row.collection, row.root, row.path});
    REQUIRE(found.ok());
    REQUIRE(found.value().has_value());
    CHECK(Same(*found.value(), row));
    if (row.version.empty()) continue;
    const auto by_version = catalog.value()->FindVersion(row.version);
    REQUIRE(by_version.ok());
    REQUIRE(by_version.value().has_value());
    CHECK(by_version.value()->path == row.path);
  }
  CHECK(!catalog.value()->FindVersion("").value().has_value());
  CHECK(catalog.value()->Collections().value() == std::vector<std::string>{"a", "b"});
  REQUIRE(catalog.value()->RemoveCollection("a").ok());
  CHECK(catalog.value()->Collections().value() == std::vector<std::string>{"b"});
  CHECK(catalog.value()->Totals("a").value().chunks == 0);
  CHECK(catalog.value()->Roots("b").value() == std::vector<std::string>{"/r", "/s"});
}

TEST_CASE("two threads write and read side by side") {
  const os::ScratchDir folder;
  auto opened = Catalog::Open(folder.At("c.db"));
  REQUIRE(opened.ok());
  Catalog& catalog = *opened.value();
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const DocumentRow row = MakeRow("t" + std::to_string(t), "/r", i, 7 * i + 1);
        failures += catalog.Put(std::span(&row, 1)).ok() ? 0 : 1;
        failures += catalog.Totals("t0").ok() ? 0 : 1;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(catalog.List("t0", "/r").value().size() == 20);
  CHECK(catalog.List("t1", "/r").value().size() == 20);
}

TEST_CASE("files that are no catalogue are refused, not overwritten") {
  const os::ScratchDir folder;
  const std::string path = folder.At("c.db");
  const std::string junk(8192, 'x');
  REQUIRE(os::WriteAtomically(os::PosixVfs(), path, junk).ok());
  const auto opened = Catalog::Open(path);
  REQUIRE(!opened.ok());
  CHECK(opened.error().code() == Code::kCorruption);
  CHECK(os::ReadFile(os::PosixVfs(), path).value() == junk);
  const auto missing = Catalog::Open(folder.At("no/such/folder/c.db"));
  REQUIRE(!missing.ok());
  CHECK(missing.error().code() == Code::kIo);
}

TEST_CASE("content comes back as it was, damage is seen, unwanted files go") {
  const os::ScratchDir folder;
  auto opened = ContentStore::Open(folder.At("content"));
  REQUIRE(opened.ok());
  ContentStore& store = *opened.value();
  std::vector<std::string> documents = {"하나", "", std::string(100'000, '\0'), "하나"};
  const auto keys = store.PutAll(documents);
  REQUIRE(keys.ok());
  REQUIRE(keys.value().size() == 4);
  CHECK(keys.value()[0] == keys.value()[3]);
  for (std::size_t i = 0; i < documents.size(); ++i) {
    CHECK(keys.value()[i] == Sha256Hex(documents[i]));
    CHECK(store.Get(keys.value()[i]).value() == documents[i]);
  }
  CHECK(store.Put("하나").value() == keys.value()[0]);

  const std::string damaged = folder.At("content/" + keys.value()[2]);
  {
    auto file = os::PosixVfs().Open(damaged, os::OpenMode::kReadWrite);
    REQUIRE(file.ok());
    REQUIRE(file.value()->Write(50'000, "!").ok());
  }
  CHECK(store.Get(keys.value()[2]).error().code() == Code::kCorruption);
  CHECK(store.Get(Sha256Hex("never put")).error().code() == Code::kNotFound);
  CHECK(store.Get("../c.db").error().code() == Code::kNotFound);

  // What a crash leaves behind: a temporary file that never got its name.
  REQUIRE(os::WriteAtomically(os::PosixVfs(), folder.At("content/x.0.tmp.done"), "z").ok());
  REQUIRE(
      os::PosixVfs().Rename(folder.At("content/x.0.tmp.done"), folder.At("content/x.0.tmp")).ok());
  const auto removed = store.Sweep([&](const std::string& key) { return key == keys.value()[0]; });
  REQUIRE(removed.ok());
  CHECK(removed.value() == 3);
  CHECK(store.Get(keys.value()[0]).ok());
  CHECK(store.Get(keys.value()[1]).error().code() == Code::kNotFound);
  CHECK(os::PosixVfs().List(folder.At("content")).value().size() == 1);
}

}  // namespace
}  // namespace malmoi::catalog
