#include <algorithm>
#include <random>
#include <set>

#include "base/check.h"
#include "vec/search_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kGroupBytes = 16 << 20;  // Bounds the wait of the first in a group.

Uuid RandomUuid() {
  Uuid uuid;
  std::random_device random;
  for (auto& byte : uuid.bytes) byte = static_cast<std::uint8_t>(random());
  return uuid;
}

bool NeedsState(const WriteRequest& r) {
  return r.checkpoint || r.close || r.delete_where != nullptr || !r.updates.empty();
}

}  // namespace

std::string Store::Path(std::string_view prefix, std::uint64_t number) const {
  return os::JoinPath(folder_, NumberedName(prefix, number));
}

Status Store::Create(os::Vfs& vfs, const std::string& folder, const CollectionConfig& config) {
  MALMOI_TRY(vfs.MakeDirs(folder));
  Manifest manifest;
  manifest.collection = RandomUuid();
  manifest.config = config;
  MALMOI_TRY(Wal::Create(vfs, os::JoinPath(folder, NumberedName("wal", 0)), manifest.collection,
                         manifest.base_seq));
  return os::WriteAtomically(vfs, os::JoinPath(folder, "MANIFEST"), manifest.Encode());
}

Result<std::unique_ptr<Store>> Store::Open(os::Vfs& vfs, const std::string& folder) {
  std::unique_ptr<Store> store(new Store(vfs, folder));
  const std::string path = os::JoinPath(folder, "MANIFEST");
  auto bytes = os::ReadFile(vfs, path);
  if (!bytes.ok() && bytes.error().code() == Code::kNotFound) {
    return Error(Code::kCorruption, "'" + path + "' is missing");
  }
  if (!bytes.ok()) return std::move(bytes.error());
  MALMOI_TRY(const Manifest manifest, Manifest::Decode(bytes.value()).With("'" + path + "'"));
  MALMOI_TRY(store->Load(manifest));
  store->RemoveUnreferenced(manifest);
  return store;
}

Status Store::Load(const Manifest& manifest) {
  manifest_ = manifest;
  config_ = manifest.config;
  uuid_ = manifest.collection;
  schema_ = std::make_shared<const Schema>(config_);
  mem_ = std::make_shared<Memtable>(schema_);
  next_.schema = schema_;
  next_.mem = mem_;
  next_.seq = manifest.base_seq - 1;
  next_.metadata = std::make_shared<const std::string>(config_.metadata);
  next_.live_with.resize(schema_->fields.size());
  std::uint64_t disk = 0;
  for (const auto& entry : manifest.segments) {
    MALMOI_TRY(auto segment,
               Segment::Open(vfs_, Path("seg", entry.info.id), schema_, uuid_, entry.info));
    for (std::uint32_t r = 0; r < entry.info.rows; ++r) {
      if (!entry.deleted.empty() && (entry.deleted[r / 8] >> (r % 8) & 1) != 0) {
        segment->MarkDeleted(r, 0);
        continue;
      }
      ++next_.live;
      for (std::uint32_t f = 0; f < next_.live_with.size(); ++f) {
        next_.live_with[f] += segment->Has(f, r) ? 1 : 0;
      }
    }
    disk += entry.info.size;
    next_.segments.push_back(std::move(segment));
  }
  MALMOI_TRY(auto log, Wal::Open(vfs_, Path("wal", manifest.wal_epoch), uuid_, manifest.base_seq));
  wal_ = std::move(log.wal);
  MALMOI_TRY(Replay(log.records));
  checkpoint_at_ = kCheckpointBytes;
  disk_bytes_ = disk + wal_->bytes();
  Publish();
  return Ok();
}

Status Store::Replay(const std::vector<Wal::Record>& records) {
  for (const auto& record : records) {
    MALMOI_TRY(Apply(record.seq, record.ops).With("replay the log of '" + folder_ + "'"));
  }
  return Ok();
}

void Store::RemoveUnreferenced(const Manifest& manifest) {
  std::set<std::string> wanted = {"MANIFEST", NumberedName("wal", manifest.wal_epoch)};
  for (const auto& s : manifest.segments) wanted.insert(NumberedName("seg", s.info.id));
  const auto names = vfs_.List(folder_);
  if (!names.ok()) return;
  for (const auto& name : names.value()) {
    const bool ours =
        name.starts_with("wal-") || name.starts_with("seg-") || name == "MANIFEST.tmp";
    // A file that stays costs space only; the next start tries again.
    if (ours && !wanted.contains(name)) (void)vfs_.Remove(os::JoinPath(folder_, name)).ok();
  }
}

std::shared_ptr<const Snapshot> Store::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return published_;
}

void Store::Publish() {
  next_.mem_rows = mem_->rows();
  next_.mem_ids = mem_->table();
  next_.mem_bytes = mem_->bytes();
  auto snapshot = std::make_shared<const Snapshot>(next_);
  const std::lock_guard lock(snapshot_mutex_);
  published_.swap(snapshot);
}

Status Store::Submit(WriteRequest& request) {
  std::unique_lock lock(queue_mutex_);
  queue_.push_back(&request);
  turn_.wait(lock, [&] { return request.done || queue_.front() == &request; });
  if (!request.done) {
    std::vector<WriteRequest*> group = {&request};
    std::size_t bytes = request.ops.size();
    for (std::size_t i = 1; i < queue_.size() && !NeedsState(request); ++i) {
      bytes += queue_[i]->ops.size();
      if (NeedsState(*queue_[i]) || bytes > kGroupBytes) break;
      group.push_back(queue_[i]);
    }
    lock.unlock();
    Lead(group);
    lock.lock();
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(group.size()));
    for (WriteRequest* r : group) r->done = true;
    lock.unlock();
    turn_.notify_all();
  }
  if (request.error) return std::move(*request.error);
  return Ok();
}

