#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"
#include "json/value.h"
#include "qdrant/shard_files_internal.h"

namespace malmoi::qdrant {
namespace {

constexpr std::size_t kPointerBytes = 16, kTrackerHeader = 4;
constexpr std::size_t kJournalEntry = 20, kJournalHeader = 8;

Error Damaged(const std::string& path, const std::string& why) {
  return Error(Code::kCorruption, "'" + path + "': " + why);
}

Result<json::Value> ReadJson(os::Vfs& vfs, const std::string& path) {
  MALMOI_TRY(const std::string text, os::ReadFile(vfs, path));
  auto parsed = json::Parse(text);
  if (!parsed.ok()) return Damaged(path, parsed.error().message());
  return parsed;
}

// PREFIX0SUFFIX, PREFIX1SUFFIX and so on, as many as are there.
Result<std::vector<os::Mapping>> MapNumbered(os::Vfs& vfs, const std::string& folder,
                                             const std::string& prefix, const std::string& suffix) {
  std::vector<os::Mapping> files;
  for (std::size_t i = 0;; ++i) {
    const std::string path = os::JoinPath(folder, prefix + std::to_string(i) + suffix);
    if (!vfs.Stat(path).ok()) return files;
    MALMOI_TRY(auto file, vfs.Map(path));
    files.push_back(std::move(file));
  }
}

}  // namespace

Result<Flags> Flags::Open(os::Vfs& vfs, const std::string& folder) {
  const std::string path = os::JoinPath(folder, "status.dat");
  MALMOI_TRY(const std::string status, os::ReadFile(vfs, path));
  if (status.size() < 16) return Damaged(path, "cut");
  Flags flags;
  flags.count_ = Load<std::uint64_t>(status.data());
  const bool second = Load<std::uint64_t>(status.data() + 8) != 0;  // Of old versions.
  const std::string bits = os::JoinPath(folder, second ? "flags_b.dat" : "flags_a.dat");
  MALMOI_TRY(flags.file_, vfs.Map(bits));
  if (flags.count_ / 8 > flags.file_.bytes.size() ||
      (flags.count_ + 7) / 8 > flags.file_.bytes.size()) {
    return Damaged(bits, "shorter than its " + std::to_string(flags.count_) + " flags");
  }
  return flags;
}

Result<Flags> Flags::OpenDropped(os::Vfs& vfs, const std::string& path) {
  Flags flags;
  flags.at_ = 8;
  MALMOI_TRY(flags.file_, vfs.Map(path));
  if (flags.file_.bytes.size() < flags.at_ || !flags.file_.bytes.starts_with("drop")) {
    return Damaged(path, "it does not begin with 'drop'");
  }
  flags.count_ = (flags.file_.bytes.size() - flags.at_) * 8;
  return flags;
}

Result<Grid> Grid::Open(os::Vfs& vfs, const std::string& folder) {
  Grid grid;
  grid.folder_ = folder;
  const std::string path = os::JoinPath(folder, "config.json");
  MALMOI_TRY(const json::Value config, ReadJson(vfs, path));
  const std::string mode(config.GetString("mode", "mutable"));
  const std::string compression(config.GetString("compression", "LZ4"));
  const std::int64_t block = config.GetInt("block_size_bytes");
  const std::int64_t page = config.GetInt("page_size_bytes");
  constexpr std::int64_t kPageMax = std::int64_t{1} << 32;
  if (mode != "mutable" || (compression != "LZ4" && compression != "None")) {
    return Error(Code::kUnsupported, "'" + path + "': mode '" + mode + "', compression '" +
                                         compression + "' are not known here");
  }
  if (block < 1 || page < block || page > kPageMax || page % block != 0) {
    return Damaged(
        path, "blocks of " + std::to_string(block) + " bytes in pages of " + std::to_string(page));
  }
  grid.block_bytes_ = static_cast<std::uint64_t>(block);
  grid.page_bytes_ = static_cast<std::uint64_t>(page);
  grid.lz4_ = compression == "LZ4";
  MALMOI_TRY(grid.tracker_, vfs.Map(os::JoinPath(folder, "tracker.dat")));
  MALMOI_TRY(grid.ReadJournal(vfs, os::JoinPath(folder, "tracker_journal.dat")));
  MALMOI_TRY(grid.pages_, MapNumbered(vfs, folder, "page_", ".dat"));
  return grid;
}

// Batches [u32 bytes][u32 CRC32C][entries]; one that is cut or damaged at the end was never
// acknowledged.
Status Grid::ReadJournal(os::Vfs& vfs, const std::string& path) {
  if (!vfs.Stat(path).ok()) return Ok();  // Versions before 1.20 have none.
  MALMOI_TRY(const auto file, vfs.Map(path));
  std::string_view rest = file.bytes;
  while (rest.size() >= kJournalHeader) {
    const auto size = Load<std::uint32_t>(rest.data());
    const auto crc = Load<std::uint32_t>(rest.data() + 4);
    rest.remove_prefix(kJournalHeader);
    if (size == 0 || size > rest.size() || size % kJournalEntry != 0) break;
    const std::string_view batch = rest.substr(0, size);
    if (Crc32c(batch) != crc) break;
    rest.remove_prefix(size);
    for (std::size_t at = 0; at < batch.size(); at += kJournalEntry) {
      ByteReader in(batch.substr(at, kJournalEntry));
      const auto offset = in.Get<std::uint32_t>();
      const bool some = in.Get<std::uint32_t>() != 0;
      Pointer pointer;
      pointer.page = in.Get<std::uint32_t>();
      pointer.block = in.Get<std::uint32_t>();
      pointer.length = in.Get<std::uint32_t>();
      journal_[offset] = some ? std::optional<Pointer>(pointer) : std::nullopt;
    }
  }
  return Ok();
}

Result<std::optional<Grid::Pointer>> Grid::Find(std::uint32_t offset) const {
  if (const auto at = journal_.find(offset); at != journal_.end()) return at->second;
  const std::size_t at = kTrackerHeader + std::size_t{offset} * kPointerBytes;
  if (at + kPointerBytes > tracker_.bytes.size()) return std::optional<Pointer>();
  ByteReader in(tracker_.bytes.substr(at, kPointerBytes));
  if (in.Get<std::uint32_t>() == 0) return std::optional<Pointer>();
  Pointer pointer;
  pointer.page = in.Get<std::uint32_t>();
  pointer.block = in.Get<std::uint32_t>();
  pointer.length = in.Get<std::uint32_t>();
  return std::optional<Pointer>(pointer);
}

Result<std::optional<std::string>> Grid::Get(std::uint32_t offset) const {
  MALMOI_TRY(const auto pointer, Find(offset));
  if (!pointer) return std::optional<std::string>();
  constexpr std::uint64_t kLengthMax = std::uint64_t{256} << 20;  // As DecodeLz4's.
  if (pointer->length > kLengthMax) {
    return Damaged(folder_, "a value of " + std::to_string(pointer->length) + " bytes, above " +
                                std::to_string(kLengthMax));
  }
  std::string bytes;
  std::uint64_t at = pointer->block * block_bytes_, left = pointer->length;
  for (std::size_t page = pointer->page; left > 0; ++page, at = 0) {
    const std::uint64_t size =
        page < pages_.size() ? std::min<std::uint64_t>(pages_[page].bytes.size(), page_bytes_) : 0;
    if (at >= size) {
      return Damaged(folder_,
                     "the value at " + std::to_string(offset) + " lies outside of its pages");
    }
    const std::uint64_t here = std::min(left, size - at);
    bytes +=
        pages_[page].bytes.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(here));
    left -= here;
  }
  if (!lz4_) return std::optional<std::string>(std::move(bytes));
  MALMOI_TRY(auto decoded, DecodeLz4(bytes).With("'" + folder_ + "'"));
  return std::optional<std::string>(std::move(decoded));
}

