#include <algorithm>
#include <random>
#include <set>

#include "base/check.h"
#include "base/clock.h"
#include "base/strings.h"
#include "vec/limits.h"
#include "vec/resolve_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kGroupBytes = 16 << 20;  // Bounds the wait of the first in a group.
constexpr std::size_t kGroupRequests = 1024;

Uuid RandomUuid() {
  Uuid uuid;
  std::random_device random;
  for (auto& byte : uuid.bytes) byte = static_cast<std::uint8_t>(random());
  return uuid;
}

bool IsAlone(const WriteRequest& r) {
  return r.kind != WriteRequest::Kind::kWrite;
}

// Encoded writes go together, and so do those that need the newest state.
bool GoTogether(const WriteRequest& a, const WriteRequest& b) {
  return !IsAlone(a) && !IsAlone(b) && a.operations.empty() == b.operations.empty();
}

}  // namespace

std::string Store::Path(std::string_view prefix, std::uint64_t number) const {
  return os::JoinPath(folder_, NumberedName(prefix, number));
}

Status Store::Create(os::Vfs& vfs, const std::string& folder, const CollectionConfig& config) {
  MALMOI_TRY(vfs.MakeDirs(folder));
  Manifest manifest;
  manifest.collection = RandomUuid();
  manifest.schema = Schema(config);
  manifest.metadata = config.metadata;
  manifest.settings = config.settings;
  MALMOI_TRY(Wal::Create(vfs, os::JoinPath(folder, NumberedName("wal", 0)), manifest.collection,
                         manifest.base_seq));
  return os::WriteAtomically(vfs, os::JoinPath(folder, "MANIFEST"), manifest.Encode());
}

Result<std::unique_ptr<Store>> Store::Open(os::Vfs& vfs, const std::string& folder,
                                           std::shared_ptr<MemoryBudget> budget) {
  std::unique_ptr<Store> store(new Store(vfs, folder));
  store->next_.budget = budget != nullptr ? std::move(budget) : std::make_shared<MemoryBudget>(0);
  store->next_.asked = store->asked_;
  const std::string path = os::JoinPath(folder, "MANIFEST");
  auto bytes = os::ReadFile(vfs, path);
  if (!bytes.ok() && bytes.error().code() == Code::kNotFound) {
    return Error(Code::kCorruption, "'" + path + "' is missing");
  }
  if (!bytes.ok()) return std::move(bytes.error());
  MALMOI_TRY(const Manifest manifest, Manifest::Decode(bytes.value()).With("'" + path + "'"));
  MALMOI_TRY(store->Load(manifest));
  store->RemoveUnreferenced();
  return store;
}

Status Store::Verify(os::Vfs& vfs, const std::string& folder) {
  MALMOI_TRY(const auto store, Open(vfs, folder));
  for (const auto& segment : store->next_.segments) segment->VerifyAll();
  return store->next_.Health();
}

Status Store::Load(const Manifest& manifest) {
  manifest_ = manifest;
  uuid_ = manifest.collection;
  next_segment_ = manifest.next_segment;
  mem_ = std::make_shared<Memtable>();
  next_.schema = std::make_shared<const Schema>(manifest.schema);
  next_.mems.resize(1);
  next_.seq = manifest.base_seq - 1;
  next_.metadata = std::make_shared<const std::string>(manifest.metadata);
  next_.settings = std::make_shared<const std::string>(manifest.settings);
  next_.indexes = std::make_shared<const IndexMap>(manifest.indexes);
  next_.live_with.resize(next_.schema->fields.size());
  MALMOI_TRY(LoadSegments(manifest));
  MALMOI_TRY(LoadLogs(manifest));
  RefreshPlan();
  while (mem_->codes().Follow(*mem_, *next_.schema, *next_.plan, *next_.budget)) {
  }
  Publish();
  return Ok();
}

