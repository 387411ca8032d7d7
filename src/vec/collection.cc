#include <algorithm>

#include "json/value.h"
#include "vec/collection_internal.h"
#include "vec/limits.h"
#include "vec/search_internal.h"

namespace malmoi::vec {
namespace {

Status CheckCount(std::size_t count) {
  if (count <= kLimits.points_per_write_max) return Ok();
  return Error(Code::kOutOfRange, std::to_string(count) + " points in one write, at most " +
                                      std::to_string(kLimits.points_per_write_max));
}

// Rows of one part from `from` on that the reader sees, by rising id.
void CollectFrom(const Snapshot& snapshot, const PointId* from, const Matcher* matcher,
                 std::size_t limit, std::vector<RowRef>* out) {
  for (const auto& s : snapshot.segments) {
    std::size_t taken = 0;
    for (std::uint32_t r = from == nullptr ? 0 : s->LowerBound(*from);
         r < s->rows() && taken < limit; ++r) {
      if (!s->VisibleAt(r, snapshot.seq)) continue;
      if (matcher != nullptr && !matcher->Keep(*s, r)) continue;
      out->push_back({s.get(), r});
      ++taken;
    }
  }
  std::vector<std::pair<PointId, RowRef>> fresh;
  for (std::uint32_t row = 0; row < snapshot.mem_rows; ++row) {
    const MemBlock& block = snapshot.mem->block(row / kBlockRows);
    const std::uint32_t r = row % kBlockRows;
    if (!block.VisibleAt(r, snapshot.seq)) continue;
    const PointId id = block.Id(r);
    if (from == nullptr || id >= *from) fresh.push_back({id, {&block, r}});
  }
  std::sort(fresh.begin(), fresh.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t taken = 0;
  for (std::size_t i = 0; i < fresh.size() && taken < limit; ++i) {
    const RowRef& row = fresh[i].second;
    if (matcher != nullptr && !matcher->Keep(*row.part, row.row)) continue;
    out->push_back(row);
    ++taken;
  }
}

}  // namespace

StoredCollection::StoredCollection(std::string name, std::unique_ptr<Store> store,
                                   std::shared_ptr<os::ThreadPool> pool)
    : store_(std::move(store)), pool_(std::move(pool)) {
  SetName(std::move(name));
}

StoredCollection::~StoredCollection() {
  // All that is lost if this fails is a quick start: the log has everything.
  (void)Checkpoint().ok();
}

void StoredCollection::SetName(std::string name) {
  const std::lock_guard lock(names_mutex_);
  names_.push_back(std::make_unique<const std::string>(std::move(name)));
  name_.store(names_.back().get());
}

void StoredCollection::Close() {
  WriteRequest request;
  request.close = true;
  (void)store_->Submit(request).ok();  // Fails only where writes are refused already.
}

CollectionConfig StoredCollection::config() const {
  CollectionConfig config = store_->config();
  config.metadata = *store_->snapshot()->metadata;
  return config;
}

Error NotYet(const std::string& what) {
  return Error(Code::kUnsupported, what + " is not there yet");
}

Result<WriteOutcome> StoredCollection::Write(std::span<const Operation> operations,
                                             const WriteOptions& options) {
  if (operations.size() != 1) return NotYet("a batch of operations");
  WriteOutcome out;
  if (const auto* op = std::get_if<UpsertOp>(&operations[0])) {
    if (op->mode != UpdateMode::kUpsert || op->condition) return NotYet("a conditional upsert");
    MALMOI_TRY(Upsert(op->points, options));
  } else if (const auto* update = std::get_if<UpdateVectorsOp>(&operations[0])) {
    if (update->condition) return NotYet("a conditional update");
    MALMOI_TRY(UpdateVectors(update->updates));
  } else if (const auto* gone = std::get_if<DeletePointsOp>(&operations[0])) {
    if (gone->points.filter) {
      MALMOI_TRY(out.changed, DeleteWhere(*gone->points.filter));
    } else {
      MALMOI_TRY(Delete(gone->points.ids));
    }
  } else {
    return NotYet("this operation");
  }
  return out;
}

Status StoredCollection::Upsert(std::span<const Point> points, const WriteOptions&) {
  if (points.empty()) return Ok();
  WriteRequest request;
  MALMOI_TRY(request.ops, EncodeUpsert(store_->schema(), points, VectorForm::kGiven));
  return store_->Submit(request);
}

Status StoredCollection::UpdateVectors(std::span<const VectorUpdate> updates) {
  if (updates.empty()) return Ok();
  MALMOI_TRY(CheckCount(updates.size()));
  for (const auto& update : updates) {
    MALMOI_TRY(CheckVectors(store_->schema(), update.vectors).With("point " + ToString(update.id)));
  }
  WriteRequest request;
  request.updates = updates;
  return store_->Submit(request);
}

Status StoredCollection::Delete(std::span<const PointId> ids) {
  if (ids.empty()) return Ok();
  MALMOI_TRY(CheckCount(ids.size()));
  WriteRequest request;
  request.ops = EncodeDelete(ids);
  return store_->Submit(request);
}

Result<std::uint64_t> StoredCollection::DeleteWhere(const Filter& filter) {
  WriteRequest request;
  request.delete_where = &filter;
  MALMOI_TRY(store_->Submit(request));
  return request.deleted;
}

Status StoredCollection::SetMetadata(std::string_view json_object) {
  if (json_object.size() > kLimits.payload_bytes_max) {
    return Error(Code::kOutOfRange, "metadata of " + std::to_string(json_object.size()) +
                                        " bytes, at most " +
                                        std::to_string(kLimits.payload_bytes_max));
  }
  MALMOI_TRY(const auto value, json::Parse(json_object));
  if (!value.is_object()) return Error(Code::kInvalidArgument, "metadata is not a JSON object");
  WriteRequest request;
  request.ops = EncodeMetadata(json_object);
  return store_->Submit(request);
}

Result<QueryOutcome> StoredCollection::Query(const VectorQuery& query, const Cancel* cancel) const {
  const auto snapshot = store_->snapshot();
  return Searcher(*snapshot, *pool_, cancel).Run(query);
}

Result<std::vector<QueryOutcome>> StoredCollection::QueryBatch(std::span<const VectorQuery> queries,
                                                               const Cancel* cancel) const {
  const auto snapshot = store_->snapshot();
  const Searcher searcher(*snapshot, *pool_, cancel);
  std::vector<QueryOutcome> out;
  for (const auto& query : queries) {
    MALMOI_TRY(auto outcome, searcher.Run(query));
    out.push_back(std::move(outcome));
  }
  return out;
}

Result<std::vector<Point>> StoredCollection::Retrieve(std::span<const PointId> ids,
                                                      const Selection& selection) const {
  const bool with_vectors = selection.vectors.enabled;
  const auto snapshot = store_->snapshot();
  std::vector<Point> out;
  for (const auto& id : ids) {
    const auto row = snapshot->Find(id);
    if (row) out.push_back(ReadPoint(*snapshot->schema, *row, with_vectors));
  }
  MALMOI_TRY(snapshot->Health());
  return out;
}

Result<Page> StoredCollection::Scroll(const std::optional<PointId>& from, std::size_t limit,
                                      const Filter* filter, const Selection& selection) const {
  const bool with_vectors = selection.vectors.enabled;
  if (limit == 0 || limit > kLimits.query_limit_max) {
    return Error(Code::kOutOfRange, "limit " + std::to_string(limit) + " is not in 1.." +
                                        std::to_string(kLimits.query_limit_max));
  }
  const auto snapshot = store_->snapshot();
  std::optional<Matcher> matcher;
  if (filter != nullptr && !filter->empty()) matcher.emplace(*filter);
  std::vector<RowRef> rows;
  CollectFrom(*snapshot, from ? &*from : nullptr, matcher ? &*matcher : nullptr, limit + 1, &rows);
  std::sort(rows.begin(), rows.end(),
            [](const RowRef& a, const RowRef& b) { return a.part->Id(a.row) < b.part->Id(b.row); });
  Page page;
  if (rows.size() > limit) {
    page.next = rows[limit].part->Id(rows[limit].row);
    rows.resize(limit);
  }
  for (const RowRef& row : rows) {
    page.points.push_back(ReadPoint(*snapshot->schema, row, with_vectors));
  }
  MALMOI_TRY(snapshot->Health());
  return page;
}

Result<std::uint64_t> StoredCollection::Count(const Filter* filter) const {
  const auto snapshot = store_->snapshot();
  if (filter == nullptr || filter->empty()) return snapshot->live;
  const Matcher matcher(*filter);
  const auto rows = Searcher(*snapshot, *pool_, nullptr).Select(&matcher);
  MALMOI_TRY(snapshot->Health());
  return static_cast<std::uint64_t>(rows.size());
}

Result<std::vector<std::uint64_t>> StoredCollection::CountTerms(
    const std::string& sparse_vector, std::span<const std::uint32_t> terms) const {
  const auto snapshot = store_->snapshot();
  const auto& fields = snapshot->schema->fields;
  const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& f) {
    return f.sparse && f.name == sparse_vector;
  });
  if (field == fields.end()) {
    return Error(Code::kInvalidArgument, "no sparse vector '" + sparse_vector + "'");
  }
  const Searcher searcher(*snapshot, *pool_, nullptr);
  std::vector<std::uint64_t> out;
  for (const std::uint32_t term : terms) {
    out.push_back(searcher.CountTerm(static_cast<std::uint32_t>(field - fields.begin()), term));
  }
  MALMOI_TRY(snapshot->Health());
  return out;
}

