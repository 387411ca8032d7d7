// The files of a collection, damaged so that all checksums still hold. The input is a first byte
// that chooses the file, then patches of 4 bytes: u16 offset, u8 value, u8 unused.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "fuzz/input.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"
#include "vec/manifest_internal.h"
#include "vec/ops_internal.h"
#include "vec/schema_internal.h"
#include "vec/segment_internal.h"
#include "vec/snapshot_internal.h"
#include "vec/wal_internal.h"

namespace {

namespace vec = malmoi::vec;
using malmoi::Load;

vec::CollectionConfig Config() {
  vec::CollectionConfig config;
  config.dense["d"] = {.dim = 3};
  config.sparse["s"] = {.idf = true};
  return config;
}

std::vector<vec::Point> Points() {
  std::vector<vec::Point> points;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    vec::Point p{.id = i};
    if (i != 2) p.vectors.dense["d"] = {1, 2, static_cast<float>(i)};
    if (i != 3) p.vectors.sparse["s"] = {{1, static_cast<std::uint32_t>(i + 1)}, {1, 2}};
    p.payload = "{\"n\":" + std::to_string(i) + "}";
    points.push_back(p);
  }
  return points;
}

void Patch(std::string* bytes, std::string_view patches) {
  for (; patches.size() >= 4; patches.remove_prefix(4)) {
    const std::size_t at = Load<std::uint16_t>(patches.data());
    if (at < bytes->size()) (*bytes)[at] = patches[2];
  }
}

void Write(malmoi::os::Vfs& vfs, const std::string& path, std::string_view bytes) {
  auto file = vfs.Open(path, malmoi::os::OpenMode::kTruncate);
  Expect(file.ok() && file.value()->Write(0, bytes).ok());
}

void SealManifest(std::string* bytes) {
  const std::uint32_t crc = malmoi::Crc32c(std::string_view(*bytes).substr(0, bytes->size() - 4));
  bytes->replace(bytes->size() - 4, 4, reinterpret_cast<const char*>(&crc), 4);
}

// Rewrites the checksums of blocks and footer (docs/formats/segment.md).
std::uint32_t SealSegment(std::string* bytes, std::size_t sections_end) {
  const std::uint32_t block = malmoi::Crc32c(std::string_view(*bytes).substr(0, sections_end));
  bytes->replace(sections_end, 4, reinterpret_cast<const char*>(&block), 4);
  const std::size_t at = bytes->size() - 12;
  const std::uint32_t crc =
      malmoi::Crc32c(std::string_view(*bytes).substr(sections_end, at - sections_end));
  bytes->replace(at, 4, reinterpret_cast<const char*>(&crc), 4);
  return crc;
}

void ReadSegment(std::string_view patches) {
  malmoi::os::FaultVfs vfs(1);
  Expect(vfs.MakeDirs("/db").ok());
  const auto schema = std::make_shared<const vec::Schema>(Config());
  static const auto* const kClean = [] {
    auto* out = new std::pair<std::string, vec::SegmentInfo>;
    malmoi::os::FaultVfs disk(1);
    Expect(disk.MakeDirs("/db").ok());
    auto db = vec::Database::Open(disk, "/db", 1);
    Expect(db.ok());
    auto c = db.value()->Create("c", Config());
    Expect(c.ok() && c.value()->Upsert(Points()).ok() && c.value()->Checkpoint().ok());
    const auto folders = disk.List("/db");
    Expect(folders.ok());
    for (const std::string& folder : folders.value()) {
      const auto files = disk.List("/db/" + folder);
      if (!files.ok()) continue;
      for (const std::string& name : files.value()) {
        if (!name.starts_with("seg-")) continue;
        out->first = malmoi::os::ReadFile(disk, "/db/" + folder + "/" + name).value();
      }
    }
    Expect(!out->first.empty());
    return out;
  }();
  std::string bytes = kClean->first;
  const char* trailer = bytes.data() + bytes.size() - 44;
  const auto owner = Load<malmoi::Uuid>(trailer);
  const auto end = static_cast<std::size_t>(Load<std::uint64_t>(trailer + 16));
  Patch(&bytes, patches);
  vec::SegmentInfo info{.id = 1, .size = bytes.size()};
  // Where these were patched, the segment is refused.
  info.rows = Load<std::uint32_t>(bytes.data() + bytes.size() - 20);
  info.footer_crc = SealSegment(&bytes, end);
  Write(vfs, "/db/seg", bytes);
  const auto segment = vec::Segment::Open(vfs, "/db/seg", schema, owner, info);
  if (!segment.ok()) return;
  const vec::Segment& s = *segment.value();
  const auto picker = vec::Picker::Create(*schema, {.vectors = {.enabled = true}});
  Expect(picker.ok());
  for (std::uint32_t row = 0; row < s.rows(); ++row) {
    static_cast<void>(picker.value().Read({&s, row}));
    Expect(s.Find(s.Id(row)).has_value());
  }
  std::uint64_t sum = 0;
  for (std::uint32_t term = 0; term < 8; ++term) {
    const auto list = s.Find(1, term);
    for (std::size_t i = 0; i < list.size; ++i) sum += list.rows[i];
  }
  static_cast<void>(sum);
}