Status Store::LoadSegments(const Manifest& manifest) {
  for (const auto& entry : manifest.segments) {
    MALMOI_TRY(auto segment,
               Segment::Open(vfs_, Path("seg", entry.info.id), next_.schema, uuid_, entry.info));
    next_.live += entry.info.rows;
    segment->columns().SetBudget(next_.budget);
    segment->kept().SetBudget(next_.budget);
    for (std::uint32_t f = 0; f < next_.live_with.size(); ++f) {
      next_.live_with[f] += segment->CountHas(f);
    }
    for (std::uint32_t r = 0; r < entry.info.rows && !entry.deleted.empty(); ++r) {
      if ((entry.deleted[r / 8] >> (r % 8) & 1) == 0) continue;
      segment->MarkDeleted(r, 0);
      --next_.live;
      for (std::uint32_t f = 0; f < next_.live_with.size(); ++f) {
        next_.live_with[f] -= segment->Has(f, r) ? 1 : 0;
      }
    }
    disk_bytes_ += entry.info.size;
    next_.segments.push_back(std::move(segment));
  }
  return Ok();
}

// The manifest's log and, where a crash came before its rows were in a segment, the one after it.
Status Store::LoadLogs(const Manifest& manifest) {
  epoch_ = manifest.wal_epoch;
  const std::string next = Path("wal", epoch_ + 1);
  MALMOI_TRY(const bool closed, Wal::Begun(vfs_, next));
  MALMOI_TRY(auto log, Wal::Open(vfs_, Path("wal", epoch_), uuid_, manifest.base_seq,
                                 closed ? Wal::Tail::kClosed : Wal::Tail::kOpen));
  MALMOI_TRY(Replay(log.records));
  if (closed) {
    Freeze(epoch_ + 1, log.wal->bytes());
    disk_bytes_ += log.wal->bytes();
    MALMOI_TRY(log, Wal::Open(vfs_, next, uuid_, next_.seq + 1, Wal::Tail::kOpen));
    MALMOI_TRY(Replay(log.records));
  }
  wal_ = std::move(log.wal);
  disk_bytes_ += wal_->bytes();
  return Ok();
}

Status Store::Replay(const std::vector<Wal::Record>& records) {
  for (const auto& record : records) {
    MALMOI_TRY(Apply(record.seq, record.ops).With("replay the log of '" + folder_ + "'"));
  }
  return Ok();
}

void Store::RemoveUnreferenced() {
  std::set<std::string> wanted = {"MANIFEST", NumberedName("wal", manifest_.wal_epoch),
                                  NumberedName("wal", epoch_)};
  for (const auto& s : manifest_.segments) wanted.insert(NumberedName("seg", s.info.id));
  const auto names = vfs_.List(folder_);
  if (!names.ok()) return;
  for (const auto& name : names.value()) {
    // A graph lasts as long as its segment: "ann-<number>-<vector>".
    if (name.starts_with("ann-") && !name.ends_with(".tmp") &&
        wanted.contains("seg-" + name.substr(4, 16))) {
      continue;
    }
    const bool ours = name.starts_with("wal-") || name.starts_with("seg-") ||
                      name.starts_with("ann-") || name == "MANIFEST.tmp";
    // A file that stays costs space only; the next start tries again.
    if (ours && !wanted.contains(name)) (void)vfs_.Remove(os::JoinPath(folder_, name)).ok();
  }
}

void Store::SetHooks(Hooks hooks) {
  hooks_ = std::move(hooks);
  *asked_ = hooks_.asked;
  if (frozen_) hooks_.full();
  if (hooks_.saved && HasWork()) return hooks_.saved();
  Offer();
}

std::shared_ptr<const Snapshot> Store::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  return published_;
}

std::optional<std::string> Store::error() const {
  const std::lock_guard lock(snapshot_mutex_);
  return broken_text_;
}

