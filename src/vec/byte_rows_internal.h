#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "kernels/gemm.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {

// What the bytes of at most ByteRows::kRows rows stand for, and what they can be off by.
struct ByteBlock {
  kernels::Activations bytes;
  std::span<const float> halves;  // Of each row, Euclid: |a|^2 / 2, else 0.
  double error = 0;   // At most of |a - a'|; infinite: of such numbers nothing is known.
  double length = 0;  // At most of |a|.
};

// Rows of a dense vector as bytes, a step and a least value for each row, in the form that products
// of bytes read at one CPU level. A quarter of the floats' memory.
class ByteRows {
 public:
  static constexpr std::uint32_t kRows = 128;  // A block: 196 KB of 384 floats, in the L2 cache.

  // Whether there are such products for the field, and its similarity is one of products.
  static bool Fits(const Schema::Field& field);
  static std::uint64_t RowBytes(const Schema::Field& field, os::CpuLevel level);
  ByteRows(const Schema::Field& field, os::CpuLevel level, std::uint32_t rows);
  // Rows from block * kRows on, as stored, at most kRows. Different blocks may be set at a time.
  void Set(std::uint32_t block, const char* stored, std::size_t count);
  ByteBlock block(std::uint32_t block) const;
  os::CpuLevel level() const { return level_; }
  std::uint64_t memory_bytes() const { return bytes_.size() + scales_.size() * 12; }

 private:
  struct Bounds {
    double error = 0, length = 0;
  };
  Schema::Field field_;
  os::CpuLevel level_;
  std::size_t stride_;
  Buffer<char> bytes_;
  std::vector<kernels::RowScale> scales_;
  std::vector<float> halves_;
  std::vector<Bounds> bounds_;  // By block.
};

// The byte rows of a segment, by field. Not part of what it holds: made when a search wants them.
// Thread-safe.
class ByteSet {
 public:
  std::shared_ptr<const ByteRows> Get(std::uint32_t field) const;  // Null: none.
  void Put(std::uint32_t field, std::shared_ptr<const ByteRows> rows);
  std::uint64_t memory_bytes() const;
  void Clear();                             // They are made again when they are wanted.
  std::mutex& making() { return making_; }  // Held while rows are made; before mutex_.

 private:
  std::mutex making_;
  mutable std::mutex mutex_;  // guards: rows_
  std::vector<std::shared_ptr<const ByteRows>> rows_;
};

}  // namespace malmoi::vec
