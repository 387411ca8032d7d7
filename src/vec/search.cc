#include <algorithm>
#include <cmath>

#include "kernels/vector.h"
#include "vec/euclid_internal.h"
#include "vec/limits.h"
#include "vec/search_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint32_t kScanRows = 1024;  // Scored at a time: 1.5 MB of 384 floats.

void ScoreRows(bool euclid, const float* rows, std::span<const float> query, std::span<float> out) {
  if (euclid) {
    EuclidRows(rows, query, out);
  } else {
    kernels::DotRows(rows, query.size(), query, out);
  }
}

}  // namespace

bool Searcher::Better(const Scored& a, const Scored& b) {
  if (a.key != b.key) return a.key > b.key;
  return a.row.part->Id(a.row.row) < b.row.part->Id(b.row.row);
}

void Searcher::Best::Offer(const Task& task, float score, RowRef row) {
  ++scored;
  const Scored s{task.smaller_is_better ? -score : score, row};
  if (task.worst_key && s.key < *task.worst_key) return;
  if (heap.size() == task.limit) {
    if (task.limit == 0 || !Better(s, heap.front())) return;
    std::pop_heap(heap.begin(), heap.end(), Better);
    heap.back() = s;
  } else {
    heap.push_back(s);
  }
  std::push_heap(heap.begin(), heap.end(), Better);
}

Result<QueryOutcome> Searcher::Run(const VectorQuery& query) const {
  const auto field = snapshot_.schema->Find(query.using_vector);
  if (!field) {
    return Error(Code::kInvalidArgument,
                 "the collection has no vector '" + query.using_vector + "'");
  }
  if (query.limit > kLimits.query_limit_max) {
    return Error(Code::kOutOfRange, "limit " + std::to_string(query.limit) + ", at most " +
                                        std::to_string(kLimits.query_limit_max));
  }
  const Schema::Field& f = snapshot_.schema->fields[*field];
  NamedVectors checked;
  const bool is_sparse = std::holds_alternative<SparseVector>(query.vector);
  if (is_sparse) {
    checked.sparse[f.name] = std::get<SparseVector>(query.vector);
  } else {
    checked.dense[f.name] = std::get<std::vector<float>>(query.vector);
  }
  MALMOI_TRY(CheckVectors(*snapshot_.schema, checked).With("query"));
  std::optional<Matcher> matcher;
  if (query.filter != nullptr && !query.filter->empty()) matcher.emplace(*query.filter);
  Task task{.field = *field,
            .limit = query.limit,
            .smaller_is_better = !is_sparse && f.distance == Distance::kEuclid,
            .worst_key = query.score_threshold,
            .matcher = matcher ? &*matcher : nullptr,
            .with_payload = query.with_payload};
  if (task.smaller_is_better && task.worst_key) task.worst_key = -*task.worst_key;
  std::vector<Best> found(pool_.threads());
  if (is_sparse) {
    Sparse(task, checked.sparse[f.name], &found);
  } else {
    auto& v = checked.dense[f.name];
    if (f.distance == Distance::kCosine) kernels::NormalizeL2(v);
    Dense(task, v, &found);
  }
  return Finish(task, found);
}

Result<QueryOutcome> Searcher::Finish(const Task& task, std::vector<Best>& found) const {
  if (Cancelled()) return Error(Code::kCancelled, "query cancelled");
  QueryOutcome out;
  std::vector<Scored> all;
  for (const Best& best : found) {
    out.scored += best.scored;
    all.insert(all.end(), best.heap.begin(), best.heap.end());
  }
  std::sort(all.begin(), all.end(), Better);
  if (all.size() > task.limit) all.resize(task.limit);
  for (const Scored& s : all) {
    Hit hit{s.row.part->Id(s.row.row), task.smaller_is_better ? -s.key : s.key, {}};
    if (task.with_payload) hit.payload = s.row.part->Payload(s.row.row);
    out.hits.push_back(std::move(hit));
  }
  MALMOI_TRY(snapshot_.Health());
  return out;
}

std::vector<RowRef> Searcher::Candidates(const Matcher& matcher) const {
  std::vector<RowRef> out;
  for (const PointId& id : *matcher.candidates()) {
    const auto row = snapshot_.Find(id);
    if (row && matcher.Keep(*row->part, row->row)) out.push_back(*row);
  }
  return out;
}

void Searcher::DenseRows(const Task& task, std::span<const float> query, const PartRef& part,
                         std::uint32_t begin, std::uint32_t end, Best* best) const {
  const Part& p = *part.part;
  std::vector<std::uint32_t> rows;
  rows.reserve(end - begin);
  const bool all_live = p.deleted() == 0;
  for (std::uint32_t r = begin; r < end; ++r) {
    if (!all_live && !p.VisibleAt(r, snapshot_.seq)) continue;
    if (!p.Has(task.field, r)) continue;
    if (task.matcher == nullptr || task.matcher->Keep(p, r)) rows.push_back(r);
  }
  std::vector<float> scores(rows.size());
  // Neighbouring rows are scored in one call.
  for (std::size_t i = 0; i < rows.size();) {
    std::size_t n = 1;
    while (i + n < rows.size() && rows[i + n] == rows[i] + n) ++n;
    const float* data = p.Dense(task.field, rows[i], rows[i] + static_cast<std::uint32_t>(n));
    if (data == nullptr) return;  // Damaged: Finish asks for it.
    ScoreRows(task.smaller_is_better, data, query, std::span(scores).subspan(i, n));
    i += n;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) best->Offer(task, scores[i], {&p, rows[i]});
}

void Searcher::Dense(const Task& task, std::span<const float> query,
                     std::vector<Best>* found) const {
  if (task.matcher != nullptr && task.matcher->candidates() != nullptr) {
    for (const RowRef& row : Candidates(*task.matcher)) {
      if (!row.part->Has(task.field, row.row)) continue;
      const float* data = row.part->Dense(task.field, row.row, row.row + 1);
      if (data == nullptr) return;
      float score = 0;
      ScoreRows(task.smaller_is_better, data, query, {&score, 1});
      found->front().Offer(task, score, row);
    }
    return;
  }
  struct Work {
    PartRef part;
    std::uint32_t begin, end;
  };
  std::vector<Work> ranges;
  for (const PartRef& part : parts_) {
    for (std::uint32_t b = 0; b < part.rows; b += kScanRows) {
      ranges.push_back({part, b, std::min(b + kScanRows, part.rows)});
    }
  }
  pool_.ParallelFor(ranges.size(), [&](std::size_t worker, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && !Cancelled(); ++i) {
      DenseRows(task, query, ranges[i].part, ranges[i].begin, ranges[i].end, &(*found)[worker]);
    }
  });
}

std::vector<RowRef> Searcher::Select(const Matcher* matcher) const {
  std::vector<RowRef> out;
  if (matcher != nullptr && matcher->candidates() != nullptr) return Candidates(*matcher);
  for (const PartRef& part : parts_) {
    for (std::uint32_t r = 0; r < part.rows && !Cancelled(); ++r) {
      if (!part.part->VisibleAt(r, snapshot_.seq)) continue;
      if (matcher == nullptr || matcher->Keep(*part.part, r)) out.push_back({part.part, r});
    }
  }
  return out;
}

}  // namespace malmoi::vec