void Store::Publish() {
  RefreshPlan();
  next_.checkpoint_seq = manifest_.base_seq - 1;
  (void)mem_->codes().Follow(*mem_, *next_.schema, *next_.plan, *next_.budget);
  next_.mems.back() = MemView::Of(mem_);
  auto snapshot = std::make_shared<const Snapshot>(next_);
  const std::lock_guard lock(snapshot_mutex_);
  published_.swap(snapshot);
}

Status Store::Submit(WriteRequest& request) {
  for (;;) {
    SubmitOnce(request);
    if (!request.held) break;
    std::unique_lock lock(queue_mutex_);
    room_.wait(lock, [&] { return rooms_ != request.rooms; });
    request.held = false;
    request.done = false;
  }
  if (request.error) return std::move(*request.error);
  return Ok();
}

void Store::SubmitOnce(WriteRequest& request) {
  std::unique_lock lock(queue_mutex_);
  queue_.push_back(&request);
  request.ready.wait(lock, [&] { return request.done || queue_.front() == &request; });
  if (request.done) return;
  std::vector<WriteRequest*> group = {&request};
  std::size_t bytes = request.ops.size();
  for (std::size_t i = 1; i < queue_.size() && i < kGroupRequests; ++i) {
    bytes += queue_[i]->ops.size();
    if (!GoTogether(request, *queue_[i]) || bytes > kGroupBytes) break;
    group.push_back(queue_[i]);
  }
  lock.unlock();
  Lead(group);
  lock.lock();
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(group.size()));
  if (request.job != nullptr && request.kind != WriteRequest::Kind::kBegin) {
    ++rooms_;
    room_.notify_all();
  }
  // Woken under the lock: the request goes with its owner's stack.
  for (WriteRequest* r : group) {
    r->rooms = rooms_;
    r->done = true;
    if (r != &request) r->ready.notify_one();
  }
  if (!queue_.empty()) queue_.front()->ready.notify_one();
}

Status Store::LeadOne(WriteRequest& request) {
  switch (request.kind) {
    case WriteRequest::Kind::kSync:
      return SyncLog();
    case WriteRequest::Kind::kBegin:
      return Begin(*request.job);
    case WriteRequest::Kind::kInstall:
      return Install(*request.job);
    default:
      broken_ = Error(Code::kNotFound, "the collection was dropped");
      return Ok();
  }
}

// Whether the next memtable and log are as long as they may be before the last ones are a segment.
bool Store::OutOfRoom() const {
  return frozen_ && (mem_->Full() || wal_->bytes() >= kLogBytesMax);
}

Status Store::LeadWrites(std::vector<WriteRequest*>& group) {
  FreezeIfLong();
  if (broken_) return broken_->Clone();
  if (OutOfRoom() && !flush_failed_) {
    for (WriteRequest* r : group) r->held = true;
    return Ok();
  }
  if (OutOfRoom()) {
    hooks_.full();  // For whoever tries again.
    return flush_failed_->Clone().With("make room for new points: the last " +
                                       FormatBytes(kLogBytesMax) +
                                       " of writes could not be made a segment");
  }
  std::vector<std::string> resolved;
  std::vector<std::string_view> ops;
  bool wait = false;
  if (!group.front()->operations.empty()) {
    MALMOI_TRY(Resolve(group, &resolved));
    for (const auto& piece : resolved) ops.emplace_back(piece);
  }
  for (const WriteRequest* r : group) {
    wait = wait || (r->wait && !r->error);
    if (!r->ops.empty()) ops.emplace_back(r->ops);
  }
  std::vector<std::uint64_t> last;
  if (!ops.empty()) MALMOI_TRY(Commit(ops, wait, &last));
  // Each has the number of its own last operation, but where operations were made one.
  for (std::size_t piece = resolved.size(); WriteRequest * r : group) {
    r->operation_id = r->ops.empty() ? next_.seq : last[piece++];
  }
  return Ok();
}