Result<std::vector<OrderedPoint>> StoredCollection::ScrollBy(const OrderBy&, std::size_t,
                                                             const Filter*,
                                                             const Selection&) const {
  return NotYet("order_by");
}

Result<std::vector<FacetCount>> StoredCollection::Facet(const std::string&, std::size_t,
                                                        const Filter*) const {
  return NotYet("facet");
}

Result<std::vector<PointId>> StoredCollection::Sample(std::size_t, const Filter*,
                                                      std::uint64_t) const {
  return NotYet("sample");
}

Result<std::vector<bool>> StoredCollection::Test(std::span<const PointId>, const Filter&) const {
  return NotYet("testing ids");
}

std::map<std::string, PayloadIndexInfo> StoredCollection::PayloadIndexes() const {
  return {};
}

std::shared_ptr<const Reader> StoredCollection::View() const {
  return nullptr;
}

Status StoredCollection::Export(const std::string&) {
  return NotYet("export");
}

CollectionInfo StoredCollection::Info() const {
  const auto snapshot = store_->snapshot();
  CollectionInfo info;
  info.points = snapshot->live;
  for (std::size_t f = 0; f < snapshot->live_with.size(); ++f) {
    info.with_vector[snapshot->schema->fields[f].name] = snapshot->live_with[f];
  }
  info.disk_bytes = store_->disk_bytes();
  info.memory_bytes = snapshot->mem_bytes;
  for (const auto& s : snapshot->segments) info.memory_bytes += s->memory_bytes();
  return info;
}

Status StoredCollection::Checkpoint() {
  WriteRequest request;
  request.checkpoint = true;
  return store_->Submit(request);
}

}  // namespace malmoi::vec
