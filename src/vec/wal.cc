#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "vec/schema_internal.h"
#include "vec/wal_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::string_view kMagic = "MALMWAL1";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 8 + 4 + 16 + 8 + 4;
constexpr std::size_t kRecordHead = 4 + 1 + 8;
constexpr std::size_t kRecordOverhead = kRecordHead + 4;
constexpr std::uint8_t kCommit = 1;
constexpr std::uint64_t kGrowth = 1 << 20;  // Reserved at a time; a sync then moves no metadata.

std::string Header(const Uuid& collection, std::uint64_t base_seq) {
  std::string out(kMagic);
  Put(&out, kVersion);
  Put(&out, collection);
  Put(&out, base_seq);
  Put(&out, Crc32c(out));
  return out;
}

// The operations of a whole record at `at`, or nothing.
std::optional<Wal::Record> RecordAt(std::string_view bytes, std::size_t at, std::uint32_t salt) {
  ByteReader in(bytes.substr(at));
  const auto size = in.Get<std::uint32_t>();
  const auto type = in.Get<std::uint8_t>();
  const auto seq = in.Get<std::uint64_t>();
  const std::string_view ops = in.Take(size);
  const auto crc = in.Get<std::uint32_t>();
  if (!in.ok() || size == 0 || type != kCommit) return std::nullopt;
  if (crc != Crc32c(bytes.substr(at, kRecordHead + size), salt)) return std::nullopt;
  return Wal::Record{seq, ops};
}

// Whether a valid record of a later sequence number stands anywhere behind `at`. The work spent on
// checksums is bounded, since hostile bytes could look like a record at every offset.
bool RecordFollows(std::string_view bytes, std::size_t at, std::uint64_t seq, std::uint32_t salt) {
  std::uint64_t budget = 16 * bytes.size() + 4096;
  for (std::size_t i = at + 1; i + kRecordOverhead <= bytes.size(); ++i) {
    if (bytes[i + 4] != static_cast<char>(kCommit)) continue;
    const auto size = Load<std::uint32_t>(bytes.data() + i);
    const auto found = Load<std::uint64_t>(bytes.data() + i + 5);
    if (size == 0 || size > bytes.size() - i - kRecordOverhead) continue;
    if (found <= seq || found - seq > (1ull << 40)) continue;
    if (size > budget) return false;
    budget -= size;
    if (RecordAt(bytes, i, salt)) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Wal>> Wal::Create(os::Vfs& vfs, const std::string& path,
                                         const Uuid& collection, std::uint64_t base_seq) {
  MALMOI_TRY(auto file, vfs.Open(path, os::OpenMode::kTruncate));
  const std::string header = Header(collection, base_seq);
  MALMOI_TRY(file->Write(0, header));
  MALMOI_TRY(file->Sync());
  return std::unique_ptr<Wal>(
      new Wal(std::move(file), Crc32c(header), header.size(), header.size()));
}

Result<Wal::Opened> Wal::Open(os::Vfs& vfs, const std::string& path, const Uuid& collection,
                              std::uint64_t base_seq) {
  Opened out;
  if (auto info = vfs.Stat(path); !info.ok()) {
    if (info.error().code() != Code::kNotFound) return std::move(info.error());
    return Error(Code::kCorruption, "the log '" + path + "' is missing");
  }
  MALMOI_TRY(auto file, vfs.Open(path, os::OpenMode::kReadWrite));
  MALMOI_TRY(const std::uint64_t size, file->Size());
  MALMOI_TRY(file->Read(0, size, &out.bytes));
  const std::string header = Header(collection, base_seq);
  if (!std::string_view(out.bytes).starts_with(header)) {
    return Error(Code::kCorruption,
                 "'" + path + "': the log's header is damaged or of another collection");
  }
  const std::uint32_t salt = Crc32c(header);
  std::size_t at = header.size();
  std::uint64_t seq = base_seq;
  while (const auto record = RecordAt(out.bytes, at, salt)) {
    if (record->seq != seq) {
      return Error(Code::kCorruption, "'" + path + "' at offset " + std::to_string(at) +
                                          ": sequence number " + std::to_string(record->seq) +
                                          ", expected " + std::to_string(seq));
    }
    MALMOI_TRY(const auto ops, DecodeOps(record->ops).With("'" + path + "'"));
    seq += ops.size();
    out.records.push_back(*record);
    at += record->ops.size() + kRecordOverhead;
  }
  const std::size_t junk = out.bytes.find_first_not_of('\0', at);
  if (junk != std::string::npos) {
    if (RecordFollows(out.bytes, at, seq, salt)) {
      return Error(Code::kCorruption, "'" + path + "' at offset " + std::to_string(at) +
                                          ": damaged record before valid ones");
    }
    // The last write never finished and nobody was told that it did.
    MALMOI_TRY(file->Truncate(at));
    MALMOI_TRY(file->Sync());
  }
  const std::uint64_t reserved = junk == std::string::npos ? size : at;
  out.wal.reset(new Wal(std::move(file), salt, at, reserved));
  return out;
}

bool Wal::empty() const {
  return end_ == kHeaderBytes;
}

Status Wal::Reserve(std::size_t ops_bytes) {
  const std::uint64_t needed = end_ + ops_bytes + kRecordOverhead;
  if (needed <= reserved_) return Ok();
  const std::uint64_t size = (needed + kGrowth - 1) / kGrowth * kGrowth;
  MALMOI_TRY(file_->Allocate(size));
  reserved_ = size;
  return Ok();
}

Status Wal::Append(std::uint64_t seq, std::string_view ops) {
  std::string record;
  record.reserve(ops.size() + kRecordOverhead);
  Put(&record, static_cast<std::uint32_t>(ops.size()));
  Put(&record, kCommit);
  Put(&record, seq);
  record.append(ops);
  Put(&record, Crc32c(record, salt_));
  MALMOI_TRY(file_->Write(end_, record));
  MALMOI_TRY(file_->Sync());
  end_ += record.size();
  return Ok();
}

}  // namespace malmoi::vec
