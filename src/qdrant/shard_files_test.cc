// Goal: the encodings of Qdrant's files are read as they are defined, and no bytes, however wrong,
// read or allocate past their bounds.
// Method: values written out by hand from the format's description; every prefix of a good value;
// patches of single bytes. Whole snapshots of the real engine are in test_store_import.py.
#include <doctest/doctest.h>

#include <random>

#include "base/bytes.h"
#include "base/hash.h"
#include "os/fault_vfs.h"
#include "os/vfs.h"
#include "qdrant/shard_files_internal.h"
#include "qdrant/shard_log_internal.h"
#include "qdrant/shard_segment_internal.h"

namespace malmoi::qdrant {
namespace {

std::string Bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int byte : list) out += static_cast<char>(byte);
  return out;
}

// Calls `decode` with every prefix and with single bytes changed: it may refuse, not crash.
template <class Decode>
void Abuse(const std::string& good, const Decode& decode) {
  for (std::size_t n = 0; n < good.size(); ++n) decode(std::string_view(good).substr(0, n));
  std::mt19937 random(5);
  for (int i = 0; i < 2000 && !good.empty(); ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random());
    decode(bad);
  }
}

void WriteFile(os::Vfs& vfs, const std::string& path, std::string_view bytes) {
  REQUIRE(vfs.MakeDirs(std::string(os::DirName(path))).ok());
  const auto file = vfs.Open(path, os::OpenMode::kTruncate).value();
  REQUIRE(file->Write(0, bytes).ok());
}

TEST_CASE("lz4 blocks") {
  // 20 literals need a second length byte; then 9 bytes from 3 back, overlapping themselves; a
  // block ends in 5 literals or more.
  std::string block;
  Put<std::uint32_t>(&block, 34);
  block += Bytes({0xf5, 5}) + "abcdefghijklmnopqrst" + Bytes({3, 0, 0x50}) + "vwxyz";
  CHECK(DecodeLz4(block).value() == "abcdefghijklmnopqrstrstrstrstvwxyz");
  std::string empty(4, '\0');
  CHECK(DecodeLz4(empty + Bytes({0})).value().empty());
  std::string huge;
  Put<std::uint32_t>(&huge, 0xFFFFFFFF);
  CHECK(DecodeLz4(huge + "x").error().code() == Code::kCorruption);
  Abuse(block, [](std::string_view bytes) { (void)DecodeLz4(bytes).ok(); });
}

TEST_CASE("packed indices and sparse vectors") {
  // 10 bits a number (8 + 2): 1, then differences 1000 and 3.
  std::uint64_t bits = 2;
  bits |= std::uint64_t{1} << 6 | std::uint64_t{1000} << 16 | std::uint64_t{3} << 26;
  std::string packed;
  Put(&packed, bits);
  packed.resize(5);
  CHECK(DecodeDeltas(packed, 3).value() == std::vector<std::uint32_t>{1, 1001, 1004});
  CHECK(DecodeDeltas(packed, 4).error().code() == Code::kCorruption);
  CHECK(DecodeDeltas("", 0).value().empty());
  std::string sparse;
  Put<std::uint64_t>(&sparse, packed.size());
  sparse += packed;
  Put<std::uint64_t>(&sparse, 3);
  for (const float value : {0.5f, -1.0f, 2.0f}) Put(&sparse, value);
  const auto vector = DecodeSparse(sparse).value();
  CHECK(vector.indices == std::vector<std::uint32_t>{1, 1001, 1004});
  CHECK(vector.values == std::vector<float>{0.5f, -1.0f, 2.0f});
  CHECK(!DecodeSparse(sparse + "x").ok());
  Abuse(sparse, [](std::string_view bytes) { (void)DecodeSparse(bytes).ok(); });
}

