#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ann/index.h"
#include "vec/bitmap_internal.h"
#include "vec/matcher_internal.h"
#include "vec/memory_budget_internal.h"

namespace malmoi::vec {

// A graph of a filter's rows alone. Of few rows it has the codes too, side by side; of many only
// links, which takes less memory from a third of the rows on.
struct OwnGraph {
  std::shared_ptr<const ann::Index> index;
  std::vector<std::uint32_t> rows;  // Its row i is row rows[i] of the segment; empty: row i.

  static bool Copies(std::uint64_t kept, std::uint64_t rows) { return kept * 3 < rows; }
  // Of a filter that keeps so many of so many rows.
  static std::uint64_t Bytes(std::uint64_t kept, std::uint64_t rows,
                             const ann::IndexOptions& options);
};

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

  // The rows' own graph by the codes of a graph of the segment; null: none yet, or none ever. A
  // filter of kOwnFrom rows or more is to have one when it was asked for an eighth as often as it
  // has rows, and kAskedLeast times. *wanted: it is time to make it (KeptSet::NextOwn).
  // Thread-safe.
  static constexpr std::uint64_t kOwnFrom = 100, kAskedLeast = 64;
  std::shared_ptr<const OwnGraph> Own(const std::shared_ptr<const ann::Index>& graph,
                                      bool* wanted) const;
  // Whether Own waits for it.
  bool WantsOwn(const std::shared_ptr<const ann::Index>& graph) const;
  // Null: it cannot be made.
  void PutOwn(const std::shared_ptr<const ann::Index>& graph,
              std::shared_ptr<const OwnGraph> own) const;
  void DropOwn() const;
  std::uint64_t own_bytes() const;
  std::uint64_t memory_bytes() const;

 private:
  struct Slot {
    std::weak_ptr<const ann::Index> graph;
    std::uint64_t asked = 0;
    bool refused = false;
    std::shared_ptr<const OwnGraph> own;
    std::uint64_t bytes = 0;  // Of it.
  };
  Slot* SlotOf(const std::shared_ptr<const ann::Index>& graph) const;  // Null: none.
  bool MayHaveOwn() const;
  std::uint64_t OwnAfter() const;  // So many questions.

  Bitmap rows_;
  std::uint64_t count_;
  mutable std::mutex mutex_;  // guards: graph_, cells_, slots_
  mutable std::weak_ptr<const ann::Index> graph_;
  mutable std::shared_ptr<const ann::CellBits> cells_;
  mutable std::vector<Slot> slots_;  // By graph: a point may have several vectors.
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
  // A filter that is to have its own graph beside `graph`, and for which there is room: own graphs
  // take at most kOwnShare of the memory of the segment's in sum. Those of filters that did not
  // come for long are dropped for it. Null: none.
  static constexpr double kOwnShare = 0.65;
  std::shared_ptr<const KeptRows> NextOwn(const std::shared_ptr<const ann::Index>& graph,
                                          std::uint32_t rows);
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
