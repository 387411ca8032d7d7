#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "os/vfs.h"
#include "vec/byte_rows_internal.h"
#include "vec/graph_internal.h"
#include "vec/impacts_internal.h"
#include "vec/kept_rows_internal.h"
#include "vec/part_internal.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {

// What the manifest says of a segment file.
struct SegmentInfo {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  std::uint32_t rows = 0;
  std::uint32_t footer_crc = 0;
};

enum class SectionKind : std::uint32_t {
  kIds = 1,
  kPayloadOffsets,
  kPayload,
  kHas,
  kDense,
  kSparseOffsets,
  kSparseIndices,
  kSparseValues,
  kTerms,
  kTermOffsets,
  kPostingRows,
  kPostingValues,
  kMultiOffsets,
  kPackedPayload,  // In the place of kPayload, which is JSON text (format 1).
  kVersions,
};

struct Section {
  SectionKind kind = SectionKind::kIds;
  std::uint32_t field = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

inline constexpr std::uint64_t kCheckedBlock = 64 << 10;

// Writes the rows, in rising order of id, to a new file and syncs it (docs/formats/segment.md).
// Cost: one pass over the rows for each section; the posting lists of one field in memory.
// Errors: kIo; kCancelled soon after `stop` (null: never) is set.
Result<SegmentInfo> WriteSegment(os::Vfs& vfs, const std::string& path, const Schema& schema,
                                 const Uuid& collection, std::span<const RowRef> rows,
                                 const std::atomic<bool>* stop);

// An immutable segment file, mapped. Opening verifies the footer and the small sections; blocks of
// the large ones are verified when first read.
class Segment : public Part {
 public:
  static Result<std::shared_ptr<Segment>> Open(os::Vfs& vfs, const std::string& path,
                                               std::shared_ptr<const Schema> schema,
                                               const Uuid& collection, const SegmentInfo& info);

  std::uint32_t rows() const { return info_.rows; }
  const SegmentInfo& info() const { return info_; }
  const Schema& schema() const { return *schema_; }
  std::uint64_t memory_bytes() const;
  std::optional<std::uint32_t> Find(const PointId& id) const;
  // First row whose id is not below `id`.
  std::uint32_t LowerBound(const PointId& id) const;

  PointId Id(std::uint32_t row) const override;
  bool Has(std::uint32_t field, std::uint32_t row) const override;
  bool AllHave(std::uint32_t field) const override { return CountHas(field) == capacity(); }
  const char* Dense(std::uint32_t field, std::uint32_t begin, std::uint32_t end) const override;
  MultiRef Multi(std::uint32_t field, std::uint32_t row) const override;
  SparseRef Sparse(std::uint32_t field, std::uint32_t row) const override;
  Postings Find(std::uint32_t field, std::uint32_t term) const override;
  std::uint64_t Version(std::uint32_t row) const override;
  // Asks for what a hit needs of a row of a dense vector: the vector, the id and the version.
  void Prefetch(std::uint32_t field, std::uint32_t row) const;
  bool finished() const override { return true; }
  std::string_view Payload(std::uint32_t row, std::string* scratch) const override;
  // Rows of all that have the field, deleted ones included.
  std::uint64_t CountHas(std::uint32_t field) const;
  // Of a dense vector, of the rows that have it.
  std::uint64_t vector_bytes(std::uint32_t field) const;
  GraphSet& graphs() const { return graphs_; }
  ByteSet& byte_rows() const { return byte_rows_; }
  ImpactSet& impacts() const { return impacts_; }
  KeptSet& kept() const { return kept_; }
  Status Health() const override;
  // Reads all blocks; what is damaged, Health() says.
  void VerifyAll() const { (void)Verify(map_.bytes.data(), sections_end_); }

 private:
  struct Field {
    std::string_view has, dense, sparse_offsets, sparse_indices, sparse_values;
    std::string_view terms, term_offsets, posting_rows, posting_values;
    std::string_view multi_offsets;
    std::uint64_t count = 0;  // Rows that have it.
  };
  Segment(std::shared_ptr<const Schema> schema, const SegmentInfo& info, std::string path)
      : Part(info.rows), schema_(std::move(schema)), info_(info), path_(std::move(path)) {}

  Status ReadFooter(const Uuid& collection);
  Status Place(const Section& section);
  Status CheckSections() const;
  bool CheckVectors(std::size_t field) const;
  Status IndexIds();
  Error Damaged(const std::string& what) const;
  // Whether all blocks under [data, data + n) match their checksums.
  bool Verify(const void* data, std::size_t n) const;

  std::shared_ptr<const Schema> schema_;
  SegmentInfo info_;
  std::string path_;
  os::Mapping map_;
  std::uint64_t sections_end_ = 0;
  std::string_view block_crcs_;
  std::string_view ids_, payload_offsets_, payload_, versions_;
  bool json_payload_ = false;
  std::vector<Field> fields_;
  mutable GraphSet graphs_;
  mutable ByteSet byte_rows_;
  mutable ImpactSet impacts_;
  mutable KeptSet kept_;
  std::vector<std::uint32_t> table_;                               // Row + 1 by hash of id.
  mutable std::unique_ptr<std::atomic<std::uint8_t>[]> verified_;  // One a block.
  mutable std::atomic<std::uint64_t> damaged_at_{kNever};
};

}  // namespace malmoi::vec
