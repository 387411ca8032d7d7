#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/bits.h"

namespace malmoi::vec {

// A set of the rows of a part.
class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(std::uint32_t rows, bool all = false) : rows_(rows), words_((rows + 63) / 64) {
    if (all) SetAll();
  }

  std::uint32_t rows() const { return rows_; }
  const std::vector<std::uint64_t>& words() const { return words_; }
  bool Has(std::uint32_t row) const { return (words_[row / 64] >> (row % 64) & 1) != 0; }
  void SetWord(std::size_t i, std::uint64_t word) { words_[i] = word; }
  void Set(std::uint32_t row) { words_[row / 64] |= std::uint64_t{1} << (row % 64); }
  void Clear(std::uint32_t row) { words_[row / 64] &= ~(std::uint64_t{1} << (row % 64)); }
  void And(const Bitmap& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  void AndNot(const Bitmap& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
  }
  void Or(const Bitmap& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  // What `other` has and `without` (null: none) has not.
  void Or(const Bitmap& other, const Bitmap* without) {
    if (without == nullptr) return Or(other);
    for (std::size_t i = 0; i < words_.size(); ++i) {
      words_[i] |= other.words_[i] & ~without->words_[i];
    }
  }
  std::uint64_t Count() const { return CountBits(words_); }
  bool Empty() const {
    for (const std::uint64_t w : words_) {
      if (w != 0) return false;
    }
    return true;
  }
  // visit(row) for each, rising. The current row may be cleared meanwhile.
  template <class Visit>
  void ForEach(const Visit& visit) const {
    ForEachIn(0, rows_, visit);
  }
  // Of rows [begin, end); begin is a multiple of 64.
  template <class Visit>
  void ForEachIn(std::uint32_t begin, std::uint32_t end, const Visit& visit) const {
    for (std::uint32_t base = begin; base < end; base += 64) {
      for (std::uint64_t w = words_[base / 64]; w != 0; w &= w - 1) {
        const std::uint32_t row = base + static_cast<std::uint32_t>(std::countr_zero(w));
        if (row >= end) return;
        visit(row);
      }
    }
  }

 private:
  void SetAll() {
    for (std::uint64_t& w : words_) w = ~std::uint64_t{0};
    if (rows_ % 64 != 0) words_.back() = (std::uint64_t{1} << (rows_ % 64)) - 1;
  }
  std::uint32_t rows_ = 0;
  std::vector<std::uint64_t> words_;
};

}  // namespace malmoi::vec