void ReadManifest(std::string_view patches) {
  vec::Manifest m;
  m.schema = vec::Schema(Config());
  m.indexes["n"] = {.kind = vec::IndexKind::kText};
  m.segments = {{{.id = 1, .size = 9, .rows = 9, .footer_crc = 1}, "ab"}};
  std::string bytes = m.Encode();
  Patch(&bytes, patches);
  SealManifest(&bytes);
  if (const auto again = vec::Manifest::Decode(bytes); again.ok()) {
    static_cast<void>(again.value().Encode());
  }
  vec::Catalogue c{.next_folder = 3, .collections = {{"a", 1}, {"b", 2}}};
  bytes = c.Encode();
  Patch(&bytes, patches);
  SealManifest(&bytes);
  static_cast<void>(vec::Catalogue::Decode(bytes));
}

// The operations of one valid record, then the log with damage after its header.
void ReadLog(std::string_view patches) {
  const vec::Schema schema(Config());
  auto ops = vec::EncodePoints(schema, Points());
  Expect(ops.ok());
  std::string body = ops.value() + vec::EncodeDelete(std::vector<vec::PointId>{1ull, 7ull});
  malmoi::os::FaultVfs vfs(1);
  Expect(vfs.MakeDirs("/db").ok());
  {
    auto log = vec::Wal::Create(vfs, "/db/wal", {}, 1);
    Expect(log.ok() && log.value()->Append(1, body).ok() && log.value()->Append(3, body).ok());
  }
  std::string file = malmoi::os::ReadFile(vfs, "/db/wal").value();
  Patch(&file, patches);
  for (const auto tail : {vec::Wal::Tail::kClosed, vec::Wal::Tail::kOpen}) {
    Write(vfs, "/db/wal", file);
    const auto opened = vec::Wal::Open(vfs, "/db/wal", {}, 1, tail);
    if (opened.ok()) Expect(opened.value().records.size() <= 2);
  }
  Patch(&body, patches);
  const auto decoded = vec::DecodeOps(body);
  if (!decoded.ok()) return;
  for (const vec::Op& op : decoded.value()) {
    std::vector<std::string> owned;
    static_cast<void>(vec::DecodePoints(schema, op, &owned));
    static_cast<void>(vec::DecodePatch(schema, op.body));
    static_cast<void>(vec::DecodeDelete(op.body));
    static_cast<void>(vec::DecodeIndex(op.body));
    static_cast<void>(vec::DecodeField(op.body));
    static_cast<void>(vec::DecodePair(op.body));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view patches = FuzzInput(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      ReadSegment(patches);
      break;
    case 1:
      ReadManifest(patches);
      break;
    default:
      ReadLog(patches);
      break;
  }
  return 0;
}
