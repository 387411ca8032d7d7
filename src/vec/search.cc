#include <algorithm>
#include <cmath>
#include <numeric>

#include "vec/limits.h"
#include "vec/search_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint32_t kScanRows = 1024;  // Scored at a time: 1.5 MB of 384 floats.
// Up to so many are scanned on the caller's thread: where others keep the cores busy, waiting for a
// second thread costs more than the scan.
constexpr std::size_t kAloneRows = 2048;

}  // namespace

bool Searcher::Better(const Scored& a, const Scored& b) {
  if (a.key != b.key) return a.key > b.key;
  return a.row.part->Id(a.row.row) < b.row.part->Id(b.row.row);
}

void Searcher::Best::Offer(const Task& task, float key, RowRef row) {
  ++scored;
  if (std::isnan(key)) return;
  const Scored s{key, row};
  if (heap.size() == task.limit) {
    if (task.limit == 0 || !Better(s, heap.front())) return;
  }
  if (task.threshold) {
    const float score = task.scorer->Score(key);
    if (task.smaller_is_better ? score > *task.threshold : score < *task.threshold) return;
  }
  if (heap.size() == task.limit) {
    std::pop_heap(heap.begin(), heap.end(), Better);
    heap.back() = s;
  } else {
    heap.push_back(s);
  }
  std::push_heap(heap.begin(), heap.end(), Better);
}

Result<std::optional<Matcher>> Searcher::Match(const Filter* filter) const {
  if (filter == nullptr || filter->empty()) return std::optional<Matcher>();
  MALMOI_TRY(auto matcher, Matcher::Create(*filter, *snapshot_.schema, *snapshot_.indexes));
  if (snapshot_.segments.size() > 0) matcher.SetText(KeptText(*filter));
  return std::optional<Matcher>(std::move(matcher));
}

Result<std::unique_ptr<Scorer>> Searcher::ScorerFor(std::uint32_t field, const VectorQuery& query,
                                                    SparseVector* weighted) const {
  const Schema& schema = *snapshot_.schema;
  const auto one = [&](const QueryVector& v, bool example) -> Result<std::unique_ptr<Scorer>> {
    MALMOI_TRY(auto scorer, MakeScorer(schema, field, v, example));
    if (!schema.fields[field].sparse()) return scorer;
    SparseVector by_idf = Weighted(field, std::get<SparseVector>(v));
    if (schema.fields[field].idf) {
      MALMOI_TRY(scorer, MakeScorer(schema, field, by_idf, example));
    }
    if (weighted != nullptr) *weighted = std::move(by_idf);
    return scorer;
  };
  if (!query.combine) return one(query.vector, false);
  std::vector<std::unique_ptr<Scorer>> examples;
  for (const auto& example : query.examples) {
    MALMOI_TRY(auto scorer, one(example, true));
    examples.push_back(std::move(scorer));
  }
  if (examples.empty()) return Error(Code::kInvalidArgument, "a query by examples has none");
  return std::unique_ptr<Scorer>(
      std::make_unique<CombineScorer>(std::move(examples), query.combine));
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
  SparseVector weighted;
  MALMOI_TRY(const auto scorer, ScorerFor(*field, query, &weighted));
  MALMOI_TRY(const auto matcher, Match(query.filter));
  Task task{
      .field = *field,
      .limit = query.limit,
      .threshold = query.score_threshold,
      .smaller_is_better = !query.combine && !f.sparse() &&
                           (f.distance == Distance::kEuclid || f.distance == Distance::kManhattan),
      .matcher = matcher ? &*matcher : nullptr,
      .scorer = scorer.get(),
      .with_payload = query.with_payload};
  if (snapshot_.plan->graphs[*field].wanted && !query.combine && !query.params.exact) {
    task.query = scorer->query();
    task.params = &query.params;
  }
  std::vector<Best> found(pool_.threads());
  if (task.matcher != nullptr && task.matcher->candidates() != nullptr) {
    Some(task, &found.front());
  } else if (f.sparse() && !query.combine) {
    Sparse(task, weighted, &found);
  } else {
    Scan(task, &found);
  }
  return Finish(task, found);
}

