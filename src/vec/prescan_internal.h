#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "vec/byte_rows_internal.h"

namespace malmoi::vec {

// Which rows can be among the best of many queries: products of bytes instead of floats, and a
// bound of what they can be off by. Rows that are below by more than that are not scored at all;
// the others are scored as ever, so hits and scores are those of a plain scan, bit for bit.
//
// With a, w a row and a query and a', w' what their bytes stand for,
//   |a.w - a'.w'| <= |a| |w - w'| + |a - a'| |w'|,
// where each number of a' is off by half of the row's step at most, and of w' by half of the
// query's, plus what the floats round. Euclid: -|a - w|^2 = 2 (a.w) - |a|^2 - |w|^2.
//
// Immutable, for many threads with a Scratch each.
class Prescan {
 public:
  static constexpr std::size_t kGroup = 16;  // Queries that are compared together.
  struct Scratch {
    std::optional<ByteRows> rows;  // A block, of rows that are not kept as bytes.
    std::vector<float> products;   // [rows, groups * kGroup]: a'.w'.
    std::vector<float> cuts;       // [groups * kGroup]
  };

  // `stored`: queries as the field stores them, one after another. Null where it is of no use: for
  // other distances and datatypes, without vector instructions, and for huge numbers.
  static std::unique_ptr<Prescan> Create(const Schema::Field& field, std::span<const float> stored);

  std::size_t groups() const { return groups_; }
  os::CpuLevel level() const { return packed_->level(); }
  // The bytes of `count` rows, in the scratch's own block.
  ByteBlock Narrow(const char* stored, std::size_t count, Scratch* scratch) const;
  // Fills `products` for the first `count` rows of the block.
  void Multiply(const ByteBlock& block, std::size_t count, Scratch* scratch) const;
  // Rows whose product less their half is below this have keys below `key` (Scorer::Rows).
  float Cut(std::size_t query, float key, const ByteBlock& block) const;
  // Whether a row reaches the cuts (of kGroup queries) of a group.
  static bool AnyReaches(const float* products, float half, const float* cuts) {
    unsigned any = 0;
    for (std::size_t i = 0; i < kGroup; ++i) {
      any |= products[i] - half < cuts[i] ? 0u : 1u;  // NaN does.
    }
    return any != 0;
  }

 private:
  struct Query {
    double squares = 0;  // |w|^2
    double error = 0;    // |w - w'|
  };

  Schema::Field field_;
  std::size_t groups_ = 0;
  std::vector<Query> queries_;
  std::unique_ptr<kernels::PackedWeights> packed_;
};

}  // namespace malmoi::vec
