#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ann/index.h"
#include "vec/bitmap_internal.h"
#include "vec/matcher_internal.h"
#include "vec/memory_budget_internal.h"

namespace malmoi::vec {

// What a filter keeps of a segment, deleted rows among it. Immutable but for what is derived.
class KeptRows {
 public:
  explicit KeptRows(Bitmap rows) : rows_(std::move(rows)), count_(rows_.Count()) {}

  const Bitmap& rows() const { return rows_; }
  std::uint64_t count() const { return count_; }
  // The same by the cells of a graph of the segment; made when first asked for, null where the
  // graph has none. The last graph asked for is kept. Thread-safe.
  std::shared_ptr<const ann::CellBits> InCells(
      const std::shared_ptr<const ann::Index>& graph) const;

 private:
  Bitmap rows_;
  std::uint64_t count_;
  mutable std::mutex mutex_;  // guards: graph_, cells_
  mutable std::weak_ptr<const ann::Index> graph_;
  mutable std::shared_ptr<const ann::CellBits> cells_;
};

// What filters that come again keep of one segment: whose rows never change, so that it is true for
// as long as the segment is there. A filter is known by its text and what decides how it is read.
// The filters asked for last are remembered, those that came twice with their rows: at most kMost,
// a quarter of a byte for each row. Thread-safe.
class KeptSet {
 public:
  static constexpr std::size_t kMost = 16;
  static constexpr std::uint32_t kFromRows = 4'096;  // Fewer rows are looked at each time.

  // What decides the rows besides the segment.
  struct Key {
    std::string text;  // Of the filter. Empty: it is not remembered.
    std::shared_ptr<const Schema> schema;
    std::shared_ptr<const IndexMap> indexes;
    bool operator==(const Key&) const = default;
  };

  // Before the first Get; null or none: no limit.
  void SetBudget(std::shared_ptr<MemoryBudget> budget) { budget_ = std::move(budget); }
  // Null: not known yet. *wanted: it was asked for before and there is room, so find and Put it.
  std::shared_ptr<const KeptRows> Get(const Key& key, std::uint32_t rows, bool* wanted);
  void Put(const Key& key, std::shared_ptr<const KeptRows> kept);
  std::size_t memory_bytes() const;
  void Clear();

 private:
  struct Entry {
    Key key;
    std::shared_ptr<const KeptRows> kept;  // Null: asked for once.
    std::uint64_t used = 0;
  };
  std::shared_ptr<MemoryBudget> budget_;
  mutable std::mutex mutex_;  // guards: entries_, now_
  std::vector<Entry> entries_;
  std::uint64_t now_ = 0;
};

// The key's text: the filter as JSON, or nothing if it is long.
std::string KeptText(const Filter& filter);

}  // namespace malmoi::vec