Result<QueryOutcome> Searcher::Finish(const Task& task, std::vector<Best>& found) const {
  if (Cancelled()) return Error(Code::kCancelled, "query cancelled");
  QueryOutcome out;
  std::vector<Scored> all;
  for (const Best& best : found) {
    out.scored += best.scored;
    out.exact = out.exact && !best.graph;
    all.insert(all.end(), best.heap.begin(), best.heap.end());
  }
  std::sort(all.begin(), all.end(), Better);
  if (all.size() > task.limit) all.resize(task.limit);
  std::string scratch;
  out.hits.reserve(all.size());
  for (const Scored& s : all) {
    Hit hit{
        s.row.part->Id(s.row.row), task.scorer->Score(s.key), {}, s.row.part->Version(s.row.row)};
    if (task.with_payload) {
      hit.payload = DumpPacked(Packed(s.row.part->Payload(s.row.row, &scratch)));
    }
    out.hits.push_back(std::move(hit));
  }
  MALMOI_TRY(snapshot_.Health());
  return out;
}

std::vector<RowRef> Searcher::Candidates(const Matcher& matcher) const {
  std::vector<RowRef> out;
  for (const PointId& id : *matcher.candidates()) {
    const auto row = snapshot_.Find(id);
    if (row && matcher.Keep(*row)) out.push_back(*row);
  }
  return out;
}

// The points that the filter names, one by one.
void Searcher::Some(const Task& task, Best* best) const {
  for (const RowRef& row : Candidates(*task.matcher)) {
    if (!row.part->Has(task.field, row.row)) continue;
    float key = 0;
    task.scorer->Rows(*row.part, {&row.row, 1}, &key);
    best->Offer(task, key, row);
  }
}

void Searcher::ScanRows(const Task& task, const PartRef& part, const Bitmap* kept,
                        std::uint32_t begin, std::uint32_t end, Best* best) const {
  const Part& p = *part.part;
  std::vector<std::uint32_t>& rows = best->rows;
  rows.clear();
  if (kept != nullptr) {
    kept->ForEachIn(begin, end, [&](std::uint32_t r) {
      if (p.Has(task.field, r)) rows.push_back(r);
    });
  } else if (const bool all_live = p.deleted() == 0; all_live && p.AllHave(task.field)) {
    rows.resize(end - begin);
    std::iota(rows.begin(), rows.end(), begin);
  } else {
    for (std::uint32_t r = begin; r < end; ++r) {
      if (!all_live && !p.VisibleAt(r, snapshot_.seq)) continue;
      if (p.Has(task.field, r)) rows.push_back(r);
    }
  }
  best->keys.resize(rows.size());
  task.scorer->Rows(p, rows, best->keys.data());
  for (std::size_t i = 0; i < rows.size(); ++i) best->Offer(task, best->keys[i], {&p, rows[i]});
}

