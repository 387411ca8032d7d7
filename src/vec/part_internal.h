#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vec/bitmap_internal.h"
#include "vec/point.h"

namespace malmoi::vec {

class ColumnSet;

struct SparseRef {
  const std::uint32_t* indices = nullptr;
  const float* values = nullptr;
  std::size_t size = 0;
};
struct Postings {
  const std::uint32_t* rows = nullptr;  // Rising.
  const float* values = nullptr;
  std::size_t size = 0;
};
struct MultiRef {
  const char* data = nullptr;  // Stored rows, one after another.
  std::size_t rows = 0;
};

inline constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

// Rows of points under one numbering: a segment on disk or a block of the memtable. What a row
// holds never changes; only when it was deleted is written later, once. Readers of sequence number
// s see the rows that were not deleted at s.
class Part {
 public:
  explicit Part(std::uint32_t capacity);
  virtual ~Part();

  virtual PointId Id(std::uint32_t row) const = 0;
  virtual bool Has(std::uint32_t field, std::uint32_t row) const = 0;
  // Whether it is known without looking at them that all rows have it.
  virtual bool AllHave(std::uint32_t) const { return false; }
  // Rows [begin, end) of a dense vector as stored, zeros where a row lacks it; null if none has it.
  virtual const char* Dense(std::uint32_t field, std::uint32_t begin, std::uint32_t end) const = 0;
  virtual MultiRef Multi(std::uint32_t field, std::uint32_t row) const = 0;
  virtual SparseRef Sparse(std::uint32_t field, std::uint32_t row) const = 0;
  virtual Postings Find(std::uint32_t field, std::uint32_t term) const = 0;
  // The number of the operation that wrote the row; 0 in files that do not say.
  virtual std::uint64_t Version(std::uint32_t row) const = 0;
  // False while the part grows: then there are no postings and no columns.
  virtual bool finished() const = 0;
  // Packed; in the part, or in *scratch.
  virtual std::string_view Payload(std::uint32_t row, std::string* scratch) const = 0;
  // Reads of damaged blocks give nothing and set this error; ask after every piece of work.
  virtual Status Health() const { return Ok(); }

  std::uint32_t capacity() const { return capacity_; }

  // Values of payload fields in a form to search; built when first asked for (columns_internal.h).
  ColumnSet& columns() const { return *columns_; }

  bool VisibleAt(std::uint32_t row, std::uint64_t seq) const {
    return deleted_at_[row].load(std::memory_order_relaxed) > seq;
  }
  void MarkDeleted(std::uint32_t row, std::uint64_t seq) const {
    deleted_at_[row].store(seq, std::memory_order_relaxed);
    std::uint64_t last = last_deleted_at_.load(std::memory_order_relaxed);
    while (last < seq && !last_deleted_at_.compare_exchange_weak(last, seq)) {
    }
    live_[row / 64].fetch_and(~(std::uint64_t{1} << (row % 64)), std::memory_order_release);
    deleted_.fetch_add(1, std::memory_order_release);
  }
  // Of rows [0, rows) those that are visible to a reader of `seq`. Cost: a word for each 64 rows,
  // and a look at each deleted row where one was deleted after `seq`.
  Bitmap Visible(std::uint32_t rows, std::uint64_t seq) const;
  // The sequence number at which the row was deleted; kNever: it was not.
  std::uint64_t DeletedAt(std::uint32_t row) const {
    return deleted_at_[row].load(std::memory_order_relaxed);
  }
  // Rows deleted so far; while 0, every row is visible to every reader.
  std::uint32_t deleted() const { return deleted_.load(std::memory_order_acquire); }

 private:
  std::uint32_t capacity_;
  // Not part of what the row holds: when it went away.
  std::unique_ptr<std::atomic<std::uint64_t>[]> deleted_at_;
  mutable std::atomic<std::uint32_t> deleted_{0};
  // Rows not deleted yet, a bit each; cleared after the two that say when.
  std::unique_ptr<std::atomic<std::uint64_t>[]> live_;
  mutable std::atomic<std::uint64_t> last_deleted_at_{0};
  std::unique_ptr<ColumnSet> columns_;
};

// A part and how many of its rows a snapshot reaches.
struct PartRef {
  const Part* part = nullptr;
  std::uint32_t rows = 0;
};
struct RowRef {
  const Part* part = nullptr;
  std::uint32_t row = 0;
};

}  // namespace malmoi::vec
