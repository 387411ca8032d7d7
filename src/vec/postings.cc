#include <algorithm>
#include <bit>

#include "vec/postings_internal.h"

namespace malmoi::vec {
namespace {

// term -> count, then -> write position. Open addressing; grows at half full.
class TermTable {
 public:
  TermTable() : slots_(1024) {}

  std::uint64_t& At(std::uint32_t term) {
    if (used_ * 2 >= slots_.size()) Grow();
    Slot& slot = Probe(term);
    if (!slot.used) {
      slot.used = true;
      slot.term = term;
      ++used_;
    }
    return slot.value;
  }
  std::vector<std::uint32_t> Terms() const {
    std::vector<std::uint32_t> terms;
    terms.reserve(used_);
    for (const Slot& slot : slots_) {
      if (slot.used) terms.push_back(slot.term);
    }
    std::sort(terms.begin(), terms.end());
    return terms;
  }

 private:
  struct Slot {
    std::uint64_t value = 0;
    std::uint32_t term = 0;
    bool used = false;
  };
  Slot& Probe(std::uint32_t term) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = (term * 0x9E3779B97F4A7C15u >> 20) & mask;
    while (slots_[i].used && slots_[i].term != term) i = (i + 1) & mask;
    return slots_[i];
  }
  void Grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.used) Probe(slot.term) = slot;
    }
  }
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

}  // namespace

PostingLists PostingLists::Build(std::span<const SparseRef> rows) {
  PostingLists out;
  TermTable table;
  std::uint64_t total = 0;
  for (const SparseRef& row : rows) {
    for (std::size_t i = 0; i < row.size; ++i) ++table.At(row.indices[i]);
    total += row.size;
  }
  out.terms = table.Terms();
  out.offsets.reserve(out.terms.size() + 1);
  std::uint64_t at = 0;
  for (const std::uint32_t term : out.terms) {
    out.offsets.push_back(at);
    std::uint64_t& slot = table.At(term);
    const std::uint64_t count = slot;
    slot = at;
    at += count;
  }
  out.offsets.push_back(at);
  out.rows.resize(total);
  out.values.resize(total);
  for (std::uint32_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i < rows[r].size; ++i) {
      const std::uint64_t to = table.At(rows[r].indices[i])++;
      out.rows[to] = r;
      out.values[to] = rows[r].values[i];
    }
  }
  return out;
}

Postings PostingLists::Find(std::uint32_t term) const {
  const auto it = std::lower_bound(terms.begin(), terms.end(), term);
  if (it == terms.end() || *it != term) return {};
  const auto i = static_cast<std::size_t>(it - terms.begin());
  return {rows.data() + offsets[i], values.data() + offsets[i], offsets[i + 1] - offsets[i]};
}

}  // namespace malmoi::vec