Result<Rows> Rows::OpenChunks(os::Vfs& vfs, const std::string& folder, std::size_t row_bytes) {
  Rows rows;
  rows.name_ = folder;
  rows.row_bytes_ = row_bytes;
  const std::string path = os::JoinPath(folder, "config.json");
  MALMOI_TRY(const json::Value config, ReadJson(vfs, path));
  const std::int64_t per_chunk = config.GetInt("chunk_size_vectors");
  if (per_chunk < 1) return Damaged(path, "no rows in a chunk");
  rows.per_chunk_ = static_cast<std::uint64_t>(per_chunk);
  const std::string status_path = os::JoinPath(folder, "status.dat");
  MALMOI_TRY(const std::string status, os::ReadFile(vfs, status_path));
  if (status.size() < 8) return Damaged(status_path, "cut");
  rows.rows_ = Load<std::uint64_t>(status.data());
  MALMOI_TRY(rows.chunks_, MapNumbered(vfs, folder, "chunk_", ".mmap"));
  return rows;
}

Result<Rows> Rows::OpenMatrix(os::Vfs& vfs, const std::string& path, std::size_t row_bytes) {
  Rows rows;
  rows.name_ = path;
  rows.row_bytes_ = row_bytes;
  rows.header_ = 4;
  MALMOI_TRY(auto file, vfs.Map(path));
  if (!file.bytes.starts_with("data")) return Damaged(path, "it does not begin with 'data'");
  rows.rows_ = (file.bytes.size() - rows.header_) / row_bytes;
  rows.per_chunk_ = std::max<std::uint64_t>(rows.rows_, 1);
  rows.chunks_.push_back(std::move(file));
  return rows;
}

Result<std::string_view> Rows::Get(std::uint64_t first, std::uint64_t count) const {
  const auto outside = [&] {
    return Damaged(name_, "row " + std::to_string(first) + " is outside of its " +
                              std::to_string(rows_) + " rows");
  };
  if (first >= rows_ || count > rows_ - first) return outside();
  const std::uint64_t chunk = first / per_chunk_, in_chunk = first % per_chunk_;
  if (chunk >= chunks_.size() || in_chunk + count > per_chunk_) return outside();
  const std::string_view bytes = chunks_[static_cast<std::size_t>(chunk)].bytes;
  const std::uint64_t room = (bytes.size() - std::min(header_, bytes.size())) / row_bytes_;
  if (in_chunk + count > room) return outside();
  return bytes.substr(header_ + static_cast<std::size_t>(in_chunk) * row_bytes_,
                      static_cast<std::size_t>(count) * row_bytes_);
}

}  // namespace malmoi::qdrant
