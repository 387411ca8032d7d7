#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ann/code_internal.h"
#include "ann/scores_internal.h"
#include "base/result.h"

namespace malmoi::ann {

// Address space that becomes memory when touched, zero at first, in huge pages where the system
// has them.
class Region {
 public:
  static Result<Region> Reserve(std::size_t bytes);
  Region() = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();
  std::uint8_t* data() const { return data_; }

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Factors {
  float scale = 0;      // CodeRow::scale.
  float half_norm = 0;  // Half the squared norm of the row less the mean (and with `extra`).
};

// Where walks start: a sample of the ids with their 4-bit codes side by side.
struct Landmarks {
  std::vector<std::uint32_t> ids;
  Buffer<std::uint8_t> codes;
  std::vector<Factors> factors;
  std::vector<std::uint32_t> order;  // 0, 1, 2...: what to score.
};

// The arrays of an index, by id. Written by one thread per row before the row's id can be reached;
// reached through `links`, `present` or the landmarks, whose writes release and reads acquire.
struct Arrays {
  std::uint32_t capacity = 0;
  std::uint32_t degree = 0;
  std::size_t code_bytes = 0;      // Of a row in `first` and in `second`.
  std::uint8_t* first = nullptr;   // 4-bit codes.
  std::uint8_t* second = nullptr;  // The next 4 bits; null in an opened kFour index.
  std::size_t sign_bytes = 0;      // Of a row in `signs` (SignQuery::stride).
  std::uint8_t* signs = nullptr;   // Signs of numbers and what bounds a similarity by them.
  Factors* factors = nullptr;
  float* fine_scale = nullptr;
  std::uint32_t* links = nullptr;    // [degree]: id + 1, zeros behind the last.
  float* link_distance = nullptr;    // Squared, of each link; null when opened.
  float* extra = nullptr;            // kDot while writable, else null.
  std::uint64_t* present = nullptr;  // Bits.
  std::uint64_t* deleted = nullptr;  // Bits.

  // Id of link k, or false where the list ends.
  bool Link(std::uint32_t id, std::uint32_t k, std::uint32_t* out) const {
    const std::uint32_t v =
        std::atomic_ref(links[std::size_t{id} * degree + k]).load(std::memory_order_acquire);
    *out = v - 1;
    return v != 0;
  }
  void SetLink(std::uint32_t id, std::uint32_t k, std::uint32_t to) {
    std::atomic_ref(links[std::size_t{id} * degree + k]).store(to + 1, std::memory_order_release);
  }
  // From k on there are none: all of them zeros, since a walk reads whole lists.
  void EndLinks(std::uint32_t id, std::uint32_t k) {
    for (; k < degree; ++k) {
      std::atomic_ref(links[std::size_t{id} * degree + k]).store(0, std::memory_order_release);
    }
  }
  std::uint32_t LinkCount(std::uint32_t id) const {
    std::uint32_t k = 0, unused;
    while (k < degree && Link(id, k, &unused)) ++k;
    return k;
  }
};

inline bool TestBit(const std::uint64_t* bits, std::uint32_t id) {
  // Plain on the reader's side would race with Delete and Insert.
  const std::uint64_t word =
      std::atomic_ref(const_cast<std::uint64_t&>(bits[id / 64])).load(std::memory_order_acquire);
  return (word >> (id % 64) & 1) != 0;
}
inline void SetBit(std::uint64_t* bits, std::uint32_t id) {
  std::atomic_ref(bits[id / 64]).fetch_or(std::uint64_t{1} << (id % 64), std::memory_order_acq_rel);
}
inline void ClearBit(std::uint64_t* bits, std::uint32_t id) {
  std::atomic_ref(bits[id / 64])
      .fetch_and(~(std::uint64_t{1} << (id % 64)), std::memory_order_acq_rel);
}

// Similarities of rows on 4-bit codes: CodeQuery says what they mean. `sums` has room for count.
void ScoreFour(const Arrays& arrays, const CodeQuery& query, const std::uint32_t* ids,
               std::size_t count, std::int32_t* sums, float* out);
// The same on all eight bits.
void ScoreEight(const Arrays& arrays, const CodeQuery& query, const std::uint32_t* ids,
                std::size_t count, float* out);

// A row that stands near another, by squared distance.
struct Near {
  float distance = 0;
  std::uint32_t id = 0;
  bool operator<(const Near& o) const {
    return distance != o.distance ? distance < o.distance : id < o.id;
  }
};

// Room for choosing links; one a thread.
struct LinkScratch {
  CodeQuery decoded;
  std::vector<std::uint32_t> ids;
  std::vector<std::int32_t> sums;
  std::vector<float> scores;
  std::vector<float> distances;
  std::vector<Near> kept, merged, twins;
};

// A stored row as a query for its neighbours.
void StoredQuery(const Arrays& arrays, std::size_t blocks, std::uint32_t id, CodeQuery* out);
// Chooses at most `limit` of the candidates, which rise by distance from one row: first those to
// which no chosen one stands nearer than the row does, then those to which none stands nearer than
// 1 / alpha of that (the rule of Vamana, Subramanya et al. 2019, in its two passes, on codes). The
// result, by rising distance, replaces *candidates. Of rows with the very code of `self`
// an eighth of `limit` is chosen besides, by chance, unless there are many: by that rule it would
// be one, and of equal rows a search would find few.
void ChooseLinks(const Arrays& arrays, std::uint32_t self, float alpha, std::uint32_t limit,
                 std::vector<Near>* candidates, LinkScratch* scratch);
// Makes `id` a row's whole list.
void WriteLinks(Arrays* arrays, std::uint32_t id, const std::vector<Near>& links);
// Offers `target` a link to `id`, `distance` away; false if it is not taken. A full list is chosen
// anew.
bool OfferLink(Arrays* arrays, float alpha, std::uint32_t target, std::uint32_t id, float distance,
               LinkScratch* scratch);
// Puts a link to `id` at the end of target's list, in the place of the last one if it is full.
void ForceLink(Arrays* arrays, std::uint32_t target, std::uint32_t id, float distance);

}  // namespace malmoi::ann
