#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vec/bitmap_internal.h"
#include "vec/filter.h"
#include "vec/memory_budget_internal.h"
#include "vec/part_internal.h"
#include "vec/text_rules_internal.h"

namespace malmoi::vec {

enum class ColumnKind : std::uint8_t {
  kKeyword,
  kUuid,
  kInteger,
  kNumber,
  kBool,
  kDatetime,
  kGeo,
  kText,
  kPresence,
};

// The values of one payload field over the rows of one part: each distinct value with its rows.
// Immutable.
struct Column {
  // Distinct and rising; by kind only one of these is used. Geo points stand once a row, by rising
  // latitude. Words: keywords, a UUID's 16 bytes, tokens.
  std::vector<std::string> words;
  std::vector<std::int64_t> integers;  // Also bools and datetimes.
  std::vector<double> numbers;
  std::vector<GeoPoint> places;
  // Rows of value i: rows[offsets[i]] to rows[offsets[i + 1]], rising, each once. Of places:
  // rows[i].
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint32_t> rows;
  Bitmap any;    // Rows with a value of the kind.
  Bitmap other;  // Rows with a value of another kind than this and null.
  // kPresence: number of values and whether one is null.
  std::vector<std::uint32_t> counts;
  Bitmap nulls;

  // Where no row has two values and there are many: element k has rows[0, (k + 1) * step), so that
  // a wide range costs two of them instead of each of its rows. As large as `rows` at most.
  std::vector<Bitmap> before;
  std::uint32_t step = 0;

  std::size_t values() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  void AddRows(std::size_t value, Bitmap* out) const { AddRange(value, value + 1, out); }
  // Of the values [first, last).
  void AddRange(std::size_t first, std::size_t last, Bitmap* out) const;
  void SumRows();  // Fills `before`.
  std::size_t memory_bytes() const;
};

// Which column: of a path, as a kind, for text by rules.
struct ColumnSpec {
  std::string key;
  ColumnKind kind = ColumnKind::kKeyword;
  std::vector<PathStep> path;
  std::shared_ptr<const TextRules> rules;  // kText only.
  bool declared = false;  // There is a payload index: build at once. Else when it is often wanted.
};

Column BuildColumn(const Part& part, std::uint32_t rows, const ColumnSpec& spec);

// The columns of one part. Thread-safe; who finds one missing builds it while others wait.
class ColumnSet {
 public:
  // Before the first Get; null or none: no limit.
  void SetBudget(std::shared_ptr<MemoryBudget> budget) { budget_ = std::move(budget); }
  // Null where the part still grows, the field is not (yet) worth a column or memory is short.
  std::shared_ptr<const Column> Get(const Part& part, std::uint32_t rows, const ColumnSpec& spec);
  std::size_t memory_bytes() const;
  void Clear();  // Columns are made again when they are wanted.

 private:
  struct Entry {
    std::shared_ptr<const Column> column;
    std::shared_ptr<const TextRules> rules;
    std::uint32_t asked = 0;
  };
  std::shared_ptr<MemoryBudget> budget_;
  mutable std::mutex mutex_;  // guards: entries_
  std::map<std::pair<std::string, ColumnKind>, Entry> entries_;
};

}  // namespace malmoi::vec
