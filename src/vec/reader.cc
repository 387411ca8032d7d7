#include <algorithm>
#include <random>

#include "vec/limits.h"
#include "vec/reader_internal.h"

namespace malmoi::vec {
namespace {

// Rows that the reader sees from `from` on, by rising id, at most `limit` of each part. False after
// more than `budget` rows were looked at: then a set of all matches is found faster by columns.
bool CollectFrom(const Snapshot& snapshot, const PointId* from, const Matcher* matcher,
                 std::size_t limit, std::size_t budget, std::vector<RowRef>* out) {
  for (const auto& s : snapshot.segments) {
    std::size_t taken = 0;
    for (std::uint32_t r = from == nullptr ? 0 : s->LowerBound(*from);
         r < s->rows() && taken < limit; ++r) {
      if (!s->VisibleAt(r, snapshot.seq)) continue;
      if (matcher != nullptr && budget-- == 0) return false;
      if (matcher != nullptr && !matcher->Keep({s.get(), r})) continue;
      out->push_back({s.get(), r});
      ++taken;
    }
  }
  std::vector<std::pair<PointId, RowRef>> fresh;
  for (const MemView& mem : snapshot.mems) {
    for (std::uint32_t row = 0; row < mem.rows; ++row) {
      const MemBlock& block = mem.table->block(row / kBlockRows);
      const std::uint32_t r = row % kBlockRows;
      if (!block.VisibleAt(r, snapshot.seq)) continue;
      const PointId id = block.Id(r);
      if (from == nullptr || id >= *from) fresh.push_back({id, {&block, r}});
    }
  }
  // A heap: most calls want a few of the smallest.
  const auto later = [](const auto& a, const auto& b) { return b.first < a.first; };
  std::make_heap(fresh.begin(), fresh.end(), later);
  std::size_t taken = 0;
  for (auto end = fresh.end(); end != fresh.begin() && taken < limit;) {
    std::pop_heap(fresh.begin(), end, later);
    const RowRef& row = (--end)->second;
    if (matcher != nullptr && budget-- == 0) return false;
    if (matcher != nullptr && !matcher->Keep(row)) continue;
    out->push_back(row);
    ++taken;
  }
  return true;
}

bool ById(const RowRef& a, const RowRef& b) {
  return a.part->Id(a.row) < b.part->Id(b.row);
}

// From so many matches on, and after so many rows without enough of them, all matches are found as
// a set.
constexpr std::size_t kByColumnsFrom = 256;
constexpr std::size_t kRowsOneByOne = 4096;

}  // namespace

Result<QueryOutcome> SnapshotReader::Query(const VectorQuery& query, const Cancel* cancel) const {
  const Searcher searcher = MakeSearcher(cancel);
  if (!searcher.ScanTogether({&query, 1})) return searcher.Run(query);
  MALMOI_TRY(auto outcomes, searcher.RunTogether({&query, 1}));
  return std::move(outcomes.front());
}

Result<std::vector<QueryOutcome>> SnapshotReader::QueryBatch(std::span<const VectorQuery> queries,
                                                             const Cancel* cancel) const {
  if (const auto s = MakeSearcher(cancel); s.ScanTogether(queries)) return s.RunTogether(queries);
  const Searcher searcher = MakeSearcher(cancel);
  // A query of several runs on one thread.
  std::vector<std::optional<Result<QueryOutcome>>> each(queries.size());
  pool_->ParallelFor(queries.size(), [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) each[i].emplace(searcher.Run(queries[i]));
  });
  std::vector<QueryOutcome> out;
  for (auto& one : each) {
    if (!one->ok()) return std::move(one->error());
    out.push_back(std::move(*one).value());
  }
  return out;
}

Result<std::vector<Point>> SnapshotReader::Retrieve(std::span<const PointId> ids,
                                                    const Selection& selection) const {
  MALMOI_TRY(const Picker picker, Picker::Create(*snapshot_->schema, selection));
  std::vector<Point> out;
  for (const auto& id : ids) {
    const auto row = snapshot_->Find(id);
    if (row) out.push_back(picker.Read(*row));
  }
  MALMOI_TRY(snapshot_->Health());
  return out;
}

Status SnapshotReader::CheckLimit(std::size_t limit) const {
  if (limit > 0 && limit <= kLimits.query_limit_max) return Ok();
  return Error(Code::kOutOfRange, "limit " + std::to_string(limit) + " is not in 1.." +
                                      std::to_string(kLimits.query_limit_max));
}

