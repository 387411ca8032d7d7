// Goal: a snapshot of Qdrant's is read by a child that has nothing but its archive, and what comes
// out of it is the collection; an archive that is damaged, or a reader that lies, costs an error.
// Method: a segment written out by hand from the format's description, as a folder and as archives
// with sparse files and archives inside; patches of them; the answers' encoding patched as well.
// Snapshots that the real engine wrote are in test_store_import.py.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>
#include <random>

#include "base/bytes.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "qdrant/archive_files_internal.h"
#include "qdrant/foreign_reader_internal.h"
#include "qdrant/foreign_wire_internal.h"
#include "qdrant/snapshot_child.h"
#include "qdrant/snapshot_child_internal.h"
#include "qdrant/snapshots.h"

void BeforeTests(int argc, char** argv) {
  malmoi::qdrant::MaybeRunSnapshotChild(argc, argv);
}

namespace malmoi::qdrant {
namespace {

constexpr std::uint32_t kPoints = 2500;  // More than two batches.

// Points 0 to kPoints - 1 with vectors [i, 1] and payloads {"n": i}.
void WriteSegment(const os::ScratchDir& scratch, const std::string& folder, std::uint64_t version) {
  const auto write = [&](const char* name, std::string_view bytes) {
    scratch.Write(os::JoinPath(folder, name), bytes);
  };
  write("segment.json", R"({"version":)" + std::to_string(version) +
                            R"(,"config":{"vector_data":{"":{"size":2,"distance":"Dot"}}}})");
  std::string ids, versions, rows = "data", tracker(4, '\0'), page;
  Put<std::uint64_t>(&ids, kPoints);
  for (std::uint32_t i = 0; i < kPoints; ++i) {
    Put<std::uint8_t>(&ids, 0);
    Put<std::uint64_t>(&ids, i);
    Put<std::uint32_t>(&ids, i);
    Put(&versions, version);
    Put(&rows, static_cast<float>(i));
    Put(&rows, 1.0f);
    std::string payload = R"({"n":)" + std::to_string(i) + "}";
    for (const std::uint32_t number : {1u, 0u, i, static_cast<std::uint32_t>(payload.size())}) {
      Put(&tracker, number);
    }
    payload.resize(16);
    page += payload;
  }
  write("id_tracker.mappings", ids);
  write("id_tracker.deleted", "");
  write("id_tracker.versions", versions);
  write("vector_storage/matrix.dat", rows);
  write("vector_storage/deleted.dat", std::string("drop") + std::string(4, '\0'));
  write("payload_storage/config.json",
        R"({"block_size_bytes":16,"page_size_bytes":65536,"compression":"None"})");
  write("payload_storage/tracker.dat", tracker);
  write("payload_storage/page_0.dat", page);
}

// The snapshot of a shard whose segment is an archive of its own.
std::string MakeSnapshot(const os::ScratchDir& scratch) {
  os::Vfs& vfs = os::PosixVfs();
  WriteSegment(scratch, "one/snapshot/files", 7);
  scratch.Write("shard/shard_config.json", "{}");
  scratch.Write("shard/segments/empty", "");
  REQUIRE(WriteTar(vfs, scratch.At("one"), scratch.At("shard/segments/one.tar")).ok());
  REQUIRE(WriteTar(vfs, scratch.At("shard"), scratch.At("shard.snapshot")).ok());
  return scratch.At("shard.snapshot");
}

struct Store {
  std::unique_ptr<Service> service;
  std::unique_ptr<Snapshots> snapshots;