TEST_CASE("logs and lists of ids") {
  std::string log, versions;
  const auto number = [&](int kind, std::uint64_t id) {
    Put<std::uint8_t>(&log, static_cast<std::uint8_t>(kind));
    Put(&log, id);
  };
  number(1, 7);
  Put<std::uint32_t>(&log, 0);
  log += Bytes({2}) + "0123456789abcdef";
  Put<std::uint32_t>(&log, 1);
  number(1, 8);
  Put<std::uint32_t>(&log, 2);
  number(3, 7);
  number(1, 7);
  Put<std::uint32_t>(&log, 3);
  number(1, 9);
  Put<std::uint32_t>(&log, 4);  // Without a version: not finished.
  for (std::uint64_t v = 10; v < 14; ++v) Put(&versions, v);
  const auto points = DecodeIdLog(log + Bytes({1, 5}), versions).value();  // A cut last entry.
  REQUIRE(points.size() == 3);
  CHECK(points[0].id == vec::PointId(std::uint64_t{7}));
  CHECK(points[0].offset == 3);
  CHECK(points[0].version == 13);
  CHECK(points[1].offset == 2);
  CHECK(std::get<Uuid>(points[2].id).ToString() == "30313233-3435-3637-3839-616263646566");
  CHECK(!DecodeIdLog(Bytes({9}), versions).ok());
  Abuse(log, [&](std::string_view bytes) { (void)DecodeIdLog(bytes, versions).ok(); });

  std::string list;
  Put<std::uint64_t>(&list, 2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    Put<std::uint8_t>(&list, 0);
    Put<std::uint64_t>(&list, 50 + i);
    Put<std::uint32_t>(&list, i);
  }
  const auto kept = DecodeIdList(list, Bytes({1}), versions).value();
  REQUIRE(kept.size() == 1);
  CHECK(kept[0].id == vec::PointId(std::uint64_t{51}));
  CHECK(kept[0].version == 11);
  Abuse(list, [&](std::string_view bytes) { (void)DecodeIdList(bytes, "", versions).ok(); });
}

TEST_CASE("a grid's values run over pages, and its journal holds over its tracker") {
  os::FaultVfs vfs(1);
  WriteFile(vfs, "/g/config.json",
            R"({"page_size_bytes":16,"block_size_bytes":4,"compression":"None"})");
  std::string tracker(4, '\0'), batch;
  for (const std::uint32_t n : {1u, 0u, 2u, 12u, 0u, 0u, 0u, 0u}) Put(&tracker, n);
  for (const std::uint32_t n : {1u, 1u, 1u, 1u, 5u}) Put(&batch, n);
  WriteFile(vfs, "/g/tracker.dat", tracker);
  WriteFile(vfs, "/g/page_0.dat", "0123456789abcdef");
  WriteFile(vfs, "/g/page_1.dat", "ghijklmnopqrstuv");
  const auto get = [&](std::uint32_t offset) {
    return Grid::Open(vfs, "/g").value().Get(offset).value();
  };
  CHECK(get(0) == "89abcdefghij");
  CHECK(get(1) == std::nullopt);
  CHECK(get(9) == std::nullopt);
  std::string journal;
  Put<std::uint32_t>(&journal, static_cast<std::uint32_t>(batch.size()));
  Put<std::uint32_t>(&journal, Crc32c(batch));
  WriteFile(vfs, "/g/tracker_journal.dat", journal + batch);
  CHECK(get(1) == "klmno");
  WriteFile(vfs, "/g/tracker_journal.dat", journal + "x" + batch.substr(1));  // Damaged: the end.
  CHECK(get(1) == std::nullopt);
  std::string outside = tracker;
  outside[4 + 8] = 100;
  WriteFile(vfs, "/g/tracker.dat", outside);
  CHECK(Grid::Open(vfs, "/g").value().Get(0).error().code() == Code::kCorruption);
  WriteFile(vfs, "/g/config.json", R"({"page_size_bytes":16,"block_size_bytes":0})");
  CHECK(!Grid::Open(vfs, "/g").ok());
  WriteFile(vfs, "/g/config.json", R"({"page_size_bytes":16,"block_size_bytes":4,"mode":"other"})");
  CHECK(Grid::Open(vfs, "/g").error().code() == Code::kUnsupported);
}

TEST_CASE("rows in chunks and flags") {
  os::FaultVfs vfs(1);
  WriteFile(vfs, "/r/config.json", R"({"chunk_size_vectors":2})");
  std::string count;
  Put<std::uint64_t>(&count, 3);
  WriteFile(vfs, "/r/status.dat", count);
  WriteFile(vfs, "/r/chunk_0.mmap", "aabb");
  WriteFile(vfs, "/r/chunk_1.mmap", "ccdd");
  const Rows rows = Rows::OpenChunks(vfs, "/r", 2).value();
  CHECK(rows.Get(1, 1).value() == "bb");
  CHECK(rows.Get(0, 2).value() == "aabb");
  CHECK(!rows.Get(1, 2).ok());  // Across a border.
  CHECK(rows.Get(2, 1).value() == "cc");
  CHECK(!rows.Get(3, 1).ok());  // Room, not a row.
  CHECK(!rows.Get(~std::uint64_t{0}, 1).ok());
  std::string status;
  Put<std::uint64_t>(&status, 3);
  Put<std::uint64_t>(&status, 0);
  WriteFile(vfs, "/f/status.dat", status);
  WriteFile(vfs, "/f/flags_a.dat", Bytes({0x0d}));
  const Flags flags = Flags::Open(vfs, "/f").value();
  CHECK(flags.IsSet(0));
  CHECK(!flags.IsSet(1));
  CHECK(!flags.IsSet(3));  // Past its length.
  status[7] = 0x7f;
  WriteFile(vfs, "/f/status.dat", status);
  CHECK(!Flags::Open(vfs, "/f").ok());
}

