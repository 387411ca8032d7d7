#include <algorithm>
#include <cmath>

#include "vec/search_internal.h"

namespace malmoi::vec {
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
    if (p.deleted() == 0 && list.rows[list.size - 1] < part.rows) {
      count += list.size;
      continue;
    }
    for (std::size_t i = 0; i < list.size && list.rows[i] < part.rows; ++i) {
      count += p.VisibleAt(list.rows[i], snapshot_.seq) ? 1 : 0;
    }
  }
  return count;
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

void Searcher::SparsePart(const Task& task, const SparseVector& query, const PartRef& part,
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

void Searcher::Sparse(const Task& task, const SparseVector& query, std::vector<Best>* found) const {
  pool_.ParallelFor(parts_.size(), [&](std::size_t worker, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      SparsePart(task, query, parts_[i], &(*found)[worker]);
    }
  });
}

}  // namespace malmoi::vec