  explicit Store(const os::ScratchDir& scratch) {
    ServiceOptions options;
    options.vfs = &os::PosixVfs();
    options.directory = scratch.At("collections");
    options.threads = 1;
    service = Service::Open(options).value();
    snapshots = std::make_unique<Snapshots>(*service, os::PosixVfs(), scratch.At("snapshots"));
  }
  void CheckWhole(const std::string& name) {
    CHECK(service->Count(name, {}, {}).value() == kPoints);
    GetPoints one;
    one.ids = {std::uint64_t{2400}};
    one.with_vector.enabled = true;
    const auto got = service->Get(name, one, {}).value();
    REQUIRE(got.size() == 1);
    CHECK(got[0].payload == R"({"n":2400})");
    CHECK(got[0].vectors->dense.at("") == std::vector<float>{2400, 1});
  }
};

TEST_CASE("a child reads a snapshot, as an archive and as a folder") {
  const os::ScratchDir scratch;
  const std::string path = MakeSnapshot(scratch);
  Store store(scratch);
  std::vector<std::uint64_t> heard;
  const auto done = store.snapshots->Recover(
      "c", path, {}, [&](const char* unit, std::uint64_t points, std::uint64_t total) {
        CHECK(unit == std::string("points"));
        CHECK(total == kPoints);
        heard.push_back(points);
      });
  REQUIRE_MESSAGE(done.ok(), done.error().message());
  CHECK(heard == std::vector<std::uint64_t>{1000, 2000, 2500});
  store.CheckWhole("c");
  const auto folder = store.snapshots->RecoverFolder("d", scratch.At("shard"));
  REQUIRE_MESSAGE(folder.ok(), folder.error().message());
  store.CheckWhole("d");
}

TEST_CASE("a damaged snapshot is refused and changes nothing") {
  const os::ScratchDir scratch;
  const std::string path = MakeSnapshot(scratch);
  Store store(scratch);
  REQUIRE(store.snapshots->Recover("c", path, {}).ok());
  const std::string good = os::ReadFile(os::PosixVfs(), path).value();
  const auto refused = [&](std::string bytes, const std::string& part) {
    const auto done = store.snapshots->RecoverBytes("c", bytes, {});
    REQUIRE(!done.ok());
    CHECK(done.error().code() == Code::kInvalidArgument);
    CHECK_MESSAGE(done.error().message().find(part) != std::string::npos, done.error().message());
    store.CheckWhole("c");
  };
  refused(good.substr(0, good.size() / 2), "ends early");
  std::string bad = good;
  bad[bad.find("segments/one.tar") + 512 + 3] ^= 1;  // A name inside the inner archive.
  refused(bad, "a header is damaged");
  bad = good;
  bad.replace(bad.find("\"size\":2"), 8, "\"size\":0");
  refused(bad, "a vector of 0 numbers");
  bad = good;
  bad.replace(bad.find("\"size\":2"), 8, "\"size\":9");
  refused(bad, "is outside of its");
  bad = good;
  bad.replace(bad.find(R"({"n":2400})"), 10, R"({"n":2400])");
  refused(bad, "2400");
}

TEST_CASE("a reader that is killed from outside is no damage of the archive") {
  const os::ScratchDir scratch;
  const std::string path = scratch.Write("empty", "");
  // All children of this thread, of which the test has no other.
  const std::string list = "/proc/thread-self/children";
  if (!std::ifstream(list).good()) return;  // A kernel that does not tell.
  const auto child = SnapshotChild::Start(path).value();
  std::ifstream pids(list);
  for (pid_t pid; pids >> pid;) REQUIRE(::kill(pid, SIGKILL) == 0);
  const auto opened = child->Open();
  REQUIRE(!opened.ok());
  CHECK(opened.error().code() == Code::kInternal);
  CHECK(opened.error().message().find("killed") != std::string::npos);
}

TEST_CASE("a child that is asked before it has an archive, or gets none, says so") {
  const os::ScratchDir scratch;
  const auto child = SnapshotChild::Start(scratch.Write("empty", "")).value();
  CHECK(child->NextPoints().error().code() == Code::kInternal);
  CHECK(child->Open().error().code() == Code::kCorruption);
  CHECK(SnapshotChild::Start(scratch.At("none")).error().code() == Code::kIo);
}

TEST_CASE("files of an archive in memory: holes, archives inside, nothing to change") {
  const os::ScratchDir scratch;
  const std::string bytes = os::ReadFile(os::PosixVfs(), MakeSnapshot(scratch)).value();
  const auto files = ArchiveFiles::Open(bytes).value();
  CHECK(files->List("/").value() == std::vector<std::string>{"segments", "shard_config.json"});
  CHECK(files->List("/segments").value() == std::vector<std::string>{"empty", "one.tar"});
  CHECK(files->Stat("/segments/one.tar/snapshot/files").value().is_directory);
  CHECK(files->Stat("/segments/empty").value().size == 0);
  CHECK(os::ReadFile(*files, "/shard_config.json").value() == "{}");
  CHECK(files->Map("/segments/one.tar/snapshot/files/vector_storage/matrix.dat")
            .value()
            .bytes.starts_with("data"));
  CHECK(files->Stat("/shard_config.json/").error().code() == Code::kNotFound);
  CHECK(files->Stat("/../x").error().code() == Code::kNotFound);
  CHECK(files->Open("/x", os::OpenMode::kTruncate).error().code() == Code::kUnsupported);
  CHECK(files->RemoveAll("/").error().code() == Code::kUnsupported);
  CHECK(!ArchiveFiles::Open(std::string_view(bytes).substr(0, 1500)).ok());
  // A cut between two files would lose the second without a word, did it not miss the end.
  CHECK(!ArchiveFiles::Open(std::string_view(bytes).substr(0, 512)).ok());
  const auto reader = ForeignReader::Open(*files, "/").value();
  CHECK(reader->head().points == kPoints);
  CHECK(reader->NextPoints().value().size() == 1000);
}

TEST_CASE("answers come through whole; patched ones are refused or bounded") {
  vec::Point number;
  number.id = std::uint64_t{5};
  number.payload = R"({"a":"b"})";
  number.vectors.dense[""] = {1, 2};
  number.vectors.multi["m"] = {.dim = 2, .data = {1, 2, 3, 4}};
  vec::Point uuid;
  uuid.id = Uuid{};
  uuid.vectors.sparse["s"] = {.indices = {1, 9}, .values = {.5f, -1}};
  const std::string good = EncodePoints({number, uuid});
  const auto points = DecodePoints(good).value();
  REQUIRE(points.size() == 2);
  CHECK(EncodePoints(points) == good);
  CHECK(points[0].vectors.multi.at("m").rows() == 2);
  CHECK(points[1].id == uuid.id);
  for (std::size_t n = 1; n < good.size(); ++n) {
    const auto cut = DecodePoints(std::string_view(good).substr(0, n));
    CHECK((!cut.ok() || cut.value().size() == 1));
  }
  CHECK(!DecodePoints(std::string(40'000, '\0')).ok());  // More than a batch.
  std::mt19937 random(5);
  for (int i = 0; i < 5000; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random());
    (void)DecodePoints(bad).ok();
  }
  ForeignHead head;
  head.creation = json::Parse(R"({"vectors":{}})").value();
  head.indexes["f"] = json::Value::String("keyword");
  head.points = 3;
  const std::string encoded = EncodeHead(head);
  CHECK(EncodeHead(DecodeHead(encoded).value()) == encoded);
  for (std::size_t n = 0; n < encoded.size(); ++n) {
    CHECK(!DecodeHead(std::string_view(encoded).substr(0, n)).ok());
  }
  const std::vector<json::Value> operations = {head.creation, json::Value::Object({})};
  CHECK(DecodeOperations(EncodeOperations(operations)).value().size() == 2);
  CHECK(!DecodeOperations(std::string("\2\0\0\0{]", 6)).ok());
}

}  // namespace
}  // namespace malmoi::qdrant
