#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "vec/ops_internal.h"
#include "vec/wal_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::string_view kMagic = "MALMWAL1";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderBytes = 8 + 4 + 16 + 8 + 4;
constexpr std::size_t kRecordHead = 4 + 1 + 8;
constexpr std::size_t kDurable = 8;  // Since format 2, behind the head.
constexpr std::size_t kCopied = 64 << 10;
constexpr std::uint8_t kCommit = 1;
constexpr std::uint64_t kGrowth = 1 << 20;  // Reserved at a time; a sync then moves no metadata.

std::string Header(std::uint32_t version, const Uuid& collection, std::uint64_t base_seq) {
  std::string out(kMagic);
  Put(&out, version);
  Put(&out, collection);
  Put(&out, base_seq);
  Put(&out, Crc32c(out));
  return out;
}

std::size_t Overhead(std::uint32_t version) {
  return kRecordHead + (version > 1 ? kDurable : 0) + 4;
}

// The whole record at `at`, or nothing.
std::optional<Wal::Record> RecordAt(std::string_view bytes, std::size_t at, std::uint32_t salt,
                                    std::uint32_t version) {
  ByteReader in(bytes.substr(at));
  const auto size = in.Get<std::uint32_t>();
  const auto type = in.Get<std::uint8_t>();
  const auto seq = in.Get<std::uint64_t>();
  // In format 1 every record is durable before the next is written.
  const auto durable = version > 1 ? in.Get<std::uint64_t>() : static_cast<std::uint64_t>(at);
  const std::string_view ops = in.Take(size);
  const auto crc = in.Get<std::uint32_t>();
  if (!in.ok() || size == 0 || type != kCommit || durable > at) return std::nullopt;
  if (crc != Crc32c(bytes.substr(at, Overhead(version) - 4 + size), salt)) return std::nullopt;
  return Wal::Record{seq, ops, durable};
}