void Searcher::Scan(const Task& task, std::vector<Best>* found) const {
  std::vector<Kept> kept(task.matcher == nullptr ? 0 : parts_.size());
  pool_.ParallelFor(kept.size(), [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && !Cancelled(); ++i) {
      kept[i] = KeptOf(i, *task.matcher);
    }
  });
  struct Work {
    std::size_t part;
    std::uint32_t begin, end;
  };
  const auto kept_of = [&](std::size_t i) { return kept.empty() ? nullptr : &kept[i]; };
  std::vector<char> done(parts_.size());
  for (const std::size_t i : LargestFirst()) {
    if (Cancelled()) return;
    done[i] = Approximate(task, i, kept_of(i), &found->front()) ? 1 : 0;
  }
  std::size_t first = snapshot_.segments.size();
  for (const MemView& mem : snapshot_.mems) {
    if (task.params == nullptr || first == parts_.size() || LeftOut(task, first)) break;
    const std::size_t blocks = FromMemory(task, mem, first, kept, &found->front());
    std::fill_n(done.begin() + static_cast<std::ptrdiff_t>(first), blocks, 1);
    first += (mem.rows + kBlockRows - 1) / kBlockRows;
  }
  std::vector<Work> ranges;
  std::size_t rows = 0;
  for (std::size_t i = 0; i < parts_.size() && !Cancelled(); ++i) {
    if (done[i] != 0 || (i >= snapshot_.segments.size() && LeftOut(task, i))) continue;
    rows += parts_[i].rows;
    for (std::uint32_t b = 0; b < parts_[i].rows; b += kScanRows) {
      ranges.push_back({i, b, std::min(b + kScanRows, parts_[i].rows)});
    }
  }
  const auto scan = [&](std::size_t worker, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && !Cancelled(); ++i) {
      const Work& w = ranges[i];
      const Bitmap* some = kept.empty() ? nullptr : &kept[w.part].rows();
      ScanRows(task, parts_[w.part], some, w.begin, w.end, &(*found)[worker]);
    }
  };
  if (rows <= kAloneRows) return scan(0, 0, ranges.size());
  pool_.ParallelFor(ranges.size(), scan);
}

// The segments: what the largest has says most of what is to be looked for in the others.
std::vector<std::size_t> Searcher::LargestFirst() const {
  std::vector<std::size_t> order(snapshot_.segments.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return parts_[a].rows > parts_[b].rows; });
  return order;
}

// What a segment remembers of the filter; where it is to, it finds it. Null: the filter is new.
std::shared_ptr<const KeptRows> Searcher::Remembered(const Segment& segment,
                                                     const Matcher& matcher) const {
  if (segment.rows() < KeptSet::kFromRows || matcher.text().empty()) return nullptr;
  const KeptSet::Key key{matcher.text(), snapshot_.schema, snapshot_.indexes};
  bool wanted = false;
  auto known = segment.kept().Get(key, segment.rows(), &wanted);
  if (!wanted) return known;
  Bitmap all(segment.rows(), true);
  matcher.Restrict({&segment, segment.rows()}, &all);
  known = std::make_shared<KeptRows>(std::move(all));
  segment.kept().Put(key, known);
  return known;
}

Searcher::Kept Searcher::KeptOf(std::size_t part, const Matcher& matcher) const {
  Kept out;
  if (part < snapshot_.segments.size()) {
    const Segment& segment = *snapshot_.segments[part];
    out.known = Remembered(segment, matcher);
    out.whole = out.known != nullptr && segment.deleted() == 0;
    if (out.known != nullptr && !out.whole) {
      out.own = Rows(parts_[part], nullptr);
      out.own.And(out.known->rows());
      return out;
    }
  }
  if (!out.whole) out.own = Rows(parts_[part], &matcher);
  return out;
}

Bitmap Searcher::Rows(const PartRef& part, const Matcher* matcher) const {
  const Part& p = *part.part;
  Bitmap rows = p.deleted() > 0 ? p.Visible(part.rows, snapshot_.seq) : Bitmap(part.rows, true);
  if (matcher != nullptr) matcher->Restrict(part, &rows);
  return rows;
}

std::vector<RowRef> Searcher::Select(const Matcher* matcher) const {
  if (matcher != nullptr && matcher->candidates() != nullptr) return Candidates(*matcher);
  std::vector<RowRef> out;
  for (const PartRef& part : parts_) {
    if (Cancelled()) break;
    Rows(part, matcher).ForEach([&](std::uint32_t r) { out.push_back({part.part, r}); });
  }
  return out;
}

std::uint64_t Searcher::Count(const Matcher* matcher) const {
  if (matcher == nullptr) return snapshot_.live;
  if (matcher->candidates() != nullptr) return Candidates(*matcher).size();
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) n += KeptOf(i, *matcher).Count();
  return n;
}

}  // namespace malmoi::vec
