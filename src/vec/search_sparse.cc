#include <algorithm>
#include <cmath>
#include <limits>

#include "vec/search_internal.h"
#include "vec/sparse_walk_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint64_t kPostingsARow = 64;  // Read in the time that scoring a row itself takes.
constexpr std::uint64_t kStepsARow = 32;     // Postings in that of searching a list for a row.

}  // namespace

std::uint64_t Searcher::CountTerm(std::uint32_t field, std::uint32_t term) const {
  std::uint64_t count = 0;
  for (const PartRef& part : parts_) {
    const Part& p = *part.part;
    if (!p.finished()) {
      for (std::uint32_t r = 0; r < part.rows; ++r) {
        const SparseRef s = p.Sparse(field, r);
        if (p.VisibleAt(r, snapshot_.seq)) {
          count += std::binary_search(s.indices, s.indices + s.size, term) ? 1 : 0;
        }
      }
      continue;
    }
    const Postings list = p.Find(field, term);
    if (list.size == 0) continue;
    if (list.rows[list.size - 1] >= part.rows) {
      for (std::size_t i = 0; i < list.size && list.rows[i] < part.rows; ++i) {
        count += p.VisibleAt(list.rows[i], snapshot_.seq) ? 1 : 0;
      }
    } else {
      count += list.size - (p.deleted() == 0 ? 0 : CountGone(part, list));
    }
  }
  return count;
}

// Of the rows of a list, all of which are the part's, those that the reader does not see.
std::uint64_t Searcher::CountGone(const PartRef& part, const Postings& list) const {
  const Part& p = *part.part;
  std::uint64_t gone = 0;
  // A look at each posting, or a search in the list for each deleted row.
  if (list.size < std::uint64_t{p.deleted()} * kStepsARow + part.rows / 64) {
    for (std::size_t i = 0; i < list.size; ++i) {
      gone += p.VisibleAt(list.rows[i], snapshot_.seq) ? 0 : 1;
    }
    return gone;
  }
  Bitmap deleted(part.rows, true);
  deleted.AndNot(p.Visible(part.rows, snapshot_.seq));
  deleted.ForEach([&](std::uint32_t r) {
    gone += std::binary_search(list.rows, list.rows + list.size, r) ? 1 : 0;
  });
  return gone;
}

SparseVector Searcher::Weighted(std::uint32_t field, SparseVector query) const {
  if (!snapshot_.schema->fields[field].idf) return query;
  const auto n = static_cast<double>(snapshot_.live_with[field]);
  for (std::size_t i = 0; i < query.indices.size(); ++i) {
    const auto df = static_cast<double>(CountTerm(field, query.indices[i]));
    query.values[i] =
        static_cast<float>(query.values[i] * std::log(1 + (n - df + 0.5) / (df + 0.5)));
  }
  return query;
}

// Every row that a list of the query has.
void Searcher::SparseAll(const Task& task, const SparseVector& query, const PartRef& part,
                         Best* best) const {
  const Part& p = *part.part;
  std::vector<float> sums(part.rows);
  Bitmap met(part.rows);
  if (!p.finished()) {
    for (std::uint32_t r = 0; r < part.rows; ++r) {
      if (!p.Has(task.field, r)) continue;
      const auto score = SparseDot(query, p.Sparse(task.field, r));
      if (!score) continue;
      sums[r] = *score;
      met.Set(r);
    }
  }
  for (std::size_t q = 0; q < query.indices.size() && p.finished() && !Cancelled(); ++q) {
    const Postings list = p.Find(task.field, query.indices[q]);
    for (std::size_t i = 0; i < list.size && list.rows[i] < part.rows; ++i) {
      const std::uint32_t r = list.rows[i];
      met.Set(r);
      sums[r] += query.values[q] * list.values[i];
    }
  }
  if (p.deleted() > 0) {
    met.ForEach([&](std::uint32_t r) {
      if (!p.VisibleAt(r, snapshot_.seq)) met.Clear(r);
    });
  }
  if (task.matcher != nullptr) task.matcher->Restrict(part, &met);
  met.ForEach([&](std::uint32_t r) { best->Offer(task, sums[r], {&p, r}); });
}

// A segment's rows, without those that cannot be hits; false: SparseAll is to search it.
bool Searcher::SparseBest(const Task& task, const SparseVector& query, std::size_t number,
                          Best* best) const {
  if (task.limit == 0 || number >= snapshot_.segments.size()) return false;
  const Segment& segment = *snapshot_.segments[number];
  SparseWalk walk(query, segment, task.field, &segment.impacts());
  if (!walk.fits()) return false;
  const PartRef& part = parts_[number];
  Kept filtered;
  const bool all = task.matcher == nullptr && segment.deleted() == 0;
  if (task.matcher != nullptr) {
    filtered = KeptOf(number, *task.matcher);
  } else if (!all) {
    filtered.own = Rows(part, nullptr);
  }
  const Bitmap& kept = filtered.rows();
  if (!all && filtered.Count() * kPostingsARow < walk.postings()) {
    kept.ForEach([&](std::uint32_t r) {
      const auto score = SparseDot(query, segment.Sparse(task.field, r));
      if (score) best->Offer(task, *score, {&segment, r});
    });
    return true;
  }
  const float least = task.threshold.value_or(-std::numeric_limits<float>::infinity());
  walk.Run(
      part.rows, all ? nullptr : &kept.words(),
      [&] {
        return best->heap.size() < task.limit ? least : std::max(least, best->heap.front().key);
      },
      [&](std::uint32_t r, float sum) {
        best->Offer(task, sum, {&segment, r});
      },
      [&] { return Cancelled(); });
  return true;
}

void Searcher::Sparse(const Task& task, const SparseVector& query, std::vector<Best>* found) const {
  pool_.ParallelFor(parts_.size(), [&](std::size_t worker, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (Cancelled()) return;
      if (SparseBest(task, query, i, &(*found)[worker])) continue;
      SparseAll(task, query, parts_[i], &(*found)[worker]);
    }
  });
}

}  // namespace malmoi::vec