void Store::Lead(std::vector<WriteRequest*>& group) {
  WriteRequest& front = *group.front();
  if (front.kind == WriteRequest::Kind::kAbandon) {  // Also where the collection is broken.
    std::erase(jobs_, front.job);
    if (front.job->flush) flush_failed_ = front.failure->Clone();
    return;
  }
  const Status status = broken_          ? Status(broken_->Clone())
                        : IsAlone(front) ? LeadOne(front)
                                         : LeadWrites(group);
  if (status.ok()) return;
  for (WriteRequest* r : group) {
    if (!r->error) r->error = status.error().Clone();
  }
}

// Turns what depends on the newest state into plain operations. A request that cannot be gets its
// error, and the others are resolved again without it.
Status Store::Resolve(std::vector<WriteRequest*>& group, std::vector<std::string>* ops) {
  const auto now = snapshot();
  for (;;) {
    Resolver resolver(*now);
    bool all = true;
    for (WriteRequest* request : group) {
      request->changed = 0;
      for (std::size_t i = 0; i < request->operations.size() && !request->error; ++i) {
        auto status = resolver.Add(request->operations[i], &request->changed);
        if (status.ok()) continue;
        request->error = std::move(status.error());
        all = false;
      }
      if (!all) break;
    }
    if (!all) continue;
    if (resolver.rows() > kLimits.points_changed_max) {
      if (group.size() > 1) {  // The others wait for their own turn.
        group.resize(1);
        continue;
      }
      return Error(Code::kOutOfRange, "a write that changes " + std::to_string(resolver.rows()) +
                                          " points, at most " +
                                          std::to_string(kLimits.points_changed_max));
    }
    *ops = resolver.Encode();
    return now->Health();
  }
}

Status Store::Broken(Error error) {
  broken_ = std::move(error);
  const std::lock_guard lock(snapshot_mutex_);
  broken_text_ = broken_->message();
  return broken_->Clone();
}

Status Store::SyncLog() {
  if (auto status = wal_->Sync(); !status.ok()) {
    return Broken(std::move(status.error())
                      .With("the collection is read-only until it is reopened, since its log "
                            "failed"));
  }
  return Ok();
}

Status Store::Commit(std::span<const std::string_view> ops, bool wait,
                     std::vector<std::uint64_t>* last) {
  std::size_t bytes = 0;
  for (const auto& piece : ops) bytes += piece.size();
  if (bytes > std::numeric_limits<std::uint32_t>::max()) {
    return Error(Code::kOutOfRange, "a write of " + std::to_string(bytes) + " bytes, at most " +
                                        std::to_string(std::numeric_limits<std::uint32_t>::max()));
  }
  if (mem_->Full()) {
    return Error(Code::kOverloaded,
                 "make room in memory for new points: " + std::to_string(mem_->rows()) +
                     " rows are not in a segment yet, since no new log could be "
                     "made; free disk space and try again");
  }
  MALMOI_TRY(wal_->Reserve(bytes).With("make room in the log of '" + folder_ + "'"));
  std::uint64_t seq = next_.seq + 1;
  if (auto status = wal_->Append(seq, ops); !status.ok()) {
    return Broken(std::move(status.error())
                      .With("the collection is read-only until it is reopened, since its log "
                            "failed"));
  }
  if (wait) {
    MALMOI_TRY(SyncLog());
  } else if (hooks_.dirty) {
    hooks_.dirty();
  }
  for (const auto& piece : ops) {
    // What was just encoded decodes: a failure here would be a bug.
    MALMOI_CHECK(Apply(seq, piece).ok());
    last->push_back(next_.seq);
    seq = next_.seq + 1;
  }
  Publish();
  OfferLinks();
  last_write_ = MonotonicNs();
  disk_bytes_ = disk_bytes_ + bytes;
  FreezeIfLong();
  return Ok();
}

}  // namespace malmoi::vec
