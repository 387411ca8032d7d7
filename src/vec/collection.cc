#include "vec/collection_internal.h"
#include "vec/limits.h"
#include "vec/ops_internal.h"
#include "vec/optimize.h"

namespace malmoi::vec {
namespace {

Status CheckCount(std::size_t count) {
  if (count <= kLimits.points_per_write_max) return Ok();
  return Error(Code::kOutOfRange, std::to_string(count) + " points in one write, at most " +
                                      std::to_string(kLimits.points_per_write_max));
}

Status CheckCount(const Operation& operation) {
  if (const auto* upsert = std::get_if<UpsertOp>(&operation)) {
    return CheckCount(upsert->points.size());
  }
  if (const auto* update = std::get_if<UpdateVectorsOp>(&operation)) {
    return CheckCount(update->updates.size());
  }
  return Ok();
}

// Whether the operation means the same whatever the state.
bool IsPlain(const Operation& operation) {
  if (const auto* upsert = std::get_if<UpsertOp>(&operation)) {
    return upsert->mode == UpdateMode::kUpsert && upsert->condition == nullptr;
  }
  const auto* gone = std::get_if<DeletePointsOp>(&operation);
  return gone != nullptr && gone->points.filter == nullptr;
}

// Whether the operation puts something in memory that was not there. What takes away does not count
// where memory is short, so that there is a way out.
bool Grows(const Operation& operation) {
  const auto* payload = std::get_if<PayloadOp>(&operation);
  return std::holds_alternative<UpsertOp>(operation) ||
         std::holds_alternative<UpdateVectorsOp>(operation) ||
         (payload != nullptr &&
          (payload->kind == PayloadOp::Kind::kSet || payload->kind == PayloadOp::Kind::kOverwrite));
}

}  // namespace

StoredCollection::StoredCollection(std::string name, std::unique_ptr<Store> store,
                                   std::shared_ptr<os::ThreadPool> pool,
                                   std::shared_ptr<Workers> workers)
    : store_(std::move(store)), pool_(std::move(pool)), workers_(std::move(workers)) {
  SetName(std::move(name));
  const std::weak_ptr<Store> weak(store_);
  store_->SetHooks({.dirty = [w = workers_.get(), weak] { w->syncer.Wake(weak); },
                    .full = [w = workers_.get(), weak] { w->flusher.Wake(weak); },
                    .work = [w = workers_.get(), weak] { w->optimizer.Wake(weak); },
                    .saved = [w = workers_.get(), weak] { w->opener.Wake(weak); },
                    .asked =
                        [w = std::weak_ptr<Workers>(workers_), weak] {
                          if (const auto held = w.lock()) held->optimizer.Wake(weak);
                        },
                    .threads = workers_->optimizer.threads()});
  workers_->Add(weak);
}

// The rows stand in the log's buffer and in the memtable; of operations that need the newest state
// it is not known how many points they change.
Status StoredCollection::MakeRoom(const WriteRequest& request) const {
  constexpr std::uint64_t kLeast = 64 << 10;
  return workers_->MakeRoom(kLeast + request.ops.size() * 2);
}

StoredCollection::~StoredCollection() {
  store_->Stop();
  // All that is lost if this fails is a quick start: the log has everything.
  (void)store_->Flush(true).ok();
}

void StoredCollection::SetName(std::string name) {
  const std::lock_guard lock(names_mutex_);
  names_.push_back(std::make_unique<const std::string>(std::move(name)));
  name_.store(names_.back().get());
}

void StoredCollection::Close() {
  store_->Stop();
  WriteRequest request;
  request.kind = WriteRequest::Kind::kClose;
  (void)store_->Submit(request).ok();  // Fails only where writes are refused already.
}

std::vector<Point> ToPoints(const PointColumns& columns) {
  std::vector<Point> points(columns.ids.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto row = columns.rows.begin() + static_cast<std::ptrdiff_t>(i * columns.dim);
    points[i].id = columns.ids[i];
    points[i].vectors.dense[columns.vector_name] = {row, row + columns.dim};
    if (!columns.payload(i).empty()) points[i].payload = columns.payload(i);
  }
  return points;
}

Result<Glance> Database::GlanceAt(const std::string& name) const {
  MALMOI_TRY(const auto collection, Get(name));
  return Glance{.config = collection->config(), .info = collection->Info(), .open = true};
}

Result<WriteOutcome> Collection::Upsert(const PointColumns& columns, const WriteOptions& options) {
  const Operation operation = UpsertOp{.points = ToPoints(columns)};
  return Write({&operation, 1}, options);
}

CollectionConfig StoredCollection::config() const {
  const auto snapshot = store_->snapshot();
  CollectionConfig config;
  snapshot->schema->Describe(&config);
  config.metadata = *snapshot->metadata;
  config.settings = *snapshot->settings;
  return config;
}

Result<WriteOutcome> StoredCollection::Write(std::span<const Operation> operations,
                                             const WriteOptions& options) {
  WriteRequest request;
  request.wait = options.wait;
  bool plain = true;
  bool grows = false;
  for (const Operation& operation : operations) {
    MALMOI_TRY(CheckCount(operation));
    grows = grows || Grows(operation);
    plain = plain && IsPlain(operation);
  }
  if (plain) {
    const auto snapshot = store_->snapshot();
    for (const Operation& operation : operations) {
      if (const auto* upsert = std::get_if<UpsertOp>(&operation)) {
        if (upsert->points.empty()) continue;
        MALMOI_TRY(auto ops, EncodePoints(*snapshot->schema, upsert->points));
        request.ops = request.ops.empty() ? std::move(ops) : request.ops + ops;
        request.changed += upsert->points.size();
      } else {
        const auto& ids = std::get<DeletePointsOp>(operation).points.ids;
        if (!ids.empty()) request.ops += EncodeDelete(ids);
        request.changed += ids.size();
      }
      if (request.changed > kLimits.points_changed_max ||
          request.ops.size() > kLimits.write_bytes_max) {
        return Error(Code::kOutOfRange,
                     "a write of more than " + std::to_string(kLimits.points_changed_max) +
                         " points or " + std::to_string(kLimits.write_bytes_max) +
                         " bytes; send fewer operations at once");
      }
    }
  } else {
    request.operations = operations;
  }
  if (grows) MALMOI_TRY(MakeRoom(request));
  workers_->optimizer.WaitForRoom(store_);
  MALMOI_TRY(store_->Submit(request));
  return WriteOutcome{.operation_id = request.operation_id, .changed = request.changed};
}

Status StoredCollection::Upsert(std::span<const Point> points, const WriteOptions& options) {
  if (points.empty()) return Ok();
  WriteRequest request;
  request.wait = options.wait;
  MALMOI_TRY(request.ops, EncodePoints(*store_->snapshot()->schema, points));
  MALMOI_TRY(MakeRoom(request));
  workers_->optimizer.WaitForRoom(store_);
  return store_->Submit(request);
}

Result<WriteOutcome> StoredCollection::Upsert(const PointColumns& columns,
                                              const WriteOptions& options) {
  WriteRequest request;
  request.wait = options.wait;
  request.changed = columns.ids.size();
  if (!columns.ids.empty()) {
    MALMOI_TRY(request.ops, EncodeColumns(*store_->snapshot()->schema, columns));
  }
  MALMOI_TRY(MakeRoom(request));
  workers_->optimizer.WaitForRoom(store_);
  MALMOI_TRY(store_->Submit(request));
  return WriteOutcome{.operation_id = request.operation_id, .changed = request.changed};
}

Status StoredCollection::UpdateVectors(std::span<const VectorUpdate> updates) {
  if (updates.empty()) return Ok();
  const Operation operation = UpdateVectorsOp{.updates = {updates.begin(), updates.end()}};
  MALMOI_TRY(Write({&operation, 1}, {}));
  return Ok();
}

Status StoredCollection::Delete(std::span<const PointId> ids) {
  if (ids.empty()) return Ok();
  MALMOI_TRY(CheckCount(ids.size()));
  WriteRequest request;
  request.ops = EncodeDelete(ids);
  return store_->Submit(request);
}

Result<std::uint64_t> StoredCollection::DeleteWhere(const Filter& filter) {
  DeletePointsOp gone;
  gone.points.filter = std::make_shared<const Filter>(filter);
  const Operation operation = std::move(gone);
  MALMOI_TRY(const auto outcome, Write({&operation, 1}, {}));
  return outcome.changed;
}

Status StoredCollection::SetMetadata(std::string_view json_object) {
  const Operation operation = SetSettingsOp{.metadata = std::string(json_object)};
  MALMOI_TRY(Write({&operation, 1}, {}));
  return Ok();
}

Status StoredCollection::Checkpoint() {
  MALMOI_TRY(store_->Flush(true));
  return store_->Merge();
}

Status StoredCollection::Optimize() {
  MALMOI_TRY(Checkpoint());
  workers_->optimizer.Drain(store_);
  return Ok();
}

Status Optimize(Collection& collection) {
  // There is no other implementation.
  return dynamic_cast<StoredCollection&>(collection).Optimize();
}

Status StoredCollection::Export(const std::string& directory) {
  return store_->Export(directory);
}

SnapshotReader StoredCollection::Now() const {
  return SnapshotReader(store_->snapshot(), pool_, store_->disk_bytes(), store_->error());
}

std::shared_ptr<const Reader> StoredCollection::View() const {
  return std::make_shared<const SnapshotReader>(Now());
}

Result<QueryOutcome> StoredCollection::Query(const VectorQuery& query, const Cancel* cancel) const {
  return Now().Query(query, cancel);
}

Result<std::vector<QueryOutcome>> StoredCollection::QueryBatch(std::span<const VectorQuery> queries,
                                                               const Cancel* cancel) const {
  return Now().QueryBatch(queries, cancel);
}

Result<std::vector<Point>> StoredCollection::Retrieve(std::span<const PointId> ids,
                                                      const Selection& selection) const {
  return Now().Retrieve(ids, selection);
}

Result<Page> StoredCollection::Scroll(const std::optional<PointId>& from, std::size_t limit,
                                      const Filter* filter, const Selection& selection) const {
  return Now().Scroll(from, limit, filter, selection);
}

Result<std::vector<OrderedPoint>> StoredCollection::ScrollBy(const OrderBy& order,
                                                             std::size_t limit,
                                                             const Filter* filter,
                                                             const Selection& selection) const {
  return Now().ScrollBy(order, limit, filter, selection);
}

Result<std::uint64_t> StoredCollection::Count(const Filter* filter) const {
  return Now().Count(filter);
}

Result<std::vector<FacetCount>> StoredCollection::Facet(const std::string& key, std::size_t limit,
                                                        const Filter* filter) const {
  return Now().Facet(key, limit, filter);
}

Result<std::vector<PointId>> StoredCollection::Sample(std::size_t limit, const Filter* filter,
                                                      std::uint64_t seed) const {
  return Now().Sample(limit, filter, seed);
}

Result<std::vector<bool>> StoredCollection::Test(std::span<const PointId> ids,
                                                 const Filter& filter) const {
  return Now().Test(ids, filter);
}

Result<std::vector<std::uint64_t>> StoredCollection::CountTerms(
    const std::string& sparse_vector, std::span<const std::uint32_t> terms) const {
  return Now().CountTerms(sparse_vector, terms);
}

CollectionInfo StoredCollection::Info() const {
  return Now().Info();
}

std::map<std::string, PayloadIndexInfo> StoredCollection::PayloadIndexes() const {
  return Now().PayloadIndexes();
}

}  // namespace malmoi::vec
