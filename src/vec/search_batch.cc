#include <algorithm>
#include <atomic>
#include <limits>

#include "vec/limits.h"
#include "vec/search_internal.h"

namespace malmoi::vec {

// Whether all queries scan the same rows: then memory is read once for all of them. One query alone
// gains where rows are kept as bytes.
bool Searcher::ScanTogether(std::span<const VectorQuery> queries) const {
  if (queries.empty()) return false;
  const auto field = snapshot_.schema->Find(queries.front().using_vector);
  if (!field || snapshot_.schema->fields[*field].kind != FieldKind::kDense) return false;
  const GraphPlan& plan = snapshot_.plan->graphs[*field];
  const bool kept = plan.bytes && !queries.front().params.quantization.ignore &&
                    ByteRows::Fits(snapshot_.schema->fields[*field]);
  if (queries.size() < 2 && !kept) return false;
  return std::all_of(queries.begin(), queries.end(), [&](const VectorQuery& q) {
    return (q.params.exact || !plan.wanted) && q.filter == nullptr && !q.combine &&
           q.using_vector == queries.front().using_vector && q.limit <= kLimits.query_limit_max;
  });
}

// The segment's rows as bytes, made now where they are not there yet; null where a block is damaged
// or memory is short.
std::shared_ptr<const ByteRows> Searcher::BytesOf(const Segment& segment, std::uint32_t field,
                                                  os::CpuLevel level) const {
  if (segment.vector_bytes(field) == 0) return nullptr;
  ByteSet& set = segment.byte_rows();
  const std::lock_guard lock(set.making());
  if (auto rows = set.Get(field); rows != nullptr && rows->level() == level) return rows;
  // Without room each scan reads the rows as they are stored.
  if (!snapshot_.budget->Take(std::uint64_t{segment.rows()} *
                              ByteRows::RowBytes(snapshot_.schema->fields[field], level))) {
    return nullptr;
  }
  auto rows = std::make_shared<ByteRows>(snapshot_.schema->fields[field], level, segment.rows());
  const std::size_t blocks = (segment.rows() + ByteRows::kRows - 1) / ByteRows::kRows;
  std::atomic<bool> whole{true};
  pool_.ParallelFor(blocks, [&](std::size_t, std::size_t first, std::size_t last) {
    for (std::size_t b = first; b < last && whole && !Cancelled(); ++b) {
      const auto begin = static_cast<std::uint32_t>(b) * ByteRows::kRows;
      const std::uint32_t end = std::min(begin + ByteRows::kRows, segment.rows());
      const char* stored = segment.Dense(field, begin, end);
      if (stored == nullptr) {
        whole = false;
      } else {
        rows->Set(static_cast<std::uint32_t>(b), stored, end - begin);
      }
    }
  });
  if (!whole || Cancelled()) return nullptr;
  set.Put(field, rows);
  return rows;
}

// Each query's hits among the rows of a range.
void Searcher::ScanEach(const Together& all, const Range& range, std::size_t worker) const {
  for (std::size_t q = 0; q < all.tasks.size(); ++q) {
    ScanRows(all.tasks[q], parts_[range.part], nullptr, range.begin, range.end,
             &(*all.found)[q][worker]);
  }
}

// The same with less work: rows that cannot be among a query's best are not scored.
void Searcher::ScanByBytes(const Together& all, const Range& range, std::size_t worker,
                           Prescan::Scratch* scratch) const {
  const Part& part = *parts_[range.part].part;
  const std::uint32_t field = all.tasks.front().field;
  const Prescan& prescan = *all.prescan;
  const std::uint32_t count = range.end - range.begin;
  ByteBlock block;
  if (range.part < all.bytes.size() && all.bytes[range.part] != nullptr) {
    block = all.bytes[range.part]->block(range.begin / ByteRows::kRows);
  } else {
    const char* data = part.Dense(field, range.begin, range.end);
    if (data == nullptr) return;  // No row has it, or the search ends with that error.
    block = prescan.Narrow(data, count, scratch);
  }
  prescan.Multiply(block, count, scratch);
  std::vector<float>& cuts = scratch->cuts;
  cuts.resize(prescan.groups() * Prescan::kGroup);
  const auto cut = [&](std::size_t q) {
    const Best* best = q < all.tasks.size() ? &(*all.found)[q][worker] : nullptr;
    const bool full =
        best != nullptr && all.tasks[q].limit > 0 && best->heap.size() == all.tasks[q].limit;
    const float worst = full ? best->heap.front().key : -std::numeric_limits<float>::infinity();
    cuts[q] = prescan.Cut(q, worst, block);
  };
  for (std::size_t q = 0; q < cuts.size(); ++q) cut(q);
  const bool all_live = part.deleted() == 0;
  std::uint64_t valid = 0;
  for (std::uint32_t r = range.begin; r < range.end; ++r) {
    if (!part.Has(field, r) || (!all_live && !part.VisibleAt(r, snapshot_.seq))) continue;
    ++valid;
    const float* products = scratch->products.data() + (r - range.begin) * cuts.size();
    const float half = block.halves[r - range.begin];
    for (std::size_t g = 0; g < cuts.size(); g += Prescan::kGroup) {
      if (!Prescan::AnyReaches(products + g, half, cuts.data() + g)) continue;
      for (std::size_t q = g; q < std::min(g + Prescan::kGroup, all.tasks.size()); ++q) {
        if (products[q] - half < cuts[q]) continue;
        float key = 0;
        all.tasks[q].scorer->Rows(part, {&r, 1}, &key);
        Best& best = (*all.found)[q][worker];
        best.Offer(all.tasks[q], key, {&part, r});
        --best.scored;
        cut(q);
      }
    }
  }
  for (auto& found : *all.found) found[worker].scored += valid;
}

Status Searcher::Prepare(std::span<const VectorQuery> queries, std::uint32_t field,
                         Together* all) const {
  const Schema::Field& described = snapshot_.schema->fields[field];
  const Distance distance = described.distance;
  std::vector<float> stored;
  bool ignore = false;
  for (const VectorQuery& query : queries) {
    MALMOI_TRY(auto scorer, ScorerFor(field, query));
    Task& task = all->tasks.emplace_back();
    task.field = field;
    task.limit = query.limit;
    task.threshold = query.score_threshold;
    task.smaller_is_better = distance == Distance::kEuclid || distance == Distance::kManhattan;
    task.scorer = scorer.get();
    task.with_payload = query.with_payload;
    ignore = ignore || query.params.quantization.ignore;
    const std::span<const float> row = scorer->query();
    stored.insert(stored.end(), row.begin(), row.end());
    all->scorers.push_back(std::move(scorer));
  }
  all->prescan = Prescan::Create(described, stored);
  if (all->prescan == nullptr || ignore || !snapshot_.plan->graphs[field].bytes) return Ok();
  for (const auto& segment : snapshot_.segments) {
    all->bytes.push_back(BytesOf(*segment, field, all->prescan->level()));
  }
  return Ok();
}

Result<std::vector<QueryOutcome>> Searcher::RunTogether(
    std::span<const VectorQuery> queries) const {
  Together all;
  MALMOI_TRY(Prepare(queries, *snapshot_.schema->Find(queries.front().using_vector), &all));
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    for (std::uint32_t b = 0; b < parts_[i].rows; b += ByteRows::kRows) {
      ranges.push_back({i, b, std::min(b + ByteRows::kRows, parts_[i].rows)});
    }
  }
  std::vector<std::vector<Best>> found(queries.size(), std::vector<Best>(pool_.threads()));
  all.found = &found;
  pool_.ParallelFor(ranges.size(), [&](std::size_t worker, std::size_t begin, std::size_t end) {
    Prescan::Scratch scratch;
    for (std::size_t i = begin; i < end && !Cancelled(); ++i) {
      if (all.prescan == nullptr) {
        ScanEach(all, ranges[i], worker);
      } else {
        ScanByBytes(all, ranges[i], worker, &scratch);
      }
    }
  });
  std::vector<QueryOutcome> out;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    MALMOI_TRY(auto outcome, Finish(all.tasks[q], found[q]));
    out.push_back(std::move(outcome));
  }
  return out;
}

}  // namespace malmoi::vec