Result<Page> SnapshotReader::Scroll(const std::optional<PointId>& from, std::size_t limit,
                                    const Filter* filter, const Selection& selection) const {
  MALMOI_TRY(CheckLimit(limit));
  MALMOI_TRY(const Picker picker, Picker::Create(*snapshot_->schema, selection));
  const Searcher searcher = MakeSearcher();
  MALMOI_TRY(const auto matcher, searcher.Match(filter));
  std::vector<RowRef> rows;
  const bool as_set = matcher && (matcher->candidates() != nullptr || limit >= kByColumnsFrom);
  if (as_set || !CollectFrom(*snapshot_, from ? &*from : nullptr, matcher ? &*matcher : nullptr,
                             limit + 1, kRowsOneByOne, &rows)) {
    rows = searcher.Select(&*matcher);
    std::erase_if(rows, [&](const RowRef& r) { return from && r.part->Id(r.row) < *from; });
  }
  std::sort(rows.begin(), rows.end(), ById);
  Page page;
  if (rows.size() > limit) {
    page.next = rows[limit].part->Id(rows[limit].row);
    rows.resize(limit);
  }
  for (const RowRef& row : rows) page.points.push_back(picker.Read(row));
  MALMOI_TRY(snapshot_->Health());
  return page;
}

Result<std::uint64_t> SnapshotReader::Count(const Filter* filter) const {
  const Searcher searcher = MakeSearcher();
  MALMOI_TRY(const auto matcher, searcher.Match(filter));
  const std::uint64_t n = searcher.Count(matcher ? &*matcher : nullptr);
  MALMOI_TRY(snapshot_->Health());
  return n;
}

Result<std::vector<PointId>> SnapshotReader::Sample(std::size_t limit, const Filter* filter,
                                                    std::uint64_t seed) const {
  const Searcher searcher = MakeSearcher();
  MALMOI_TRY(const auto matcher, searcher.Match(filter));
  std::vector<RowRef> rows = searcher.Select(matcher ? &*matcher : nullptr);
  MALMOI_TRY(snapshot_->Health());
  std::mt19937_64 random(seed);
  std::vector<PointId> out;
  for (std::size_t i = 0; i < rows.size() && i < limit; ++i) {
    std::swap(rows[i], rows[i + random() % (rows.size() - i)]);
    out.push_back(rows[i].part->Id(rows[i].row));
  }
  return out;
}

Result<std::vector<bool>> SnapshotReader::Test(std::span<const PointId> ids,
                                               const Filter& filter) const {
  MALMOI_TRY(const auto matcher, MakeSearcher().Match(&filter));
  std::vector<bool> out;
  for (const PointId& id : ids) {
    const auto row = snapshot_->Find(id);
    out.push_back(row && (!matcher || matcher->Keep(*row)));
  }
  MALMOI_TRY(snapshot_->Health());
  return out;
}

Result<std::vector<std::uint64_t>> SnapshotReader::CountTerms(
    const std::string& sparse_vector, std::span<const std::uint32_t> terms) const {
  const auto field = snapshot_->schema->Find(sparse_vector);
  if (!field || !snapshot_->schema->fields[*field].sparse()) {
    return Error(Code::kInvalidArgument, "no sparse vector '" + sparse_vector + "'");
  }
  const Searcher searcher = MakeSearcher();
  std::vector<std::uint64_t> out;
  for (const std::uint32_t term : terms) out.push_back(searcher.CountTerm(*field, term));
  MALMOI_TRY(snapshot_->Health());
  return out;
}

CollectionInfo SnapshotReader::Info() const {
  CollectionInfo info;
  info.points = snapshot_->live;
  for (std::size_t f = 0; f < snapshot_->live_with.size(); ++f) {
    const auto& field = snapshot_->schema->fields[f];
    if (!field.dropped) info.with_vector[field.name] = snapshot_->live_with[f];
  }
  info.disk_bytes = disk_bytes_;
  bool in_memory = false;
  for (const MemView& mem : snapshot_->mems) {
    info.memory_bytes += mem.bytes;
    for (const CodedRows& coded : mem.codes) info.memory_bytes += coded.memory_bytes();
    in_memory = in_memory || mem.rows > 0;
  }
  for (const auto& s : snapshot_->segments) {
    info.memory_bytes += s->memory_bytes() + s->columns().memory_bytes() +
                         s->graphs().memory_bytes() + s->kept().memory_bytes();
    for (std::uint32_t f = 0; f < snapshot_->schema->fields.size(); ++f) {
      const auto graph = s->graphs().Get(f);
      if (graph == nullptr || graph->options().degree == 0) continue;
      info.indexed_vectors +=
          s->CountHas(f) - std::min<std::uint64_t>(s->CountHas(f), s->deleted());
    }
  }
  info.segments = snapshot_->segments.size() + (in_memory ? 1 : 0);
  info.last_operation = snapshot_->seq;
  info.error = error_;
  return info;
}

}  // namespace malmoi::vec
