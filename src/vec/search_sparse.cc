#include <algorithm>
#include <cmath>

#include "vec/search_internal.h"

namespace malmoi::vec {
namespace {

// Adds up products in rising order of term, as the scan over posting lists does: the same point
// has the same score on either path. Nothing where no term is shared.
std::optional<float> Score(const SparseVector& query, const SparseRef& row) {
  std::optional<float> sum;
  std::size_t at = 0;
  for (std::size_t q = 0; q < query.indices.size(); ++q) {
    const auto* it = std::lower_bound(row.indices + at, row.indices + row.size, query.indices[q]);
    at = static_cast<std::size_t>(it - row.indices);
    if (at == row.size) break;
    if (*it == query.indices[q]) sum = sum.value_or(0) + query.values[q] * row.values[at];
  }
  return sum;
}

}  // namespace

std::uint64_t Searcher::CountTerm(std::uint32_t field, std::uint32_t term) const {
  std::uint64_t count = 0;
  for (const PartRef& part : parts_) {
    const Part& p = *part.part;
    if (!p.has_postings()) {
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
  const bool all_live = p.deleted() == 0;
  const auto wanted = [&](std::uint32_t r) {
    return (all_live || p.VisibleAt(r, snapshot_.seq)) &&
           (task.matcher == nullptr || task.matcher->Keep(p, r));
  };
  if (!p.has_postings()) {
    for (std::uint32_t r = 0; r < part.rows; ++r) {
      if (!p.Has(task.field, r)) continue;
      const auto score = Score(query, p.Sparse(task.field, r));
      if (score && wanted(r)) best->Offer(task, *score, {&p, r});
    }
    return;
  }
  std::vector<float> sums;
  std::vector<std::uint8_t> state;  // 0 not met, 1 wanted, 2 not wanted.
  std::vector<std::uint32_t> met;
  for (std::size_t q = 0; q < query.indices.size() && !Cancelled(); ++q) {
    const Postings list = p.Find(task.field, query.indices[q]);
    if (list.size > 0 && sums.empty()) {
      sums.resize(part.rows);
      state.resize(part.rows);
    }
    for (std::size_t i = 0; i < list.size && list.rows[i] < part.rows; ++i) {
      const std::uint32_t r = list.rows[i];
      if (state[r] == 0) {
        state[r] = wanted(r) ? 1 : 2;
        if (state[r] == 1) met.push_back(r);
      }
      sums[r] += query.values[q] * list.values[i];
    }
  }
  for (const std::uint32_t r : met) best->Offer(task, sums[r], {&p, r});
}

void Searcher::Sparse(const Task& task, const SparseVector& query, std::vector<Best>* found) const {
  const SparseVector weighted = Weighted(task.field, query);
  if (task.matcher != nullptr && task.matcher->candidates() != nullptr) {
    for (const RowRef& row : Candidates(*task.matcher)) {
      if (!row.part->Has(task.field, row.row)) continue;
      const auto score = Score(weighted, row.part->Sparse(task.field, row.row));
      if (score) found->front().Offer(task, *score, row);
    }
    return;
  }
  pool_.ParallelFor(parts_.size(), [&](std::size_t worker, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      SparsePart(task, weighted, parts_[i], &(*found)[worker]);
    }
  });
}

}  // namespace malmoi::vec