void Store::Lead(std::vector<WriteRequest*>& group) {
  const auto lead = [&]() -> Status {
    if (broken_) return broken_->Clone();
    WriteRequest& first = *group.front();
    if (first.checkpoint) return DoCheckpoint();
    if (first.close) {
      broken_ = Error(Code::kNotFound, "the collection was dropped");
      return Ok();
    }
    MALMOI_TRY(Resolve(first));
    std::string ops = first.ops;
    for (std::size_t i = 1; i < group.size(); ++i) ops += group[i]->ops;
    if (ops.empty()) return Ok();
    return Commit(ops);
  };
  const Status status = lead();
  if (status.ok()) return;
  for (WriteRequest* r : group) r->error = status.error().Clone();
}

// Turns what depends on the newest state into plain operations.
Status Store::Resolve(WriteRequest& request) {
  if (request.delete_where != nullptr) {
    const Matcher matcher(*request.delete_where);
    os::ThreadPool inline_pool(1, "vec-delete");
    const auto now = snapshot();
    const Searcher searcher(*now, inline_pool, nullptr);
    std::vector<PointId> ids;
    for (const RowRef& row : searcher.Select(&matcher)) ids.push_back(row.part->Id(row.row));
    MALMOI_TRY(now->Health());
    request.deleted = ids.size();
    if (!ids.empty()) request.ops = EncodeDelete(ids);
  }
  if (!request.updates.empty()) {
    const auto now = snapshot();
    std::map<PointId, Point> points;  // An id may come twice.
    for (const auto& update : request.updates) {
      auto it = points.find(update.id);
      if (it == points.end()) {
        const auto row = now->Find(update.id);
        if (!row) continue;
        it = points.emplace(update.id, ReadPoint(*schema_, *row, true)).first;
      }
      for (const auto& [name, v] : update.vectors.dense) {
        it->second.vectors.dense[name] = StoredForm(*schema_, name, v);
      }
      for (const auto& [name, v] : update.vectors.sparse) it->second.vectors.sparse[name] = v;
    }
    MALMOI_TRY(now->Health());
    std::vector<Point> list;
    for (auto& [id, point] : points) list.push_back(std::move(point));
    if (!list.empty()) {
      MALMOI_TRY(request.ops, EncodeUpsert(*schema_, list, VectorForm::kStored));
    }
  }
  return Ok();
}

Status Store::Commit(const std::string& ops) {
  MALMOI_TRY(wal_->Reserve(ops.size()).With("make room in the log of '" + folder_ + "'"));
  const std::uint64_t seq = next_.seq + 1;
  if (auto status = wal_->Append(seq, ops); !status.ok()) {
    broken_ = std::move(status.error())
                  .With("the collection is read-only until it is reopened, since its log failed");
    return broken_->Clone();
  }
  // What was just encoded decodes: a failure here would be a bug.
  MALMOI_CHECK(Apply(seq, ops).ok());
  Publish();
  disk_bytes_ = disk_bytes_ + ops.size();
  if (wal_->bytes() >= checkpoint_at_ || mem_->Full()) {
    // The write itself is durable; if this fails, the log is kept and the next write that far on
    // tries again.
    if (!DoCheckpoint().ok()) checkpoint_at_ = wal_->bytes() + kCheckpointBytes;
  }
  return Ok();
}

Status Store::Apply(std::uint64_t seq, std::string_view bytes) {
  MALMOI_TRY(const auto ops, DecodeOps(bytes));
  for (const Op& op : ops) {
    if (op.kind == OpKind::kUpsert) {
      MALMOI_TRY(const auto points, DecodeUpsert(*schema_, op.body));
      for (const auto& point : points) AddPoint(point, seq);
    } else if (op.kind == OpKind::kDelete) {
      MALMOI_TRY(const auto ids, DecodeDelete(op.body));
      for (const auto& id : ids) Erase(id, seq);
    } else {
      next_.metadata = std::make_shared<const std::string>(op.body);
    }
    next_.seq = seq++;
  }
  return Ok();
}

void Store::Erase(const PointId& id, std::uint64_t seq) {
  next_.mem_rows = mem_->rows();
  next_.mem_ids = mem_->table();
  // Rows of this very operation count too: kNever - 1 sees all that is not deleted.
  std::optional<RowRef> row = mem_->Find(*next_.mem_ids, next_.mem_rows, id, kNever - 1);
  for (std::size_t i = 0; !row && i < next_.segments.size(); ++i) {
    const auto found = next_.segments[i]->Find(id);
    if (found && next_.segments[i]->VisibleAt(*found, kNever - 1)) {
      row = RowRef{next_.segments[i].get(), *found};
    }
  }
  if (!row) return;
  for (std::uint32_t f = 0; f < next_.live_with.size(); ++f) {
    next_.live_with[f] -= row->part->Has(f, row->row) ? 1 : 0;
  }
  --next_.live;
  row->part->MarkDeleted(row->row, seq);
}

void Store::AddPoint(const PointView& point, std::uint64_t seq) {
  Erase(point.id, seq);
  mem_->Add(point);
  ++next_.live;
  std::vector<bool> has(next_.live_with.size());
  for (const auto& v : point.vectors) has[v.field] = true;
  for (std::size_t f = 0; f < has.size(); ++f) next_.live_with[f] += has[f] ? 1 : 0;
}

}  // namespace malmoi::vec
