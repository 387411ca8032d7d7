#include <algorithm>
#include <bit>

#include "vec/scorer_internal.h"
#include "vec/sparse_walk_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kShort = 4 * Impacts::kPostings;  // Without impacts of its own.
constexpr std::uint64_t kPostingsMin = 2048;            // Below, reading them all costs less.
constexpr std::size_t kStepsALookUp = 8;  // Postings read in the time of a search for one.
constexpr std::size_t kTermsMax = 1024;   // So that rounding stays below 1.001.

}  // namespace

SparseWalk::SparseWalk(const SparseVector& query, const Part& part, std::uint32_t field,
                       ImpactSet* impacts)
    : query_(query), part_(part), field_(field), sums_(kWindow), met_(kWindow / 64) {
  if (query.indices.size() > kTermsMax) return;
  for (std::size_t i = 0; i < query.indices.size(); ++i) {
    List list{.postings = part.Find(field, query.indices[i]), .impacts = nullptr};
    list.weight = query.values[i];
    if (!(list.weight >= 0)) return;
    if (list.postings.size == 0) continue;
    postings_ += list.postings.size;
    if (list.postings.size > kShort) {
      list.impacts = impacts->Get(field, query.indices[i], list.postings);
      if (list.impacts->negative) return;
    } else {
      const float* values = list.postings.values;
      if (*std::min_element(values, values + list.postings.size) < 0) return;
    }
    lists_.push_back(std::move(list));
  }
  // Sums of n numbers that are not negative, in any order: within n roundings of one another.
  slack_ = 1 + static_cast<double>(lists_.size() + 2) * 0x1p-22;
  whole_.resize(lists_.size());
  below_.resize(lists_.size());
  fits_ = postings_ >= kPostingsMin;
}

// Whether there are rows of the window in `kept` (null: all).
bool SparseWalk::AnyOf(const std::vector<std::uint64_t>* kept, std::uint32_t begin) {
  if (kept == nullptr) return true;
  const std::size_t from = begin / 64;
  const std::size_t to = std::min<std::size_t>(from + kWindow / 64, kept->size());
  return std::any_of(kept->begin() + static_cast<std::ptrdiff_t>(from),
                     kept->begin() + static_cast<std::ptrdiff_t>(to),
                     [](std::uint64_t w) { return w != 0; });
}

// Moves each list to the window that ends with row `end`; false: there is nothing in it.
bool SparseWalk::Enter(std::uint32_t end) {
  order_.clear();
  for (std::uint32_t l = 0; l < lists_.size(); ++l) {
    List& list = lists_[l];
    const Postings& p = list.postings;
    list.begin = list.end;
    // Rows rise, so a window has at most as many postings as rows.
    const std::size_t most = std::min<std::size_t>(p.size, list.begin + kWindow);
    list.end = static_cast<std::size_t>(std::lower_bound(p.rows + list.begin, p.rows + most, end) -
                                        p.rows);
    if (list.begin == list.end) continue;
    const float most_value = list.impacts != nullptr
                                 ? list.impacts->Most(list.begin, list.end)
                                 : *std::max_element(p.values + list.begin, p.values + list.end);
    list.bound = list.weight * most_value;
    order_.push_back(l);
  }
  std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return lists_[a].bound != lists_[b].bound ? lists_[a].bound < lists_[b].bound : a < b;
  });
  return !order_.empty();
}

// Which lists can make a hit only together with others; false: all of them cannot make one.
bool SparseWalk::Divide(float floor) {
  double sum = 0;
  optional_ = 0;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    sum += lists_[order_[i]].bound;
    below_[i] = sum;
    if (sum * slack_ < floor) optional_ = i + 1;
  }
  return optional_ < order_.size();
}

// The sums of the lists that are read whole, in the order of the query.
void SparseWalk::Add(std::uint32_t begin) {
  std::fill(whole_.begin(), whole_.end(), 0);
  for (std::size_t i = optional_; i < order_.size(); ++i) whole_[order_[i]] = 1;
  for (std::size_t l = 0; l < lists_.size(); ++l) {
    if (whole_[l] == 0) continue;
    const List& list = lists_[l];
    for (std::size_t i = list.begin; i < list.end; ++i) {
      const std::uint32_t at = list.postings.rows[i] - begin;
      sums_[at] += list.weight * list.postings.values[i];
      met_[at / 64] |= std::uint64_t{1} << (at % 64);
    }
  }
}

// Which rows can be among the best: those of the lists that were read, less those of which the
// other lists, the most promising first, do not bring the sum to `floor`.
void SparseWalk::Collect(std::uint32_t begin, const std::vector<std::uint64_t>* kept, float floor) {
  candidates_.clear();
  for (std::uint32_t w = 0; w < kWindow / 64; ++w) {
    std::uint64_t met = met_[w];
    met_[w] = 0;
    if (kept != nullptr && met != 0) met &= (*kept)[begin / 64 + w];
    for (; met != 0; met &= met - 1) {
      candidates_.push_back(w * 64 + static_cast<std::uint32_t>(std::countr_zero(met)));
    }
  }
  for (std::size_t i = optional_; i-- > 0;) {
    Drop(below_[i], floor);
    if (candidates_.empty()) return;
    LookUp(begin, lists_[order_[i]]);
  }
  Drop(0, floor);
}

void SparseWalk::Drop(double rest, float floor) {
  std::size_t n = 0;
  for (const std::uint32_t at : candidates_) {
    candidates_[n] = at;
    n += (sums_[at] + rest) * slack_ < floor ? 0 : 1;
  }
  candidates_.resize(n);
}

// Adds what the list has of the candidates.
void SparseWalk::LookUp(std::uint32_t begin, const List& list) {
  const std::uint32_t* rows = list.postings.rows;
  if (candidates_.size() * kStepsALookUp > list.end - list.begin) {
    // Sums of other rows are not read any more.
    for (std::size_t i = list.begin; i < list.end; ++i) {
      sums_[rows[i] - begin] += list.weight * list.postings.values[i];
    }
    return;
  }
  std::size_t from = list.begin;
  for (const std::uint32_t at : candidates_) {
    const std::uint32_t row = begin + at;
    std::size_t step = 1;  // Rows rise on both sides.
    while (from + step < list.end && rows[from + step] < row) step *= 2;
    const std::uint32_t* end = rows + std::min(from + step + 1, list.end);
    const std::uint32_t* found = std::lower_bound(rows + from + step / 2, end, row);
    from = static_cast<std::size_t>(found - rows);
    if (from == list.end) return;
    if (*found == row) sums_[at] += list.weight * list.postings.values[from];
  }
}

// The row's sum as a scan of all lists makes it.
bool SparseWalk::Exact(std::uint32_t row, float* sum) const {
  const auto exact = SparseDot(query_, part_.Sparse(field_, row));
  if (!exact) return false;  // A damaged block: the search ends with that error.
  *sum = *exact;
  return true;
}

void SparseWalk::Clear() {
  std::fill(sums_.begin(), sums_.end(), 0.0f);
}

}  // namespace malmoi::vec