TEST_CASE("a vector's name does not lead out of the snapshot") {
  os::FaultVfs vfs(1);
  for (const char* kind : {"vector_data", "sparse_vector_data"}) {
    WriteFile(vfs, "/s/segment.json",
              std::string(R"({"version":1,"config":{")") + kind +
                  R"(":{"a/../../secret":{"size":4,"distance":"Cosine"}}}})");
    const auto opened = Segment::Open(vfs, "/s");
    REQUIRE(!opened.ok());
    CHECK(opened.error().code() == Code::kCorruption);
    CHECK(opened.error().message().find("a path") != std::string::npos);
  }
}

TEST_CASE("operations of a log") {
  // {"upsert_points": {"points": [{"id": UUID, "vector": [0.5, -2, 1e-5], "payload": null}]}}, the
  // outer map without a length.
  std::string cbor = Bytes({0xbf, 0x6d}) + "upsert_points" + Bytes({0xa1, 0x66}) + "points" +
                     Bytes({0x81, 0xa3, 0x62}) + "id" + Bytes({0x50}) + "0123456789abcdef" +
                     Bytes({0x66}) + "vector" +
                     Bytes({0x83, 0xf9, 0x38, 0x00, 0x21, 0xfb, 0x3e, 0xe4, 0xf8, 0xb5, 0x88, 0xe3,
                            0x68, 0xf1, 0x67}) +
                     "payload" + Bytes({0xf6, 0xff});
  CHECK(DecodeCbor(cbor).value().Dump() ==
        R"({"upsert_points":{"points":[{"id":"30313233-3435-3637-3839-616263646566",)"
        R"("vector":[0.5,-2,1e-05],"payload":null}]}})");
  Abuse(cbor, [](std::string_view bytes) { (void)DecodeCbor(bytes).ok(); });
  CHECK(!DecodeCbor(std::string(100'000, '\x81')).ok());
  const auto rest = [](const char* text) {
    return OperationOfLog(json::Parse(text).value()).value().Dump();
  };
  CHECK(rest(R"({"delete_points":{"ids":[1]},"clock_tag":null})") ==
        R"({"delete":{"points":[1]}})");
  CHECK(rest(R"({"delete_vectors":[{"points":[2]},["a"]]})") ==
        R"({"delete_vectors":{"points":[2],"vector":["a"]}})");
  CHECK(OperationOfLog(json::Parse(R"({"sync_points":{}})").value()).error().code() ==
        Code::kUnsupported);

  os::FaultVfs vfs(1);
  std::string file = "wal";
  file += '\0';
  Put<std::uint32_t>(&file, 77);
  std::uint32_t sum = 77;
  for (const char* entry : {"\x01", "\x02", "\x03"}) {
    std::string summed;
    Put<std::uint64_t>(&summed, 1);
    summed += entry;
    summed.append(3, '\0');
    std::uint32_t turned = 0;
    for (int i = 0; i < 32; ++i) turned |= (sum >> i & 1) << (31 - i);
    sum = Crc32c(summed, ~turned);
    file += summed;
    Put(&file, sum);
  }
  WriteFile(vfs, "/wal/open-2", std::string("wal\0\1\0\0\0", 8) + std::string(64, '\0'));
  WriteFile(vfs, "/wal/closed-40", file + std::string(64, '\0'));
  std::string seen;
  REQUIRE(ReadShardLog(vfs, "/wal", 40, [&](std::uint64_t number, const json::Value& value) {
            seen += std::to_string(number) + "=" + value.Dump() + " ";
            return Ok();
          }).ok());
  CHECK(seen == "41=2 42=3 ");
  Abuse(file, [&](std::string_view bytes) {
    WriteFile(vfs, "/wal/closed-40", bytes);
    (void)ReadShardLog(vfs, "/wal", 0, [](std::uint64_t, const json::Value&) { return Ok(); }).ok();
  });
}

}  // namespace
}  // namespace malmoi::qdrant
