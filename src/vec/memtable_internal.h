#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "vec/mem_codes_internal.h"
#include "vec/ops_internal.h"
#include "vec/part_internal.h"
#include "vec/postings_internal.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {

inline constexpr std::uint32_t kBlockRows = 256;

// kBlockRows rows of the memtable, filled one after another by the writer. A block has the fields
// of the schema at its beginning; after a new field came, the next row begins a new block.
class MemBlock : public Part {
 public:
  explicit MemBlock(std::shared_ptr<const Schema> schema);

  const Schema& schema() const { return *schema_; }
  void Set(std::uint32_t row, const PointView& point, std::uint64_t seq);
  // Called once, when no row will be added: builds the inverted indexes.
  void Finish();
  std::uint32_t rows() const { return rows_; }  // The writer's.

  PointId Id(std::uint32_t row) const override { return ids_[row]; }
  bool Has(std::uint32_t field, std::uint32_t row) const override;
  const char* Dense(std::uint32_t field, std::uint32_t begin, std::uint32_t end) const override;
  MultiRef Multi(std::uint32_t field, std::uint32_t row) const override;
  SparseRef Sparse(std::uint32_t field, std::uint32_t row) const override;
  Postings Find(std::uint32_t field, std::uint32_t term) const override;
  std::uint64_t Version(std::uint32_t row) const override { return versions_[row]; }
  bool finished() const override { return finished_.load(std::memory_order_acquire); }
  std::string_view Payload(std::uint32_t row, std::string*) const override {
    return payloads_[row];
  }

 private:
  struct Field {
    // Dense rows: allocated with the first vector; readers learn of it from has.
    std::atomic<const char*> data{nullptr};
    Buffer<char> dense;
    std::vector<std::string> multi;
    std::vector<std::vector<std::uint32_t>> indices;
    std::vector<std::vector<float>> values;
    // A byte a row: neighbouring rows are read while one is written.
    std::array<std::uint8_t, kBlockRows> has{};
    PostingLists postings;
  };
  std::shared_ptr<const Schema> schema_;
  std::array<PointId, kBlockRows> ids_;
  std::array<std::uint64_t, kBlockRows> versions_{};
  std::array<std::string, kBlockRows> payloads_;
  std::vector<Field> fields_;
  std::atomic<bool> finished_{false};
  std::uint32_t rows_ = 0;
};

// Newest row of each id. Fixed capacity: a fuller table is a new object, so that readers of older
// snapshots keep theirs.
class IdTable {
 public:
  explicit IdTable(std::size_t capacity) : slots_(capacity), mask_(capacity - 1) {}
  std::size_t capacity() const { return slots_.size(); }
  std::atomic<std::uint32_t>& slot(std::size_t i) const { return slots_[i & mask_]; }

 private:
  mutable std::vector<std::atomic<std::uint32_t>> slots_;  // Row + 1; 0 is free.
  std::size_t mask_;
};

// Points written since the last checkpoint. One writer; readers reach the rows that their snapshot
// counts.
class Memtable {
 public:
  Memtable();

  // Appends a row of operation `seq`. The caller marks older rows of the id deleted.
  void Add(const std::shared_ptr<const Schema>& schema, const PointView& point, std::uint64_t seq);
  std::uint32_t rows() const { return rows_; }
  std::uint64_t bytes() const { return bytes_; }
  bool Full() const { return rows_ >= kSealRows; }

  const MemBlock& block(std::uint32_t i) const { return *blocks_[i]; }
  std::shared_ptr<const IdTable> table() const { return table_; }
  MemCodes& codes() { return codes_; }
  const MemCodes& codes() const { return codes_; }
  // The row of `id` among the first `rows` that reader `seq` sees.
  std::optional<RowRef> Find(const IdTable& table, std::uint32_t rows, const PointId& id,
                             std::uint64_t seq) const;

 private:
  // A checkpoint is due far before the directory is full: a write adds at most
  // Limits::points_per_write_max rows.
  static constexpr std::uint32_t kSealRows = 1'000'000;
  static constexpr std::uint32_t kBlocks = 8192;

  void CloseBlock();
  void Link(const PointId& id, std::uint32_t row);

  std::vector<std::unique_ptr<MemBlock>> blocks_;
  std::vector<std::unique_ptr<std::array<std::uint32_t, kBlockRows>>> previous_;  // Row + 1.
  std::shared_ptr<IdTable> table_;
  std::uint32_t rows_ = 0;
  std::size_t ids_ = 0;
  std::uint64_t bytes_ = 0;
  MemCodes codes_;
};

}  // namespace malmoi::vec
