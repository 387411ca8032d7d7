#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/vfs.h"
#include "vec/point.h"

// The files of a segment as Qdrant itself writes them, read: versions 1.16 to 1.20 by their source,
// of which files of 1.20's engine were tried; byte layouts are in docs/formats/qdrant-segment.md.
// All are untrusted: each read is checked against what is there, and a wrong one is kCorruption
// naming the file. Nothing here allocates more than a small multiple of the bytes that it was
// given, but for lz4: at most 255 times them, and 256 MiB a value.
namespace malmoi::qdrant {

// A block of LZ4 behind its decoded size (u32). Errors: kCorruption.
Result<std::string> DecodeLz4(std::string_view bytes);
// Rising numbers as differences, packed to as many bits as the largest needs. `count` of them.
Result<std::vector<std::uint32_t>> DecodeDeltas(std::string_view bytes, std::size_t count);
// A stored sparse vector: packed indices, then values.
Result<vec::SparseVector> DecodeSparse(std::string_view bytes);

// Which points an id tracker has.
struct SegmentPoint {
  vec::PointId id;
  std::uint32_t offset = 0;  // Of the point's vectors and payload in the segment.
  std::uint64_t version = 0;
};
// mutable_id_tracker.mappings: a log of insertions and deletions; a cut last entry is dropped, as
// Qdrant does. mutable_id_tracker.versions: points beyond it were not finished and are dropped.
Result<std::vector<SegmentPoint>> DecodeIdLog(std::string_view mappings, std::string_view versions);
// id_tracker.mappings, .deleted (bits) and .versions.
Result<std::vector<SegmentPoint>> DecodeIdList(std::string_view mappings, std::string_view deleted,
                                               std::string_view versions);

// Bits of a folder with flags_a.dat and status.dat; those beyond its length are not set.
class Flags {
 public:
  static Result<Flags> Open(os::Vfs& vfs, const std::string& folder);
  // deleted.dat of an immutable storage: "drop", padded to 8 bytes, and the bits.
  static Result<Flags> OpenDropped(os::Vfs& vfs, const std::string& path);
  bool IsSet(std::uint32_t i) const {
    return i < count_ && (static_cast<unsigned char>(file_.bytes[at_ + i / 8]) >> (i % 8) & 1) != 0;
  }

 private:
  os::Mapping file_;
  std::size_t at_ = 0;
  std::uint64_t count_ = 0;
};

// Values of any length by offset: pages of blocks, pointers to them, and a journal of pointers that
// may not have reached their file.
class Grid {
 public:
  static Result<Grid> Open(os::Vfs& vfs, const std::string& folder);
  // Decoded; nothing where the offset has none.
  Result<std::optional<std::string>> Get(std::uint32_t offset) const;

 private:
  struct Pointer {
    std::uint32_t page = 0, block = 0, length = 0;
  };
  Status ReadJournal(os::Vfs& vfs, const std::string& path);
  Result<std::optional<Pointer>> Find(std::uint32_t offset) const;

  std::string folder_;
  std::uint64_t block_bytes_ = 0, page_bytes_ = 0;
  bool lz4_ = false;
  os::Mapping tracker_;
  std::map<std::uint32_t, std::optional<Pointer>> journal_;
  std::vector<os::Mapping> pages_;
};

// Rows of one size: chunks (chunk_N.mmap, config.json, status.dat) or one matrix.dat.
class Rows {
 public:
  // `row_bytes`: of one row. Errors: kUnsupported where neither is there.
  static Result<Rows> OpenChunks(os::Vfs& vfs, const std::string& folder, std::size_t row_bytes);
  static Result<Rows> OpenMatrix(os::Vfs& vfs, const std::string& path, std::size_t row_bytes);
  // `count` rows in a piece; kCorruption where they are not there.
  Result<std::string_view> Get(std::uint64_t first, std::uint64_t count) const;

 private:
  std::string name_;
  std::size_t row_bytes_ = 0, header_ = 0;
  std::uint64_t rows_ = 0, per_chunk_ = 0;
  std::vector<os::Mapping> chunks_;
};

}  // namespace malmoi::qdrant