// Whether a valid record of a later sequence number behind `at` says that `at` was on disk. The
// work spent on checksums is bounded, since hostile bytes could look like a record at every offset.
bool WasDurable(std::string_view bytes, std::size_t at, std::uint64_t seq, std::uint32_t salt,
                std::uint32_t version) {
  std::uint64_t budget = 16 * bytes.size() + 4096;
  const std::size_t overhead = Overhead(version);
  for (std::size_t i = at + 1; i + overhead <= bytes.size(); ++i) {
    if (bytes[i + 4] != static_cast<char>(kCommit)) continue;
    const auto size = Load<std::uint32_t>(bytes.data() + i);
    const auto found = Load<std::uint64_t>(bytes.data() + i + 5);
    if (size == 0 || size > bytes.size() - i - overhead) continue;
    if (found <= seq || found - seq > (1ull << 40)) continue;
    if (size > budget) return false;
    budget -= size;
    const auto record = RecordAt(bytes, i, salt, version);
    if (record && record->durable > at) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Wal>> Wal::Create(os::Vfs& vfs, const std::string& path,
                                         const Uuid& collection, std::uint64_t base_seq) {
  MALMOI_TRY(auto file, vfs.Open(path, os::OpenMode::kTruncate));
  const std::string header = Header(kVersion, collection, base_seq);
  MALMOI_TRY(file->Write(0, header));
  MALMOI_TRY(file->Sync());
  return std::unique_ptr<Wal>(
      new Wal(std::move(file), kVersion, Crc32c(header), header.size(), header.size()));
}

Result<Wal::Opened> Wal::Open(os::Vfs& vfs, const std::string& path, const Uuid& collection,
                              std::uint64_t base_seq, Tail tail) {
  Opened out;
  if (auto info = vfs.Stat(path); !info.ok()) {
    if (info.error().code() != Code::kNotFound) return std::move(info.error());
    return Error(Code::kCorruption, "the log '" + path + "' is missing");
  }
  MALMOI_TRY(auto file, vfs.Open(path, os::OpenMode::kReadWrite));
  MALMOI_TRY(const std::uint64_t size, file->Size());
  MALMOI_TRY(file->Read(0, size, &out.bytes));
  std::uint32_t version = kVersion;
  std::string header = Header(version, collection, base_seq);
  if (!std::string_view(out.bytes).starts_with(header)) {
    version = 1;
    header = Header(version, collection, base_seq);
  }
  if (!std::string_view(out.bytes).starts_with(header)) {
    return Error(Code::kCorruption,
                 "'" + path + "': the log's header is damaged or of another collection");
  }
  const std::uint32_t salt = Crc32c(header);
  std::size_t at = header.size();
  std::uint64_t seq = base_seq;
  while (const auto record = RecordAt(out.bytes, at, salt, version)) {
    if (record->seq != seq) {
      return Error(Code::kCorruption, "'" + path + "' at offset " + std::to_string(at) +
                                          ": sequence number " + std::to_string(record->seq) +
                                          ", expected " + std::to_string(seq));
    }
    MALMOI_TRY(const auto ops, DecodeOps(record->ops).With("'" + path + "'"));
    seq += ops.size();
    out.records.push_back(*record);
    at += record->ops.size() + Overhead(version);
  }
  const std::size_t junk = out.bytes.find_first_not_of('\0', at);
  if (junk != std::string::npos) {
    if (tail == Tail::kClosed || WasDurable(out.bytes, at, seq, salt, version)) {
      return Error(Code::kCorruption, "'" + path + "' at offset " + std::to_string(at) +
                                          ": damaged record before valid ones");
    }
    // The last write never finished and nobody was told that it did.
    MALMOI_TRY(file->Truncate(at));
    MALMOI_TRY(file->Sync());
  }
  // Of another process these may not be on disk yet; records from now on say that they are.
  if (!out.records.empty()) MALMOI_TRY(file->Sync());
  const std::uint64_t reserved = junk == std::string::npos ? size : at;
  out.wal.reset(new Wal(std::move(file), version, salt, at, reserved));
  return out;
}

Result<bool> Wal::Begun(os::Vfs& vfs, const std::string& path) {
  auto info = vfs.Stat(path);
  if (!info.ok() && info.error().code() == Code::kNotFound) return false;
  if (!info.ok()) return std::move(info.error());
  if (info.value().size > kHeaderBytes) return true;
  MALMOI_TRY(const std::string bytes, os::ReadFile(vfs, path));
  if (bytes.size() < kHeaderBytes) return false;
  return Load<std::uint32_t>(bytes.data() + kHeaderBytes - 4) ==
         Crc32c(std::string_view(bytes).substr(0, kHeaderBytes - 4));
}

bool Wal::empty() const {
  return end_ == kHeaderBytes;
}

Status Wal::Reserve(std::size_t ops_bytes) {
  const std::uint64_t needed = end_ + ops_bytes + Overhead(version_);
  if (needed <= reserved_) return Ok();
  const std::uint64_t size = (needed + kGrowth - 1) / kGrowth * kGrowth;
  MALMOI_TRY(file_->Allocate(size));
  reserved_ = size;
  return Ok();
}

Status Wal::Append(std::uint64_t seq, std::span<const std::string_view> ops) {
  std::string head;
  std::size_t size = 0;
  for (const auto& piece : ops) size += piece.size();
  Put(&head, static_cast<std::uint32_t>(size));
  Put(&head, kCommit);
  Put(&head, seq);
  if (version_ > 1) Put(&head, durable_);
  std::uint32_t crc = Crc32c(head, salt_);
  for (const auto& piece : ops) crc = Crc32c(piece, crc);
  // Small pieces go in one call; large ones are not copied once more.
  std::uint64_t at = end_;
  const auto flush = [&]() -> Status {
    MALMOI_TRY(file_->Write(at, head));
    at += head.size();
    head.clear();
    return Ok();
  };
  for (const auto& piece : ops) {
    if (piece.size() < kCopied) {
      head += piece;
      continue;
    }
    MALMOI_TRY(flush());
    MALMOI_TRY(file_->Write(at, piece));
    at += piece.size();
  }
  Put(&head, crc);
  MALMOI_TRY(flush());
  end_ = at;
  return Ok();
}

Status Wal::Sync() {
  if (durable_ == end_) return Ok();
  MALMOI_TRY(file_->Sync());
  durable_ = end_;
  return Ok();
}

}  // namespace malmoi::vec
