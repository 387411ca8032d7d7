#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/utf8.h"
#include "ingest/readers/cfb_internal.h"

namespace malmoi::ingest {
namespace {

constexpr std::uint32_t kEnd = 0xFFFFFFFE;   // ENDOFCHAIN
constexpr std::uint32_t kNone = 0xFFFFFFFF;  // NOSTREAM, FREESECT
constexpr std::size_t kEntrySize = 128;
constexpr std::size_t kEntriesMax = 100'000;

Error Broken(std::string_view what) {
  return Error(Code::kCorruption, "damaged compound file: " + std::string(what));
}

std::uint32_t U32(std::string_view s, std::size_t at) {
  return Load<std::uint32_t>(s.data() + at);
}
std::uint16_t U16(std::string_view s, std::size_t at) {
  return Load<std::uint16_t>(s.data() + at);
}

struct Entry {
  std::string name;
  std::uint8_t type = 0;  // 1 storage, 2 stream, 5 root.
  std::uint32_t left = kNone;
  std::uint32_t right = kNone;
  std::uint32_t child = kNone;
  std::uint32_t start = kEnd;
  std::uint64_t size = 0;
};

Entry ReadEntry(std::string_view s, bool wide_sizes) {
  Entry e;
  const std::size_t name_bytes = std::min<std::size_t>(U16(s, 64), 64);
  for (std::size_t i = 0; i + 2 < name_bytes + 1 && i + 1 < 64; i += 2) {
    const std::uint16_t c = U16(s, i);
    if (c != 0) AppendRune(&e.name, c);
  }
  e.type = static_cast<std::uint8_t>(s[66]);
  e.left = U32(s, 68);
  e.right = U32(s, 72);
  e.child = U32(s, 76);
  e.start = U32(s, 116);
  // The upper half is undefined in version 3.
  e.size = wide_sizes ? Load<std::uint64_t>(s.data() + 120) : U32(s, 120);
  return e;
}

}  // namespace

Result<CompoundFile> CompoundFile::Open(std::string_view bytes) {
  CompoundFile file(bytes);
  MALMOI_TRY(file.ReadHeader());
  return file;
}

Status CompoundFile::ReadHeader() {
  if (bytes_.size() < 512) return Broken("shorter than its header");
  const std::uint16_t shift = U16(bytes_, 30);
  const std::uint16_t mini_shift = U16(bytes_, 32);
  if ((shift != 9 && shift != 12) || mini_shift != 6) return Broken("unknown sector size");
  sector_size_ = 1u << shift;
  mini_sector_size_ = 1u << mini_shift;
  mini_cutoff_ = U32(bytes_, 56);
  MALMOI_TRY(ReadFat(U32(bytes_, 44), U32(bytes_, 68), U32(bytes_, 72)));
  const std::uint32_t mini_fat = U32(bytes_, 60);
  const std::uint64_t mini_fat_bytes = std::uint64_t{U32(bytes_, 64)} * sector_size_;
  if (mini_fat != kEnd && mini_fat_bytes > 0) {
    MALMOI_TRY(const std::string table,
               ReadChain(mini_fat, std::min<std::uint64_t>(mini_fat_bytes, bytes_.size())));
    for (std::size_t at = 0; at + 4 <= table.size(); at += 4) mini_fat_.push_back(U32(table, at));
  }
  return ReadDirectory(U32(bytes_, 48));
}

std::string_view CompoundFile::Sector(std::uint32_t id) const {
  const std::uint64_t begin = (std::uint64_t{id} + 1) * sector_size_;
  if (begin >= bytes_.size()) return {};
  return bytes_.substr(begin, sector_size_);  // The last one may be short.
}

Status CompoundFile::ReadFat(std::uint32_t count, std::uint32_t first_difat, std::uint32_t difats) {
  const std::size_t sectors = bytes_.size() / sector_size_ + 1;
  std::vector<std::uint32_t> places;
  for (std::size_t i = 0; i < 109 && places.size() < count; ++i) {
    places.push_back(U32(bytes_, 76 + 4 * i));
  }
  std::uint32_t next = first_difat;
  for (std::uint32_t i = 0; i < difats && i < sectors && places.size() < count; ++i) {
    const std::string_view sector = Sector(next);
    if (sector.size() < sector_size_) break;
    for (std::size_t at = 0; at + 8 <= sector_size_ && places.size() < count; at += 4) {
      places.push_back(U32(sector, at));
    }
    next = U32(sector, sector_size_ - 4);
  }
  for (const std::uint32_t place : places) {
    if (place >= sectors) continue;
    const std::string_view sector = Sector(place);
    for (std::size_t at = 0; at + 4 <= sector.size(); at += 4) fat_.push_back(U32(sector, at));
    if (fat_.size() > 2 * sectors + sector_size_) break;
  }
  if (fat_.empty()) return Broken("no sector table");
  return Ok();
}

Result<std::string> CompoundFile::ReadChain(std::uint32_t start, std::uint64_t size) const {
  std::string out;
  if (size > bytes_.size()) return Broken("a stream is larger than the file");
  std::uint32_t at = start;
  while (out.size() < size) {
    if (at >= fat_.size()) return Broken("a stream ends early");
    const std::string_view sector = Sector(at);
    if (sector.empty()) return Broken("a stream is past the end");
    out.append(sector.substr(0, size - out.size()));
    at = fat_[at];
  }
  return out;
}

Result<std::string> CompoundFile::ReadMini(std::uint32_t start, std::uint64_t size) const {
  std::string out;
  if (size > mini_.size()) return Broken("a small stream is larger than their container");
  std::uint32_t at = start;
  while (out.size() < size) {
    const std::uint64_t begin = std::uint64_t{at} * mini_sector_size_;
    if (at >= mini_fat_.size() || begin >= mini_.size()) return Broken("a small stream ends early");
    out.append(mini_, begin, std::min<std::uint64_t>(mini_sector_size_, size - out.size()));
    at = mini_fat_[at];
  }
  return out;
}

Status CompoundFile::ReadDirectory(std::uint32_t start) {
  std::vector<Entry> entries;
  std::uint32_t at = start;
  for (std::size_t i = 0; i <= fat_.size() && at < fat_.size(); ++i) {
    const std::string_view sector = Sector(at);
    for (std::size_t e = 0; e + kEntrySize <= sector.size(); e += kEntrySize) {
      entries.push_back(ReadEntry(sector.substr(e, kEntrySize), sector_size_ == 4096));
    }
    if (entries.size() > kEntriesMax) return Broken("too many entries");
    at = fat_[at];
  }
  if (entries.empty() || entries[0].type != 5) return Broken("no root entry");
  if (entries[0].size > 0) {
    // A broken container loses the small streams only.
    auto mini = ReadChain(entries[0].start, entries[0].size);
    if (mini.ok()) mini_ = std::move(mini).value();
  }
  std::vector<bool> seen(entries.size());
  struct Open {
    std::uint32_t id;
    std::string storage;
  };
  std::vector<Open> open = {{entries[0].child, ""}};
  while (!open.empty()) {
    const Open next = std::move(open.back());
    open.pop_back();
    if (next.id >= entries.size() || seen[next.id]) continue;
    seen[next.id] = true;
    const Entry& e = entries[next.id];
    open.push_back({e.left, next.storage});
    open.push_back({e.right, next.storage});
    if (e.type == 1) open.push_back({e.child, next.storage + e.name + "/"});
    if (e.type == 2) streams_.push_back({next.storage + e.name, e.start, e.size});
  }
  return Ok();
}

const CompoundFile::Stream* CompoundFile::Find(std::string_view path) const {
  for (const Stream& stream : streams_) {
    if (stream.path == path) return &stream;
  }
  return nullptr;
}

std::vector<std::string> CompoundFile::names() const {
  std::vector<std::string> out;
  for (const Stream& stream : streams_) out.push_back(stream.path);
  return out;
}

Result<std::string> CompoundFile::Read(std::string_view path) const {
  const Stream* stream = Find(path);
  if (stream == nullptr) {
    return Error(Code::kNotFound, "compound file has no '" + std::string(path) + "'");
  }
  if (stream->size == 0) return std::string();
  return stream->size < mini_cutoff_ ? ReadMini(stream->start, stream->size)
                                     : ReadChain(stream->start, stream->size);
}

}  // namespace malmoi::ingest
