#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "vec/impacts_internal.h"
#include "vec/point.h"

namespace malmoi::vec {

// The rows of a segment that can be among the best for a sparse query, without those of which the
// posting lists' largest values say that they cannot: MaxScore (Turtle and Flood 1995) over windows
// of rows, with the lists' bounds in that window (block-max; Ding and Suel 2011). Where a window's
// best possible sum is below the worst hit so far it is passed over; else only lists whose rest
// could not make a hit alone are read whole, and the others are looked into for rows that need it.
//
// Exact: a row is left out only if its sum is below `floor`, with room for rounding, and what is
// offered is the sum in the order of the query's terms, bit for bit that of a scan of all lists.
class SparseWalk {
 public:
  static constexpr std::uint32_t kWindow = 4096;  // Rows; 16 KB of sums, in the L1 cache.

  // `query`: weights are not negative. `impacts` has those of long lists.
  SparseWalk(const SparseVector& query, const Part& part, std::uint32_t field, ImpactSet* impacts);
  // False: bounds hold for no list (a value is negative), or the lists are too short to be worth
  // it. Then Run is not to be called.
  bool fits() const { return fits_; }
  std::uint64_t postings() const { return postings_; }

  // Rows below `rows` that `kept` has (null: all), rising. floor(): the least sum that can still be
  // a hit; it may rise. offer(row, sum); halt(): once a window, true ends the walk.
  template <class Floor, class Offer, class Halt>
  void Run(std::uint32_t rows, const std::vector<std::uint64_t>* kept, const Floor& floor,
           const Offer& offer, const Halt& halt) {
    for (std::uint32_t begin = 0; begin < rows && !halt(); begin += kWindow) {
      const std::uint32_t end = rows - begin < kWindow ? rows : begin + kWindow;
      if (!Enter(end) || !AnyOf(kept, begin) || !Divide(floor())) continue;
      Add(begin);
      Collect(begin, kept, floor());
      for (const std::uint32_t at : candidates_) {
        float sum = sums_[at];
        if (optional_ > 0 && !Exact(begin + at, &sum)) continue;
        if (sum >= floor()) offer(begin + at, sum);
      }
      Clear();
    }
  }

 private:
  struct List {
    Postings postings;
    std::shared_ptr<const Impacts> impacts;  // Null: short, its values are read.
    float weight = 0;
    std::size_t begin = 0, end = 0;  // In the window.
    float bound = 0;                 // At most what the list adds to a row of the window.
  };
  static bool AnyOf(const std::vector<std::uint64_t>* kept, std::uint32_t begin);
  bool Enter(std::uint32_t end);
  bool Divide(float floor);
  void Add(std::uint32_t begin);
  void Collect(std::uint32_t begin, const std::vector<std::uint64_t>* kept, float floor);
  void Drop(double rest, float floor);
  void LookUp(std::uint32_t begin, const List& list);
  bool Exact(std::uint32_t row, float* sum) const;
  void Clear();

  const SparseVector& query_;
  const Part& part_;
  std::uint32_t field_;
  bool fits_ = false;
  std::uint64_t postings_ = 0;
  std::vector<List> lists_;           // In the order of the query's terms.
  std::vector<std::uint32_t> order_;  // Lists with postings in the window, by rising bound.
  std::vector<double> below_;         // Sum of the bounds up to and with each of them.
  std::vector<char> whole_;           // By list: it is read whole in this window.
  std::size_t optional_ = 0;          // The first so many of order_ are only looked into.
  double slack_ = 1;                  // What rounding can make of a sum.
  std::vector<float> sums_;
  std::vector<std::uint64_t> met_;
  std::vector<std::uint32_t> candidates_;  // Rows of the window, less its beginning; rising.
};

}  // namespace malmoi::vec
